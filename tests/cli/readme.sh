#!/bin/bash
# The commands that README.md shows print what stands there, but for times and the bytes that encoders make.
#
#     readme.sh TREE PROGRAMS
set -euo pipefail

tree=$(cd "$1" && pwd)
PATH=$(cd "$2" && pwd):$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$tree/samples" "$work/samples"
cd "$work"

masked() { # images of one command end in any order
	sed -E 's/^\[[0-9]+\//[#\//; s/ in [0-9.]+ s/ in # s/; s/\([0-9.]+ images/(# images/; s/[0-9.]+ k?B\b/# B/g
		s/libvips [0-9.]+/libvips #/' | sort
}

n=0
check() { # a command, and its output as it is shown
	[[ -n $1 ]] || return 0
	n=$((n + 1))
	status=0
	bash -c "$1" > said 2>&1 || status=$?
	((status <= 1)) || { # 1: an image failed, as some examples show
		echo "README.md: status $status: $1"
		cat said
		exit 1
	} >&2
	grep -v '^pixpool: sandbox: workers run without ' said > got || [[ ! -s got ]] # a build with sanitizers, or a machine that has no such layer
	if [[ $2 == *$'\n...' ]]; then # the rest is not shown
		printf '%s\n' "${2%$'\n...'}" > shown
		head -n "$(wc -l < shown)" got > begun
		mv begun got
	else
		printf '%s' "${2:+$2$'\n'}" > shown
	fi
	diff -u --label "README.md: $1" <(masked < shown) <(masked < got)
}

command='' shown=''
while IFS= read -r line; do
	if [[ $line == '$ '* ]]; then
		check "$command" "${shown%$'\n'}"
		command=${line#'$ '} shown=''
	else
		shown+=${shown:+$'\n'}$line
	fi
done < <(awk '/^```console$/ { on = 1; next } /^```$/ { on = 0 } on' "$tree/README.md")
check "$command" "${shown%$'\n'}"
((n == 5))
