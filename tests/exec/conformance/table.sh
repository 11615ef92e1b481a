#!/usr/bin/env bash
# Check src/exec/CONFORMANCE.md against the tests: it has as many rows as it says, no cell is empty, each test that it
# names exists, and the name of the original test stands in the comment right above our test.
#
# usage: table.sh ROOT
set -euo pipefail

root=$1
table=$root/src/exec/CONFORMANCE.md
declare -A comment_above
n_rows=0 n_wrong=0

wrong() {
	printf '%s: %s\n' "$row" "$1" >&2
	n_wrong=$((n_wrong + 1))
}

# Print each test with the comment that ends on the line before it, in one line.
list_tests() { # arguments: FILE...
	awk '
		function tell() {
			gsub(/.*TEST\(|\).*/, "", test)
			sub(/, */, "::", test)
			print test "\t " comment
			test = comment = ""
		}
		/^\/\*/ { is_comment = 1; comment = "" }
		is_comment { comment = comment " " $0; if (/\*\//) is_comment = 0; next }
		/^TEST\(/ { test = "" }
		/^TEST\(/ || test { sub(/^[ \t]+/, ""); test = test $0; if (/\)/) tell(); next }
		{ comment = "" }
	' "$@"
}

while IFS=$'\t' read -r test comment; do
	comment_above[$test]=$comment
done < <(list_tests "$root"/tests/exec/*.c "$root"/tests/exec/conformance/*.c)

check_ours() { # arguments: ORIGINALS OURS
	local test original

	for test in ${2//[\`,]/ }; do
		if [[ -z ${comment_above[$test]-} ]]; then
			wrong "there is no test $test"
			continue
		fi
		for original in ${1//[\`,]/ }; do
			grep -qwF -- "${original##*.}" <<< "${comment_above[$test]}" ||
				wrong "$original does not stand above $test"
		done
	done
}

while IFS='|' read -r _ original outcome ours why rest; do
	row=$original
	[[ $original != ' original ' && $original != ' --- ' ]] || continue
	n_rows=$((n_rows + 1))
	[[ $original == ' `'* && -z $rest && -n ${ours// /} && -n ${why// /} ]] ||
		wrong 'a cell is empty, or one too many'
	case $outcome in
		' same ' | ' adapted ') check_ours "$original" "$ours" ;;
		' not applicable ') ;;
		*) wrong "an outcome that there is not: $outcome" ;;
	esac
done < <(grep '^|' "$table")

row=$table
grep -qE "^It has $n_rows rows\." "$table" || wrong "it does not say that it has $n_rows rows"
printf '%d rows, %d wrong\n' "$n_rows" "$n_wrong"
((n_wrong == 0))
