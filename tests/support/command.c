/*
 * Run whole commands and observe their processes through /proc.
 */
#include "support/command.h"

#include "support/test.h"

#include "base/clock.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_BYTES = 512 * 1024, LINE_BYTES = 4096, MAX_PROCESSES = 512 };

static char path[LINE_BYTES];

/* Commands run without a leak check, which would take a third of their time at the end of each
 * process. Other tests check single folders of src/ for leaks. */
static void switch_off_leak_check(void)
{
#ifdef PIXPOOL_SANITIZE_ADDRESS
	const char *old = getenv("ASAN_OPTIONS");
	char options[LINE_BYTES];

	snprintf(options, sizeof(options), "%s:detect_leaks=0", old ? old : "");
	REQUIRE(setenv("ASAN_OPTIONS", options, true) == 0);
#endif
}

void command_programs(const char *folder)
{
	const char *old = getenv("PATH");

	snprintf(path, sizeof(path), "PATH=%s:%s", folder, old ? old : "/usr/bin:/bin");
	REQUIRE(putenv(path) == 0);
	REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	switch_off_leak_check();
}

/* ---- processes ---- */

struct processes {
	pid_t at[MAX_PROCESSES];
	size_t n;
};

static void add_children_of(struct processes *found, pid_t pid);

static void add_children_of_thread(struct processes *found, pid_t pid, const char *thread)
{
	char name[64];
	FILE *file;
	int child;

	snprintf(name, sizeof(name), "/proc/%d/task/%.16s/children", (int)pid, thread);
	file = fopen(name, "re");
	while (file && fscanf(file, "%d", &child) == 1 && found->n < MAX_PROCESSES) {
		found->at[found->n++] = child;
		add_children_of(found, child);
	}
	if (file)
		fclose(file);
}

static void add_children_of(struct processes *found, pid_t pid)
{
	char name[64];
	DIR *threads;

	snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
	threads = opendir(name);
	for (struct dirent *entry; threads && (entry = readdir(threads));) {
		if (entry->d_name[0] != '.')
			add_children_of_thread(found, pid, entry->d_name);
	}
	if (threads)
		closedir(threads);
}

void each_process(void (*visit)(pid_t pid, void *data), void *data)
{
	struct processes found = {.n = 0};

	add_children_of(&found, getpid());
	for (size_t i = 0; i < found.n; i++)
		visit(found.at[i], data);
}

/* The process name in /proc/PID/stat, which is in parentheses, and the state, which follows the
 * name. */
static bool read_stat(pid_t pid, char name[32], char *ret_state)
{
	char file[32], text[256] = "", *begin, *end;
	int fd;

	snprintf(file, sizeof(file), "/proc/%d/stat", (int)pid);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	(void)!read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	begin = strchr(text, '(');
	end = strrchr(text, ')');
	if (!begin || !end || end[1] != ' ')
		return false;
	snprintf(name, 32, "%.*s", (int)(end - begin - 1), begin + 1);
	*ret_state = end[2];
	return true;
}

struct search {
	const char *name; /* the name of the processes to count; NULL: any name */
	pid_t pid;
	unsigned n;
};

static void compare_name(pid_t pid, void *data)
{
	struct search *search = data;
	char name[32], state;

	if (!read_stat(pid, name, &state) || state == 'Z' ||
	    (search->name && strcmp(search->name, name) != 0))
		return;
	search->pid = pid;
	search->n++;
}

unsigned count_processes(const char *name)
{
	struct search search = {.name = name};

	each_process(compare_name, &search);
	return search.n;
}

static int64_t deadline_of(int seconds)
{
	return clock_deadline_ns(clock_now_ns(), seconds * 1000);
}

static bool pause_until(int64_t deadline_ns)
{
	poll(NULL, 0, 2);
	return clock_now_ns() < deadline_ns;
}

pid_t await_process(const char *name)
{
	struct search search = {.name = name};
	int64_t deadline_ns = deadline_of(COMMAND_SECONDS);

	do
		each_process(compare_name, &search);
	while (search.n == 0 && pause_until(deadline_ns));
	REQUIRE(search.n > 0, "no process named %s was started", name);
	return search.pid;
}

void await_state(pid_t pid, const char *states)
{
	int64_t deadline_ns = deadline_of(COMMAND_SECONDS);
	char name[32], state = '?';

	while (read_stat(pid, name, &state) && !strchr(states, state) &&
	       pause_until(deadline_ns))
		;
	REQUIRE(strchr(states, state), "a process is in state %c", state);
}

unsigned count_open(pid_t pid, const char *part)
{
	char name[64], target[PATH_MAX];
	unsigned n_open = 0;
	DIR *folder;

	snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	folder = opendir(name);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target,
		                       sizeof(target) - 1);

		target[n > 0 ? n : 0] = 0;
		n_open += strstr(target, part) != NULL;
	}
	if (folder)
		closedir(folder);
	return n_open;
}

