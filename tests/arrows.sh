#!/bin/sh
# Enforce the arrows between the rooms (the folders of src/): which room may include which other room, and which may
# call which function.
#
#     arrows.sh [TREE]        the tree that holds src/ and include/; this one by default
#
# Each breach is printed as a line "FILE:LINE: reason". The exit status is 1 if there is one. Comments and the
# contents of strings do not count. tests/ and bench/ are not rooms and are not checked.
set -eu

tree=${1:-$(dirname "$0")/..}
cd "$tree"

files=$(find src include -name '*.[ch]') # not in a pipeline, because a pipeline would hide a failure of find
files=$(printf '%s\n' "$files" | LC_ALL=C sort)
if [ -z "$files" ]; then
	echo "arrows: no sources below $tree" >&2
	exit 2
fi

# shellcheck disable=SC2086 # one word for each file: file names in this tree contain no blanks
LC_ALL=C awk '
BEGIN {
	# The rooms that each room may include. exec and image have rooms inside, with arrows between them.
	sees["base"]          = "base"
	sees["exec/future"]   = "base exec/future"
	sees["exec/executor"] = sees["exec/future"] " exec/executor"
	sees["exec/map"]      = sees["exec/executor"] " exec/map"
	sees["exec/process"]  = sees["exec/executor"] " exec/process"
	sees["exec/pool"]     = sees["exec/process"] " exec/pool"
	sees["exec"]          = sees["exec/pool"] " exec/map exec"
	sees["common"]        = "base common"
	sees["recipe"]        = "base common recipe"
	sees["image/header"]  = sees["recipe"] " image/header"
	sees["image/metadata"] = sees["recipe"] " image/metadata"
	sees["image/raster"]  = sees["recipe"] " image/raster"
	sees["image"]         = sees["image/header"] " image/metadata image/raster image"
	sees["image/fast"]    = sees["image"] " image/fast"
	sees["image/heif"]    = sees["image"] " image/heif"
	sees["image/jxl"]     = sees["image"] " image/jxl"
	sees["image/vips"]    = sees["image"] " image/vips"
	sees["image/stb"]     = sees["image"] " image/stb"
	sees["walk"]          = "base common walk"
	sees["store"]         = "base common store"
	sees["sandbox"]       = "base common sandbox"
	sees["report"]        = "base common report"
	sees["batch"]         = "base common exec recipe image image/header walk store sandbox report batch"
	sees["cli"]           = sees["batch"] " cli"

	# The room to which each public header belongs.
	public["status.h"] = "base"
	public["future.h"] = public["wait.h"] = "exec/future"
	public["task.h"] = public["executor.h"] = "exec/executor"
	public["map.h"] = "exec/map"

	# Headers of external libraries, and the rooms that may include them.
	header_of("vips/ glib glib- glib/ gio/ gdk-pixbuf/ librsvg/ cairo fontconfig/", "image/vips")
	header_of("jpeglib.h jerror.h turbojpeg.h zimg.h webp/ libdeflate.h", "image/fast")
	header_of("isa-l.h isa-l/ igzip_lib.h", "image/fast image/vips")
	header_of("stb/ stb_", "image/stb")
	header_of("libheif/", "image/heif")
	header_of("jxl/", "image/jxl")
	header_of("lcms2.h lcms2_plugin.h", "image/header image image/vips image/fast image/jxl")
	header_of("sqlite3.h", "store")
	header_of("xxhash.h sodium.h blake2.h", "common")
	header_of("nettle/", "common image/metadata")
	header_of("expat.h brotli/", "image/metadata")
	header_of("sys/wait.h spawn.h", "exec")
	header_of("getopt.h", "cli")

	# Functions of libc and of libraries, and the rooms that may call them.
	calls_of("fork vfork clone clone3 posix_spawn posix_spawnp system popen daemon", "exec")
	calls_of("execl execle execlp execv execve execvp execvpe fexecve", "exec")
	calls_of("kill killpg tgkill sigqueue pthread_kill", "exec")
	calls_of("wait wait3 wait4 waitid waitpid", "exec")
	calls_of("pidfd_open pidfd_getfd pidfd_send_signal _exit _Exit", "exec")
	calls_of("signal sigaction signalfd", "exec batch cli")
	calls_of("creat mkdir mkdirat mkfifo mkfifoat mknod mknodat", "store")
	calls_of("rename renameat renameat2 link linkat symlink symlinkat", "store")
	calls_of("unlink unlinkat remove rmdir truncate tmpfile", "store")
	calls_of("mkstemp mkstemps mkostemp mkostemps mkdtemp", "store")
	calls_of("exit quick_exit getopt getopt_long getopt_long_only", "cli")
	calls_of("printf vprintf puts putchar putchar_unlocked", "cli")
	calls_of("perror psignal", "cli")

	# Identifiers, and the rooms that may use them.
	words_of("SYS_fork SYS_vfork SYS_clone SYS_clone3 SYS_kill SYS_tgkill SYS_waitid SYS_wait4", "exec")
	words_of("SYS_pidfd_open SYS_pidfd_getfd SYS_pidfd_send_signal", "exec")
	words_of("O_CREAT O_TMPFILE SYS_renameat2", "store")
	words_of("stdout STDOUT_FILENO", "cli")
	words_of("stderr", "base report batch cli")
}

