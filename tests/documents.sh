#!/bin/bash
# Check the documents: every file, function, struct, test and build option that a document names in backquotes must
# exist.
#
#     documents.sh ROOT [DOCUMENT...]      all documents of the tree by default, ARCHITECTURE.md among them
#
# These names are checked: `path/to/file` (from the root, or from the folder of the document), `file.c` (anywhere),
# `function()`, `struct tag`, `suite::test`, `PIXPOOL_OPTION`, and as a test every name of five or more words, such as
# `five_words_name_a_test`. Names that begin with test_ are tests of other projects. Other text in backquotes is not
# checked.
set -euo pipefail

root=$(cd "$1" && pwd)
shift
documents=("$@")
cd "$root"
if (($# == 0)); then
	documents=(ARCHITECTURE.md)
	while IFS= read -r document; do
		documents+=("$document")
	done < <(find README.md src tests bench samples \( -name README.md -o -name CONFORMANCE.md \) -print | sort)
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -rhoE '[A-Za-z_][A-Za-z0-9_]*\(' --include='*.[ch]' --include='*.py' src include tests bench samples |
	sort -u > "$work/functions"
grep -rhoE '\<struct [A-Za-z_][A-Za-z0-9_]*' --include='*.[ch]' src include tests | sort -u > "$work/structs"
grep -rhoE 'PIXPOOL_[A-Z_]+' --include=CMakeLists.txt --include='*.[ch]' CMakeLists.txt src tests bench samples |
	sort -u > "$work/options"
find src include tests bench samples -type f -printf '%f\n' | sort -u > "$work/files"
find tests -name '*.c' -exec cat {} + | tr '\n\t' '  ' | grep -oE 'TEST\([a-z0-9_]+, *[A-Za-z0-9_]+\)' |
	sed -E 's/TEST\(([a-z0-9_]+), *([A-Za-z0-9_]+)\)/\1::\2/' | sort -u > "$work/tests"

exists() { # arguments: NAME FOLDER-OF-DOCUMENT
	case $1 in
	*'()') grep -qxF "${1%)}" "$work/functions" ;;
	'struct '*) grep -qxF "$1" "$work/structs" ;;
	PIXPOOL_*) grep -qxF "$1" "$work/options" ;;
	suite::*) true ;; # `suite::test` is a placeholder for any test
	*::*) grep -qxF "$1" "$work/tests" ;;
	build/*) true ;; # files that a build creates
	*/*) [[ -e $1 || -e $2/$1 ]] ;;
	test_*_*_*_*) true ;; # a test of another project
	*_*_*_*_*.[ch] | *_*_*_*_*.sh) grep -qxF "$1" "$work/files" ;;
	*_*_*_*_*) grep -qE "::$1\$" "$work/tests" ;;
	*) grep -qxF "$1" "$work/files" ;;
	esac
}

# shellcheck disable=SC2016 # backquotes stand for themselves
names='`([A-Za-z_][A-Za-z0-9_]*\(\)|struct [a-z_0-9]+|PIXPOOL_[A-Z_]+|[a-z0-9_]+::[A-Za-z0-9_]+|[a-z0-9_]+\.(c|h|sh)|[a-z0-9]+(_[a-z0-9]+){4,}'
names+='|(src|include|tests|bench|samples|exec|image|future|executor|map|process|pool|header|fast|vips|stb)/[A-Za-z0-9_./-]*)`'
n_names=0 n_wrong=0
for document in "${documents[@]}"; do
	while IFS= read -r found; do
		line=${found%%:*}
		name=${found#*:}
		n_names=$((n_names + 1))
		if ! exists "$name" "$(dirname "$document")"; then
			printf '%s:%s: there is no %s\n' "$document" "$line" "$name" >&2
			n_wrong=$((n_wrong + 1))
		fi
	done < <(grep -noE "$names" "$document" | tr -d '`')
done
printf '%d names in %d documents, %d wrong\n' "$n_names" "${#documents[@]}" "$n_wrong"
((n_wrong == 0 && n_names > 0))
