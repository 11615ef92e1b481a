#!/bin/bash
# Run the commands that README.md shows, and compare their output with the output shown there. Times, and byte counts
# that depend on encoders, may differ.
#
#     readme.sh TREE PROGRAMS
set -euo pipefail

tree=$(cd "$1" && pwd)
PATH=$(cd "$2" && pwd):$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$tree/samples" "$work/samples"
cd "$work"

masked() { # the order in which images of one command complete is not fixed
	sed -E 's/^\[[0-9]+\//[#\//; s/ in [0-9.]+ s/ in # s/; s/\([0-9.]+ images/(# images/; s/[0-9.]+ k?B\b/# B/g
		s/libvips [0-9.]+/libvips #/' | sort
}

n=0
check() { # arguments: COMMAND OUTPUT. Check that the command prints the output that README.md shows
	[[ -n $1 ]] || return 0
	n=$((n + 1))
	status=0
	bash -c "$1" > said 2>&1 || status=$?
	((status <= 1)) || { # status 1 is allowed: in some examples an image fails
		echo "README.md: status $status: $1"
		cat said
		exit 1
	} >&2
	grep -v '^pixpool: sandbox: workers run without ' said > got || [[ ! -s got ]] # a sanitizer build, or a machine that lacks a sandbox layer, prints one more line
	if [[ $2 == *$'\n...' ]]; then # README.md does not show the rest of the output
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
