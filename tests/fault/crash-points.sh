#!/bin/bash
# Kill a batch of six images at its system calls, run it again, and check the resulting files.
#
#     crash-points.sh STEPPED SCRIPTED STEP MOMENTS
#
# STEPPED is pixpool-stepped, the program on one thread, which makes the same system calls in every run. strace
# kills it at the entry of the n-th call of a kind, for each kind of call in an undisturbed trace and for each n. The
# script visits every STEP-th of these points; 1 visits all. Then it kills SCRIPTED, the program with its threads and
# workers, at each step of the store, and at MOMENTS random moments of a run. After each kill and a second run, these
# conditions must hold:
#   - outputs have the names and bytes of an undisturbed run; before the second run each output was whole or absent;
#   - inputs have their bytes, modes and times; with --in-place each file always has its old or its new content, and
#     the backups are the originals;
#   - no other files are left;
#   - the second run has made only the missing outputs.
#
# Exit status 77: the script cannot run here, and prints the reason.
set -euo pipefail

stepped=$(realpath "$1")
scripted=$(realpath "$2")
step=$3
n_moments=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/fault/points.sh
. "$(dirname "$(realpath "$0")")/points.sh"

# ---- every system call of one thread ----

for way in folder backup in-place; do
	undisturbed "$stepped"
	# The first call, which starts the program, belongs to strace.
	sed -n '2,$s/^\([a-z0-9_]*\)(.*/\1/p' trace | sort | uniq -c > calls
	n_in_trace=$(awk '{n += $1} END {print n}' calls)
	n_visited=0
	n_points=0
	while read -r n call; do
		for ((i = 1; i <= n; i++)); do
			((n_points++ % step == 0)) || continue
			point="$way, killed at $call number $i"
			begin
			tracer=(strace -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$i")
			status=0
			{ batch "$stepped" first; } 2> /dev/null || status=$?
			((status == 137)) || wrong "not killed: status $status"
			visit "$stepped"
			n_visited=$((n_visited + 1))
		done
	done < calls
	echo "$way: visited $n_visited of $n_points points; the trace has $n_in_trace calls"
	((n_points == n_in_trace && n_visited == (n_points + step - 1) / step)) ||
		wrong "visited $n_visited points, one in $step of $n_in_trace"
done

# ---- the program with its threads and workers ----

n_visited=0
for way in folder backup in-place; do
	for call in sendfile fsetxattr sync_file_range fsync linkat renameat2 unlinkat fdatasync; do
		for ((i = 1; ; i++)); do
			point="$way, threads, killed at $call number $i"
			begin
			tracer=(strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$i")
			status=0
			{ batch "$scripted" first; } 2> /dev/null || status=$?
			((status == 0)) && break
			((status == 137)) || wrong "status $status: $(cat said)"
			visit "$scripted"
			n_visited=$((n_visited + 1))
		done
	done
done
echo "threads: visited $n_visited steps of the store and the state"
((n_visited >= 60)) || wrong "visited only $n_visited steps"

RANDOM=1
n_killed=0
tracer=()
way=folder
begin
began=$(date +%s%N)
batch "$scripted" first
took_us=$((($(date +%s%N) - began) / 1000))
for ((moment = 0; moment < n_moments; moment++)); do
	case $((moment % 3)) in
	0) way=folder ;;
	1) way=backup ;;
	2) way=in-place ;;
	esac
	us=$(((RANDOM * 32768 + RANDOM) % (took_us + 1)))
	point="$way, threads, killed after $us us of $took_us"
	begin
	# shellcheck disable=SC2046
	(exec "$scripted" resize -s 9999 $(arguments) --sandbox off --progress none --report first 2> said) &
	pid=$!
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -KILL "$pid" 2> /dev/null && n_killed=$((n_killed + 1))
	{ wait "$pid"; } 2> /dev/null || true
	visit "$scripted"
done
echo "threads: killed at $n_killed of $n_moments random moments"
