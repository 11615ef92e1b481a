/* Measures a process tree with /proc and wait4(). */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE_MS = 20, MAX_DEPTH = 16 };

static double clock_s(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double measure_now_s(void)
{
	return clock_s(CLOCK_MONOTONIC);
}

static double private_bytes(pid_t pid)
{
	char path[64];
	int64_t size, resident = 0, shared = 0;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);

	FILE *statm = fopen(path, "re");

	if (!statm)
		return 0;
	if (fscanf(statm, "%" SCNd64 " %" SCNd64 " %" SCNd64, &size, &resident,
	           &shared) != 3)
		resident = shared = 0;
	fclose(statm);
	return (double)((resident - shared) * sysconf(_SC_PAGESIZE));
}

static double process_cpu_s(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 ? clock_s(clock) : 0;
}

typedef double figure_fn(pid_t pid);

static double children_sum(pid_t pid, figure_fn *figure, int depth);

/* The sum of a value over the children of one thread and their descendants. A process that has
 * ended meanwhile counts as 0. */
static double thread_sum(pid_t pid, const char *thread, figure_fn *figure, int depth)
{
	char path[64];
	double sum = 0;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, thread);

	FILE *children = fopen(path, "re");

	if (!children)
		return 0;
	while (fscanf(children, "%d", &child) == 1)
		sum += figure(child) + children_sum(child, figure, depth + 1);
	fclose(children);
	return sum;
}

/* The sum of a value over all descendants of a process. */
static double children_sum(pid_t pid, figure_fn *figure, int depth)
{
	char path[64];
	double sum = 0;
	const struct dirent *thread;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);

	DIR *threads = depth < MAX_DEPTH ? opendir(path) : NULL;

	if (!threads)
		return sum;
	while ((thread = readdir(threads))) {
		if (thread->d_name[0] != '.')
			sum += thread_sum(pid, thread->d_name, figure, depth);
	}
	closedir(threads);
	return sum;
}

double measure_own_cpu_s(void)
{
	return clock_s(CLOCK_PROCESS_CPUTIME_ID);
}

double measure_children_cpu_s(pid_t pid)
{
	return children_sum(pid, process_cpu_s, 0);
}

static double cpu_s(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

bool measure_begin(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if (access(path, R_OK) != 0) {
		fprintf(stderr,
		        "%s: %s (this needs a kernel with CONFIG_PROC_CHILDREN)\n", path,
		        strerror(errno));
		return false;
	}
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
		perror("prctl");
		return false;
	}
	return true;
}

static _Noreturn void become(const char *const argv[], int said)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    dup2(said, STDOUT_FILENO) < 0 || dup2(said, STDERR_FILENO) < 0)
		_exit(126);
	/* execvp() does not change its arguments, so casting const away is safe. */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Sample the memory until the process has ended, and return the peak. The caller reaps the process
 * and gets its CPU time. */
static int64_t watch(pid_t pid, int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};
	int64_t peak = 0;

	while (poll(&end, 1, SAMPLE_MS) <= 0) {
		double sum = private_bytes(pid) + children_sum(pid, private_bytes, 0);

		if ((int64_t)sum > peak)
			peak = (int64_t)sum;
	}
	return peak;
}

/* Reap the command and then all orphans that it left. */
static bool reap_all(pid_t pid, struct measured *measured)
{
	struct rusage usage;
	bool reaped_it = false;
	int status;
	pid_t reaped;

	while ((reaped = wait4(reaped_it ? -1 : pid, &status, 0, &usage)) > 0 ||
	       errno == EINTR) {
		if (reaped <= 0)
			continue;
		measured->cpu_s += cpu_s(&usage);
		if (reaped == pid) {
			reaped_it = true;
			measured->status = WIFEXITED(status) ? WEXITSTATUS(status)
			                                     : 128 + WTERMSIG(status);
		}
	}
	return reaped_it;
}

bool measure_run(const char *const argv[], const char *said_path,
                 struct measured *ret_measured)
{
	int said = open(said_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	double begun_s = measure_now_s();
	pid_t pid = said < 0 ? -1 : fork();

	if (pid == 0)
		become(argv, said);

	int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		perror(said_path);
	if (said >= 0)
		close(said);
	if (pid < 0)
		return false;

	*ret_measured = (struct measured){0};
	if (pidfd >= 0) {
		ret_measured->peak_bytes = watch(pid, pidfd);
		close(pidfd);
	}
	/* The measured time ends when the command itself ends, even if processes that it left still
	 * run. */
	ret_measured->wall_s = measure_now_s() - begun_s;
	return reap_all(pid, ret_measured) && pidfd >= 0 && ret_measured->status != 127;
}
