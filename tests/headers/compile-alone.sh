#!/bin/sh
# Check that each public header compiles alone, as C++17 and as C99, and that the library defines every function that
# the header declares.
#
#     compile-alone.sh INCLUDE_FOLDER LIBRARY COMPILER
#
# Status 77 (skipped): there is no C++ compiler.
set -eu

include=$1
library=$2
compiler=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cxx=
for candidate in ${CXX:+"$CXX"} g++ clang++ c++; do
	if command -v "$candidate" > /dev/null; then
		cxx=$candidate
		break
	fi
done
if [ -z "$cxx" ]; then
	echo "skipped: there is no C++ compiler (Debian: g++)"
	exit 77
fi

compile() {
	"$cxx" -std=c++17 -Wall -Wextra -Wpedantic -Werror -I "$include" "$@"
}

n_headers=0
for header in "$include"/pixpool/*.h; do
	name=pixpool/${header##*/}
	printf '#include <%s>\n#include <%s>\n' "$name" "$name" > "$work/alone.cpp"
	echo "$name"
	compile -c "$work/alone.cpp" -o "$work/alone.o"
	cp "$work/alone.cpp" "$work/alone.c"
	"$compiler" -std=c99 -Wall -Wextra -Wpedantic -Werror -I "$include" -c "$work/alone.c" -o "$work/alone.o"
	n_headers=$((n_headers + 1))
done

# Take the address of every function that a header declares. The symbols of the library do not contain a function that
# is missing, or that has a C++ name because extern "C" is missing. Nothing is linked, so that this works for a
# sanitizer build of the library too.
{
	echo '#include <pixpool/pixpool.h>'
	echo 'extern const void *const all[];'
	echo 'const void *const all[] = {'
	cat "$include"/pixpool/*.h | grep -oE '\<pxp_[a-z0-9_]+\(' | grep -v '_fn(' | sort -u |
		sed 's/\(.*\)(/\treinterpret_cast<const void *>(\1),/'
	echo '};'
} > "$work/all.cpp"
compile -c "$work/all.cpp" -o "$work/all.o"
nm -u "$work/all.o" | awk '{ print $NF }' | grep pxp_ | sort > "$work/declared"
nm --defined-only "$library" 2> "$work/nm-said" | awk 'NF == 3 && $2 == "T" { print $3 }' | sort -u > "$work/defined"
missing=$(comm -23 "$work/declared" "$work/defined")
if [ ! -s "$work/declared" ] || [ -n "$missing" ]; then
	printf 'declared but not in the library:\n%s\n' "${missing:-everything}" >&2
	cat "$work/nm-said" >&2
	exit 1
fi
echo "$n_headers headers with $cxx, each alone; $(wc -l < "$work/declared") functions"
