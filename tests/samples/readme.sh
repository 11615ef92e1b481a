#!/bin/sh
# The C in README.md is the sample that is compiled and run, to the letter.
#
#     readme.sh TREE
set -eu

cd "$1"
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' README.md | diff -u samples/hello_futures.c -
