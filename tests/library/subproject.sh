#!/bin/sh
# Check that another project can include the library in a debug build: by add_subdirectory(), with Ninja and COMPILER,
# and by FetchContent, with Make and another compiler (clang, or gcc if COMPILER is clang). If Ninja or the other
# compiler is not installed, Make or COMPILER is used instead. The build needs neither pkg-config nor libvips, and
# builds neither the program nor the tests.
#
#     subproject.sh TREE CMAKE COMPILER
set -eu

tree=$1
cmake=$2
compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make_project FOLDER LINES: make a project in FOLDER whose CMakeLists.txt includes the library by LINES.
make_project() {
	mkdir "$1"
	cp "$tree/samples/hello_futures.c" "$1"
	cat > "$1/CMakeLists.txt" << END
cmake_minimum_required(VERSION 3.24)
project(hello LANGUAGES C)
$2
add_executable(hello hello_futures.c)
target_link_libraries(hello PRIVATE pixpool::pixpool)
if(TARGET pixpool_program OR TARGET pxp_test_support)
  message(FATAL_ERROR "the program or the tests of pixpool are built")
endif()
END
}

# build PROJECT GENERATOR COMPILER
build() {
	echo "$2, $3"
	if ! "$cmake" -S "$1" -B "$1/build" -G "$2" -DCMAKE_C_COMPILER="$3" -DCMAKE_BUILD_TYPE=Debug \
		-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON > "$1/said" 2>&1 ||
		! "$cmake" --build "$1/build" --parallel 2 --target hello >> "$1/said" 2>&1; then
		cat "$1/said"
		exit 1
	fi
	"$1/build/hello"
}

generator='Unix Makefiles'
if command -v ninja > /dev/null; then
	generator=Ninja
fi
make_project "$work/a" "add_subdirectory($tree pixpool)"
build "$work/a" "$generator" "$compiler"

other=clang
if "$compiler" --version | grep -q clang; then
	other=gcc
fi
command -v "$other" > /dev/null || other=$compiler
make_project "$work/b" "include(FetchContent)
FetchContent_Declare(pixpool SOURCE_DIR $tree)
FetchContent_MakeAvailable(pixpool)"
build "$work/b" 'Unix Makefiles' "$other"
