# What the recipes build, pinned. Sourced by build.sh. What belongs to one language is in
# its own folder, so that a newer version of it has only its runtimes built again.
# shellcheck shell=sh disable=SC2034

# Raised when a recipe's product changes: the N of "python:3.12.vN", which a function
# sees in its INIT_START line.
RECIPE=1

. "$HERE/python/versions.sh"
. "$HERE/nodejs/versions.sh"
. "$HERE/java/versions.sh"
