#!/bin/bash
# Check that tests/sources.sh can fail: in a small tree it must name every breach, and nothing else.
set -euo pipefail

sources=$(cd "$(dirname "$0")" && pwd)/sources.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

write() { # arguments: FILE LINE...
	mkdir -p "$tree/$(dirname "$1")"
	printf '%s\n' "${@:2}" > "$tree/$1"
}

write src/image/clean.c '/* What it is for. */' '#include <vips/vips.h>' \
	'static int size(VipsImage *image) { return vips_image_get_width(image); }' \
	'	struct size size; /* a comment at the end of a whole line */' \
	'	return' '		size; /* not a declaration */' \
	'int vipsless_name;' 'int pv_stb_like;'
write include/pixpool/clean.h '/**' ' * What it is for.' ' */' 'struct pxp_task;'
write tests/clean.c '/* What it is for. */' 'int vips_in_a_test(void);'

if ! "$sources" "$tree"; then
	echo "sources_negative: a tree without a breach was refused" >&2
	exit 1
fi
if (mkdir "$tree/empty" && "$sources" "$tree/empty" 2> /dev/null); then
	echo "sources_negative: a tree without sources was passed" >&2
	exit 1
fi
rmdir "$tree/empty"

write src/no_comment.c '#include "fd.h"'
write bench/no_comment.h '// wrong kind of comment' 'int a;'
write src/broken.c '/* */' 'struct s {' '	struct size' '		size; /* of what? */' '	uint64_t' \
	'		bytes[4]; /* how many? */' '	A =' '		3, /* an enum */' '};'
write src/prefix.c '/* */' 'static bool vips_settle(VipsImage *image)' 'int stb_n_open;' 'const char *vips_name = "x";' \
	'int *stbi_table[4];'
printf '%s\n' src/no_comment.c:1 bench/no_comment.h:1 src/broken.c:3 src/broken.c:5 src/broken.c:7 src/prefix.c:2 \
	src/prefix.c:3 src/prefix.c:4 src/prefix.c:5 | sort > "$tree/want"

if "$sources" "$tree" > "$tree/said"; then
	echo "sources_negative: breaches were passed" >&2
	exit 1
fi
sed -E 's/^([^:]*:[0-9]+):.*/\1/' "$tree/said" | sort > "$tree/got"
if ! diff "$tree/want" "$tree/got"; then
	echo "sources_negative: < was passed, > was refused" >&2
	exit 1
fi
echo "$(wc -l < "$tree/want") breaches, each named"
