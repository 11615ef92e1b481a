#!/bin/sh
# Check that a program that includes one public header and links libpixpool depends on the C library only.
#
#     alone.sh TREE LIBRARY COMPILER SANITIZERS
#
# Status 77 (skipped): the library was built with a sanitizer, which has libraries of its own.
set -eu

tree=$1
library=$2
compiler=$3
if [ -n "$4" ]; then
	echo "skipped: a sanitizer ($4) brings libraries of its own"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Print the shared libraries of a program, except the C library, the loader and the kernel's.
others() {
	ldd "$1" | awk '{ sub(/.*\//, "", $1); print $1 }' |
		grep -vE '^(linux-(vdso|gate)|libc|ld-[a-z0-9-]+)\.so(\.[0-9]+)*$' || true
}

# Check that others() would find another library.
echo 'int main(void) { return 0; }' > "$work/more.c"
"$compiler" "$work/more.c" -Wl,--no-as-needed -lm -o "$work/more"
if [ "$(others "$work/more")" != libm.so.6 ]; then
	echo "libm was not found in a program that uses it:" >&2
	ldd "$work/more" >&2
	exit 1
fi

if [ "$(grep -c '#include <pixpool/' "$tree/samples/hello_futures.c")" != 1 ]; then
	echo "hello_futures.c must include exactly one header of ours" >&2
	exit 1
fi
"$compiler" -std=c17 -I "$tree/include" "$tree/samples/hello_futures.c" "$library" -o "$work/alone"
ldd "$work/alone"
more=$(others "$work/alone")
if [ -n "$more" ]; then
	echo "hello_futures depends on more than the C library: $more" >&2
	exit 1
fi
"$work/alone"
