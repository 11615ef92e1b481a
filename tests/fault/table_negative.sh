#!/bin/bash
# tests/fault/table.sh can fail: a copy of the table with one thing wrong is refused, and says what.
#
#     table_negative.sh ROOT
set -euo pipefail

root=$1
here=$root/tests/fault
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refused() { # WHAT IT SAYS, then what sed makes of the table
	local says=$1

	shift
	sed "$@" "$here/README.md" > "$work/table"
	if cmp -s "$here/README.md" "$work/table"; then
		echo "table_negative: nothing was changed: $*" >&2
		exit 1
	fi
	if "$here/table.sh" "$root" "$work/table" > "$work/said" 2>&1 || ! grep -qF "$says" "$work/said"; then
		echo "table_negative: passed, or refused for another reason: $*" >&2
		cat "$work/said" >&2
		exit 1
	fi
}

# shellcheck disable=SC2016 # backquotes stand for themselves
refused 'there is no test faults::nobody_wrote_this' '0,/`faults::[a-z_]*`/s//`faults::nobody_wrote_this`/'
refused 'a cell is empty' '0,/^\(| R2 |[^|]*|[^|]*|[^|]*|\)[^|]*|/s//\1 |/'
refused 'neither a test nor a reason' '0,/^\(| I1 |[^|]*|[^|]*|\)[^|]*|/s//\1 by hope |/'
refused 'out of order' '/^| I2 /d'
refused 'rows were found' '/^| [AFU][0-9]/d'
echo 'five wrong tables, each refused'
