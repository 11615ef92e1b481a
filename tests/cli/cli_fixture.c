/* What tests of whole commands share: a scratch folder, images in it, and results as text. */
#include "cli_fixture.h"

#include "base/fd.h"
#include "fault/scripted.h"
#include "recipe/format.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES = 256 * 1024, MAX_LINES = 2048 };

void fixture_enter(void)
{
	scratch_enter(NULL);
	scratch_folder(".tmp");
	REQUIRE(chmod(".tmp", 0777) == 0);

	char *folder = realpath(".tmp", NULL);

	REQUIRE(folder && setenv("TMPDIR", folder, 1) == 0);
	free(folder);
	REQUIRE(setenv("LC_ALL", "C.UTF-8", 1) == 0);
	REQUIRE(setenv("TERM", "xterm", 1) == 0);
	unsetenv("COLUMNS");
	command_programs(PIXPOOL_PROGRAMS);
	command_ignore_lines(SANDBOX_LINE);
	umask(022);
}

bool fixture_enter_whole(void)
{
	fixture_enter();
	if (run("pixpool info --sandbox require").status == 0)
		return true;
	fixture_leave();
	return false;
}

void fixture_leave(void)
{
	EXPECT_STR(run("find . -name '.pixpool-*.tmp'").out, "");
	EXPECT_STR(tree(".tmp"), "");
	scratch_leave();
}

/* Create the parent folders of path. */
static void make_folders(const char *path)
{
	char folder[512];

	for (const char *slash = strchr(path, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
		mkdir(folder, 0777);
	}
}

void scratch_bytes(const char *path, const void *bytes, size_t n)
{
	make_folders(path);

	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	REQUIRE(fd >= 0 && fd_write_all(fd, bytes, n));
	fd_close(&fd);
}

void sample(const char *name, const char *path)
{
	static char bytes[64 * 1024];
	const char *samples = getenv("PIXPOOL_SAMPLES");
	char file[1024];
	ssize_t n;
	int fd;

	REQUIRE(samples != NULL, "PIXPOOL_SAMPLES is not set");
	snprintf(file, sizeof(file), "%s/pictures/%s", samples, name);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd_pread_full(fd, bytes, sizeof(bytes), 0);
	fd_close(&fd);
	REQUIRE(n > 0 && n < (ssize_t)sizeof(bytes));
	scratch_bytes(path, bytes, (size_t)n);
}

void write_script(const char *path, const char *commands)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "pixpool-scripted\n%s\n", commands);

	scratch_bytes(path, text, (size_t)n);
}

/* Wake every process at a gate. The whole of /proc is searched, because a process whose parent
 * ended just now can be missing from every list of children. */
static void wake_gates(void)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	char path[300], name[32];
	pid_t pid;
	ssize_t n;
	int fd;

	REQUIRE(processes != NULL);
	while ((entry = readdir(processes))) {
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		n = fd >= 0 ? read(fd, name, sizeof(name)) : 0;
		fd_close(&fd);
		if (n > 5 && memcmp(name, "gate-", 5) == 0)
			tgkill(pid, pid, GATE_SIGNAL);
	}
	closedir(processes);
}

void let_pass(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	REQUIRE(fd >= 0 && fd_write_all(fd, "P", 1));
	fd_close(&fd);
	wake_gates();
}

pid_t await_gate(const char *name)
{
	char process[16];

	snprintf(process, sizeof(process), "gate-%s", name);
	return await_process(process);
}

const char *as_nobody(void)
{
	static char words[1024];
	char *here;

	if (geteuid() != 0)
		return "";
	if (run("setpriv --reuid=65534 --regid=65534 --clear-groups true").status != 0) {
		scratch_skip("limits that do not apply to root",
		             "cannot drop the rights of root here");
		return NULL;
	}
	/* The build folder may be closed to the user `nobody`, so the program is copied. */
	scratch_folder(".bin");
	REQUIRE(run("cp -p '%s/pixpool' .bin/", PIXPOOL_PROGRAMS).status == 0);
	here = realpath(".bin", NULL);
	REQUIRE(here != NULL);
	snprintf(words, sizeof(words),
	         "env PATH=%s:$PATH setpriv --reuid=65534 --regid=65534 --clear-groups ",
	         here);
	free(here);
	return words;
}

/* ---- results ---- */

