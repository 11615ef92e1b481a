#!/bin/bash
# Kill a batch of six images at its system calls, run it again, and check the resulting files.
#
#     crash-points.sh STEPPED SCRIPTED DISTURB_AT_CALL STEP MOMENTS
#
# STEPPED is pixpool-stepped, the program on one thread, which makes the same system calls in every run. DISTURB_AT_CALL
# kills it at the entry of each call of an undisturbed trace. The script visits every STEP-th of these points; 1 visits
# all. Then it kills SCRIPTED, the program with its threads and workers, at each step of the store, and at MOMENTS
# random moments of a run. After each kill and a second run, these conditions must hold:
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
disturb_at_call=$(realpath "$3")
step=$4
n_moments=$5

# shellcheck source=tests/fault/points.sh
. "$(dirname "$(realpath "$0")")/points.sh"

# ---- every system call of one thread ----

visit_calls() {
	local i status

	for ((i = worker * step; i < ${#calls[@]}; i += n_workers * step)); do
		point="$way, killed at call $((i + 1)) (${calls[i]} number ${n_of_kind[i]})"
		tracer=("$disturb_at_call" "${numbers[i]}" "${n_of_kind[i]}" KILL)
		# A run that makes a call less than another may end before its last point.
		for _ in 1 2 3; do
			begin
			status=0
			batch "$stepped" first || status=$?
			((status == 0)) || break
		done
		n_visited=$((n_visited + 1))
		# How often malloc() calls brk() depends on the lengths of paths, which are other ones in the trace. A run
		# that ends before its last brk() was not killed, and has nothing to check.
		[[ $status != 0 || ${calls[i]} != brk ]] || continue
		{ ((status == 137)) && visit "$stepped" $status; } || {
			((status == 137)) || echo "$point: not killed: status $status" >&2
			note_wrong
		}
	done
}

# Set n_of_kind to the count of calls of the same kind up to each call, and note the numbers of the calls.
declare -A number_of=()
count_kinds() {
	local i call
	local -A n_of=()

	n_of_kind=()
	for ((i = 0; i < ${#calls[@]}; i++)); do
		call=${calls[i]}
		n_of[$call]=$((${n_of[$call]:-0} + 1))
		n_of_kind+=("${n_of[$call]}")
		number_of[$call]=${numbers[i]}
	done
}

for way in folder bare backup in-place; do
	set_way "$way"
	make_right "$stepped"
	# Rarely a run makes a call more or less than another. So compare two runs, up to five times.
	calls=()
	for _ in 1 2 3 4 5; do
		calls_before=${calls[*]}
		trace_calls "$stepped"
		[[ ${calls[*]} != "$calls_before" ]] || break
	done
	count_kinds
	in_workers visit_calls
	echo "$way: visited $n_visited of ${#calls[@]} calls"
	[[ ${calls[*]} == "$calls_before" && $n_visited == $(((${#calls[@]} + step - 1) / step)) ]] ||
		wrong "visited $n_visited points, one in $step of ${#calls[@]}"
done

# ---- the program with its threads and workers ----

visit_steps() {
	local call i status number=0

	for way in folder backup in-place; do
		set_way "$way"
		for call in sendfile fsetxattr sync_file_range fsync linkat renameat2 unlinkat fdatasync; do
			((number++ % n_workers == worker)) || continue
			for ((i = 1; ; i++)); do
				point="$way, threads, killed at $call number $i"
				begin
				tracer=("$disturb_at_call" "${number_of[$call]}" "$i" KILL)
				status=0
				{ batch "$scripted" first; } 2> /dev/null || status=$?
				((status != 0)) || break
				((status == 137)) || echo "$point: status $status: $(cat ../said)" >&2
				{ ((status == 137)) && visit "$scripted" $status; } || note_wrong
				n_visited=$((n_visited + 1))
			done
		done
	done
}

# This program has other encoders.
for way in folder backup in-place; do
	set_way "$way"
	make_right "$scripted"
done
in_workers visit_steps
echo "threads: visited $n_visited steps of the store and the state"
((n_visited >= 60)) || wrong "visited only $n_visited steps"

# Kill a run at each moment of this worker. Counts the runs that had not ended yet.
visit_moments() {
	local moment us pid three=(folder backup in-place)

	for ((moment = worker; moment < n_moments; moment += n_workers)); do
		set_way "${three[moment % 3]}"
		us=${moments[moment]}
		point="$way, threads, killed after $us us of $took_us"
		begin
		tracer=(exec)
		(batch "$scripted" first) &
		pid=$!
		sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
		kill -KILL "$pid" 2> /dev/null && n_visited=$((n_visited + 1))
		{ wait "$pid"; } 2> /dev/null || true
		visit "$scripted" 137 || note_wrong
	done
}

RANDOM=1
tracer=()
set_way folder
begin
began=$(date +%s%N)
batch "$scripted" first
took_us=$((($(date +%s%N) - began) / 1000))
moments=()
for ((moment = 0; moment < n_moments; moment++)); do
	moments+=($(((RANDOM * 32768 + RANDOM) % (took_us + 1))))
done
in_workers visit_moments
echo "threads: killed at $n_visited of $n_moments random moments"
