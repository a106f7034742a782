# What the Python recipes build, pinned. Sourced by versions.sh.
# shellcheck shell=sh disable=SC2034

# The minor versions that the pinned clients have wheels for, the newest first: the
# oldest have a pip that is too old to fetch for the newest.
PYTHON_MINORS="14 13 12 11 10 9 8"

# python_client_version MINOR: the newest client with wheels for it. The pins and their
# hashes are in the file that python_requirements names.
python_client_version() {
	case $1 in
	8) echo 2.2.1 ;;
	9) echo 4.0.4 ;;
	*) echo 4.2.2 ;;
	esac
}

# python_requirements MINOR
python_requirements() {
	case $1 in
	8 | 9) echo "python/requirements-3.$1.txt" ;;
	*) echo python/requirements.txt ;;
	esac
}