void await_open(pid_t pid, const char *part, unsigned n)
{
	int64_t deadline_ns = deadline_of(COMMAND_SECONDS);
	unsigned n_open;

	do
		n_open = count_open(pid, part);
	while (n_open < n && pause_until(deadline_ns));
	REQUIRE(n_open == n, "%u descriptors lead to %s, expected %u", n_open, part, n);
}

static void kill_process(pid_t pid, void *data)
{
	(void)data;
	kill(pid, SIGKILL);
}

/* Reap child processes. Returns whether all descendants ended before the time was over. */
static bool await_no_process(int seconds)
{
	int64_t deadline_ns = deadline_of(seconds);

	do {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (count_processes(NULL) == 0)
			return true;
	} while (pause_until(deadline_ns));
	return false;
}

/* ---- commands ---- */

static struct command start(const char *line, int tty)
{
	/* bash runs as sh, so that ulimit has POSIX's units. A pipeline has the status of the last
	 * of its commands that failed. */
	char *const words[] = {"sh", "-o", "pipefail", "-c", (char *)line, NULL};
	struct command command = {
		.out = memfd_create("out", MFD_CLOEXEC),
		.err = memfd_create("err", MFD_CLOEXEC),
	};
	sigset_t none;

	REQUIRE(path[0] && command.out >= 0 && command.err >= 0);
	command.pid = fork();
	REQUIRE(command.pid >= 0);
	if (command.pid > 0)
		return command;

	/* The command starts as under a shell with job control: no signal is blocked or ignored,
	 * and the command is a process group of its own. With a terminal, the command also leads a
	 * session of its own. Without a terminal, the group stays in our session: in another
	 * session the group would be orphaned, and SIGTSTP does not stop an orphaned group. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	if (tty < 0)
		setpgid(0, 0);
	else if (setsid() < 0 || ioctl(tty, TIOCSCTTY, 0) != 0)
		_exit(126);
	dup2(tty >= 0 ? tty : open("/dev/null", O_RDONLY), 0);
	dup2(tty >= 0 ? tty : command.out, 1);
	dup2(tty >= 0 ? tty : command.err, 2);
	close_range(3, ~0U, 0);
	execv("/bin/bash", words);
	_exit(127);
}

struct command begin(const char *line, ...)
{
	char text[LINE_BYTES] = "exec ";
	va_list args;

	va_start(args, line);
	vsnprintf(text + 5, sizeof(text) - 5, line, args);
	va_end(args);
	return start(text, -1);
}

struct command begin_on_terminal(int tty, const char *line)
{
	char text[LINE_BYTES];

	snprintf(text, sizeof(text), "exec %s", line);
	return start(text, tty);
}

static const char *text_of(int fd, char *text)
{
	ssize_t n = fd_pread_full(fd, text, TEXT_BYTES - 1, 0);

	REQUIRE(n >= 0 && n < TEXT_BYTES - 1,
	        "the command wrote more than the test's buffer holds");
	text[n] = 0;
	return text;
}

static int wait_for(pid_t pid, int *ret_signal)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int n_ready, status;

	REQUIRE(end.fd >= 0);
	n_ready = poll(&end, 1, COMMAND_SECONDS * 1000);
	fd_close(&end.fd);
	EXPECT(n_ready > 0, "the command hangs");
	if (n_ready <= 0) {
		each_process(kill_process, NULL);
		waitpid(pid, &status, 0);
		return COMMAND_HUNG;
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	*ret_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static const char *ignored;

void command_ignore_lines(const char *begin_of_line)
{
	ignored = begin_of_line;
}

static void remove_ignored_lines(char *text)
{
	size_t n_begin = ignored ? strlen(ignored) : 0;

	while (n_begin > 0 && *text) {
		size_t n = strcspn(text, "\n");

		n += text[n] == '\n';
		if (strncmp(text, ignored, n_begin) == 0)
			memmove(text, text + n, strlen(text + n) + 1);
		else
			text += n;
	}
}

struct ended end(struct command *command)
{
	static char out[TEXT_BYTES], err[TEXT_BYTES];
	struct ended ended = {.signal = 0};
	bool left_none;

	ended.status = wait_for(command->pid, &ended.signal);
	left_none = await_no_process(10);

	EXPECT(left_none, "the command left a process behind");
	if (!left_none) {
		each_process(kill_process, NULL);
		await_no_process(10);
	}
	ended.out = text_of(command->out, out);
	ended.err = text_of(command->err, err);
	remove_ignored_lines(err);
	fd_close(&command->out);
	fd_close(&command->err);
	return ended;
}

struct ended run(const char *line, ...)
{
	char text[LINE_BYTES];
	struct command command;
	va_list args;

	va_start(args, line);
	vsnprintf(text, sizeof(text), line, args);
	va_end(args);
	command = start(text, -1);
	return end(&command);
}

const char *await_error(const struct command *command, const char *text)
{
	static char err[TEXT_BYTES];
	int64_t deadline_ns = deadline_of(COMMAND_SECONDS);

	do
		text_of(command->err, err);
	while (text && !strstr(err, text) && pause_until(deadline_ns));
	REQUIRE(!text || strstr(err, text), "standard error never contained %s", text);
	return err;
}
