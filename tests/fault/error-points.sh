#!/bin/bash
# Make the system calls of a batch of six images fail. For each kind of call and each n, one run fails at the n-th call
# only, and another run fails at the n-th call and all later calls of that kind.
#
#     error-points.sh STEPPED STEP
#
# STEPPED is pixpool-stepped, the program on one thread. The script visits one in STEP of these points; 1 visits all.
# Calls before main() do not fail. Every run must end by itself with a documented exit status, and a run with status 0
# must have made all outputs. After each run, and after a second, undisturbed run, the conditions of crash-points.sh must
# hold.
#
# Exit status 77: the script cannot run here, and prints the reason.
set -euo pipefail

stepped=$(realpath "$1")
step=$2
# shellcheck source=tests/fault/points.sh
. "$(dirname "$(realpath "$0")")/points.sh"

# With this option strace stops the program only at the calls that fail.
fast=(-f --seccomp-bpf)
strace "${fast[@]}" -o /dev/null true 2> /dev/null || fast=()

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

disturb() { # arguments: CALL NUMBER ERROR: make one run with one fault, and then a second run
	local status=0

	tracer=(timeout -s KILL 60 setarch -R strace "${fast[@]}" -o /dev/null -e "trace=$1" -e "inject=$1:error=$3:when=$2")
	{ batch "$stepped" first; } 2> /dev/null || status=$?
	case $status in
	0 | 1 | 2 | 4) ;;
	*) wrong "status $status: $(cat said)" ;;
	esac
	[[ $status == 0 || -s said || $1 == write ]] || wrong "status $status without a message"
	! grep -q '"class":"exists"' first 2> /dev/null || wrong "an output of ours is taken for a file of others"
	[[ $status != 0 || -z $(missing_now) ]] || wrong "status 0, but not made: $(missing_now)"
	visit "$stepped"
}

visit_calls() {
	local i call number error when

	for ((i = worker * step; i < ${#points[@]}; i += n_workers * step)); do
		read -r call number error <<< "${points[i]}"
		for when in "$number" "$number+"; do
			point="$way, $call fails with $error at number $when"
			begin
			(disturb "$call" "$when" "$error") || note_wrong
		done
		n_visited=$((n_visited + 1))
	done
}

for way in folder backup in-place again; do
	undisturbed "$stepped"
	# main() opens /dev/null before any other file.
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' trace > all
	n_before=$(grep -n '"/dev/null"' trace | head -1 | cut -d: -f1)
	points=()
	while read -r n call; do
		first=$(($(head -n $((n_before - 1)) all | grep -cx "$call" || true) + 1))
		for error in $(errors_of "$call"); do
			for ((i = first; i <= n; i++)); do
				points+=("$call $i $error")
			done
		done
	done < <(sort all | uniq -c)
	in_workers visit_calls
	echo "$way: $n_visited of ${#points[@]} calls failed, once and from then on"
	((n_visited == (${#points[@]} + step - 1) / step && ${#points[@]} > 50)) ||
		wrong "visited $n_visited of ${#points[@]} points"
done
