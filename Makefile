# make                 lists the targets
# Variables: LISTEN=127.0.0.1:4566 (demo), RUNTIMES=python3.12,nodejs22.x (only
# these managed runtimes), GOTEST="./internal/… -run …" (arguments of go test).

SHELL := /bin/sh
.DEFAULT_GOAL := help
PREFIX ?= /usr/local
DESTDIR ?=
.PHONY: help build install fresh demo test crash bench runtimes generate lint clean

LISTEN ?= 127.0.0.1:4566
RUNTIMES ?=
GOTEST ?= $(PACKAGES)

# A machine without a home directory still has a place for Go's caches.
ifeq ($(HOME),)
export HOME := $(CURDIR)/build/home
endif
# Go stamps programs with git's revision, and gives up if git does not let it: a
# clone of another user, which sudo makes it, or no git.
ifneq ($(shell git rev-parse HEAD >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS += -buildvcs=false
endif
export CGO_ENABLED := 0
# Go's own instructions put it there, where sudo's PATH does not look.
export PATH := $(PATH):/usr/local/go/bin
# Not ./...: what is deployed and fetched lies below build, and may be Go too.
PACKAGES := ./cmd/... ./examples/... ./internal/... ./test/... ./tools/...

help:
	@echo 'make demo       install what is missing, build, and show functions in Go, Python and Node.js run'
	@echo 'make test       install what is missing, build, and run every test'
	@echo 'make build      bin/thaw, the one program'
	@echo 'make install    put what was built into PREFIX, with manual pages, completions and units of systemd'
	@echo 'make runtimes   build the managed runtimes into build/runtimes (once; RUNTIMES=python3.12,… for some)'
	@echo 'make bench      measure against the leanest possible program; table and build/bench.json'
	@echo 'make crash      kill the store, cut its power and break its files, thousands of times (as root; about a quarter of an hour)'
	@echo 'make fresh      the commands of the README in a new Debian root (SUITES=bookworm trixie; half an hour or more each)'
	@echo 'make generate   generate the wire layer anew from the service model'
	@echo 'make lint       gofmt and vet'
	@echo 'make clean      end the server of make demo, and remove bin and build'

build:
	@tools/prerequisites.sh build
	@[ -e bin/thaw ] || echo 'compiling; with empty caches it takes some minutes'
	go build -trimpath -ldflags '-s -w' -o cmd/thaw/initbin/thaw-init ./cmd/thaw-init
	go build -trimpath -o bin/thaw ./cmd/thaw

# The units name the program's path; DESTDIR is for makers of packages.
install:
	@[ -x bin/thaw ] || { echo 'build it first: make build'; exit 1; }
	install -D -m 0755 bin/thaw $(DESTDIR)$(PREFIX)/bin/thaw.new
	mv $(DESTDIR)$(PREFIX)/bin/thaw.new $(DESTDIR)$(PREFIX)/bin/thaw
	bin/thaw man $(DESTDIR)$(PREFIX)/share/man/man1
	@mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)/etc/systemd/system
	bin/thaw completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/thaw
	bin/thaw completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_thaw
	bin/thaw completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/thaw.fish
	sed 's,/usr/local/bin/thaw,$(PREFIX)/bin/thaw,' packaging/thaw.service >$(DESTDIR)/etc/systemd/system/thaw.service
	install -m 0644 packaging/thaw.socket $(DESTDIR)/etc/systemd/system/thaw.socket

demo:
	@tools/prerequisites.sh serve
	@$(MAKE) --no-print-directory build
	@LISTEN=$(LISTEN) tools/demo.sh

runtimes:
	@runtimes/build.sh $(if $(RUNTIMES),--only $(RUNTIMES)) build/runtimes

# With THAW_E2E_REQUIRE an end-to-end test that lacks something fails instead of
# being skipped.
test:
	@tools/prerequisites.sh test
	@$(MAKE) --no-print-directory build runtimes
	@tools/venv.sh build/venv
	@PATH=$(CURDIR)/build/venv/bin:$$PATH tools/awsapigen/fetch.sh build/model >/dev/null
	@go build -o build/testreport ./tools/testreport
	@THAW_E2E_PROGRAM=$(CURDIR)/bin/thaw THAW_E2E_RUNTIMES=$(CURDIR)/build/runtimes THAW_E2E_VENV=$(CURDIR)/build/venv THAW_E2E_REQUIRE=1 \
		build/testreport -json build/test.json -sum build/test.sum go test -json -count=1 -p 2 -timeout 20m $(GOTEST)

# What was acknowledged has to be there, or its loss told; CRASH=-crash.seed=N repeats.
CRASH ?=
crash:
	@tools/prerequisites.sh test
	nice go test ./test/crash -count=1 -v -timeout 90m -crash.long $(CRASH)

bench:
	@tools/prerequisites.sh serve
	@$(MAKE) --no-print-directory build runtimes
	go run ./test/bench

# For the night: everything is built from nothing, in a root made with debootstrap.
SUITES ?= bookworm trixie
fresh:
	@for suite in $(SUITES); do test/fresh/run.sh $$suite || exit 1; done

generate:
	@tools/prerequisites.sh generate
	@tools/venv.sh build/venv
	for service in cloudwatch lambda logs sqs; do \
		PATH=$(CURDIR)/build/venv/bin:$$PATH go run ./tools/awsapigen -wheel "$$(tools/awsapigen/fetch.sh build/model)" \
			-overlay tools/awsapigen/$$service.json -out internal/awsapi/gen/$$service || exit 1; \
	done

lint:
	@unformatted=$$(gofmt -l cmd internal test tools examples 2>/dev/null); \
		if [ -n "$$unformatted" ]; then echo "not gofmted:"; echo "$$unformatted"; exit 1; fi
	go vet $(PACKAGES)

clean:
	@tools/demo.sh stop
	rm -rf bin build cmd/thaw/initbin/thaw-init
