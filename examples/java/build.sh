#!/bin/sh
# Build this example into hello.jar, with a JDK and nothing else.
set -eu

if [ $# -ne 2 ]; then
	echo 'usage: examples/java/build.sh CORE.jar OUT.jar

  CORE.jar  aws-lambda-java-core, for example
            build/runtimes/java17/runtime/lib/aws-lambda-java-core-*.jar' >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac --release 17 -Xlint:all -Werror -classpath "$1" -d "$classes" "$here"/*.java
jar --create --file "$2" -C "$classes" .
