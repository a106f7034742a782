# Managed Python: the machine's own interpreter, copied, and the official client.
# Sourced by build.sh.
# shellcheck shell=sh disable=SC2154

# python_find MINOR: an interpreter of Python 3.MINOR that can serve as a runtime.
python_find() {
	for p in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3."$1".*/bin/python3."$1" \
		/usr/local/bin/python3."$1" /usr/bin/python3."$1"; do
		[ -x "$p" ] || continue
		"$p" -I -c 'import ctypes, json, logging, ssl, zlib' 2>/dev/null || continue
		echo "$p"
		return
	done
}

# python_pip: an interpreter that has pip, whatever its version.
python_pip() {
	for minor in $PYTHON_MINORS; do
		p=$(python_find "$minor")
		[ -n "$p" ] && "$p" -I -m pip --version >/dev/null 2>&1 && echo "$p" && return
	done
	return 0
}

python_want_pip() {
	PIP_PYTHON=$(python_pip)
	[ -n "$PIP_PYTHON" ] && return
	apt_install " python3 python3-pip"
	PIP_PYTHON=$(python_pip)
	[ -n "$PIP_PYTHON" ] || die "no Python with pip, of the versions 3.x with x in: $PYTHON_MINORS"
}

# python_build NAME
python_build() {
	name=$1
	minor=${name#python3.}
	python=$(python_find "$minor")
	[ -n "$python" ] || die "$name: this machine has no Python 3.$minor"
	version=$("$python" -I -c 'import platform; print(platform.python_version())')
	print=$(fingerprint python "$python" "$version" "$(stat -L -c %Y "$python")")
	if is_built "$name" "$print"; then
		say "$name: already built"
		return
	fi
	want tar:tar
	python_want_pip
	rm -rf "${WORK:?}/$name"
	mkdir -p "$WORK/$name/lang/bin" "$WORK/$name/lang/lib" "$WORK/$name/runtime" "$WORK/$name/licenses"
	run "$name: copying Python $version" python_copy "$python" "$minor" "$WORK/$name"
	client="awslambdaric $(python_client_version "$minor")"
	run "$name: installing $client and the SDK" python_client "$minor" "$WORK/$name"
	run "$name: trying it" python_try "$minor" "$WORK/$name"
	describe "$name" "$print" "python:3.$minor" "$version" "$client" PYTHONPATH /var/runtime
	publish "$name"
	say "$name: done, $(du -sh "$OUT/$name" | cut -f1)"
}

# python_copy PYTHON MINOR DIR: the interpreter and its standard library, without tests
# and without what was installed on this machine beside them.
python_copy() {
	lib=$("$1" -I -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	cp -L "$("$1" -I -c 'import sys; print(sys._base_executable)')" "$3/lang/bin/python3.$2"
	ln -s "python3.$2" "$3/lang/bin/python3"
	ln -s python3 "$3/lang/bin/python"
	tar -C "${lib%/*}" -chf - \
		--exclude='site-packages' --exclude='dist-packages' --exclude='config-3.*' \
		--exclude='test' --exclude='tests' --exclude='idlelib' --exclude='turtledemo' \
		--exclude='*.opt-?.pyc' --exclude='sitecustomize.py' --exclude='__pycache__/sitecustomize.*' \
		"${lib##*/}" | tar -C "$3/lang/lib" --no-same-owner -xf -
	mkdir -p "$3/lang/lib/python3.$2/site-packages"
	for text in "$lib/LICENSE.txt" "${1%/bin/*}/LICENSE" /usr/share/doc/python3."$2"/copyright; do
		[ ! -f "$text" ] || cp -L "$text" "$3/licenses/python-${text##*/}"
	done
	python_libraries "$3/lang"
}

# python_libraries LANG: the shared libraries that a sandbox would not see, since they
# are not in the system's own directories.
python_libraries() {
	find "$1/bin" "$1/lib" -type f \( -name '*.so' -o -path '*/bin/python3*' \) -exec ldd {} + 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
		grep -v -e '^/lib/' -e '^/lib64/' -e '^/usr/lib/' -e '^/usr/lib64/' |
		while read -r library; do cp -L "$library" "$1/lib/"; done
}

# python_client MINOR DIR
python_client() {
	case $ARCH in
	x64) machine=x86_64 ;;
	arm64) machine=aarch64 ;;
	esac
	"$PIP_PYTHON" -I -m pip --disable-pip-version-check --no-input install --quiet \
		--no-deps --no-compile --require-hashes --only-binary=:all: \
		--implementation cp --python-version "3.$1" --abi "cp3$1" \
		--platform "manylinux2014_$machine" --platform "manylinux_2_17_$machine" \
		--platform "manylinux_2_28_$machine" \
		--target "$2/runtime" -r "$HERE/$(python_requirements "$1")"
	rm -rf "$2/runtime/bin"
	sed "s/@PYTHON@/python3.$1/" "$HERE/python/bootstrap" >"$2/runtime/bootstrap"
	chmod 755 "$2/runtime/bootstrap"
	cp "$HERE/python/bootstrap.py" "$2/runtime/bootstrap.py"
	for info in "$2"/runtime/*.dist-info; do
		package=${info##*/}
		find "$info" -type f \( -iname 'licen[sc]e*' -o -iname 'notice*' \) |
			while read -r text; do cp "$text" "$2/licenses/${package%.dist-info}-${text##*/}"; done
	done
	# A function cannot write what it compiles, so compile all of it here.
	LD_LIBRARY_PATH="$2/lang/lib" "$2/lang/bin/python3.$1" -I -m compileall -q \
		-d /var/runtime "$2/runtime"
	LD_LIBRARY_PATH="$2/lang/lib" "$2/lang/bin/python3.$1" -I -m compileall -q \
		-d "/var/lang/lib/python3.$1" "$2/lang/lib/python3.$1"
}

# python_try MINOR DIR: the copy must find its own library, and the client load.
python_try() {
	LD_LIBRARY_PATH="$2/lang/lib" PYTHONPATH="$2/runtime" AWS_LAMBDA_RUNTIME_API=127.0.0.1:9 \
		"$2/lang/bin/python3.$1" -s -c '
import sys, ctypes, json, ssl, sqlite3, zlib, awslambdaric.bootstrap, runtime_client, simplejson, boto3
for module in (json, ssl, ctypes):
    assert module.__file__.startswith(sys.argv[1]), module.__file__
' "$2/lang/"
}
