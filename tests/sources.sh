#!/bin/sh
# Check rules of this project that a compiler does not check, for every .c and .h file:
#
#   - The file begins with a comment that says what it is for.
#   - No declaration is broken into two lines by a comment at its end: the comment goes above.
#   - In src/, no function or variable of ours begins with vips_ or stb, the prefixes of libraries.
#
#     sources.sh [TREE]       the tree that holds src/ and tests/; this one by default
#
# Each breach is a line "FILE:LINE: reason"; if there is one, the status is 1.
set -eu

tree=${1:-$(dirname "$0")/..}
cd "$tree"

folders=
for folder in src include tests bench samples; do
	[ ! -d "$folder" ] || folders="$folders $folder"
done
# shellcheck disable=SC2086 # one word for each folder
files=$(find $folders -name '*.[ch]') # not in a pipeline, because a pipeline would hide a failure of find
if [ -z "$files" ]; then
	echo "sources: no sources below $tree" >&2
	exit 2
fi

# shellcheck disable=SC2086 # one word for each file: file names in this tree contain no blanks
LC_ALL=C awk '
function breach(line, reason) {
	print FILENAME ":" line ": " reason
	n_breaches++
}

FNR == 1 {
	half = ""
	if ($0 !~ /^\/\*/)
		breach(1, "begins without a comment that says what the file is for")
}

# Find the end of a declaration that has a comment, below a line with only its type, or its name and "=".
half != "" && /^[ \t]+\**[A-Za-z_0-9]+(\[[^]]*\])?( = [^;,]+| : [0-9]+)?[;,]?[ \t]*\/\*/ {
	breach(FNR - 1, "a comment breaks this declaration: put it above")
}

{
	half = ""
	if ($0 ~ /^[ \t]+[A-Za-z_][A-Za-z0-9_ \t*]*[A-Za-z0-9_*=]$/ && $1 != "return" && $1 != "else")
		half = $0
}

FILENAME ~ /^src\// && /^[A-Za-z_][A-Za-z0-9_ *]*[ *](vips_|stbi?_)[a-z0-9_]*( =|;|\[|\()/ {
	match($0, /[ *](vips_|stbi?_)[a-z0-9_]*/)
	breach(FNR, "the prefix of a library: " substr($0, RSTART + 1, RLENGTH - 1))
}

END { exit n_breaches > 0 }
' $files
