#!/bin/sh
# Check that tests/arrows.sh can fail: it runs on a small tree with one breach in each file, and must name every
# breach and nothing else.
set -eu

arrows=$(cd "$(dirname "$0")" && pwd)/arrows.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

write() { # arguments: FILE TEXT
	mkdir -p "$tree/$(dirname "$1")"
	printf '%s\n' "$2" > "$tree/$1"
}

# These uses are allowed: names in comments, in strings, inside longer names, as members of structs, and in rooms that
# may use them.
write src/image/clean.c '/* fork() and "exec/task.h"
   #include "exec/task.h" still the comment */ int a; // exit(1)
char *s = "rename(a, b) \" unlink(c) stdout", c = '\''"'\''; void f(void) { g("kill(1)"); }
#include "base/fd.h" /* sees base */
#include <pixpool/status.h>
#include "image/header/gate.h"
#include "decoder.h"
void h(struct v *v) { v->open(v); v.fork (v); v -> link(v); prefork(); wait_all(); snprintf(s, 1, ""); }
int format __attribute__((format(printf, 1, 2)));
FILE *f = fopen("/proc/self/cgroup", "re"), *g = fopen(write_it, "r");'
write src/image/vips/clean.c '#include <vips/vips.h>
#include "image/engine.h"
#include "image/header/gate.h"
#include "common/values.h"'
write src/exec/pool/clean.c '#include "exec/executor/task.h"
#include <pixpool/executor.h>
#include "exec/process/channel.h"
void f(void) { kill(1, SIGKILL); }'
write src/exec/clean.c 'int main(void) { if (fork()) waitpid(-1, 0, 0); kill(1, SIGKILL); _exit(0); }
#include <sys/wait.h>
#include <pixpool/executor.h>'
write src/store/clean.c 'int fd = open("x", O_CREAT); void f(void) { rename("a", "b"); unlink("a"); fopen("a", "w"); }'
write src/batch/clean.c '#include "image/recipe.h"
#include <pixpool/pixpool.h>
void f(void) { sigaction(SIGINT, 0, 0); }'
write src/cli/clean.c '#include "batch/batch.h"
void f(void) { printf("%d", 1); fflush(stdout); exit(2); }'
write include/pixpool/status.h '#include <stdint.h>'
write include/pixpool/future.h '#include <pixpool/status.h>'

if ! (cd /; "$arrows" "$tree"); then
	echo "arrows_negative: a tree without a breach was refused" >&2
	exit 1
fi

if (mkdir "$tree/empty" && cd "$tree/empty" && mkdir src && "$arrows" . 2> /dev/null); then
	echo "arrows_negative: a tree without include/ was passed" >&2
	exit 1
fi
rm -r "$tree/empty"

n_breaches=0
breach() {
	write "$1" "$2"
	echo "$1:1:" >> "$tree/expected"
	n_breaches=$((n_breaches + 1))
}

breach src/base/up.c '#include "exec/task.h"'
breach src/base/promise.c '#include <pixpool/future.h>'
breach src/report/aside.c '#include "image/recipe.h"'
breach src/walk/aside.c '#include "store/store.h"'
breach src/walk/promise.c '#include "pixpool/executor.h"'
breach src/exec/aside.c '  #  include  "report/report.h"'
breach src/exec/future/up.c '#include "exec/executor/executor.h"'
breach src/exec/future/public.c '#include <pixpool/executor.h>'
breach src/exec/executor/up.c '#include "exec/process/protocol.h"'
breach src/exec/map/aside.c '#include "exec/pool/process_pool.h"'
breach src/exec/process/fopen.c 'FILE *a = fopen("x", "w");'
breach src/batch/inside.c '#include "exec/executor/task.h"'
breach src/base/common.c '#include "common/values.h"'
breach src/exec/executor/common.c '#include "common/values.h"'
breach src/image/down.c '#include "image/vips/engine_vips.h"'
breach src/image/header/up.c '#include "image/engine.h"'
breach src/image/vips/aside.c '#include "image/stb/stb.h"'
breach src/image/header/vips.c '#include <vips/vips.h>'
breach src/image/attic/new_room.c 'int a;'
breach src/batch/up.c '#include "cli/options.h"'
breach src/store/climb.c '#include "../image/recipe.h"'
breach src/store/test.c '#include "support/test.h"'
breach src/attic/new_room.c 'int a;'
breach include/pixpool/inside.h '#include "base/lock.h"'
breach src/batch/vips.c '#include <vips/vips.h>'
breach src/cli/jpeg.c '#include <jpeglib.h>'
breach src/report/zimg.c '#include <zimg.h>'
breach src/exec/stb.c '#include <stb/stb_image.h>'
breach src/store/stb.c '#include "stb_image_write.h"'
breach src/batch/wait.h '#include <sys/wait.h>'
breach src/batch/fork.c 'int pid = fork();'
breach src/cli/kill.c 'void f(void) { kill (1, 9); }'
breach src/image/waitpid.c '/* why */ int a = waitpid(-1, 0, 0);'
breach src/batch/waitid.c 'int a = waitid(P_ALL, 0, 0, 0);'
breach src/batch/wait4.c 'int a = wait4(-1, 0, 0, 0);'
breach src/cli/pidfd.c 'int a = pidfd_open(1, 0);'
breach src/cli/pidfd_raw.c 'long a = syscall(SYS_pidfd_send_signal, 1, 2, 0, 0);'
breach src/image/handler.c 'void f(void) { sigaction(SIGSEGV, 0, 0); }'
breach src/batch/create.c 'int a = open("x", O_WRONLY | O_CREAT, 0600);'
breach src/image/creat.c 'int a = creat("x", 0600);'
breach src/walk/mkdir.c 'int a = mkdir("x", 0700);'
breach src/batch/rename.c 'int a = rename("x", "y");'
breach src/cli/unlink.c 'int a = unlink("x");'
breach src/report/link.c 'int a = link("x", "y");'
breach src/exec/mkostemp.c 'int a = mkostemp(x, O_CLOEXEC);'
breach src/report/fopen.c 'FILE *a = fopen("x", "ab");'
breach src/batch/exit.c 'void f(void) { exit(1); }'
breach src/cli/exit.c 'void f(void) { _exit(1); }'
breach src/batch/getopt.c 'int a = getopt(0, 0, "x");'
breach src/report/printf.c 'void f(void) { printf("\"x"); }'
breach src/report/stdout.c 'void f(void) { fputs("x", stdout); }'
breach src/walk/puts.c 'void f(void) { a("/*"); puts("x"); }'
breach src/image/stderr.c 'FILE *a = stderr;'

if (cd "$tree"; "$arrows" .) > "$tree/said"; then
	echo "arrows_negative: $n_breaches breaches were passed" >&2
	exit 1
fi
sed 's/: .*/:/' "$tree/said" | sort > "$tree/got"
sort "$tree/expected" > "$tree/want"
if ! diff "$tree/want" "$tree/got"; then
	echo "arrows_negative: < was passed, > was refused" >&2
	exit 1
fi
echo "$n_breaches breaches, each named"
