#!/bin/sh
# Makes the directory $1 a Python environment with Amazon's clients, once: the
# file "ready" in it says which list it was made from.
set -eu
cd "$(dirname "$0")/.."
dir=${1:?usage: venv.sh DIRECTORY}
if cmp -s tools/requirements.txt "$dir/ready"; then
	exit 0
fi
echo "installing Amazon's CLI and boto3 into $dir" >&2
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: -r tools/requirements.txt
cp tools/requirements.txt "$dir/ready"
