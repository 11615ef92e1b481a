#!/bin/sh
# Check that the C program in README.md is the sample hello_futures.c, byte for byte.
#
#     readme.sh TREE
set -eu

cd "$1"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md | diff -u samples/hello_futures.c -
