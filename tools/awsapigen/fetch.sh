#!/bin/sh
# Downloads the pinned description of the services into the directory $1 and
# prints the wheel's path. Needs python3 with pip.
set -eu
version=1.43.127
dir=${1:?usage: fetch.sh DIRECTORY}
wheel="$dir/botocore-$version-py3-none-any.whl"
if [ ! -f "$wheel" ]; then
	mkdir -p "$dir"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$dir" "botocore==$version" >&2
fi
echo "$wheel"
