#!/bin/bash
# Check that tests/fault/table.sh can fail: a copy of the tables with one mistake must be refused with a message that
# names the mistake.
#
#     table_negative.sh ROOT
set -euo pipefail

root=$1
here=$root/tests/fault
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

refused() { # arguments: MESSAGE SED-OPTION...: table.sh must refuse the tables that sed changed, with this message
	local message=$1

	shift
	sed "$@" "$here/README.md" > "$work/tables.md"
	if cmp -s "$here/README.md" "$work/tables.md"; then
		echo "table_negative: nothing was changed: $*" >&2
		exit 1
	fi
	if "$here/table.sh" "$root" "$work/tables.md" > "$work/said" 2>&1 || ! grep -qF "$message" "$work/said"; then
		echo "table_negative: passed, or refused for another reason: $*" >&2
		cat "$work/said" >&2
		exit 1
	fi
}

# shellcheck disable=SC2016 # backquotes stand for themselves
refused 'there is no test faults::nobody_wrote_this' '/^## Inputs/,$s/`faults::[a-z0-9_]*`/`faults::nobody_wrote_this`/'
refused 'a cell is empty' '0,/^\(| R2 |[^|]*|[^|]*|[^|]*|\)[^|]*|/s//\1 |/'
refused 'neither a test nor a reason' '0,/^\(| I1 |[^|]*|[^|]*|\)[^|]*|/s//\1 by hope |/'
refused 'out of order' '/^| I2 /d'
refused 'rows were found' '/^| [AFU][0-9]/d'
# shellcheck disable=SC2016
refused 'there is no test names::nobody_wrote_this' '/^## Promises/,/^## Inputs/s/`inputs::[a-z0-9_]*`/`names::nobody_wrote_this`/'
refused 'no test checks the promise: Names' '/^| Names are bytes/s/|[^|]*|$/| hope |/'
refused 'promises were found' 's/^## Promises/## Hopes/'
echo 'eight wrong tables, each refused'
