#!/bin/sh
# Build the managed runtimes: for each one directory with the interpreter, the official
# runtime interface client and their licences. What is already built is left alone.
set -eu

usage() {
	cat <<'TEXT'
usage: runtimes/build.sh [--only NAME,...] [--list] DIR

  --only   build these: python3.12, nodejs22.x, java17, …; "python" and "java" stand for
           every version that this machine has, "nodejs" for every one that is pinned.
           Without it: all of them.
  --list   print the names that can be built here, and build nothing.

A runtime becomes DIR/NAME when it is whole. Missing tools come from apt (as root).
TEXT
}

HERE=$(cd "$(dirname "$0")" && pwd)
NPM=
BEAT=
CLIENT=
PIP_PYTHON=
HOME=${HOME:-/nonexistent}
. "$HERE/versions.sh"
. "$HERE/lib.sh"
. "$HERE/python.sh"
. "$HERE/nodejs.sh"
. "$HERE/java.sh"

case $(uname -m) in
x86_64) ARCH=x64 ;;
aarch64) ARCH=arm64 ;;
*) die "no runtimes for $(uname -m)" ;;
esac

pythons() {
	for minor in $PYTHON_MINORS; do
		[ -z "$(python_find "$minor")" ] || echo "python3.$minor"
	done
}

nodes() {
	for major in $NODE_MAJORS; do echo "nodejs$major.x"; done
}

javas() {
	for major in $JAVA_MAJORS; do
		[ -z "$(java_find "$major")" ] || echo "java$major"
	done
}

# here names what can be built on this machine, in one line.
# shellcheck disable=SC2046,SC2005 # the words of three lists
here() { echo $(pythons; nodes; javas); }

# refuse NAME REASON
refuse() { die "$1 cannot be built: $2. This machine can build: $(here)"; }

# expand NAMES: group names become their members.
expand() {
	for name in $(echo "$1" | tr , ' '); do
		case $name in
		python) pythons ;;
		nodejs) nodes ;;
		java) javas ;;
		provided.al2 | provided.al2023) ;; # nothing to build: the function brings its own client
		*)
			case " $(recipes) " in
			*" $name "*) echo "$name" ;;
			*) refuse "$name" "there is no recipe for it" ;;
			esac
			;;
		esac
	done
}

# recipes names all that can be built somewhere.
recipes() {
	for minor in $PYTHON_MINORS; do printf 'python3.%s ' "$minor"; done
	for major in $NODE_MAJORS; do printf 'nodejs%s.x ' "$major"; done
	for major in $JAVA_MAJORS; do printf 'java%s ' "$major"; done
}

# check NAME...: that each can be built here, before the first is begun.
check() {
	for name; do
		case $name in
		python*) [ -n "$(python_find "${name#python3.}")" ] || refuse "$name" "this machine has no Python ${name#python}" ;;
		java*) [ -n "$(java_find "${name#java}")" ] || refuse "$name" "this machine has no JDK ${name#java} (on Debian and Ubuntu: apt-get install openjdk-${name#java}-jdk-headless, if they have it)" ;;
		esac
	done
}

ONLY=python,nodejs,java
OUT=
LIST=
while [ $# -gt 0 ]; do
	case $1 in
	--only)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		ONLY=$2
		shift
		;;
	--only=*) ONLY=${1#--only=} ;;
	--list) LIST=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	-*)
		usage >&2
		exit 2
		;;
	*) OUT=$1 ;;
	esac
	shift
done
if [ -n "$LIST" ]; then
	expand "$ONLY"
	exit 0
fi
[ -n "$OUT" ] || { usage >&2; exit 2; }

mkdir -p "$OUT" 2>/dev/null && [ -w "$OUT" ] ||
	die "cannot write to $OUT: it belongs to another user ($(stat -c %U "$OUT" 2>/dev/null || echo unknown)); run this as that user, or with sudo"
OUT=$(cd "$OUT" && pwd)
WORK="$OUT/.work"
CACHE="$WORK/cache"
LOG="$OUT/build.log"
want flock:util-linux
exec 9>"$OUT/.lock"
if ! flock -n 9; then
	say "another build is at work in $OUT: waiting for it"
	flock 9
fi
# Whatever an interrupted build has left is of no use.
rm -rf "$WORK"
mkdir -p "$CACHE"
: >"$LOG"
trap '[ -z "$BEAT" ] || kill "$BEAT" 2>/dev/null; rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

names=$(expand "$ONLY")
if [ -z "$names" ] && [ "$ONLY" = python ]; then
	python_want_pip
	names=$(expand "$ONLY")
fi
# shellcheck disable=SC2086 # a list of names
set -- $names
check "$@"
say "runtimes in $OUT: $*"
number=0
total=$#
for name; do
	number=$((number + 1))
	say "--- $number/$total $name"
	if is_operators "$name"; then
		say "$name has a root of the operator's: left alone (thaw runtimes rm $name)"
		continue
	fi
	case $name in
	python*) python_build "$name" ;;
	nodejs*) nodejs_build "$name" ;;
	java*) java_build "$name" ;;
	esac
done
say "all there"
