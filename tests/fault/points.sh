# shellcheck shell=bash
# The code that crash-points.sh and error-points.sh share: six images, five ways to write them, and the conditions
# that must hold after a disturbed run and a second, undisturbed run. Source this file at the beginning: it enters a
# new folder, and removes it at the end.
#
# The points are visited by several workers at the same time, each in a folder of its own. A worker goes on after a
# point whose conditions do not hold, so that one run of a script finds all of them.
#
# There are thousands of points, and most of their time goes into starting programs. So one call of diff compares all
# files, one call of cp makes the trees of many points, and bash does the rest.

skip() {
	echo "skipped: $*"
	exit 77
}

command -v strace > /dev/null || skip "there is no strace"
setarch -R strace -n -o /dev/null true 2> /dev/null || skip "strace may not trace here, or is older than 5.6"

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
	return 1
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
			rm -rf "$work/worker-$worker"
			mkdir "$work/worker-$worker"
			home=$work/worker-$worker n_visited=0 n_wrong=0
			forget_slots
			"$1"
			echo "$n_visited" > "$home/visited"
			((n_wrong == 0))
		) &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || status=1
	done
	((status == 0)) || exit 1
	n_visited=$(cat "$work"/worker-*/visited | awk '{n += $1} END {print n}')
}

mkdir -p template/sub
for i in 0 1 2 3 4 5; do
	folder=template
	((i % 2)) && folder=template/sub
	printf 'pixpool-scripted\nsize %d 2\n' $((2 + i)) > $folder/$i.png
done
find template -name '*.png' -exec chmod 640 {} + -exec touch -d '2020-01-01 00:00:00.123456' {} +
point=before
mapfile -t images < <(find template -name '*.png' -printf '%P\n' | sort)

# The ways to write outputs: into a folder; into a folder on a file system without user attributes, links and rename
# flags (which stepped.c pretends), and once more into such a folder, when all outputs are up to date; in place with a
# backup, and without.
set_way() { # argument: WAY
	way=$1
	right=$work/right-$way
	unset STEPPED_BARE
	case $way in
	folder | bare | again) arguments=(in -o out) outputs=./out ;;
	backup) arguments=(in --in-place --backup .orig) outputs=./in ;;
	in-place) arguments=(in --in-place --no-backup) outputs=./in ;;
	esac
	[[ $way != bare && $way != again ]] || export STEPPED_BARE=1
}

to_folder() { [[ $outputs == ./out ]]; }

batch() { # arguments: PROGRAM REPORT: run once in the current way; messages go to ../said
	"${tracer[@]}" "$1" resize -s 9999 "${arguments[@]}" --sandbox off --progress none --report "../$2" 2> ../said
}

# ---- a fresh tree for each point ----

# A slot is a folder with the tree of one point in now/, and with the reports and messages of its runs beside it. Slots
# are made by copying a folder of fresh slots: fresh-again for the way again, and fresh for all others.
slots=(00 01 02 03 04 05 06 07 08 09 10 11 12 13 14 15)
home=$work/undisturbed # the folder of this worker; the path to a tree has as many folders in all of them
mkdir "$home"

make_fresh() { # arguments: NAME FOLDER...: make a folder of slots whose trees have these folders
	local slot

	for slot in "${slots[@]}"; do
		mkdir -p "$1/$slot/now"
		cp -a "${@:2}" "$1/$slot/now"
	done
}

mkdir original
cp -a template original/in
make_fresh fresh original/in

