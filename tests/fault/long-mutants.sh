#!/bin/bash
# Run the test of damaged pictures RUNS times with different seeds. One run is short, because a test has a time limit.
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
