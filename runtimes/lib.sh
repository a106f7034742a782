# What all recipes use: progress, logs, tools from apt, and putting a finished runtime
# in its place. Sourced by build.sh, which sets OUT, WORK and LOG.
# shellcheck shell=sh disable=SC2154

START=$(date +%s)
BEAT_SECONDS=10

say() {
	printf '%4ds  %s\n' "$(($(date +%s) - START))" "$*"
}

die() {
	say "$*" >&2
	exit 1
}

# run WHAT COMMAND...: one piece of work. Its output goes to the log; while it takes
# long, a line tells that it is still at it.
run() {
	what=$1
	shift
	say "$what"
	echo "=== $what" >>"$LOG"
	(while sleep "$BEAT_SECONDS" >/dev/null 2>&1 9>&-; do say "… still ${what%% (*}"; done) 9>&- &
	BEAT=$!
	set +e
	(
		set -e
		"$@"
	) >>"$LOG" 2>&1
	code=$?
	set -e
	kill "$BEAT" 2>/dev/null || true
	wait "$BEAT" 2>/dev/null || true
	BEAT=
	[ "$code" -eq 0 ] && return
	tail -n 15 "$LOG" >&2
	die "$what failed; the whole log is $LOG"
}

# want COMMAND:PACKAGE...: see that each command is there, with apt where it is not.
want() {
	missing=
	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
	done
	[ -z "$missing" ] || apt_install "$missing"
}

apt_install() {
	[ "$(id -u)" -eq 0 ] || die "missing:$1 (install them, or run this as root)"
	command -v apt-get >/dev/null 2>&1 || die "missing:$1 (this is not Debian or Ubuntu: install them by hand)"
	run "installing$1" apt_install_quietly "$1"
}

apt_install_quietly() {
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # a list of names
	apt-get install -y -q --no-install-recommends $1 ca-certificates ||
		{ apt-get update -q && apt-get install -y -q --no-install-recommends $1 ca-certificates; }
}

# fingerprint LANGUAGE TEXT...: of what a runtime is made from; another one means build
# again.
fingerprint() {
	{
		cat "$HERE/$1.sh" "$HERE/$1"/*
		echo "$RECIPE" "$ARCH" "$@"
	} | sha256sum | cut -d' ' -f1
}

# is_built NAME FINGERPRINT
is_built() {
	grep -qs "\"fingerprint\": \"$2\"" "$OUT/$1/runtime.json"
}

# is_operators NAME: it was added with "thaw runtimes add", and is not ours to replace.
is_operators() {
	grep -qs '"root": "/' "$OUT/$1/runtime.json"
}

# describe NAME FINGERPRINT LABEL INTERPRETER CLIENT [VARIABLE VALUE]: write runtime.json,
# the last file of a runtime to be made.
describe() {
	cat >"$WORK/$1/runtime.json" <<JSON
{
  "name": "$1",
  "fingerprint": "$2",
  "version": "$3.v$RECIPE",
  "interpreter": "$4",
  "client": "$5",
  "mounts": [
    {"source": "lang", "target": "/var/lang"},
    {"source": "runtime", "target": "/var/runtime"}
  ],
  "environment": {${6:+"\"$6\": \"$7\""}}
}
JSON
}

# publish NAME: what was made becomes the runtime, whole, on the disk.
publish() {
	chmod -R u=rwX,go=rX "$WORK/$1"
	[ "$(id -u)" -ne 0 ] || chown -R 0:0 "$WORK/$1"
	sync -f "$WORK/$1"
	rm -rf "$WORK/$1.old"
	[ ! -e "$OUT/$1" ] || mv "$OUT/$1" "$WORK/$1.old"
	mv "$WORK/$1" "$OUT/$1"
	sync -f "$OUT"
	rm -rf "$WORK/$1.old"
}