forget_slots() { slot=${#slots[@]} is_fresh=; }

# The files of a slot, and the properties that any change to them changes.
as_listed='%i %s %m %T@ %C@\n'

fill_slots() {
	local name facts from=fresh

	cd "$home" || exit 1
	rm -rf slots
	[[ $way != again ]] || from=fresh-again
	cp -a "$work/$from" slots
	befores=()
	while read -r name facts; do
		befores[10#${name%%/*}]+=".${name#*/now} $facts"$'\n'
	done < <(find slots -mindepth 2 -printf "%P $as_listed")
	slot=0
}

begin() { # enter the tree of a fresh slot; stay in this one if its last run has touched nothing
	[[ -z $is_fresh ]] || {
		is_fresh=
		return
	}
	slot=$((slot + 1))
	((slot < ${#slots[@]})) || fill_slots
	cd "$home/slots/${slots[slot]}/now" || exit 1
}

# A kill before its first change leaves everything unchanged. A run that has begun its report has touched something.
set_is_fresh() {
	local now

	is_fresh=
	[[ ! -e ../first ]] || return 0
	now=$(find . -printf "%p $as_listed")
	[[ $now$'\n' != "${befores[slot]}" ]] || is_fresh=1
}

# ---- conditions ----

# Set different to the lines of diff for two folders.
compare() { # arguments: FOLDER FOLDER
	local status=0

	different=$(LC_ALL=C diff -rq "$1" "$2" 2>&1) || status=$?
	((status <= 1)) || wrong "$different"
}

# Called after the first run: set missing to the images that are not made yet, each with a space before and after it.
# With -o each output must be complete, empty or absent. With --in-place each image must be the old or the new one.
find_missing() {
	local image there unlike_right

	missing=" "
	compare . "$right" || return
	unlike_right=$different
	different=unknown
	for image in "${images[@]}"; do
		there=$outputs/$image
		if [[ -f $there && $unlike_right != *"Files $there and "* ]]; then
			continue
		elif to_folder && [[ -s $there ]]; then
			wrong "$there is not whole" || return
		elif ! to_folder; then
			[[ $different != unknown ]] || compare in "$work/template" || return
			[[ -f $there && $different != *"Files in/$image and "* ]] ||
				wrong "$there is neither the old nor the new file" || return
		fi
		missing+="$image "
	done
}

# Inputs keep their modes and times, with --in-place as well.
set_facts() { facts=$(stat -c '%n %a %.9Y' "${images[@]/#/in/}" 2>&1) || true; }

# Check the invariants after the second run: no other files are left, and all have their right content. Only the
# database of outputs may differ.
check_end() {
	local line

	compare . "$right" || return
	different=${different/"Files ./out/.pixpool.db and $right/out/.pixpool.db differ"/}
	[[ ! $different =~ [^[:space:]] ]] || wrong "wrong files: $different" || return
	set_facts
	[[ $facts == "$right_facts" ]] || wrong "inputs have other modes or times: $facts" || return
	while read -r line; do
		[[ ! $line =~ $made || $missing == *" ${BASH_REMATCH[1]} "* ]] || wrong "made twice: ${BASH_REMATCH[1]}" || return
	done < ../second
}

# The line of a report for an image that the run has made.
made='"name":"([^"]*)".*"status":"ok"'

visit() { # arguments: PROGRAM STATUS: check the result of the first run, run it a second time, and check the end
	local status=0

	set_is_fresh
	if [[ -n $is_fresh ]]; then
		# Skip this point: nothing has changed, so the second run would be the same as an undisturbed first run.
		[[ $2 != 0 || $way == again ]] || wrong "status 0, but nothing is made"
		return
	fi
	find_missing || return
	[[ $2 != 0 || $missing == " " ]] || wrong "status 0, but not made:$missing" || return
	tracer=()
	batch "$1" second || status=$?
	((status == 0)) || wrong "the second run ended with status $status: $(cat ../said)" || return
	check_end
}

# Check the tree of an undisturbed run, with which the others are compared.
check_right() {
	local image extra

	if to_folder; then
		compare in "$work/template" || return
		[[ -z $different ]] || wrong "inputs have changed: $different" || return
		extra=$(find out -type f ! -name '?.png' ! -name .pixpool.db)
	else
		extra=$(find in -type f ! -name '?.png' ! -name '?.png.orig')
	fi
	[[ -z $extra ]] || wrong "left over: $extra" || return
	[[ $way != backup ]] || for image in "${images[@]}"; do
		cmp "in/$image.orig" "$work/template/$image" || wrong "the backup is not the original" || return
	done
	set_facts
	[[ $facts == "$right_facts" ]] || wrong "inputs have other modes or times: $facts"
}

forget_slots
set_way folder
begin
set_facts
right_facts=$facts

make_right() { # argument: PROGRAM: run it once, undisturbed, to make the right tree of the current way
	local n

	forget_slots
	# The first run of the way again finds no outputs.
	[[ $way != again ]] || cp -a "$work/fresh" "$work/fresh-again"
	begin
	tracer=()
	batch "$1" first || skip "the program does not run here: $(cat ../said)"
	n=$(grep -cE "$made" ../first || true)
	((n == 6)) || wrong "an undisturbed run makes $n images"
	check_right
	rm -rf "$right"
	cp -a . "$right"
	[[ $way != again ]] || {
		rm -r "$work/fresh-again"
		(cd "$work" && make_fresh fresh-again original/in right-again/out)
	}
	forget_slots
}

# Run a program once more, undisturbed. Set calls to the names of its system calls, and numbers to their numbers. The
# first call, which starts the program, is left out.
trace_calls() { # argument: PROGRAM
	begin
	tracer=(setarch -R strace -n -o ../trace)
	batch "$1" first
	# shellcheck disable=SC2034 # for the script that sources this file
	mapfile -t calls < <(sed -n '2,$s/^\[ *[0-9]*\] \([a-z0-9_]*\)(.*/\1/p' ../trace)
	# shellcheck disable=SC2034
	mapfile -t numbers < <(sed -n '2,$s/^\[ *\([0-9]*\)\] [a-z0-9_]*(.*/\1/p' ../trace)
}
