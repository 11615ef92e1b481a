#!/bin/bash
# Check outputs on file systems that lack features: vfat on a loop device and exFAT by FUSE (no attributes, links and
# unnamed files, times in coarse steps, like the cards of cameras), and an overlay. On each:
#   - a run makes all outputs, and a second run makes none of them again; if the file system keeps stamps, this is also
#     true after the database was deleted;
#   - the same command resumes a run that was killed while it decoded images or gave outputs their names;
#   - the output of a changed input is made again, and an output that somebody changed is kept;
#   - with --in-place, images are replaced with and without a backup; if the file system keeps no stamps, a warning says
#     so.
#
#     file-systems.sh PROGRAM [KIND...]       vfat, exfat and overlay unless said otherwise
#
# Exit status 77: none of these file systems can be mounted here; the script prints the reasons.
set -euo pipefail

program=$(realpath "$1")
shift
kinds=("$@")
(($#)) || kinds=(vfat exfat overlay)
((EUID == 0)) || {
	echo "skipped: mounting needs root"
	exit 77
}
command -v strace > /dev/null || {
	echo "skipped: there is no strace"
	exit 77
}
work=$(mktemp -d)
mounted=()
clean_up() {
	local mount

	for mount in "${mounted[@]}"; do
		umount -l "$mount"
	done
	[[ ! -s $work/device ]] || losetup -d "$(cat "$work/device")"
	rm -rf "$work"
}
trap clean_up EXIT
cd "$work"

wrong() {
	echo "$kind: $*" >&2
	[[ ! -s said ]] || sed 's/^/  /' said >&2
	exit 1
}

make_inputs() { # argument: FOLDER
	mkdir -p "$1/sub"
	for i in 0 1 2 3 4 5; do
		printf 'pixpool-scripted\nsize %d 2\n' $((2 + i)) > "$1/$i.png"
	done
	mv "$1/5.png" "$1/sub/"
	find "$1" -type f -exec touch -d 2020-01-01 {} +
}

mount_vfat() {
	command -v mkfs.vfat > /dev/null || {
		echo "there is no mkfs.vfat"
		return 1
	}
	truncate -s 40M image
	mkfs.vfat image > /dev/null
	mount -o loop,utf8 image mount 2>&1
}

mount_exfat() {
	command -v mkfs.exfat mount.exfat-fuse > /dev/null || {
		echo "there is no mkfs.exfat, or no mount.exfat-fuse"
		return 1
	}
	truncate -s 40M image
	mkfs.exfat image > /dev/null
	losetup -f --show image > device 2>&1 || {
		cat device
		return 1
	}
	mount.exfat-fuse "$(cat device)" mount 2>&1
}

# The inputs of --in-place come from the lower layer.
mount_overlay() {
	mkdir layers
	# The upper layer must not be on an overlay itself, so it is on a tmpfs.
	mount -t tmpfs tmpfs layers 2>&1 || return 1
	mkdir layers/{lower,upper,work}
	make_inputs layers/lower/photos
	mount -t overlay overlay -o lowerdir=layers/lower,upperdir=layers/upper,workdir=layers/work mount 2>&1 || {
		umount layers
		return 1
	}
}

resize() { # arguments: OPTION...
	"$program" resize -s 99 --progress none --report report "$@" 2> said
}

expect() { # arguments: OK SKIPPED FAILED
	local summary

	summary=$(grep '"summary"' report)
	[[ $summary == *"\"ok\":$1,\"skipped\":$2,\"failed\":$3,"* ]] ||
		wrong "expected $1 done, $2 skipped, $3 failed, got $summary"
}

check_folder() {
	make_inputs in
	resize in -o mount/out || wrong "the first run failed"
	expect 6 0 0
	diff -r -x '.pixpool*' right mount/out || wrong "outputs differ"
	resize in -o mount/out || wrong "the second run failed"
	expect 0 6 0
	if getfattr -n user.pixpool mount/out/0.png > /dev/null 2>&1; then
		rm mount/out/.pixpool.db*
		resize in -o mount/out || wrong "the run without a database failed"
		expect 0 6 0
	fi

	printf 'pixpool-scripted\nsize 7 7\n' > in/0.png
	resize in -o mount/out || wrong "the run with a changed input failed"
	expect 1 5 0
	echo mine > mount/out/1.png
	resize in -o mount/out && wrong "a changed output was replaced"
	expect 0 5 1
	[[ $(cat mount/out/1.png) == mine ]] || wrong "a changed output was replaced"
	rm mount/out/1.png
	resize in -o mount/out || wrong "the last run failed"
	expect 1 5 0
}

check_kill() {
	local pid

	printf 'pixpool-scripted\ngate z\nsize 2 2\n' > in/z.png
	(exec "$program" resize -s 99 in -o mount/killed -j 2 --progress none 2> said) &
	pid=$!
	until pgrep -x gate-z > /dev/null; do
		kill -0 $pid 2> /dev/null || wrong "the run ended before it was killed"
		sleep 0.01
	done
	kill -KILL $pid
	{ wait $pid; } 2> /dev/null || true
	printf 'pixpool-scripted\nsize 2 2\n' > in/z.png
	resize in -o mount/killed || wrong "the run after a kill failed"
	[[ $(find mount/killed -name '*.png' -size +0 | wc -l) == 7 ]] || wrong "outputs are missing after a kill"
	[[ -z $(find mount -name '.pixpool-*') ]] || wrong "left over: $(find mount -name '.pixpool-*')"
	check_kill_while_naming
}

# Kill a run in the middle of a group, when some outputs have their names and the state has no rows of them yet.
check_kill_while_naming() {
	local call n status

	for call in renameat linkat; do
		for n in 2 4 7; do
			rm -rf mount/killed
			status=0
			{ strace -f -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n" \
				"$program" resize -s 99 in -o mount/killed --progress none 2> said; } 2> killed || status=$?
			((status == 0 || status == 137)) || wrong "the run to be killed ended with status $status"
			((status == 0)) || n_killed=$((n_killed + 1))
			resize in -o mount/killed || wrong "the run after a kill at $call number $n failed"
			[[ $(find mount/killed -name '*.png' -size +0 | wc -l) == 7 ]] ||
				wrong "outputs are missing after a kill at $call number $n"
			resize in -o mount/killed || wrong "the third run failed"
			expect 0 7 0
		done
	done
	((n_killed > 0)) || wrong "no run was killed while it named its outputs"
}

check_in_place() {
	[[ -d mount/photos ]] || make_inputs mount/photos
	resize --in-place --backup .orig mount/photos || wrong "in place with a backup failed"
	expect 6 0 0
	for image in 0 1 2 3 4 sub/5; do
		cmp "right/$image.png" "mount/photos/$image.png" || wrong "$image.png differs"
		grep -q pixpool-scripted "mount/photos/$image.png.orig" || wrong "$image.png.orig is not the original"
	done
	if getfattr -n user.pixpool mount/photos/0.png > /dev/null 2>&1; then
		resize --in-place --backup .orig mount/photos || wrong "the second run in place failed"
		expect 0 6 0
	else
		grep -q 'the file system cannot store records on images' said || wrong "no warning that there are no records"
	fi
	make_inputs mount/others
	resize --in-place --no-backup mount/others || wrong "in place without a backup failed"
	expect 6 0 0
	diff -r right mount/others || wrong "images in place differ"
	[[ -z $(find mount -name '.pixpool-*') ]] || wrong "left over: $(find mount -name '.pixpool-*')"
}

kind=before
make_inputs in
resize in -o right --state none || wrong "an undisturbed run failed"
n_done=0
for kind in "${kinds[@]}"; do
	rm -rf in
	n_killed=0
	mkdir mount
	if ! why=$("mount_$kind"); then
		echo "skipped: $kind: $why"
		rmdir mount
		continue
	fi
	mounted+=("$work/mount")
	[[ $kind != overlay ]] || mounted+=("$work/layers")
	check_folder
	check_kill
	check_in_place
	echo "$kind: outputs are made, resumed and replaced"
	n_done=$((n_done + 1))
	umount mount
	[[ $kind != overlay ]] || umount layers
	mounted=()
	rmdir mount
done
((n_done > 0)) || exit 77
