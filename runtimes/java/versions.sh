# What the Java recipes build, pinned. Sourced by versions.sh.
# shellcheck shell=sh disable=SC2034

# The major versions that the service has a runtime of, from 17 on. The JDK is the
# machine's own.
JAVA_MAJORS="17 21 25"
JAVA_CLIENT="aws-lambda-java-runtime-interface-client 2.9.0" # pinned in java/pom.xml, its hash in java/sha256sums
MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.6.1
