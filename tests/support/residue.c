/*
 * Count threads, processes, descriptors and mappings in /proc, and compare two counts.
 */
#include "support/residue.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <unistd.h>

enum { MAX_PROCESSES = 4096 };

static int patience_ms = 10000;
static bool is_ignored;
static struct residue at_begin;

void residue_set_patience(int ms)
{
	patience_ms = ms;
}

void residue_ignore(void)
{
	is_ignored = true;
}

static int count_entries(const char *path)
{
	DIR *folder = opendir(path);
	int n = 0;

	if (!folder)
		return -1;
	for (struct dirent *entry; (entry = readdir(folder));)
		n += entry->d_name[0] != '.';
	closedir(folder);
	return n;
}

static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096];
	int n = 0;

	while (maps && fgets(line, sizeof(line), maps))
		n += strstr(line, "/memfd:") || strstr(line, "/dev/shm/");
	if (maps)
		fclose(maps);
	return n;
}

struct process {
	pid_t pid, parent;
	char state;
	bool is_below;
};

static bool read_process(const char *name, struct process *ret_process)
{
	char path[300], text[512] = "";
	const char *after_name;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	after_name = strrchr(text, ')');
	*ret_process = (struct process){.pid = (pid_t)atoi(name)};
	if (!after_name ||
	    sscanf(after_name + 1, " %c %d", &ret_process->state, &parent) != 2)
		return false;
	ret_process->parent = (pid_t)parent;
	return true;
}

static size_t list_processes(struct process processes[MAX_PROCESSES])
{
	DIR *folder = opendir("/proc");
	size_t n = 0;

	if (!folder)
		return 0;
	for (struct dirent *entry; n < MAX_PROCESSES && (entry = readdir(folder));) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			n += read_process(entry->d_name, &processes[n]);
	}
	closedir(folder);
	return n;
}

static bool is_below_us(const struct process *processes, size_t n, pid_t parent)
{
	if (parent == getpid())
		return true;
	for (size_t i = 0; i < n; i++) {
		if (processes[i].pid == parent)
			return processes[i].is_below;
	}
	return false;
}

static int count_processes(void)
{
	static struct process processes[MAX_PROCESSES];
	size_t n = list_processes(processes);
	int n_below = 0, n_before;

	/* A child may be listed before its parent, so repeat until nothing changes. */
	do {
		n_before = n_below;
		n_below = 0;
		for (size_t i = 0; i < n; i++) {
			struct process *process = &processes[i];

			process->is_below = is_below_us(processes, n, process->parent);
			n_below += process->is_below && !(process->state == 'Z' &&
			                                  process->parent == getpid());
		}
	} while (n_below != n_before);
	return n_below;
}

int residue_n_descriptors(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	/* Counting the descriptors of this process opens one more. */
	return count_entries(path) - (pid == getpid());
}

struct residue residue_now(void)
{
	return (struct residue){.n_threads = count_entries("/proc/self/task"),
	                        .n_processes = count_processes(),
	                        .n_descriptors = residue_n_descriptors(getpid()),
	                        .n_mappings = count_mappings()};
}

static bool is_more(const struct residue *now, const struct residue *before)
{
	return now->n_threads > before->n_threads ||
	       now->n_processes > before->n_processes ||
	       now->n_descriptors > before->n_descriptors ||
	       now->n_mappings > before->n_mappings;
}

bool residue_is_none(const struct residue *before)
{
	struct residue now = residue_now();

	/* Most leftovers disappear within a few milliseconds. Counting is expensive, so the pauses
	 * grow. */
	for (int ms = 1, waited = 0; waited < patience_ms && is_more(&now, before);
	     waited += ms, ms = ms < 64 ? 2 * ms : ms) {
		poll(NULL, 0, ms);
		now = residue_now();
	}
	if (!is_more(&now, before))
		return true;
	fprintf(stderr,
	        "left: threads %d -> %d, processes %d -> %d, descriptors %d -> %d, "
	        "mappings of shared memory %d -> %d\n",
	        before->n_threads, now.n_threads, before->n_processes, now.n_processes,
	        before->n_descriptors, now.n_descriptors, before->n_mappings,
	        now.n_mappings);
	return false;
}

#ifdef PIXPOOL_SANITIZE_THREAD
static void *do_nothing(void *data)
{
	return data;
}

/* When our first thread starts, ThreadSanitizer starts a thread of its own, which does not end. So
 * start a thread before threads are counted. */
static void start_sanitizer_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		pthread_join(thread, NULL);
}
#else
static void start_sanitizer_thread(void)
{
}
#endif

void residue_begin(void)
{
	start_sanitizer_thread();
	/* Orphaned descendants become our children, so that we see them. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	at_begin = residue_now();
}

bool residue_end(void)
{
	return is_ignored || residue_is_none(&at_begin);
}