function header_of(list, rooms,    i, n, names) {
	n = split(list, names, " ")
	for (i = 1; i <= n; i++) may_include[names[i]] = rooms
}

function calls_of(list, rooms,    i, n, names) {
	n = split(list, names, " ")
	for (i = 1; i <= n; i++) may_call[names[i]] = rooms
}

function words_of(list, rooms,    i, n, names) {
	n = split(list, names, " ")
	for (i = 1; i <= n; i++) may_write[names[i]] = rooms
}

function has(rooms, one) {
	return index(" " rooms " ", " " one " ") > 0
}

function breach(reason) {
	print FILENAME ":" FNR ": " reason
	n_breaches++
}

FNR == 1 {
	in_comment = 0
	n = split(FILENAME, part, "/")
	if (part[1] == "include")
		room = part[n] in public ? public[part[n]] : "exec" # pixpool.h may include all public headers
	else if (n > 3 && part[2] "/" part[3] in sees)
		room = part[2] "/" part[3]
	else
		room = n == 3 ? part[2] : ""
	may_do = room            # an inner room may call what its outer room may call
	sub(/\/.*/, "", may_do)
	if (!(room in sees))
		breach("this room has no arrows: add them to tests/arrows.sh")
}

{
	take_apart($0)
	if (code ~ /^[ \t]*#[ \t]*include/)
		check_include()
	else
		check_code()
}

END { exit n_breaches > 0 }

# Set code to the line with a blank in place of each comment, and bare to the same line with empty strings. A comment
# may continue on the next line.
function take_apart(line,    quote, c, two) {
	code = bare = quote = ""
	while (line != "") {
		c = substr(line, 1, 1)
		two = substr(line, 1, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				c = two
				code = code " "
				bare = bare " "
			}
		} else if (quote != "") {
			if (c == "\\")
				c = two
			else if (c == quote)
				quote = ""
			code = code c
			if (quote == "")
				bare = bare c
		} else if (two == "/*") {
			in_comment = 1
			c = two
		} else if (two == "//") {
			break
		} else {
			if (c == "\"" || c == "\047")
				quote = c
			code = code c
			bare = bare c
		}
		line = substr(line, length(c) + 1)
	}
}

function check_include(    name, target, inner, prefix) {
	name = code
	sub(/^[^"<]*["<]/, "", name)
	sub(/[">].*/, "", name)
	target = inner = name
	sub(/\/.*/, "", target)
	sub(/\/[^\/]*$/, "", inner)

	if (name ~ /(^|\/)\.\.\//)
		breach("an include with ..: \"" name "\"")
	else if (target == "pixpool")
		check_public(name)
	else if (code ~ /"/ && target != name) {
		if (target in sees || target == "tests" || target == "support" || target == "bench") {
			if (part[1] == "include" || !has(sees[room], inner in sees ? inner : target))
				breach(room " must not see " (inner in sees ? inner : target) " (\"" name "\")")
			return
		}
	}
	for (prefix in may_include)
		if (index(name, prefix) == 1 && (prefix ~ /[\/_-]$/ || name == prefix || name == prefix ".h"))
			if (!has(may_include[prefix], room) && !has(may_include[prefix], may_do))
				breach("only " may_include[prefix] " includes <" name ">")
}

function check_public(name,    header, owner) {
	header = name
	sub(/.*\//, "", header)
	owner = header in public ? public[header] : "exec"
	if (room !~ /^exec\//) # rooms outside exec see the public headers of exec as one room
		sub(/\/.*/, "", owner)
	if (!has(sees[room], owner))
		breach(room " must not see " owner " (<" name ">)")
}

function check_code(    rest, word, before, after) {
	if (code ~ /(^|[^A-Za-z0-9_])f(d|re)?open[ \t]*\([^;]*"([wax]|r[be]*[+])[^"]*"/ && may_do != "store")
		breach("only store creates files")
	rest = bare
	before = ""
	while (match(rest, /[A-Za-z_][A-Za-z0-9_]*/)) {
		word = substr(rest, RSTART, RLENGTH)
		before = before substr(rest, 1, RSTART - 1)
		rest = substr(rest, RSTART + RLENGTH)
		after = rest
		# The name of a struct member, or the suffix of a number, is not a call of the function with that name.
		if (before !~ /([.]|->)[ \t]*$/ && before !~ /[0-9]$/) {
			if (word in may_write && !has(may_write[word], may_do))
				breach("only " may_write[word] " may write " word)
			if (word in may_call && after ~ /^[ \t]*\(/ && !has(may_call[word], may_do))
				breach("only " may_call[word] " may call " word "()")
		}
		before = word
	}
}
' $files
