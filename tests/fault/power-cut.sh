#!/bin/bash
# Cut the power of the output folder's file system while a batch runs, at random moments. Then check the outputs, and
# run the same command again. After each cut, these conditions must hold:
#   - every output that the report calls done exists and is whole;
#   - no output name leads to a partial or an empty file;
#   - the second run succeeds and makes none of the done outputs again, and all outputs equal those of an undisturbed run.
# With --in-place --backup, each image must have its whole old or its whole new content, and each new image must have its
# original as backup.
# The control repeats this with --no-fsync, and must lose outputs in at least half of its rounds.
#
#     power-cut.sh PROGRAM CUT_POWER ROUNDS [FILE_SYSTEM...]       ext4 and xfs unless said otherwise
#
# Exit status 77: the script cannot run here, and prints the reason.
set -euo pipefail

program=$(realpath "$1")
cut_power=$(realpath "$2")
rounds=$3
shift 3
kinds=("$@")
(($#)) || kinds=(ext4 xfs)

skip() {
	echo "skipped: $*"
	exit 77
}

((EUID == 0)) || skip "mounting needs root"
work=$(mktemp -d)
mounted=
clean_up() {
	[[ -z $mounted ]] || umount -l "$work/mount"
	rm -rf "$work"
}
trap clean_up EXIT
mkdir "$work/mount" "$work/in"

n_images=120
for ((i = 0; i < n_images; i++)); do
	mkdir -p "$work/in/$((i % 6))"
	printf 'pixpool-scripted\nsize %d 2\n' $((2 + i)) > "$work/in/$((i % 6))/$i.png"
done
touch -d 2020-01-01 "$work"/in/*/*
"$program" resize -s 9999 "$work/in" -o "$work/right" -Q --state none

mount_image() {
	mount -o loop "$work/image" "$work/mount" 2> "$work/mount.err" || return 1
	mounted=yes
}

# Another test may have a copy of the mount in a mount namespace of its own. As long as it has, mounting the image again
# would show the dead file system, whose files give I/O errors. So wait for the loop device to be gone, for 60 s at most.
unmount_image() {
	local left=600

	umount "$work/mount"
	mounted=
	while ((left-- > 0)) && [[ -n $(losetup --associated "$work/image") ]]; do
		sleep 0.1
	done
}

make_image() { # argument: KIND: create a new file system of this kind in an image file
	rm -f "$work/image"
	truncate -s 400M "$work/image"
	"mkfs.$1" -q "$work/image" > /dev/null 2>&1
}

resize() { # arguments: REPORT OPTION...: run a batch whose outputs go to the file system
	local report=$1

	shift
	"$program" resize -s 9999 "$work/in" -o "$work/mount/out" --progress none --report "$report" "$@" 2> "$work/said"
}

done_in() { # print the names of the outputs that a report calls done
	sed -n 's/.*"name":"\([^"]*\)".*"status":"ok".*/\1/p' "$1"
}

n_lost=0
wrong() {
	echo "$*" >&2
	exit 1
}

# Wait until the first run has reported this number of images, for 20 s at most.
await_records() {
	local left=2000

	while ((left-- > 0)) && (($({ wc -l < "$work/first" || echo 0; } 2> /dev/null) < $1)); do
		sleep 0.01
	done
}

# Cut the power when a run has reported a random number of images, and mount what is left.
cut_during() { # the process id of the run
	await_records $((RANDOM % n_images))
	# On a real machine some other process always writes too, which makes the file system commit what is there.
	date > "$work/mount/other"
	sync "$work/mount/other" 2> "$work/sync.err" || true
	cp "$work/first" "$work/then" 2> /dev/null || : > "$work/then"
	"$cut_power" "$work/mount"
	wait "$1" || true
	unmount_image
	mount_image || wrong "$kind: cannot be mounted after the cut"
}

# Run one round. Sets lost to the number of outputs that were called done and are missing or incomplete, and adds to
# partial the number of output names that lead to a partial or an empty file.
round() { # more options for the first run
	local name

	rm -f "$work/first"
	make_image "$kind"
	mount_image || skip "a loop device of $kind cannot be mounted: $(cat "$work/mount.err")"
	mkdir "$work/mount/out"
	sync -f "$work/mount"
	resize "$work/first" "$@" &
	cut_during $!

	lost=0
	while read -r name; do
		cmp -s "$work/right/$name" "$work/mount/out/$name" || lost=$((lost + 1))
	done < <(done_in "$work/then")
	while IFS= read -r -d '' name; do
		cmp -s "$work/right/${name#"$work/mount/out/"}" "$name" || partial=$((partial + 1))
	done < <(find "$work/mount/out" -name '*.png' -print0)
}

# Resize the photos of the mounted file system in place.
in_place() { # REPORT
	"$program" resize -s 9999 --in-place --backup .orig "$work/mount/photos" --progress none --report "$1" 2> "$work/said"
}

check_in_place() { # check the images after a power cut
	local name photo

	while IFS= read -r -d '' name; do
		photo=$work/mount/photos/$name
		cmp -s "$work/in/$name" "$photo" && continue
		cmp -s "$work/right/$name" "$photo" || wrong "$kind, in place: $name is neither the old nor the new image"
		cmp -s "$work/in/$name" "$photo.orig" || wrong "$kind, in place: $name is new, and its original is lost"
	done < <(cd "$work/in" && find . -name '*.png' -print0)
}

round_in_place() {
	local name extra

	rm -f "$work/first"
	make_image "$kind"
	mount_image || skip "a loop device of $kind cannot be mounted: $(cat "$work/mount.err")"
	cp -a "$work/in" "$work/mount/photos"
	sync -f "$work/mount"
	in_place "$work/first" &
	cut_during $!

	while read -r name; do
		cmp -s "$work/right/$name" "$work/mount/photos/$name" || wrong "$kind, in place: $name was done and is lost"
		n_called_done=$((n_called_done + 1))
	done < <(done_in "$work/then")
	check_in_place
	in_place "$work/second" || wrong "$kind, in place: the second run failed: $(cat "$work/said")"
	diff -r -x '*.orig' "$work/right" "$work/mount/photos" || wrong "$kind, in place: images differ"
	check_in_place
	extra=$(find "$work/mount/photos" -name '.*' -type f)
	[[ -z $extra ]] || wrong "$kind, in place: left over: $extra"
	unmount_image
}

for kind in "${kinds[@]}"; do
	command -v "mkfs.$kind" > /dev/null || skip "there is no mkfs.$kind"
	n_called_done=0
	for ((r = 0; r < rounds; r++)); do
		partial=0
		round
		((lost == 0)) || wrong "$kind, round $r: $lost outputs that were done are lost"
		((partial == 0)) || wrong "$kind, round $r: $partial outputs are not whole"
		n_called_done=$((n_called_done + $(done_in "$work/then" | wc -l)))
		resize "$work/second" || wrong "$kind, round $r: the second run failed: $(cat "$work/said")"
		diff -r -x '.pixpool*' "$work/right" "$work/mount/out" || wrong "$kind, round $r: outputs differ"
		[[ -z $(comm -12 <(done_in "$work/then" | sort) <(done_in "$work/second" | sort)) ]] ||
			wrong "$kind, round $r: an output that was done was made again"
		unmount_image
	done
	((n_called_done > 0)) || wrong "$kind: no output was done before any cut: the moments are too early"
	said="$rounds cuts, $n_called_done outputs done before them, none lost"
	n_called_done=0
	for ((r = 0; r < rounds; r++)); do
		round_in_place
	done
	said+="; in place $n_called_done, none lost"

	for ((r = 0; r < rounds; r++)); do
		partial=0
		round --no-fsync
		((lost + partial == 0)) || n_lost=$((n_lost + 1))
		unmount_image
	done
	echo "$kind: $said; without fsync $n_lost of $rounds lost some"
	((2 * n_lost >= rounds)) || wrong "$kind: the control lost outputs in $n_lost of $rounds rounds only"
	n_lost=0
done