/* Replace the first group of every match of the pattern by #. */
static void mask(char *text, const char *pattern)
{
	regmatch_t match[2];
	regex_t regex;

	REQUIRE(regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE) == 0);
	for (char *at = text; regexec(&regex, at, 2, match, 0) == 0;) {
		char *figure = at + match[1].rm_so, *rest = at + match[1].rm_eo;

		*figure = '#';
		memmove(figure + 1, rest, strlen(rest) + 1);
		at = figure + 1;
	}
	regfree(&regex);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(char *text)
{
	static char sorted[TEXT_BYTES];
	char *lines[MAX_LINES], *rest = text;
	size_t n = 0;

	sorted[0] = 0;
	while (rest && *rest && n < MAX_LINES)
		lines[n++] = strsep(&rest, "\n");
	qsort(lines, n, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < n; i++) {
		strcat(sorted, lines[i]);
		strcat(sorted, "\n");
	}
	strcpy(text, sorted);
}

/* Remove a JSON member from all records. */
static void leave_out(const char *member, char *text)
{
	const char *end;

	for (char *at = text; (at = strstr(at, member));) {
		end = strstr(at, "',");
		if (!end)
			return;
		memmove(at, end + 2, strlen(end + 2) + 1);
	}
}

const char *records_in(const char *given)
{
	static const char *const figures[] = {
		"'queue':([0-9.]+)",
		"'read':([0-9.]+)",
		"'work':([0-9.]+)",
		"'commit':([0-9.]+)",
		"'worker':([0-9]+)",
		"'out':[^}]*'bytes':([0-9]+)",
		"'seconds':([0-9.]+)",
		"'bytes_out':([1-9][0-9]*)",
		"'fingerprint':'([0-9a-f]+)'",
	};
	static char text[TEXT_BYTES];

	snprintf(text, sizeof(text), "%s", given);
	for (char *c = text; *c; c++) {
		if (*c == '"')
			*c = '\'';
	}
	leave_out("'name':'", text);
	leave_out("'name_b64':'", text);
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		mask(text, figures[i]);
	sort_lines(text);
	return text;
}

const char *records(const char *path)
{
	static char text[TEXT_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	REQUIRE(fd >= 0, "no report");
	n = fd_pread_full(fd, text, sizeof(text) - 1, 0);
	fd_close(&fd);
	REQUIRE(n >= 0);
	text[n] = 0;
	return records_in(text);
}

const char *plain(const char *given)
{
	static char text[TEXT_BYTES];

	snprintf(text, sizeof(text), "%s", given);
	mask(text, " in ([0-9.]+) s");
	mask(text, "\\(([0-9.]+) images/s\\)");
	mask(text, "[0-9], ([0-9.]+ k?B)\\)$");
	mask(text, " -> ([0-9.]+ k?B)");
	return text;
}

/* Describe an image file as "jpeg 64x43". No image library is used. */
static void describe(const char *path, char *text, size_t n_text)
{
	static uint8_t b[256 * 1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? fd_pread_full(fd, b, sizeof(b), 0) : -1;
	enum image_format format = n > 0 ? format_of_bytes(b, (size_t)n, path)
	                                 : FORMAT_NONE;
	unsigned width = 0, height = 0;

	fd_close(&fd);
	if (format == FORMAT_PNG && n > 24) {
		width = (unsigned)(b[18] << 8 | b[19]);
		height = (unsigned)(b[22] << 8 | b[23]);
	}
	/* The frame header of a JPEG is the segment SOF0 or SOF2. */
	for (ssize_t at = 2; format == FORMAT_JPEG && at + 8 < n && b[at] == 0xff;
	     at += 2 + (b[at + 2] << 8 | b[at + 3])) {
		if (b[at + 1] == 0xc0 || b[at + 1] == 0xc2) {
			height = (unsigned)(b[at + 5] << 8 | b[at + 6]);
			width = (unsigned)(b[at + 7] << 8 | b[at + 8]);
			break;
		}
	}
	if (width > 0)
		snprintf(text, n_text, " %s %ux%u", format_info(format)->name, width,
		         height);
	else
		snprintf(text, n_text, " %s", format_info(format)->name);
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

const char *tree(const char *folder)
{
	static char text[TEXT_BYTES];
	char *const roots[] = {(char *)folder, NULL};
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, compare_entries);
	size_t n = 0;

	text[0] = 0;
	REQUIRE(walk != NULL);
	for (FTSENT *entry; (entry = fts_read(walk));) {
		char about[64] = "/";

		if (entry->fts_level == 0 || entry->fts_info == FTS_DP ||
		    strncmp(entry->fts_name, ".pixpool.db", 11) == 0)
			continue;
		if (entry->fts_info != FTS_D)
			describe(entry->fts_path, about, sizeof(about));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s\n",
		                      entry->fts_path + strlen(folder) + 1, about);
		REQUIRE(n < sizeof(text));
	}
	fts_close(walk);
	return text;
}
