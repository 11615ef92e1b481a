# shellcheck shell=bash
# The code that crash-points.sh and error-points.sh share: six images, four ways to write them, and the conditions
# that must hold after a disturbed run and a second, undisturbed run. Source this file at the beginning: it enters a
# new folder, and removes it at the end.
#
# The points are visited by several workers at the same time, each in a folder of its own. A worker goes on after a
# point whose conditions do not hold, so that one run of a script finds all of them.

skip() {
	echo "skipped: $*"
	exit 77
}

command -v strace > /dev/null || skip "there is no strace"
strace -o /dev/null true 2> /dev/null || skip "strace may not trace here"

# A file system in memory is faster. It must take the attributes of stamps.
takes_stamps() { : > "$1/probe" && setfattr -n user.pixpool -v 1 "$1/probe"; }
if ! work=$(mktemp -d -p /dev/shm 2> /dev/null) || ! takes_stamps "$work" 2> /dev/null; then
	[[ -z $work ]] || rm -rf "$work"
	work=$(mktemp -d)
fi
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ulimit -n 128 # the program checks every descriptor number that it may have inherited

wrong() {
	echo "$point: $*" >&2
	exit 1
}

n_workers=$(nproc)
worker=0

note_wrong() { n_wrong=$((n_wrong + 1)); }

# Call a function in each worker, with the number of the worker in $worker. The function counts the points that it
# visits in n_visited, and calls note_wrong for each whose conditions do not hold. Sets n_visited to the sum over all
# workers, and ends the script if anything is wrong.
in_workers() { # argument: FUNCTION
	local pids=() pid status=0

	for ((worker = 0; worker < n_workers; worker++)); do
		(
			rm -rf "worker-$worker"
			mkdir "worker-$worker"
			cp -a template right-* "worker-$worker"
			cd "worker-$worker" || exit 1
			before=none n_visited=0 n_wrong=0
			"$1"
			echo "$n_visited" > visited
			((n_wrong == 0))
		) &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	((status == 0)) || exit 1
	n_visited=$(cat worker-*/visited | awk '{n += $1} END {print n}')
}

mkdir -p template/sub
for i in 0 1 2 3 4 5; do
	folder=template
	((i % 2)) && folder=template/sub
	printf 'pixpool-scripted\nsize %d 2\n' $((2 + i)) > $folder/$i.png
done
find template -name '*.png' -exec chmod 640 {} + -exec touch -d '2020-01-01 00:00:00.123456' {} +
point=before
way=folder # the current way of writing outputs
images=$(cd template && find . -name '*.png' | sort)
facts_of() { # print the properties of the images in a folder that must not change, with --in-place as well
	(cd "$1" && find . -name '*.png' -printf '%p %m %T@\n' | sort)
}
facts=$(facts_of template)

# The ways to write outputs: into a folder; into a folder on a file system without user attributes, links and rename
# flags (which stepped.c pretends), and once more into such a folder, when all outputs are up to date; in place with a
# backup, and without.
arguments() {
	case $way in
	folder | bare | again) echo "in -o out" ;;
	backup) echo "in --in-place --backup .orig" ;;
	in-place) echo "in --in-place --no-backup" ;;
	esac
}

to_folder() { [[ $way == folder || $way == bare || $way == again ]]; }

batch() { # arguments: PROGRAM REPORT: run once in the current way
	unset STEPPED_BARE
	[[ $way != bare && $way != again ]] || export STEPPED_BARE=1
	# shellcheck disable=SC2046
	"${tracer[@]}" "$1" resize -s 9999 $(arguments) --sandbox off --progress none --report "$2" 2> said
}

# The files that a run has touched: a kill before its first change leaves everything unchanged.
tree_now() {
	ls -d out first 2> /dev/null || true
	find in out -printf '%p %i %s %m %T@ %C@\n' 2> /dev/null || true
}

before=none
begin() { # make a fresh tree, unless the last run has touched nothing
	[[ -d in && $(tree_now) == "$before" ]] && return
	rm -rf in out first second
	cp -a template in
	[[ $way != again ]] || cp -a right-again out
	before=$(tree_now)
}

made_in() { # print the images that a report calls made
	sed -n 's/.*"name":"\([^"]*\)".*"status":"ok".*/.\/\1/p' "$1" 2> /dev/null || true
}

# Called after the first run: print the images that are not made yet. Each must be complete or absent, old or new.
missing_now() {
	local image there

	for image in $images; do
		there=out/$image
		to_folder || there=in/$image
		if [[ -e $there ]] && cmp -s "$there" "right-$way/$image"; then
			continue
		elif to_folder && [[ -s $there ]]; then
			wrong "$there is not whole"
		elif ! to_folder && ! cmp -s "$there" "template/$image"; then
			wrong "$there is neither the old nor the new file"
		fi
		echo "$image"
	done
}

check_end() { # argument: MISSING: check the invariants after the second run
	local image extra

	for image in $images; do
		case $way in
		folder | bare | again) cmp -s "out/$image" "right-$way/$image" || wrong "out/$image differs" ;;
		*) cmp -s "in/$image" "right-$way/$image" || wrong "in/$image differs" ;;
		esac
		[[ $way != backup ]] || cmp -s "in/$image.orig" "template/$image" || wrong "in/$image.orig is not the original"
	done
	[[ $(facts_of in) == "$facts" ]] || wrong "inputs have other modes or times: $(facts_of in)"
	if to_folder; then
		diff -r in template > said || wrong "inputs have changed: $(cat said)"
		extra=$(find out in -type f ! -name '?.png' ! -name .pixpool.db)
	else
		extra=$(find in -type f ! -name '?.png' ! -name '?.png.orig')
	fi
	[[ -z $extra ]] || wrong "left over: $extra"
	extra=$(comm -13 <(echo "$1") <(made_in second | sort))
	[[ -z $extra ]] || wrong "made twice: $extra"
}

visit() { # argument: PROGRAM: run it a second time, and check the result
	local missing

	# Skip this point, because the run would be undisturbed.
	[[ $(tree_now) != "$before" ]] || return 0
	missing=$(missing_now) || exit 1
	tracer=()
	batch "$1" second || wrong "the second run ended with status $?: $(cat said)"
	check_end "$missing"
}

make_right() { # argument: PROGRAM: run it once, undisturbed, to make right-WAY
	local n

	[[ $way != again ]] || mkdir right-again
	before=none
	begin
	tracer=()
	batch "$1" first || skip "the program does not run here: $(cat said)"
	n=$(made_in first | wc -l)
	((n == 6)) || wrong "an undisturbed run makes $n images"
	rm -rf "right-$way"
	if to_folder; then cp -a out "right-$way"; else cp -a in "right-$way"; fi
	before=none
}

undisturbed() { # argument: PROGRAM: run it once to make right-WAY, and once more for the trace
	make_right "$1"
	begin
	tracer=(setarch -R strace -o trace)
	batch "$1" first
}
