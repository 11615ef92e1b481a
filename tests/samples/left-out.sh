#!/bin/sh
# Check that without libcurl all samples are built except the one that needs it, and that CMake reports that.
#
#     left-out.sh TREE CMAKE GENERATOR
set -eu

tree=$1
cmake=$2
generator=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" -S "$tree" -B "$work" -G "$generator" -DPIXPOOL_VIPS=OFF -DPIXPOOL_BUILD_TESTS=OFF -DPIXPOOL_BUILD_SAMPLES=ON \
	-DCMAKE_DISABLE_FIND_PACKAGE_CURL=ON > "$work/said"
grep 'fetch_pages is left out: there is no libcurl' "$work/said"
"$cmake" --build "$work" --target help > "$work/targets"
grep resize_images "$work/targets"
if grep fetch_pages "$work/targets"; then
	echo "fetch_pages is built without libcurl" >&2
	exit 1
fi
