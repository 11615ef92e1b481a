#!/bin/sh
# Check that every global symbol that libpixpool.a defines begins with pxp_.
#
#     symbols.sh LIBRARY CORE        CORE is the same library before its symbols were made local
set -eu

foreign() {
	nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | grep -v '^pxp_' || true
}

own=$(nm -g --defined-only "$1" | awk 'NF == 3 && $3 ~ /^pxp_/' | wc -l)
if [ "$own" -lt 50 ]; then
	echo "$1 defines only $own symbols that begin with pxp_" >&2
	exit 1
fi
if [ -n "$(foreign "$1")" ]; then
	echo "$1 defines global symbols that do not begin with pxp_:" >&2
	foreign "$1" >&2
	exit 1
fi

# Check that this test can fail.
if [ -z "$(foreign "$2")" ]; then
	echo "$2 has no symbols of other names: this check would not notice any" >&2
	exit 1
fi
echo "$own symbols, all of them pxp_*"
