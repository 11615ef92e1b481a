#!/bin/bash
# tests/fault/table.sh can fail: a copy of the table with one thing wrong is refused, and says what.
#
#     table_negative.sh ROOT
set -euo pipefail

root=$1
here=$root/tests/fault
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refused() { # WHICH OF THE TWO, WHAT IT SAYS, then what sed makes of it
	local which=$1 says=$2

	shift 2
	cp "$here/README.md" "$work/table"
	cp "$root/README.md" "$work/readme"
	sed -i "$@" "$work/$which"
	if cmp -s "$here/README.md" "$work/table" && cmp -s "$root/README.md" "$work/readme"; then
		echo "table_negative: nothing was changed: $*" >&2
		exit 1
	fi
	if "$here/table.sh" "$root" "$work/table" "$work/readme" > "$work/said" 2>&1 ||
		! grep -qF "$says" "$work/said"; then
		echo "table_negative: passed, or refused for another reason: $*" >&2
		cat "$work/said" >&2
		exit 1
	fi
}

# shellcheck disable=SC2016 # backquotes stand for themselves
refused table 'there is no test faults::nobody_wrote_this' '0,/`faults::[a-z_]*`/s//`faults::nobody_wrote_this`/'
refused table 'a cell is empty' '0,/^\(| R2 |[^|]*|[^|]*|[^|]*|\)[^|]*|/s//\1 |/'
refused table 'neither a test nor a reason' '0,/^\(| I1 |[^|]*|[^|]*|\)[^|]*|/s//\1 by hope |/'
refused table 'out of order' '/^| I2 /d'
refused table 'rows were found' '/^| [AFU][0-9]/d'
# shellcheck disable=SC2016
refused readme 'there is no test names::nobody_wrote_this' '/^### What pixpool promises/,$s/`inputs::[a-z_]*`/`names::nobody_wrote_this`/'
refused readme 'no test holds the promise: Names' '/^| Names are bytes/s/|[^|]*|$/| hope |/'
refused readme 'promises were found' 's/^### What pixpool promises/### What it hopes/'
echo 'eight wrong tables, each refused'
