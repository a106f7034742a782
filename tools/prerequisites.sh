#!/bin/sh
# Installs what a command of the Makefile needs and this machine lacks.
#
#   tools/prerequisites.sh build      compile
#   tools/prerequisites.sh serve      compile and run the server
#   tools/prerequisites.sh test       the same, and the tests with Amazon's clients
#   tools/prerequisites.sh generate   compile, and fetch the service model from PyPI
#
# As root, on Debian and Ubuntu, missing packages are installed, and said so.
# Otherwise it says what is missing and fails. What the managed runtimes need to
# be built, runtimes/build.sh looks after itself.
set -eu
cd "$(dirname "$0")/.."

purpose=${1:?usage: prerequisites.sh build|serve|test|generate}
packages=''
problems=''

# missing PACKAGE TEXT: remember what to install, and why.
missing() {
	case " $packages " in *" $1 "*) ;; *) packages="$packages $1" ;; esac
	problems="$problems
  $2"
}

# need COMMAND PACKAGE REASON. Some commands are outside of a user's PATH.
need() {
	PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing "$2" "$1 ($3)"
}

# Go's own instructions put it there, where sudo's PATH does not look.
PATH="$PATH:/usr/local/go/bin"
if ! command -v go >/dev/null 2>&1; then
	echo "go is missing: install Go from https://go.dev/dl to /usr/local/go, or put it into the PATH (sudo has a PATH of its own)" >&2
	exit 1
fi

# What is built belongs to whoever builds it first.
for place in . bin build cmd/thaw/initbin bin/thaw; do
	if [ -e "$place" ] && [ ! -w "$place" ]; then
		echo "$PWD/$place belongs to $(stat -c %U "$place"), and you are $(id -un): run make as $(stat -c %U "$place"), or in a clone of your own" >&2
		exit 1
	fi
done

authorities=''
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	[ ! -e "$bundle" ] || authorities=$bundle
done
[ -n "$authorities" ] || missing ca-certificates 'certificates of authorities (downloads of modules and packages)'
case $purpose in serve | test)
	need mkfs.ext4 e2fsprogs 'the disk behind the /tmp of a function'
	;;
esac
case $purpose in test | generate)
	need python3 python3 'packages of PyPI'
	python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing python3-venv 'the Python module venv (packages of PyPI)'
	;;
esac

# Version 2 of the AWS CLI is in no registry of languages, and not in every release
# of Ubuntu: without it the tests say what they leave out.
optional=''
case $purpose in test)
	case $(/usr/bin/aws --version 2>/dev/null) in
	aws-cli/2*) ;;
	*) case $(apt-cache policy awscli 2>/dev/null | sed -n 's/^ *Candidate: //p') in
		2* | '') optional=awscli ;;
		esac ;;
	esac
	;;
esac

if [ "$(id -u)" != 0 ] && { [ "$purpose" = serve ] || [ "$purpose" = test ]; }; then
	echo "root is missing: sandboxes are made of namespaces, mounts and control groups. Run it with sudo." >&2
	[ -z "$packages" ] || printf 'Also missing:%s\nInstall:%s\n' "$problems" "$packages" >&2
	exit 1
fi
command -v apt-get >/dev/null 2>&1 || optional=''
[ -n "$packages$optional" ] || exit 0

[ -z "$packages" ] || printf 'missing:%s\n' "$problems" >&2
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "install these packages (names of Debian and Ubuntu):$packages" >&2
	exit 1
fi
echo "installing:$packages $optional" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
if [ -n "$packages" ]; then
	# shellcheck disable=SC2086 # one word per package
	apt-get install -y -qq --no-install-recommends $packages >&2
fi
[ -z "$optional" ] || apt-get install -y -qq --no-install-recommends "$optional" >&2 || echo "no $optional here: the tests do without" >&2
