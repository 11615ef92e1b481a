#!/bin/bash
# Check that tests/documents.sh can fail: a document with one wrong name of each kind must be refused, and each name
# reported.
#
#     documents_negative.sh ROOT
set -euo pipefail

root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2016 # backquotes stand for themselves
printf '%s\n' '`src/cli/main.c` has `main()`, `tests/` has `test.h`, `struct test` and `PIXPOOL_CRITERION`.' \
	'`no_such_call` and `--no-such-option` are not checked.' > "$work/good.md"
"$root/tests/documents.sh" "$root" "$work/good.md"

cp "$work/good.md" "$work/bad.md"
wrong=('src/cli/no_such_file.c' 'no_such_file.h' 'no_such_function()' 'struct no_such_struct' 'PIXPOOL_NO_SUCH'
	'command::no_such_test' 'src/no_such_room/' 'there_is_no_such_test_anywhere')
# shellcheck disable=SC2016
printf 'There is `%s`.\n' "${wrong[@]}" >> "$work/bad.md"
if "$root/tests/documents.sh" "$root" "$work/bad.md" > "$work/said" 2>&1; then
	echo "documents_negative: wrong names were passed" >&2
	exit 1
fi
for name in "${wrong[@]}"; do
	if ! grep -qF ": there is no $name" "$work/said"; then
		echo "documents_negative: $name was passed" >&2
		exit 1
	fi
done
if "$root/tests/documents.sh" "$root" "$work/none.md" > "$work/said" 2>&1; then
	echo "documents_negative: a document that does not exist was passed" >&2
	exit 1
fi
echo "${#wrong[@]} wrong names, each reported"
