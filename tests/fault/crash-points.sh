#!/bin/bash
# Kill a batch of six images at its system calls, run it again, and look at what is there.
#
#     crash-points.sh STEPPED SCRIPTED STEP MOMENTS
#
# STEPPED is pixpool-stepped, the program on one thread, which makes the same system calls in every run. strace
# kills it at the entry of the n-th call of a kind, for each kind of an undisturbed trace and each n: at every
# STEP-th of these points; 1 visits all. Then SCRIPTED, the program with its threads and workers, is killed at each
# step of the store, and at MOMENTS random moments of its run. After each kill and a second run:
#   - outputs have the names and bytes of an undisturbed run; before the second run each was whole, or absent;
#   - inputs have their bytes, modes and times; in place each file was the old or the new one at any moment, and
#     the backups are the originals;
#   - nothing else is left;
#   - the second run has made only what was not there.
#
# Status 77: it cannot run here, and says why.
set -euo pipefail

stepped=$(realpath "$1")
scripted=$(realpath "$2")
step=$3
n_moments=$4

skip() {
	echo "skipped: $*"
	exit 77
}

command -v strace > /dev/null || skip "there is no strace"
strace -o /dev/null true 2> /dev/null || skip "strace may not trace here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

wrong() {
	echo "$point: $*" >&2
	exit 1
}

mkdir -p template/sub
for i in 0 1 2 3 4 5; do
	folder=template
	((i % 2)) && folder=template/sub
	printf 'pixpool-scripted\nsize %d 2\n' $((2 + i)) > $folder/$i.png
done
find template -name '*.png' -exec chmod 640 {} + -exec touch -d '2020-01-01 00:00:00.123456' {} +
point=before
images=$(cd template && find . -name '*.png' | sort)
facts_of() { # the facts of each image of a folder that must not change
	(cd "$1" && find . -name '*.png' -printf '%p %m %T@ %s\n' | sort)
}
facts=$(facts_of template)

# The three ways to write outputs: into a folder, in place with a backup, and without.
arguments() {
	case $way in
	folder) echo "in -o out" ;;
	backup) echo "in --in-place --backup .orig" ;;
	in-place) echo "in --in-place --no-backup" ;;
	esac
}

batch() { # PROGRAM REPORT: one run of the way
	# shellcheck disable=SC2046
	"${tracer[@]}" "$1" resize -s 9999 $(arguments) --sandbox off --progress none --report "$2" 2> said
}

# What a run has touched: a kill before its first change leaves everything as it was.
tree_now() {
	ls -d out first 2> /dev/null || true
	find in -printf '%p %i %s %m %T@ %C@\n'
}

before=none
begin() { # a fresh tree, unless the last run has touched nothing
	[[ -d in && $(tree_now) == "$before" ]] && return
	rm -rf in out first second
	cp -a template in
	before=$(tree_now)
}

made_in() { # the images that a report calls made
	sed -n 's/.*"name":"\([^"]*\)".*"status":"ok".*/.\/\1/p' "$1" 2> /dev/null || true
}

# After the kill: prints the images that are not made yet. Each is whole or absent, old or new.
missing_now() {
	local image there

	for image in $images; do
		there=out/$image
		[[ $way == folder ]] || there=in/$image
		if [[ -e $there ]] && cmp -s "$there" "right-$way/$image"; then
			continue
		elif [[ $way == folder && -e $there && -s $there ]]; then
			wrong "$there is not whole"
		elif [[ $way != folder ]] && ! cmp -s "$there" "template/$image"; then
			wrong "$there is neither the old nor the new file"
		fi
		echo "$image"
	done
}

check_end() { # MISSING: the invariants after the second run
	local image extra

	for image in $images; do
		case $way in
		folder) cmp -s "out/$image" "right-$way/$image" || wrong "out/$image differs" ;;
		*) cmp -s "in/$image" "right-$way/$image" || wrong "in/$image differs" ;;
		esac
		[[ $way != backup ]] || cmp -s "in/$image.orig" "template/$image" || wrong "in/$image.orig is not the original"
	done
	if [[ $way == folder ]]; then
		[[ $(facts_of in) == "$facts" ]] || wrong "inputs have changed"
		diff -r in template > said || wrong "inputs have changed: $(cat said)"
		extra=$(find out in -type f ! -name '?.png' ! -name .pixpool.db)
	else
		extra=$(find in -type f ! -name '?.png' ! -name '?.png.orig')
	fi
	[[ -z $extra ]] || wrong "left over: $extra"
	extra=$(comm -13 <(echo "$1") <(made_in second | sort))
	[[ -z $extra ]] || wrong "made twice: $extra"
}

visit() { # PROGRAM: run it after a kill, and check
	local missing

	# The second run would be an undisturbed run.
	[[ $(tree_now) != "$before" ]] || return 0
	missing=$(missing_now)
	tracer=()
	batch "$1" second || wrong "the second run ended with status $?: $(cat said)"
	check_end "$missing"
}

# ---- every system call of one thread ----

for way in folder backup in-place; do
	begin
	tracer=()
	batch "$stepped" first || skip "the program does not run on one thread: $(cat said)"
	[[ $(made_in first | wc -l) == 6 ]] || wrong "an undisturbed run makes $(made_in first | wc -l) images"
	if [[ $way == folder ]]; then cp -a out right-folder; else cp -a in "right-$way"; fi
	begin
	tracer=(strace -o trace)
	batch "$stepped" first
	# The call that starts the program is strace's.
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
