#!/bin/bash
# Check the tables of tests/fault/README.md: no cell is empty, every test that is named exists, a row without a test
# says why or what it waits for, and rows are numbered without gaps. Check the table of promises: each names its tests.
#
#     table.sh ROOT [README]
set -euo pipefail

root=$1
readme=${2:-$root/tests/fault/README.md}
declare -A is_test=() n_of=()
n_rows=0 n_promises=0 n_wrong=0 n_waiting=0

wrong() {
	printf '%s: %s\n' "${fault:-the tables}" "$1" >&2
	n_wrong=$((n_wrong + 1))
}

# A long test name may be on the line after its suite.
while IFS='(, ' read -r _ suite sentence; do
	is_test[$suite::${sentence%)}]=yes
done < <(find "$root/tests" -name '*.c' -exec cat {} + | tr '\n\t' '  ' |
	{ grep -oE 'TEST\([a-z0-9_]+, *[A-Za-z0-9_]+\)' || true; })

# Set names to the test names in a table cell, which are in backquotes.
# shellcheck disable=SC2016 # backquotes stand for themselves
name_pattern='`([a-z0-9_]+::[A-Za-z0-9_]+)`'
find_names() {
	local rest=$1

	names=()
	while [[ $rest =~ $name_pattern ]]; do
		names+=("${BASH_REMATCH[1]}")
		rest=${rest#*"${BASH_REMATCH[0]}"}
	done
}

check_names() { # argument: CELL
	local test

	find_names "$1"
	for test in "${names[@]}"; do
		[[ -n ${is_test[$test]-} ]] || wrong "there is no test $test"
	done
}

check() { # argument: CELL
	check_names "$1"
	((${#names[@]} > 0)) || [[ $1 == *'waits for '?* || $1 == *'cannot be tried: '?* || $1 == *'cannot happen: '?* ]] ||
		wrong "neither a test nor a reason: $1"
}

while IFS='|' read -r _ number fault behaviour held without rest; do
	number=${number// /}
	[[ $number =~ ^[A-Z][0-9]+$ ]] || continue
	n_rows=$((n_rows + 1))
	n_of[${number:0:1}]=$((${n_of[${number:0:1}]-0} + 1))
	[[ $number == "${number:0:1}${n_of[${number:0:1}]}" ]] || wrong "is numbered $number, out of order"
	[[ -n ${fault// /} && -n ${behaviour// /} && -n ${held// /} && -n ${without// /} && -z ${rest// /} ]] ||
		wrong 'a cell is empty, or one too many'
	check "$held"
	check_names "$without"
	[[ $held != *'waits for '* ]] || n_waiting=$((n_waiting + 1))
done < "$readme"
fault=
((n_rows >= 90)) || wrong "only $n_rows rows were found"

while IFS='|' read -r _ promise held _; do
	[[ $promise != ' promise ' && $promise != ' ---'* ]] || continue
	n_promises=$((n_promises + 1))
	check_names "$held"
	((${#names[@]} > 0)) || wrong "no test checks the promise:$promise"
done < <(sed -n '/^## Promises/,/^## Inputs/{/^|/p}' "$readme")
((n_promises >= 10)) || wrong "only $n_promises promises were found"

printf '%d rows, %d of which wait for something, %d promises, %d wrong\n' "$n_rows" "$n_waiting" "$n_promises" "$n_wrong"
((n_wrong == 0))
