/* Divides the descriptors of a run among its workers, and ends a batch that has run out of them. */
#include "batch/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/resource.h>

static unsigned at_most(rlim_t n, unsigned max)
{
	return n < max ? (unsigned)n : max;
}

/* Count the open descriptors below the limit: those that this program opened, and those that it
 * inherited. Only the first LOOK_AT numbers are looked at. */
static unsigned count_open_descriptors(rlim_t limit)
{
	enum { LOOK_AT = 4096 };
	unsigned n = 0;

	for (int fd = 0; fd < LOOK_AT && (rlim_t)fd < limit; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* How many descriptors the parts of a run need, besides those that are open when the run starts. */
enum {
	/* The number of descriptors without which no run starts. It is enough for one worker and
	 * folders that are not deep. */
	MIN_FREE = 20,
	/* The descriptors for the walk through deep folders, the store, the state and the pool. */
	OTHERS = 40,
	/* The descriptors for one worker: a channel, a pidfd, a log and two outputs. Its inputs are
	 * counted separately. */
	PER_WORKER = 5,
	MIN_WAITING = 4,
};

/* Whether small files may share a task. Some options forbid shared tasks. --untrusted: each picture
 * has a worker to itself. --max-failures: no picture may begin after the failure that reaches that
 * number. A small --recycle: a worker could process more images than --recycle allows. A profile
 * from a file: each file of a task would have a copy of the profile. */
static bool may_share_tasks(const struct batch_options *options)
{
	return !options->is_untrusted && options->n_profile == 0 &&
	       options->max_failures == 0 &&
	       (options->recycle == 0 || options->recycle >= 8 * PICTURE_MAX_FILES);
}

bool batch_divide_descriptors(struct batch *batch, unsigned *n_workers,
                              struct failure *ret_failure)
{
	/* With --in-place, the folder of each input takes one descriptor more. */
	const unsigned per_input = batch->options->in_place ? 2 : 1,
		       n_each = PER_WORKER + per_input * TASKS_PER_WORKER;
	struct rlimit limit;
	rlim_t n_free, n_bearable;
	unsigned n_open;

	batch->max_finished = FINISHED_OUTPUTS;
	batch->max_deferred = DEFERRED_DRAWINGS;
	batch->group_outputs = COMMIT_GROUP_OUTPUTS;
	batch->max_tasks = *n_workers * TASKS_PER_WORKER;
	batch->max_group = may_share_tasks(batch->options) ? PICTURE_MAX_FILES : 1;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return true;
	n_open = count_open_descriptors(limit.rlim_cur);
	n_free = limit.rlim_cur > n_open ? limit.rlim_cur - n_open : 0;
	if (n_free < MIN_FREE)
		return failure_set(
			ret_failure, FAIL_INTERNAL,
			"the limit on open files (ulimit -n) is %ju, and %u files are "
			"open already; raise it to %u or more",
			(uintmax_t)limit.rlim_cur, n_open, n_open + MIN_FREE);
	n_free -= at_most(n_free, OTHERS);
	n_bearable = n_free / (n_each + MIN_WAITING);
	*n_workers = at_most(n_bearable > 0 ? n_bearable : 1, *n_workers);
	batch->max_tasks = *n_workers * TASKS_PER_WORKER;
	if (n_bearable == 0)
		batch->max_tasks = 1;
	n_free -= at_most(n_free, *n_workers * n_each);
	n_free /= per_input;
	/* The first file of each task is already counted. Half of the remaining descriptors is for
	 * the other files of shared tasks. */
	batch->max_group = at_most(1 + n_free / 2 / batch->max_tasks, batch->max_group);
	n_free -= (rlim_t)batch->max_tasks * (batch->max_group - 1);
	/* A third of the remaining descriptors is for the outputs of files that wait for the
	 * committer, a third for outputs that are being written, which take two descriptors each,
	 * and a third for deferred drawings. */
	batch->max_finished = at_most(n_free / 3 + MIN_WAITING / 2, FINISHED_OUTPUTS);
	batch->group_outputs = at_most(n_free / 6 + 1, COMMIT_GROUP_OUTPUTS);
	batch->max_deferred = at_most(n_free / 3 + MIN_WAITING / 2, DEFERRED_DRAWINGS);
	return true;
}

bool is_lack_of_descriptors(int sys_errno)
{
	return sys_errno == EMFILE || sys_errno == ENFILE;
}

void batch_stop_for_descriptors(struct batch *batch, int sys_errno)
{
	struct failure failure;

	failure_set(&failure, FAIL_IO, "too many open files%s",
	            sys_errno == EMFILE ? "; raise the limit (ulimit -n)"
	                                : " on this machine");
	batch_stop_early(batch, &failure);
}
