#!/bin/sh
# Runs the commands of the README on a machine that has nothing but Debian's
# smallest system, make, the certificates of authorities and Go: a root directory
# made with debootstrap, in namespaces of its own.
#
#   test/fresh/run.sh SUITE [COMMAND...]      default: make demo, then make test
#
# SUITE is bookworm or trixie. It needs root, debootstrap, Go and the network, and
# takes as long as it takes to build everything from nothing: half an hour or more.
#
# Where packages come from is this machine's own configuration, passed on at run
# time: apt's mirror and settings, GOPROXY, pip's and npm's registries, and the
# certificates. FRESH_MIRROR names another Debian mirror, FRESH_DIR a directory to
# work in (build/fresh), LISTEN the address of the demo's server.
set -eu

suite=${1:?usage: run.sh bookworm|trixie [COMMAND...]}
shift
clone=$(cd "$(dirname "$0")/../.." && pwd)
work=${FRESH_DIR:-$clone/build/fresh}
base=$work/$suite.tar
root=$work/$suite
listen=${LISTEN:-127.0.0.1:4599}

fail() {
	echo "fresh: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || fail 'root is missing: it makes a root directory and namespaces'
command -v go >/dev/null || fail 'Go is missing'
command -v debootstrap >/dev/null || fail 'debootstrap is missing: apt-get install debootstrap'

# mirror is where this machine gets Debian from: of its suites any will do, since a
# mirror has them all.
mirror() {
	if [ -n "${FRESH_MIRROR:-}" ]; then
		echo "$FRESH_MIRROR"
		return
	fi
	apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages' | sort -u | head -n 1
}

# make_base keeps the empty system for the next run.
make_base() {
	from=$(mirror)
	[ -n "$from" ] || fail 'no Debian mirror is configured: name one in FRESH_MIRROR'
	rm -rf "$root"
	debootstrap --variant=minbase --include=make,ca-certificates "$suite" "$root" "$from" >"$work/debootstrap.log" 2>&1 ||
		fail "debootstrap has failed, see $work/debootstrap.log"
	tar -C "$root" -cf "$base.new" .
	mv "$base.new" "$base"
}

# furnish puts in what a person would: Go and a clone, here without git.
furnish() {
	rm -rf "$root"
	mkdir -p "$root"
	tar -C "$root" -xf "$base"
	mkdir -p "$root/usr/local/go" "$root/srv/thaw"
	tar -C "$(go env GOROOT)" -cf - . | tar -C "$root/usr/local/go" -xf -
	git -C "$clone" archive HEAD | tar -C "$root/srv/thaw" -xf -
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	cp -L /etc/hosts "$root/etc/hosts"
}

# connect passes this machine's ways to the outside on.
connect() {
	apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99host"
	authorities=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
	cp -L "$authorities" "$root/etc/ssl/certs/ca-certificates.crt"
	{
		echo 'export PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8'
		for name in GOPROXY GOSUMDB GONOSUMDB GOFLAGS; do
			echo "export $name='$(go env "$name")'"
		done
		for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY PIP_INDEX_URL NPM_CONFIG_REGISTRY; do
			value=$(printenv "$name" || true)
			[ -z "$value" ] || echo "export $name='$value'"
		done
		if [ -z "${PIP_INDEX_URL:-}" ] && index=$(pip config get global.index-url 2>/dev/null); then
			echo "export PIP_INDEX_URL='$index'"
		fi
		if [ -z "${NPM_CONFIG_REGISTRY:-}" ] && registry=$(npm config get registry 2>/dev/null); then
			echo "export NPM_CONFIG_REGISTRY='$registry'"
		fi
		for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS AWS_CA_BUNDLE; do
			echo "export $name=/etc/ssl/certs/ca-certificates.crt"
		done
	} >"$root/srv/environment"
}

# inside runs a command in the root directory, with processes and mounts of its
# own: whatever it leaves running ends with it. It is the root of a mount namespace
# and no chroot, since in a chroot the kernel makes no user namespaces.
inside() {
	unshare --mount --pid --fork --kill-child --propagation private sh -euc '
		root=$1
		shift
		mount --bind "$root" "$root"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mkdir -p "$root/before"
		cd "$root"
		pivot_root . before
		exec /bin/sh -euc "
			umount -l /before
			. /srv/environment
			cd /srv/thaw
			$*
		"
	' sh "$root" "$@"
}

mkdir -p "$work"
[ -e "$base" ] || make_base
furnish
connect
[ $# -gt 0 ] || set -- "make demo LISTEN=$listen" 'make test'
for command in "$@"; do
	echo "fresh: $suite: $command"
	began=$(date +%s)
	inside "$command" || fail "$suite: $command has failed"
	echo "fresh: $suite: $command: ok after $(($(date +%s) - began)) s"
done
rm -rf "$root"
