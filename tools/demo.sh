#!/bin/sh
# The demonstration of make demo: starts a server on build/demo, anew if one runs
# there, deploys an example in each language, invokes it cold and warm, and leaves the
# server to whoever has become curious. What else was deployed there stays. At a
# terminal the server runs until Ctrl-C, otherwise in the background.
#
#   tools/demo.sh        the demonstration
#   tools/demo.sh stop   end the server of build/demo, if one runs
set -eu
cd "$(dirname "$0")/.."

listen=${LISTEN:-127.0.0.1:4566}
data=$PWD/build/demo
log=build/demo.log
runtimes=$PWD/build/runtimes
began=$(date +%s)
server=

say() { printf '\n\033[1m[%3d s] %s\033[0m\n' $(($(date +%s) - began)) "$*"; }
[ -t 1 ] || say() { printf '\n[%3d s] %s\n' $(($(date +%s) - began)) "$*"; }

# member NAME prints a member of the demo's server.json.
member() { sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p' "$data/server.json" 2>/dev/null || true; }

# is_server tells whether a process is a thaw server; numbers are used again.
is_server() { [ -n "$1" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -q 'thaw serve'; }

# is_ours tells whether a server is surely this clone's, on build/demo.
is_ours() {
	program=$(readlink "/proc/$1/exe") || return 1
	[ "${program% (deleted)}" = "$PWD/bin/thaw" ] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -q 'build/demo'
}

end_server() { # pid
	kill "$1" 2>/dev/null || return 0
	for _ in $(seq 400); do
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.1
	done
	echo "the server (process $1) does not end" >&2
	return 1
}

# end_earlier ends the server that build/demo names, and no other process.
end_earlier() {
	earlier=$(member pid)
	is_server "$earlier" || return 0
	if ! is_ours "$earlier"; then
		echo "a server (process $earlier) uses build/demo, and is not one of make demo, or another user's: end it first" >&2
		return 1
	fi
	say "ending the server of build/demo (process $earlier)"
	end_server "$earlier"
}

stop() {
	trap - EXIT INT TERM
	[ -z "$server" ] || end_server "$server"
}

in_use() {
	echo "$1" >&2
	echo "end it, or choose another port: make demo LISTEN=127.0.0.1:4567" >&2
	exit 1
}

# start begins with the port: nothing is ended or made for a server that cannot be.
start() {
	if [ "$(member address)" != "$listen" ] && bin/thaw doctor --listen "$listen" 2>/dev/null | grep -q '^missing  *port '; then
		in_use "$listen is in use by another process"
	fi
	end_earlier
	[ ! -d "$data/store" ] || say "going on with what is deployed in build/demo (make clean removes it)"
	mkdir -p "$data" "$runtimes"
	say "starting bin/thaw serve on $listen"
	bin/thaw serve --listen "$listen" --data "$data" --runtimes "$runtimes" >"$log" 2>&1 </dev/null &
	server=$!
	for _ in $(seq 300); do
		if [ "$(member pid)" = "$server" ] && bin/thaw ls >/dev/null 2>&1; then
			return
		fi
		if ! kill -0 "$server" 2>/dev/null; then
			server=
			break
		fi
		sleep 0.1
	done
	! grep -q ' is in use by ' "$log" || in_use "$(grep ' is in use by ' "$log")"
	echo "the server did not start; its log, $log, ends so:" >&2
	tail -n 20 "$log" >&2
	exit 1
}

# show LANGUAGE RUNTIME: deploy the language's example, then invoke it in a new
# environment and in the same once more.
show() {
	say "thaw deploy examples/$1 --runtime $2"
	bin/thaw deploy "examples/$1" --name "hello-$1" --runtime "$2" --memory 256 --timeout 10 2>&1
	for kind in cold warm; do
		say "thaw invoke hello-$1 --tail   ($kind)"
		bin/thaw invoke "hello-$1" --payload "{\"name\":\"$1\"}" --tail 2>&1
	done
}

# newest FAMILY: of the names on standard input the highest version of a family.
newest() { grep "^$1" | sort -V | tail -n 1; }

export THAW_DATA="$data"
if [ "${1:-}" = stop ]; then
	end_earlier
	exit
fi
trap stop EXIT
trap 'stop; exit 130' INT TERM

start
show go provided.al2023
for pair in python:python node:nodejs; do
	family=${pair#*:}
	runtime=$(runtimes/build.sh --list | newest "$family")
	say "preparing ${runtime:-$family}, once"
	runtimes/build.sh --only "${runtime:-$family}" "$runtimes"
	show "${pair%:*}" "$(find "$runtimes"/*/runtime.json | sed 's|/runtime.json$||; s|.*/||' | newest "$family")"
done

where='here'
[ ! -t 0 ] || where="in another terminal, in $PWD"
say "done. Now the ordinary tools, $where:"
cat <<TEXT
    eval "\$(bin/thaw env)"
    aws lambda list-functions
    aws lambda invoke --function-name hello-go --payload '{}' /dev/stdout
or
    bin/thaw logs hello-go --follow
    bin/thaw --help

What is deployed is kept in build/demo. To start this server again later:
    bin/thaw serve --listen $listen --data build/demo --runtimes build/runtimes
TEXT
if [ -t 0 ]; then
	echo "The server runs until Ctrl-C; its log is $log."
	wait "$server"
else
	echo "The server goes on running (process $server, log $log). To end it: kill $server"
	server=
fi
