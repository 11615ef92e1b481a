#!/bin/sh
# Check that pkg-config and CMake's find_package() find the installed library after the installed tree was moved.
# hello_futures.c is built with each.
#
#     install.sh TREE BUILD CMAKE GENERATOR COMPILER SANITIZERS
#
# Status 77 (skipped): there is no pkg-config.
set -eu

tree=$1
build=$2
cmake=$3
generator=$4
compiler=$5
sanitize=${6:+-fsanitize=$6}
if ! command -v pkg-config > /dev/null; then
	echo "skipped: there is no pkg-config (Debian: pkg-config)"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/first" --component pixpool_Development > "$work/installed"
if find "$work/first" -path '*/bin/*' | grep .; then
	echo "pixpool_Development installs programs" >&2
	exit 1
fi
mv "$work/first" "$work/moved"
pc=$(find "$work/moved" -name pixpool.pc)

PKG_CONFIG_PATH=${pc%/*}
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086 # the flags are words
"$compiler" -std=c17 $sanitize $(pkg-config --cflags pixpool) "$tree/samples/hello_futures.c" \
	$(pkg-config --libs pixpool) -o "$work/by-pkg-config"
"$work/by-pkg-config"

mkdir "$work/project"
cp "$tree/samples/hello_futures.c" "$work/project"
version=$(pkg-config --modversion pixpool)
cat > "$work/project/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.24)
project(hello LANGUAGES C)
find_package(pixpool $version REQUIRED)
add_executable(hello hello_futures.c)
target_link_libraries(hello PRIVATE pixpool::pixpool)
END
"$cmake" -S "$work/project" -B "$work/project/build" -G "$generator" -DCMAKE_PREFIX_PATH="$work/moved" \
	-DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$sanitize" > "$work/configured"
"$cmake" --build "$work/project/build" > "$work/built" || {
	cat "$work/built"
	exit 1
}
"$work/project/build/hello"

# CMake must refuse the library if another version is requested.
sed -i "s/find_package(pixpool $version/find_package(pixpool 99.0/" "$work/project/CMakeLists.txt"
if "$cmake" -S "$work/project" -B "$work/project/other" -G "$generator" -DCMAKE_PREFIX_PATH="$work/moved" \
	-DCMAKE_C_COMPILER="$compiler" > "$work/refused" 2>&1; then
	echo "find_package() takes version $version for 99.0" >&2
	exit 1
fi
