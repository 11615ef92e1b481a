#!/usr/bin/env bash
# Hold src/exec/CONFORMANCE.md to the tests: no cell of it is empty, each test that it names is there, and
# the name of the original stands in the file of that test.
#
# usage: table.sh ROOT
set -euo pipefail

root=$1
table=$root/src/exec/CONFORMANCE.md
declare -A file_of
n_rows=0 n_wrong=0

wrong() {
	printf '%s: %s\n' "$row" "$1" >&2
	n_wrong=$((n_wrong + 1))
}

# A long sentence may stand on the line below its suite.
while IFS=':(, ' read -r file _ suite sentence; do
	file_of[$suite::${sentence%)}]=$file
done < <(for file in "$root"/tests/exec/*.c "$root"/tests/exec/conformance/*.c; do
	tr '\n\t' '  ' < "$file" |
		{ grep -oE 'TEST\([a-z0-9_]+, *[a-z0-9_]+\)' || true; } | sed "s|^|$file:|"
done)

check_ours() { # ORIGINALS OURS
	local test original files=()

	for test in ${2//[\`,]/ }; do
		if [[ -n ${file_of[$test]-} ]]; then
			files+=("${file_of[$test]}")
		else
			wrong "there is no test $test"
		fi
	done
	((${#files[@]})) || return 0
	for original in ${1//[\`,]/ }; do
		grep -qwF -- "${original##*.}" "${files[@]}" ||
			wrong "$original stands in none of its tests"
	done
}

while IFS='|' read -r _ original outcome ours why rest; do
	row=$original
	[[ $original == ' `'* ]] || continue
	n_rows=$((n_rows + 1))
	[[ -z $rest && -n ${ours// /} && -n ${why// /} ]] || wrong 'a cell is empty, or one too many'
	case $outcome in
		' same ' | ' adapted ') check_ours "$original" "$ours" ;;
		' not applicable ') ;;
		*) wrong "an outcome that there is not: $outcome" ;;
	esac
done < "$table"

((n_rows >= 200)) || { row=$table && wrong "only $n_rows rows were found"; }
printf '%d rows, %d wrong\n' "$n_rows" "$n_wrong"
((n_wrong == 0))
