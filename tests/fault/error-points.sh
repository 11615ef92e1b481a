#!/bin/bash
# Make the system calls of a batch of six images fail. For each kind of call and each n, one run fails at the n-th call
# only, and another run fails at the n-th call and all later calls of that kind.
#
#     error-points.sh STEPPED DISTURB_AT_CALL STEP
#
# STEPPED is pixpool-stepped, the program on one thread, and DISTURB_AT_CALL makes its calls fail. The script visits one
# in STEP of these points; 1 visits all.
# Calls before main() do not fail. Every run must end by itself with a documented exit status, and a run with status 0
# must have made all outputs. After each run, and after a second, undisturbed run, the conditions of crash-points.sh must
# hold.
#
# Exit status 77: the script cannot run here, and prints the reason.
set -euo pipefail

stepped=$(realpath "$1")
disturb_at_call=$(realpath "$2")
step=$3
# shellcheck source=tests/fault/points.sh
. "$(dirname "$(realpath "$0")")/points.sh"

"$disturb_at_call" 9999 1 EIO true || skip "disturb_at_call cannot run a program here"

# The calls that fail, and their errors.
errors_of() { # argument: CALL
	[[ $way != again ]] || {
		# Without its state, a run would find no record of the outputs.
		case $1 in
		read | pread64 | pwrite64 | fsync | fdatasync | ftruncate | getdents64) echo EIO ;;
		mmap) echo ENOMEM ;;
		esac
		return
	}
	case $1 in
	openat | openat2 | mkdir | mkdirat) echo EMFILE ENOSPC EACCES ;;
	# A file that cannot get a stamp is a valid output without one. With --in-place the stamp would be its only
	# record.
	fsetxattr) to_folder && echo ENOSPC EIO || echo EIO ;;
	write | pwrite64 | sendfile | ftruncate | fsync | fdatasync | linkat | syncfs) echo ENOSPC EIO ;;
	rename | renameat | renameat2 | unlink | unlinkat | fchown | fchmod) echo EIO EACCES ;;
	# In place, a file whose times cannot be set has the time of now, and there is a warning.
	utimensat) ! to_folder || echo EIO EACCES ;;
	read | pread64 | getdents64 | newfstatat | statfs) echo EIO ;;
	mmap | memfd_create | eventfd2 | signalfd4 | getrandom) echo ENOMEM ;;
	fcntl) echo ENOLCK ;;
	esac
}

disturb() { # arguments: CALL NUMBER-OF-CALL WHEN ERROR: make one run with one fault, and then a second run
	local status=0 report=

	tracer=("$disturb_at_call" "$2" "$3" "$4")
	{ batch "$stepped" first; } 2> /dev/null || status=$?
	case $status in
	0 | 1 | 2 | 4) ;;
	*) wrong "status $status: $(cat ../said)" || return ;;
	esac
	[[ $status == 0 || -s ../said || $1 == write ]] || wrong "status $status without a message" || return
	[[ ! -e ../first ]] || read -r -d '' report < ../first || true
	[[ $report != *'"class":"exists"'* ]] || wrong "an output of ours is taken for a file of others" || return
	visit "$stepped" "$status"
}

visit_calls() {
	local i call number n error when

	for ((i = worker * step; i < ${#points[@]}; i += n_workers * step)); do
		read -r call number n error <<< "${points[i]}"
		for when in "$n" "$n+"; do
			point="$way, $call fails with $error at number $when"
			begin
			disturb "$call" "$number" "$when" "$error" || note_wrong
		done
		n_visited=$((n_visited + 1))
	done
}

# Set points to the calls of the trace that fail: the name of each, its number, the count of such calls up to it, and the
# error. main() opens /dev/null before any other file.
list_points() {
	local i n call error n_before
	local -A number_of=() n_of=() first_of=()

	n_before=$(grep -n '"/dev/null"' ../trace | head -1 | cut -d: -f1)
	for ((i = 0; i < ${#calls[@]}; i++)); do
		call=${calls[i]}
		number_of[$call]=${numbers[i]}
		n_of[$call]=$((${n_of[$call]:-0} + 1))
		# The trace has one line more, which is the first.
		((i + 2 < n_before)) || : "${first_of[$call]:=${n_of[$call]}}"
	done
	points=()
	while read -r call; do
		for error in $(errors_of "$call"); do
			for ((n = first_of[$call]; n <= n_of[$call]; n++)); do
				points+=("$call ${number_of[$call]} $n $error")
			done
		done
	done < <(printf '%s\n' "${!first_of[@]}" | sort)
}

for way in folder backup in-place again; do
	set_way "$way"
	make_right "$stepped"
	trace_calls "$stepped"
	list_points
	in_workers visit_calls
	echo "$way: $n_visited of ${#points[@]} calls failed, once and from then on"
	((n_visited == (${#points[@]} + step - 1) / step && ${#points[@]} > 50)) ||
		wrong "visited $n_visited of ${#points[@]} points"
done
