#!/bin/bash
# Mutants of other seeds, run after run: the test has a limit in time, this has one of its own.
#
#     long-mutants.sh TEST-PROGRAM RUNS
set -euo pipefail

export PIXPOOL_MUTANTS=150
for ((run = 1; run <= $2; run++)); do
	export PIXPOOL_SEED=$((1000 + run))
	"$1" || {
		printf 'with PIXPOOL_SEED=%s PIXPOOL_MUTANTS=%s\n' "$PIXPOOL_SEED" "$PIXPOOL_MUTANTS" >&2
		exit 1
	}
done
