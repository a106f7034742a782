# Managed Java: the machine's own JDK, copied, and the official client.
# Sourced by build.sh.
# shellcheck shell=sh disable=SC2154

# java_find MAJOR: the home of a JDK or JRE of that version.
java_find() {
	for home in ${JAVA_HOME:+"$JAVA_HOME"} /usr/lib/jvm/* /usr/java/* /opt/java/* /opt/jdk* \
		"$HOME"/.sdkman/candidates/java/*; do
		[ -x "$home/bin/java" ] && [ -f "$home/lib/modules" ] || continue
		[ "$(java_version "$home" | cut -d. -f1)" = "$1" ] || continue
		(cd "$home" && pwd -P)
		return
	done
}

# java_version HOME: "17.0.15", as its release file says.
java_version() {
	sed -n 's/^JAVA_VERSION="\([0-9.]*\).*/\1/p' "$1/release" 2>/dev/null
}

# java_build NAME
java_build() {
	name=$1
	major=${name#java}
	home=$(java_find "$major")
	[ -n "$home" ] || die "$name: this machine has no JDK $major; install one, for example openjdk-$major-jdk-headless"
	version=$(java_version "$home")
	print=$(fingerprint java "$home" "$version" "$(stat -L -c %Y "$home/lib/modules")")
	if is_built "$name" "$print"; then
		say "$name: already built"
		return
	fi
	want tar:tar unzip:unzip mvn:maven
	rm -rf "${WORK:?}/$name"
	mkdir -p "$WORK/$name/lang" "$WORK/$name/runtime/lib/jni" "$WORK/$name/licenses"
	run "$name: copying Java $version" java_copy "$home" "$WORK/$name" "$major"
	run "$name: installing $JAVA_CLIENT" java_client "$major" "$WORK/$name"
	run "$name: trying it" java_try "$WORK/$name"
	run "$name: archiving its classes" java_archive "$home" "$WORK/$name"
	describe "$name" "$print" "java:$major" "$version" "$JAVA_CLIENT"
	publish "$name"
	say "$name: done, $(du -sh "$OUT/$name" | cut -f1)"
}

# java_copy HOME DIR MAJOR: what running a program takes, and not what making one takes. Debian
# has links to /etc in it, which a sandbox does not show: they become files. The archives
# for heaps of more than 32 GB are of no use: a function has 10 GB at most.
java_copy() {
	tar -C "$1" -chf - --ignore-failed-read \
		--exclude=./docs --exclude=./man --exclude=./include --exclude=./jmods --exclude=./demo --exclude=./sample \
		--exclude=./lib/src.zip --exclude=./lib/ct.sym --exclude='*.debuginfo' --exclude='*.diz' --exclude='classes_nocoops*.jsa' \
		. | tar -C "$2/lang" --no-same-owner -xf -
	mv "$2/lang/legal" "$2/licenses/java-legal"
	for text in "$1/NOTICE" "/usr/share/doc/${1##*/}/copyright" "/usr/share/doc/openjdk-$3-jre-headless/copyright"; do
		[ ! -f "$text" ] || cp -L "$text" "$2/licenses/java-${text##*/}"
	done
}

# java_client MAJOR DIR
java_client() {
	jars="$CACHE/java-client"
	if [ ! -d "$jars" ]; then
		rm -rf "$jars.new"
		mvn -B -ntp -q -f "$HERE/java/pom.xml" -Dmaven.repo.local="$CACHE/maven" "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" \
			-DexcludeTransitive=true -DoutputDirectory="$jars.new"
		(cd "$jars.new" && sha256sum -c "$HERE/java/sha256sums")
		mv "$jars.new" "$jars"
	fi
	cp "$jars"/*.jar "$2/runtime/lib/"
	case $ARCH in
	x64) machine=x86_64 ;;
	arm64) machine=aarch_64 ;;
	esac
	unzip -q -p "$jars"/aws-lambda-java-runtime-interface-client-*.jar "jni/libaws-lambda-jni.linux-$machine.so" \
		>"$2/runtime/lib/jni/libaws-lambda-jni.so"
	for jar in "$jars"/*.jar; do
		part=${jar##*/}
		part=${part%.jar}
		for text in $(unzip -Z1 "$jar" | grep -i -E '^META-INF/([a-z-]*)?(licen[sc]e|notice)(\.txt)?$'); do
			unzip -q -p "$jar" "$text" >"$2/licenses/$part-${text##*/}"
		done
	done
	path=$(cd "$2/runtime/lib" && printf '/var/runtime/lib/%s:' ./*.jar | sed 's|/\./|/|g')
	sed -e "s|@CLASSPATH@|${path%:}|" -e "s|@MAJOR@|$1|" "$HERE/java/bootstrap" >"$2/runtime/bootstrap"
	chmod 755 "$2/runtime/bootstrap"
}

# java_try DIR: the copy must find its own libraries, and the client load, as far as to ask
# for an event, which nobody gives it.
java_try() {
	"$1/lang/bin/java" -XshowSettings:properties -version 2>&1 | grep "java.home = $1/lang"
	AWS_LAMBDA_RUNTIME_API=127.0.0.1:9 "$1/lang/bin/java" -classpath "$1/runtime/lib/*" \
		"-Dcom.amazonaws.services.lambda.runtime.api.client.runtimeapi.NativeClient.JNI=$1/runtime/lib/jni/libaws-lambda-jni.so" \
		com.amazonaws.services.lambda.runtime.api.client.AWSLambda java.lang.Object::equals 2>&1 |
		grep 'NativeClient.next(Native Method)'
}

# java_archive HOME DIR: the client's classes as the machine holds them, which saves a good
# part of a cold start. They count for the runtime's final place only, so that place is
# made, as a mount that nobody else sees. Where that cannot be, there is no archive.
java_archive() {
	if [ "$(id -u)" -ne 0 ] || [ ! -x "$1/bin/javac" ] || ! unshare -m true; then
		echo "no archive: that takes root, and a JDK"
		return 0
	fi
	mkdir -p "$2/scratch"
	unshare -m sh -c "$JAVA_NAMESPACE" sh "$2" "$HERE/java/Rehearsal.java"
	rmdir "$2/scratch"
	ls -l "$2/runtime/lib/runtime.jsa"
}

# Builds /var anew, of the runtime alone, and has it rehearse. Its arguments: the
# runtime's directory and the rehearsal.
# shellcheck disable=SC2016 # it is expanded later
JAVA_NAMESPACE='set -e
mount --make-rprivate /
mount -t tmpfs none "$1/scratch"
mkdir "$1/scratch/lang" "$1/scratch/runtime" "$1/scratch/task"
cp "$2" "$1/scratch/task/"
mount --bind "$1/lang" "$1/scratch/lang"
mount --bind "$1/runtime" "$1/scratch/runtime"
mount --rbind "$1/scratch" /var
cd /var/task
exec /var/lang/bin/java "${2##*/}" /var/runtime/lib/runtime.jsa
'
