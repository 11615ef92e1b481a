#!/bin/sh
# Check that libpixpool.a is position independent: it is linked into a shared object, which a program loads, calls and
# unloads. The shared object exports nothing of the library.
#
#     shared.sh TREE LIBRARY COMPILER SANITIZERS
set -eu

tree=$1
library=$2
compiler=$3
here=$tree/tests/library
sanitize=${4:+-fsanitize=$4}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2086 # without a sanitizer the variable must expand to no argument
"$compiler" -std=c17 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared $sanitize -I "$tree/include" \
	"$here/plugin.c" "$library" -pthread -o "$work/plugin.so"
# shellcheck disable=SC2086
"$compiler" -std=c17 -Wall -Wextra -Werror $sanitize "$here/host.c" -ldl -pthread -o "$work/host"

if nm -D --defined-only "$work/plugin.so" | grep ' pxp_'; then
	echo "the shared object exports functions of the library" >&2
	exit 1
fi
# Load the plugin twice, to check that the first time leaves nothing behind. The thread sanitizer leaves a thread
# behind, and a zygote can only be forked from a process with one thread, so with this sanitizer the plugin is loaded
# once.
case $sanitize in
*thread*) "$work/host" "$work/plugin.so" ;;
*) "$work/host" "$work/plugin.so" "$work/plugin.so" ;;
esac
