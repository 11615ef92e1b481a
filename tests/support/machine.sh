# shellcheck shell=bash
# Functions that the scripts share: install Debian packages, build, run tests, count results. Source it.

packages_to_build=(cmake ninja-build gcc libc6-dev pkg-config libvips-dev libjpeg62-turbo-dev libzimg-dev
	libwebp-dev libisal-dev libdeflate-dev liblcms2-dev libheif-dev libjxl-dev libfontconfig-dev libgdk-pixbuf-2.0-dev librsvg2-dev libexpat1-dev nettle-dev zlib1g-dev libbrotli-dev
	libstb-dev libseccomp-dev libsqlite3-dev libxxhash-dev
	libb2-dev)
# bench/quality needs libvips-tools, python3-numpy and python3-pil.
packages_to_test=("${packages_to_build[@]}" g++ libcriterion-dev libcurl4-openssl-dev fontconfig
	fonts-dejavu-core libfuse3-dev strace acl attr e2fsprogs xfsprogs dosfstools exfat-fuse exfatprogs libvips-tools python3-numpy python3-pil)
# clang's sanitizers and libFuzzer are in libclang-rt.
packages_to_fuzz=("${packages_to_build[@]}" clang libclang-rt-14-dev)
# tests/structure needs universal-ctags.
# shellcheck disable=SC2034 # for .ci/run
packages_to_check=("${packages_to_test[@]}" "${packages_to_fuzz[@]}" git clang-format clang-tidy lld shellcheck
	universal-ctags)

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

packages_missing() { # print the arguments that are not installed packages
	local package

	for package; do
		if [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null) != installed ]]; then
			printf '%s ' "$package"
		fi
	done
}

apt_get() {
	local as_root=()

	((EUID == 0)) || as_root=(sudo -n)
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 "$@" > "$apt_log" 2>&1 < /dev/null
}

# Install the packages that are missing: as root, or by sudo if sudo needs no password.
install_packages() {
	local missing apt_log status=0

	if ! command -v dpkg-query apt-get > /dev/null; then
		say "cannot install packages, because this is not Debian. These must be here: $*"
		return
	fi
	missing=$(packages_missing "$@")
	[[ -n $missing ]] || return 0
	if ((EUID != 0)) && ! sudo -n true 2> /dev/null; then
		say "packages are missing; as root, run: apt-get install --no-install-recommends ${missing% }"
		exit 1
	fi

	say "installing ${missing% }"
	apt_log=$(mktemp)
	# If there are no package lists, or the packages cannot be installed with them because they are old, update the
	# lists.
	# shellcheck disable=SC2086 # one word for each package
	{
		compgen -G '/var/lib/apt/lists/*_Packages*' > /dev/null &&
			apt_get install --no-install-recommends $missing
	} || {
		apt_get update && apt_get install --no-install-recommends $missing
	} || status=$?
	if ((status)); then
		cat "$apt_log" >&2
		say "cannot install ${missing% }"
	fi
	rm -f "$apt_log"
	return "$status"
}

# build_in FOLDER [CMAKE-OPTION]...: configure and build everything in build/FOLDER.
build_in() {
	local folder=$root/build/$1 quiet=()

	shift
	mkdir -p "$folder"
	cmake -S "$root" -B "$folder" -G Ninja "$@" > "$folder/configure.log" 2>&1 || {
		cat "$folder/configure.log" >&2
		return 1
	}
	[[ -t 1 ]] || quiet=(-- --quiet)
	cmake --build "$folder" -j "$(nproc)" "${quiet[@]}"
}

# build_to_fuzz [CMAKE-OPTION]...: build the fuzz targets in build/fuzz.
build_to_fuzz() {
	build_in fuzz -DCMAKE_C_COMPILER=clang -DPIXPOOL_FUZZ=ON -DPIXPOOL_STATE=ON -DPIXPOOL_BUILD_TESTS=OFF \
		-DPIXPOOL_BUILD_SAMPLES=OFF "$@"
}

# run_tests_in FOLDER [CTEST-OPTION]...: run the tests of build/FOLDER in bounded time, and write the results to
# its tests.xml. If run_long_tests is set, all tests run. If not, the tests with the label fault and those with the
# label in left_out do not run.
run_tests_in() {
	local folder=$root/build/$1 seconds=1200 which=(-LE "^(fault|${left_out-fault})\$")

	shift
	rm -f "$folder/tests.xml"
	if [[ -n ${run_long_tests-} ]]; then
		seconds=3600
		which=()
	fi
	timeout --kill-after=10 "$seconds" ctest --test-dir "$folder" --output-on-failure --no-tests=error \
		--output-junit "$folder/tests.xml" "${which[@]}" "$@"
}

# print_counts FOLDER...: print one line with the sums over these folders: 'N passed, N failed, N skipped'.
print_counts() {
	local folder tests failures skipped n_passed=0 n_failed=0 n_skipped=0

	for folder; do
		if [[ ! -s $root/build/$folder/tests.xml ]]; then
			n_failed=$((n_failed + 1)) # CTest did not finish, so there is no test result
			continue
		fi
		read -r tests failures skipped < <(awk '
			/tests="/    { split($0, part, /tests="/); tests = part[2] + 0 }
			/failures="/ { split($0, part, /failures="/); failures = part[2] + 0 }
			/skipped="/  { split($0, part, /skipped="/); skipped = part[2] + 0 }
			/<testcase/  { exit }
			END          { print tests + 0, failures + 0, skipped + 0 }' "$root/build/$folder/tests.xml")
		n_failed=$((n_failed + failures))
		n_skipped=$((n_skipped + skipped))
		n_passed=$((n_passed + tests - failures - skipped))
	done
	printf '%d passed, %d failed, %d skipped\n' "$n_passed" "$n_failed" "$n_skipped"
}
