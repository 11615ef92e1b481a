/* The main thread of a batch: it prepares the run, accepts or refuses the plan, handles signals,
 * reports, and ends the run. */
#include "batch/batch_internal.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"
#include "base/thread.h"
#include "common/order.h"
#include "common/path.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* ---- the states, and functions that any thread may call ---- */

#define BIT(state) (1U << (state))

/* For each state, the set of states to which it may change. */
static const unsigned next_states[N_BATCH_STATES] = {
	[BATCH_PLANNING] = BIT(BATCH_PLANNED) | BIT(BATCH_DRAINING) | BIT(BATCH_KILLED),
	[BATCH_PLANNED] = BIT(BATCH_FEEDING) | BIT(BATCH_DRAINING) | BIT(BATCH_KILLED),
	[BATCH_FEEDING] = BIT(BATCH_FED) | BIT(BATCH_DRAINING) | BIT(BATCH_KILLED),
	[BATCH_FED] = BIT(BATCH_DRAINING) | BIT(BATCH_KILLED) | BIT(BATCH_ENDED),
	[BATCH_DRAINING] = BIT(BATCH_KILLED) | BIT(BATCH_ENDED),
	[BATCH_KILLED] = BIT(BATCH_ENDED),
};

bool batch_enter(struct batch *batch, enum batch_state state)
{
	bool is_legal;

	lock_acquire(&batch->lock);
	is_legal = next_states[batch->state] & BIT(state);
	if (is_legal)
		batch->state = state;
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
	if (is_legal)
		batch_wake_main(batch);
	return is_legal;
}

static enum batch_state state_of(struct batch *batch)
{
	enum batch_state state;

	lock_acquire(&batch->lock);
	state = batch->state;
	lock_release(&batch->lock);
	return state;
}

bool batch_goes_on(struct batch *batch)
{
	return state_of(batch) < BATCH_FED;
}

/* Get the pools. Returns NULL before the workers are started. */
static struct pools *pools_of(struct batch *batch)
{
	struct pools *pools;

	lock_acquire(&batch->lock);
	pools = batch->pools;
	lock_release(&batch->lock);
	return pools;
}

static void stop_pools(struct pools *pools, enum batch_state state)
{
	pools_stop(pools, state == BATCH_KILLED ? PXP_SHUTDOWN_KILL
	                                        : PXP_SHUTDOWN_CANCEL_PENDING);
}

/* End the batch early: go to BATCH_DRAINING or BATCH_KILLED. Does nothing if the batch is already
 * past that state. Any thread may call this function. */
static void batch_stop(struct batch *batch, enum batch_state state)
{
	struct pools *pools;

	batch_enter(batch, state);
	pools = pools_of(batch);
	if (pools)
		stop_pools(pools, state);
	batch_end_groups(batch);
}

void batch_stop_early(struct batch *batch, const struct failure *reason)
{
	lock_acquire(&batch->lock);
	if (batch->stop_reason.class == FAIL_NONE)
		batch->stop_reason = *reason;
	lock_release(&batch->lock);
	if (batch->committer)
		committer_stop(batch->committer);
	batch_stop(batch, BATCH_DRAINING);
}

static bool was_stopped_early(struct batch *batch)
{
	bool was_stopped;

	lock_acquire(&batch->lock);
	was_stopped = batch->stop_reason.class != FAIL_NONE;
	lock_release(&batch->lock);
	return was_stopped;
}

static bool has_too_many_failures(struct batch *batch)
{
	const unsigned max = batch->options->max_failures;
	bool has_too_many;

	lock_acquire(&batch->lock);
	has_too_many = max > 0 && batch->n_failures >= max;
	lock_release(&batch->lock);
	return has_too_many;
}

void batch_count_failure(struct batch *batch, bool is_remembered)
{
	if (is_remembered && batch->options->accept_known)
		return;
	lock_acquire(&batch->lock);
	batch->n_failures++;
	lock_release(&batch->lock);
	if (has_too_many_failures(batch))
		batch_stop(batch, BATCH_DRAINING);
}

void batch_wake_main(struct batch *batch)
{
	const uint64_t one = 1;

	/* The write can fail only because the counter is full. Then the main thread will wake
	 * anyway. */
	(void)!write(batch->wakeup, &one, sizeof(one));
}

/* ---- signals ---- */

/* Handle Ctrl-Z: the workers are suspended, too, and the progress bar is erased. */
static void suspend(struct batch *batch)
{
	sigset_t stop;

	report_hide(batch->report);
	if (batch->pools)
		pools_suspend(batch->pools);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	/* The process stops in this call, which returns when the process continues. */
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (batch->pools)
		pools_resume(batch->pools);
}

static void end_by(struct batch *batch, int number)
{
	/* The message says that no more image starts, so it is printed after batch_stop(). */
	if (batch->ended_by == 0) {
		batch->ended_by = number;
		batch_stop(batch, BATCH_DRAINING);
		report_say(batch->report,
		           "%s: finishing running images; interrupt again to kill them",
		           number == SIGINT   ? "interrupted"
		           : number == SIGHUP ? "hung up"
		                              : "terminated");
	} else if (batch->stuck_ns < 0) {
		batch->stuck_ns = clock_deadline_ns(clock_now_ns(), STUCK_MS);
		batch_stop(batch, BATCH_KILLED);
		report_say(batch->report, "killed");
	}
}

static void on_signals(struct batch *batch)
{
	struct signalfd_siginfo info;

	while (read(batch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			suspend(batch);
		else
			end_by(batch, (int)info.ssi_signo);
	}
}

/* ---- the preparation ---- */

static const char *quoted(const char *name)
{
	static char text[1024];

	return report_quote(name, text, sizeof(text));
}

/* Like stat(), but with a time limit on a file system that may hang. */
static bool stat_name(struct batch *batch, const char *name, struct stat *ret_stat)
{
	const struct walk_calls *calls = batch->walk.calls;
	const struct walk_place place = {0, AT_FDCWD, name, name};

	return calls->stat(calls->data, &place, 0, ret_stat);
}

/* The calls for folder_locks_add(), with a time limit on a file system that may hang. */
static bool lstat_name(void *data, const char *name, struct stat *ret_stat)
{
	const struct walk_calls *calls = ((struct batch *)data)->walk.calls;
	const struct walk_place place = {0, AT_FDCWD, name, name};

	return calls->stat(calls->data, &place, AT_SYMLINK_NOFOLLOW, ret_stat);
}

static int open_name(void *data, int folder, const char *name, int flags,
                     const char *input, struct stat *ret_stat)
{
	const struct walk_calls *calls = ((struct batch *)data)->walk.calls;
	const struct walk_place place = {0, folder, name, input};

	return calls->open(calls->data, &place, flags, ret_stat);
}

/* A folder among the INPUTs. */
struct input_folder {
	dev_t dev;
	ino_t ino;
	size_t input; /* the index of the INPUT */
};

static int compare_folders(const void *a, const void *b)
{
	const struct input_folder *x = a, *y = b;
	int order = ORDER(x->dev, y->dev);

	order = order != 0 ? order : ORDER(x->ino, y->ino);
	return order != 0 ? order : ORDER(x->input, y->input);
}

/* Leave out each INPUT folder that was given before, perhaps in another spelling. The plan notices
 * images that are found twice, but other files in such a folder would be counted twice. If memory
 * runs out, such a folder is walked again. */
static void drop_repeated_folders(struct batch *batch, struct input_folder *folders,
                                  size_t n_folders)
{
	struct walk_options *walk = &batch->walk;
	size_t n_kept = 0;

	batch->inputs = n_folders > 1 ? calloc(walk->n_inputs, sizeof(*batch->inputs))
	                              : NULL;
	if (!batch->inputs)
		return;
	memcpy(batch->inputs, walk->inputs, walk->n_inputs * sizeof(*batch->inputs));
	qsort(folders, n_folders, sizeof(*folders), compare_folders);
	for (size_t i = 1; i < n_folders; i++) {
		if (folders[i].dev == folders[i - 1].dev &&
		    folders[i].ino == folders[i - 1].ino)
			batch->inputs[folders[i].input] = NULL;
	}
	for (size_t i = 0; i < walk->n_inputs; i++) {
		if (batch->inputs[i])
			batch->inputs[n_kept++] = batch->inputs[i];
	}
	walk->inputs = batch->inputs;
	walk->n_inputs = n_kept;
}

/* Check that the INPUTs exist, and leave out folders that are given twice. Prints a message for
 * each INPUT that does not exist, and then returns false. */
static bool inputs_exist(struct batch *batch)
{
	const struct walk_options *walk = &batch->walk;
	struct report *report = batch->report;
	struct input_folder *folders = walk->is_list
	                                       ? NULL
	                                       : calloc(walk->n_inputs, sizeof(*folders));
	bool all = true;
	struct stat stat_of_input;
	size_t n_folders = 0;

	/* A missing file that is named in a list does not end the run. It is reported as a failed
	 * file later, so the names of a list are not checked here. */
	for (size_t i = 0; i < walk->n_inputs && !walk->is_list; i++) {
		if (walk->standard_input > 0 && strcmp(walk->inputs[i], "-") == 0)
			continue;
		if (stat_name(batch, walk->inputs[i], &stat_of_input)) {
			if (folders && S_ISDIR(stat_of_input.st_mode))
				folders[n_folders++] = (struct input_folder){
					stat_of_input.st_dev, stat_of_input.st_ino, i};
			continue;
		}
		if (errno == EACCES)
			continue; /* an input without permission is reported as a failed file */
		if (!batch_goes_on(batch)) {
			all = true; /* a signal ended the wait for the file system */
			break;
		}
		if (errno == ENOENT)
			report_say(report, "no such file or folder: %s",
			           quoted(walk->inputs[i]));
		else
			report_say(report, "cannot read %s: %s", quoted(walk->inputs[i]),
			           strerrordesc_np(errno));
		all = false;
	}
	if (folders)
		drop_repeated_folders(batch, folders, n_folders);
	free(folders);
	return all;
}

static bool is_same_folder(struct batch *batch, const char *name,
                           const struct stat *folder)
{
	struct stat stat_of_name;

	return stat_name(batch, name, &stat_of_name) &&
	       stat_of_name.st_dev == folder->st_dev &&
	       stat_of_name.st_ino == folder->st_ino;
}

/* Make the walk skip the output folder. If the folder does not exist yet, this does nothing,
 * because the walk cannot find the folder. Prints a message and returns false if the output is not
 * a folder, or if its file system does not answer. */
static bool skip_output_folder(struct batch *batch)
{
	const char *output = batch->options->output;
	struct walk_options *walk = &batch->walk;
	struct stat folder;

	if (batch->options->decodes_only || !output)
		return true;
	if (!stat_name(batch, output, &folder)) {
		if (errno == ETIMEDOUT)
			report_say(batch->report, "cannot use the output folder %s: %s",
			           quoted(output), strerrordesc_np(errno));
		return errno != ETIMEDOUT;
	}
	if (!S_ISDIR(folder.st_mode)) {
		report_say(batch->report,
		           "%s is a file; choose another output folder with -o",
		           quoted(output));
		return false;
	}
	walk->skip_dev = folder.st_dev;
	walk->skip_ino = folder.st_ino;
	for (size_t i = 0; i < walk->n_inputs; i++) {
		if (is_same_folder(batch, walk->inputs[i], &folder))
			report_say(
				batch->report,
				"not searched, because it is the output folder: %s; choose "
				"another one, or replace images with --in-place",
				quoted(walk->inputs[i]));
	}
	return true;
}

/* Open a descriptor for the signals that the batch handles. A signal that was ignored at the start
 * (nohup, background jobs of a shell) is left out, so it stays ignored. */
static int open_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &action) == 0 &&
		    action.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	}
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static unsigned at_most(rlim_t n, unsigned max)
{
	return n < max ? (unsigned)n : max;
}

/* Count the open descriptors below the limit: those that this program opened, and those that it
 * inherited. */
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
	/* The minimum for a run, with one worker and without deep folders. */
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

/*
 * Divide the descriptors that the process may still open. The function sets the maximum numbers of
 * tasks, files in a task, finished outputs, outputs in a group and deferred drawings, and reduces
 * the number of workers if necessary. Returns false with a failure if the descriptors are not
 * enough for one worker.
 */
static bool fit_to_descriptors(struct batch *batch, unsigned *n_workers,
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

/* Set the limits and the number of workers. Reports each limit that is lower than requested.
 * Returns false with a failure if not even one worker is possible. */
static bool choose_limits(struct batch *batch, struct failure *ret_failure)
{
	const struct batch_options *options = batch->options;
	unsigned n_workers;

	batch->limits = limits_make(options->memory, options->n_workers);
	if (batch->limits.tasks_limit)
		report_say(batch->report,
		           "using %u of %u workers: the limit on processes (%s) allows "
		           "no more",
		           batch->limits.n_workers,
		           options->n_workers > 0 ? options->n_workers : cpus_usable(""),
		           batch->limits.tasks_limit);
	else if (batch->limits.n_workers < options->n_workers)
		report_say(batch->report,
		           "using %u of %u workers: there is not enough "
		           "memory for more",
		           batch->limits.n_workers, options->n_workers);
	if (options->memory > 0 && !pxp_memory_is_limited())
		report_say(batch->report,
		           "memory is not limited: this build has sanitizers");
	n_workers = batch->limits.n_workers;
	if (!fit_to_descriptors(batch, &n_workers, ret_failure))
		return false;
	if (n_workers < batch->limits.n_workers)
		report_say(batch->report,
		           "using %u of %u workers: the limit on open files (ulimit -n) "
		           "allows no more",
		           n_workers, batch->limits.n_workers);
	batch->n_workers = n_workers;
	return true;
}

/* Find out which layers of the sandbox the workers can have, and report the missing ones. */
static bool choose_guard(struct batch *batch, struct picture_guard *ret_guard,
                         struct failure *ret_failure)
{
	const struct batch_options *options = batch->options;
	struct sandbox_state state;
	struct lockdown lockdown;
	char missing[256];

	if (!lockdown_try(options->sandbox, &lockdown, &state, ret_failure))
		return false;
	*ret_guard = picture_guard_of(&lockdown, options->is_untrusted);
	if (!sandbox_is_whole(&state)) {
		sandbox_say_missing(&state, missing, sizeof(missing));
		report_say(batch->report, "sandbox: workers run without %s", missing);
	}
	return true;
}

/* Allocate space for futures: one for each file that may be fed and not reported at the same time. */
static bool make_room_for_complete(struct batch *batch)
{
	enum { COMPLETE_FILES = 1024 };

	/* Before the next input is fed, each input that a worker has may become a deferred drawing
	 * or a finished file. The ring has room for all of them. */
	batch->max_files = COMPLETE_FILES + batch->max_deferred + batch->max_finished +
	                   4 * batch->max_tasks * PICTURE_MAX_FILES;
	batch->complete = calloc(batch->max_files, sizeof(struct pxp_future *));
	return batch->complete != NULL;
}

/* Create the pools of workers, when the first picture needs a worker. */
static bool start_workers(struct batch *batch, struct failure *ret_failure)
{
	struct pools_options options = {
		.n_workers = batch->n_workers,
		.max_pending = batch->max_tasks,
	};
	struct pools *pools;

	options.limits = (struct picture_limits){
		.memory_allowance = batch->limits.allowance,
		.memory_budget = batch->limits.budget,
		.max_output = batch->limits.max_output,
		.recycle = batch->options->recycle ? batch->options->recycle
	                                           : RECYCLE_IMAGES,
	};
	if (!choose_guard(batch, &options.guard, ret_failure))
		return false;
	pools = pools_create(&options, ret_failure);
	if (!pools)
		return false;
	lock_acquire(&batch->lock);
	batch->pools = pools;
	lock_release(&batch->lock);
	/* If the batch was stopped before batch->pools was set, batch_stop() did not stop the
	 * pools. Stop them here. */
	if (state_of(batch) >= BATCH_DRAINING)
		stop_pools(pools, state_of(batch));
	return true;
}

/* Allocate the ring of complete files, and start the feeder. */
static bool start(struct batch *batch, struct failure *ret_failure)
{
	int error;

	if (!choose_limits(batch, ret_failure))
		return false;
	if (!make_room_for_complete(batch))
		return failure_set(ret_failure, FAIL_INTERNAL, "out of memory");
	/* n_files is one more than the number of files, so that it is not 0 while the feeder
	 * runs. */
	batch->n_files = 1;
	error = thread_start(&batch->feeder, feeder_main, batch);
	if (error != 0)
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "cannot start the feeder thread: %s",
		                   strerrordesc_np(error));
	batch->has_feeder = true;
	return true;
}

/* ---- the plan ---- */

static void refuse(struct batch *batch)
{
	batch->was_refused = true;
	batch_stop(batch, BATCH_DRAINING);
}

/* How the inputs that claim the same output differ. */
struct differences {
	/* whether some of these inputs have different file names, such as a.jpg and a.png */
	bool by_name;
	/* whether some of these inputs have the same file name in different folders */
	bool by_folder;
	/* whether some of these inputs have the same path below different INPUTs */
	bool by_input;
};

static void add_difference(struct differences *differences, const struct plan_claim *a,
                           const struct plan_claim *b)
{
	size_t n_a, n_b;
	const char *name_a = path_base(a->relative, &n_a),
		   *name_b = path_base(b->relative, &n_b);

	if (strcmp(a->relative, b->relative) == 0)
		differences->by_input = true;
	else if (n_a == n_b && memcmp(name_a, name_b, n_a) == 0)
		differences->by_folder = true;
	else
		differences->by_name = true;
}

/* Print advice on how to run the batch without collisions. */
static void say_way_out(struct batch *batch, const struct differences *differences)
{
	const struct naming_style *style = &batch->rules[0].style;
	const bool lacks_name = style->pattern && !strstr(style->pattern, "{name}");

	report_say(batch->report,
	           "nothing was done; leave inputs out with --exclude%s%s%s%s",
	           differences->by_name && lacks_name ? ", or put {name} into --name"
	                                              : "",
	           differences->by_name && !lacks_name && !style->keeps_suffix
	                   ? ", or keep their suffixes in the names of the "
	                     "outputs with --on-collision keep-ext"
	                   : "",
	           differences->by_folder
	                   ? ", or remove --flat to keep the folders of the inputs"
	                   : "",
	           differences->by_input
	                   ? ", or run the command once for each INPUT, with different -o"
	                   : "");
}

static void report_collisions(struct batch *batch)
{
	const struct plan *plan = batch->plan;
	struct differences differences = {.by_name = false};
	size_t n;

	for (size_t i = 0; i < plan->n_claims; i += n) {
		const struct plan_claim *claims = &plan->claims[i];

		char *output = path_join(batch->options->output, claims[0].output);

		for (n = 1; i + n < plan->n_claims &&
		            strcmp(claims[0].output, claims[n].output) == 0;)
			n++;
		report_say(batch->report, "%zu inputs would write the same output %s:", n,
		           quoted(output ? output : claims[0].output));
		free(output);
		for (size_t k = 0; k < n; k++) {
			report_say(batch->report, "  %s", quoted(claims[k].input));
			if (k > 0)
				add_difference(&differences, &claims[k - 1], &claims[k]);
		}
	}
	say_way_out(batch, &differences);
}

/* Wait a moment for another run. Returns whether to continue waiting: false if the user chose not
 * to wait, or if the batch is being stopped. The first call tells the user which folder the other
 * run is using, and for what. */
static bool wait_for_other_run(struct batch *batch, const char *use, const char *folder)
{
	enum { LOOK_MS = 100 };
	struct pollfd event = {.fd = batch->signals, .events = POLLIN};

	if (batch->options->no_wait)
		return false;
	if (!batch->is_waiting)
		report_say(batch->report, "another run is %s %s; waiting for it", use,
		           quoted(folder));
	batch->is_waiting = true;
	if (poll(&event, 1, LOOK_MS) > 0)
		on_signals(batch);
	report_tick(batch->report);
	return batch_goes_on(batch);
}

/* Called while another run holds the state. Returns whether to continue waiting for it. */
static bool wait_for_state(void *data)
{
	struct batch *batch = data;

	return wait_for_other_run(batch, "using the output folder",
	                          batch->options->output);
}

char *batch_state_path(const struct batch_options *options)
{
	const struct shard *shard = &options->shard;
	char name[64];

	if (options->state)
		return strdup(options->state);
	snprintf(name, sizeof(name), ".pixpool-%u-of-%u.db", shard->index, shard->n);
	return path_join(options->output, shard->n > 1 ? name : STATE_FILE_NAME);
}

static void say_state_is_foreign(struct batch *batch)
{
	report_say(batch->report,
	           "--state: %s exists and is not a state database of pixpool; "
	           "choose another name",
	           quoted(batch->options->state));
}

/* Open the state of the output folder. Returns false, with a message, if the batch must end. */
static bool open_state(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	struct state_options state = {
		.keeps_foreign = options->state != NULL,
		.is_durable = !options->no_fsync,
		.wait = wait_for_state,
		.data = batch,
	};
	char notice[FAILURE_TEXT_BYTES] = "", *path;
	struct failure failure;
	enum state_result result;

	if (options->keeps_no_state || options->in_place || !content_hash_is_built())
		return true;
	state.rows_alone = !store_takes_stamps(batch->store);
	state.path = path = batch_state_path(options);
	result = path ? state_open(&state, &batch->database, notice, &failure)
	              : STATE_MEMORY;
	free(path);
	if (notice[0] && result != STATE_MEMORY)
		report_say(batch->report, "%s", notice);
	switch (result) {
	case STATE_OK:
		return true;
	case STATE_BUSY:
		if (batch_goes_on(batch))
			batch_stop_early(batch,
			                 &(struct failure){FAIL_IO,
			                                   "another run is using the "
			                                   "output folder"});
		return true;
	case STATE_NONE:
		report_say(
			batch->report, "%s; %s", failure.text,
			state.rows_alone
				? "warning: the output folder does not support attributes "
				  "either, so outputs are not recorded, and a second run "
				  "will not replace them; see --overwrite"
				: "records are kept only as attributes of the outputs");
		return true;
	case STATE_PLACE:
		batch_stop_early(batch, &failure);
		return true;
	case STATE_FOREIGN:
		say_state_is_foreign(batch);
		return false;
	case STATE_MEMORY:
		report_say(batch->report, "cannot start: out of memory");
		return false;
	}
	return true;
}

/* Open the state for reading, for a plan. If it cannot be read, the plan relies on the stamps of
 * the outputs, and a message says so. Returns false, with a message, if a run would refuse the
 * state. */
static bool open_state_to_look(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	char *path = options->in_place ? NULL : batch_state_path(options);
	const struct state_options state = {.path = path,
	                                    .reads_only = true,
	                                    .keeps_foreign = options->state != NULL};
	enum state_result result = STATE_OK;
	char notice[FAILURE_TEXT_BYTES];
	struct failure failure;
	struct stat facts;

	if (path && !options->keeps_no_state && content_hash_is_built() &&
	    lstat(path, &facts) == 0)
		result = state_open(&state, &batch->database, notice, &failure);
	free(path);
	if (result == STATE_FOREIGN)
		say_state_is_foreign(batch);
	else if (result != STATE_OK && facts.st_size > 0) /* empty files are accepted */
		report_say(
			batch->report,
			"%s; the plan uses only the records in attributes of the outputs",
			failure.text);
	return result != STATE_FOREIGN;
}

static bool open_history(struct batch *batch)
{
	const struct batch_options *options = batch->options;

	batch->history = history_create(&(struct history_options){
		.store = batch->store,
		.state = batch->database,
		.inputs = &batch->walk,
		.output = options->output,
		.rules = batch->rules,
		.n_rules = batch->n_rules,
		.overwrite = options->overwrite,
		.keep_dates = options->keep_dates,
		.keeps_records = !options->keeps_no_state && content_hash_is_built(),
		.redo = options->redo,
		.compare_contents = options->compare_contents,
	});
	if (!batch->history)
		report_say(batch->report, "cannot start: out of memory");
	return batch->history != NULL;
}

/* Whether this errno of a call that creates a folder comes from the file system or its permissions,
 * and not from a wrong name. */
static bool is_places_fault(int sys_errno)
{
	return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EROFS ||
	       sys_errno == EIO || sys_errno == EACCES || sys_errno == EPERM;
}

/* Print why the output folder cannot be created, if its file system is not the cause. */
static void say_no_folder(struct batch *batch, int sys_errno)
{
	const char *output = batch->options->output, *why = strerrordesc_np(sys_errno);
	struct stat facts;

	if (sys_errno == ENOTDIR)
		why = "one of the folders in its path is a file";
	else if (sys_errno == ENOENT && lstat(output, &facts) == 0 &&
	         S_ISLNK(facts.st_mode))
		why = "it is a symbolic link to a folder that does not exist";
	report_say(batch->report, "cannot make the output folder %s: %s", quoted(output),
	           why);
}

/* Open the output folder. Returns false, with a message, if the batch must end. If the folder
 * cannot be created because of its file system, stops the batch and returns true without a
 * store. */
static bool open_store(struct batch *batch)
{
	const char *output = batch->options->output;
	struct failure failure;

	if (batch->options->in_place) {
		batch->store = batch->options->plans_only ? store_open_to_look(NULL)
		                                          : store_open_in_place();
		if (!batch->store)
			report_say(batch->report, "cannot start: out of memory");
		return batch->store != NULL;
	}
	if (batch->options->plans_only) {
		batch->store = store_open_to_look(*output ? output : ".");
		/* if the folder does not exist, every output is new */
		if (batch->store || errno != ENOTDIR)
			return true;
		say_no_folder(batch, errno);
		return false;
	}
	batch->store = store_open(*output ? output : ".");
	if (!batch->store && is_places_fault(errno)) {
		failure_set(&failure, FAIL_IO, "cannot make the output folder %s: %s",
		            quoted(output), strerrordesc_np(errno));
		batch_stop_early(batch, &failure);
		return true;
	}
	if (!batch->store) {
		say_no_folder(batch, errno);
		return false;
	}
	store_identity(batch->store, &batch->walk.skip_dev, &batch->walk.skip_ino);
	return true;
}

/* Open the output folder and its records, and start the committer. */
static bool open_output(struct batch *batch)
{
	if (batch->options->output_stream > 0)
		return true;
	if (!open_store(batch))
		return false;
	if (!batch->store)
		return true;
	if (batch->options->plans_only)
		return open_state_to_look(batch) && open_history(batch);
	if (!batch->options->no_fsync)
		store_make_durable(batch->store);
	if (!open_state(batch) || !open_history(batch))
		return false;
	batch->committer = committer_create(&(struct committer_options){
		.store = batch->store,
		.state = batch->database,
		.overwrite = batch->options->overwrite,
		.group_outputs = batch->group_outputs,
		.done = file_on_committed,
		.data = batch,
		.wait_ms = COMMIT_WAIT_MS,
	});
	if (!batch->committer)
		report_say(batch->report, "cannot start: %s", strerrordesc_np(errno));
	return batch->committer != NULL;
}

/* Accept the plan and start feeding, or refuse it. */
static void decide(struct batch *batch)
{
	uint64_t n_images = batch->plan->n_images;

	switch (batch->plan_result) {
	case PLAN_COLLISION:
		report_collisions(batch);
		refuse(batch);
		return;
	case PLAN_NO_MEMORY:
		report_say(batch->report, "out of memory for the plan");
		refuse(batch);
		return;
	case PLAN_STOPPED:
	case PLAN_MADE:
		break;
	}
	if (n_images > 0 && batch->n_outputs > 0 && !open_output(batch)) {
		refuse(batch);
		return;
	}
	report_planned(batch->report, n_images, batch->plan->n_bytes);
	batch_enter(batch, BATCH_FEEDING);
}

/* ---- the records ---- */

static double ms_of(int64_t ns)
{
	return ns < 0 ? -1 : (double)ns / 1e6;
}

static struct record_side side_of(const struct picture_side *side)
{
	return (struct record_side){
		.width = side->width,
		.height = side->height,
		.format = side->format != FORMAT_NONE ? format_info(side->format)->name
	                                              : NULL,
		.bytes = side->bytes,
	};
}

static enum record_status status_of(enum file_end end)
{
	switch (end) {
	case FILE_FRESH:
	case FILE_SKIPPED:
		return RECORD_SKIPPED;
	case FILE_FAILED:
		return RECORD_FAILED;
	case FILE_CANCELLED:
		return RECORD_CANCELLED;
	case FILE_PLANNED:
		return RECORD_PLANNED;
	case FILE_UNREAD:
		return RECORD_IGNORED;
	default:
		return RECORD_OK;
	}
}

/* Whether the record of a file names its outputs. The record of a failed file names them only in a
 * plan, or if an existing or claimed output is the reason for the failure. */
static bool names_outputs(const struct file_result *result)
{
	return result->end != FILE_FAILED || result->plans_only ||
	       result->failure.class == FAIL_EXISTS ||
	       result->failure.class == FAIL_COLLISION;
}

/* Whether a picture was decoded without error although its name has the suffix of another
 * format. */
static bool is_misnamed(const struct file_result *result)
{
	enum image_format by_name = format_of_name(result->input),
			  by_content = result->in.format;

	return result->end == FILE_DONE && by_name != FORMAT_NONE &&
	       by_content != FORMAT_NONE && by_name != by_content;
}

/* Get an output and its properties. The caller frees the path. */
static struct record_output output_of(const struct file_result *result, size_t index,
                                      const char *folder)
{
	const struct variant *variant = &result->variants[index];

	return (struct record_output){
		.path = variant->name && names_outputs(result)
	                        ? path_join(folder, variant->name)
	                        : NULL,
		.side = side_of(&variant->side),
	};
}

static struct record record_of(const struct file_result *result)
{
	const struct pxp_outcome *outcome = result->task
	                                            ? pxp_future_outcome(result->task)
	                                            : NULL;

	return (struct record){
		.input = result->input,
		.name = result->name,
		.status = status_of(result->end),
		.reason = result->reason                ? result->reason
	                  : result->end == FILE_SKIPPED ? "exists"
	                  : result->end == FILE_FRESH   ? "fresh"
	                                                : NULL,
		.is_remembered = result->is_remembered,
		.failure = result->failure,
		.signal = outcome ? outcome->error.signal : 0,
		.log = outcome ? outcome->log : NULL,
		.n_log = outcome ? outcome->n_log : 0,
		.engine = result->engine[0] ? result->engine : NULL,
		.in = side_of(&result->in),
		.queue_ms = ms_of(result->queue_ns),
		.read_ms = ms_of(result->read_ns),
		.work_ms = ms_of(result->work_ns),
		.commit_ms = ms_of(result->commit_ns),
		.attempts = result->attempts,
		.worker = result->worker,
		.is_misnamed = is_misnamed(result),
		.is_damaged = result->is_damaged,
	};
}

/* The union of the losses of all outputs. */
static unsigned all_lost(const struct file_result *result)
{
	unsigned lost = 0;

	for (size_t i = 0; i < result->n_variants; i++)
		lost |= result->variants[i].side.lost;
	return lost;
}

/* Report a result. folder is the output folder; the record shows it in front of the names of
 * outputs. */
static void report_result(const struct file_result *result, const char *folder,
                          struct report *report)
{
	struct record_output outputs[PICTURE_MAX_VARIANTS];
	struct record record = record_of(result);
	const char *lost[N_LOST + 1];
	size_t n = 0;

	/* A cancelled image that no worker had begun gets no record. It is counted at the end,
	 * together with the images that were not even fed. */
	if (result->end == FILE_CANCELLED && result->attempts == 0)
		return;
	if (result->end == FILE_MARKED) {
		report_say(report,
		           "not searched, because it is an output folder (it holds "
		           ".pixpool.db): %s; name it as INPUT to search it",
		           quoted(result->input));
		return;
	}
	if (result->end == FILE_IGNORED) {
		if (result->is_loop)
			report_say(report,
			           "%s is a symbolic link to a folder that contains "
			           "it; not followed",
			           quoted(result->input));
		report_ignored(report, result->input);
		return;
	}
	for (size_t i = 0; i < result->n_variants; i++) {
		outputs[n] = output_of(result, i, folder);
		n += outputs[n].path != NULL;
	}
	if (result->n_variants == 1) {
		record.output = n == 1 ? outputs[0].path : NULL;
		record.out = side_of(&result->variants[0].side);
	} else {
		record.outputs = outputs;
		record.n_outputs = n;
	}
	lost_words(result->end == FILE_DONE ? all_lost(result) : 0, lost);
	record.lost = lost;
	report_add(report, &record);
	for (size_t i = 0; i < n; i++)
		free((void *)outputs[i].path);
}

/* ---- while the batch runs ---- */

/* Take the future of the oldest complete file. The caller owns the reference. NULL: no
 * file is complete. */
static struct pxp_future *take_complete(struct batch *batch)
{
	struct pxp_future *future = NULL;

	lock_acquire(&batch->lock);
	if (batch->n_complete > 0) {
		future = batch->complete[batch->first_complete];
		batch->first_complete = (batch->first_complete + 1) % batch->max_files;
		batch->n_complete--;
		/* The feeder waits for a smaller n_files only while n_files is at its maximum. So
		 * it needs to be woken only then. */
		if (batch->n_files-- == batch->max_files)
			cond_signal(&batch->has_room);
	}
	lock_release(&batch->lock);
	return future;
}

/* Write n bytes of a file, from offset on, to the stream of the output. Signals are handled during
 * the write, because the reader of a pipe may be slow. Returns false with errno on failure. */
static bool write_to_stream(struct batch *batch, int content, uint64_t offset, uint64_t n)
{
	/* If a pipe is ready for writing, it accepts this number of bytes without blocking. */
	enum { CHUNK_BYTES = PIPE_BUF };
	struct pollfd events[] = {
		{.fd = batch->options->output_stream, .events = POLLOUT},
		{.fd = batch->signals, .events = POLLIN},
	};
	char bytes[CHUNK_BYTES];
	ssize_t n_written;

	while (n > 0) {
		if (poll(events, 2, -1) > 0 && events[1].revents)
			on_signals(batch);
		if (state_of(batch) == BATCH_KILLED) {
			errno = EINTR;
			return false;
		}
		if (!events[0].revents)
			continue;
		n_written = pread(content, bytes, n < CHUNK_BYTES ? n : CHUNK_BYTES,
		                  (off_t)offset);
		if (n_written > 0)
			n_written = write(events[0].fd, bytes, (size_t)n_written);
		if (n_written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n_written <= 0)
			return false;
		offset += (uint64_t)n_written;
		n -= (uint64_t)n_written;
	}
	return true;
}

/* The reader of standard output has closed the pipe, so end the batch as if by SIGPIPE. */
static void end_by_closed_pipe(struct batch *batch)
{
	if (batch->ended_by == 0)
		batch->ended_by = SIGPIPE;
	batch_stop(batch, BATCH_DRAINING);
}

/* If the result has an output for the stream, write it there. If that fails, end the batch. */
static void deliver(struct batch *batch, struct file_result *result)
{
	const struct picture_side *side = &result->variants[0].side;

	if (result->content < 0 || result->end != FILE_DONE ||
	    write_to_stream(batch, result->content, side->offset, side->bytes))
		return;
	result->end = FILE_CANCELLED;
	if (errno == EPIPE) {
		end_by_closed_pipe(batch);
		return;
	}
	failure_set(&result->failure, FAIL_IO, "cannot write to standard output: %s",
	            strerrordesc_np(errno));
	batch_stop_early(batch, &result->failure);
}

static void report_complete(struct batch *batch)
{
	const char *folder = batch->options->output ? batch->options->output : "";
	struct pxp_future *future;
	void *result;

	while ((future = take_complete(batch))) {
		if (pxp_future_result(future, 0, &result, NULL, NULL) == PXP_OK) {
			deliver(batch, result);
			report_result(result, folder, batch->report);
			file_result_destroy(result);
		}
		pxp_future_release(future);
	}
	if (report_list_errno(batch->report) == EPIPE)
		end_by_closed_pipe(batch);
}

static bool has_files(struct batch *batch)
{
	bool has_files;

	lock_acquire(&batch->lock);
	has_files = batch->n_files > 0;
	lock_release(&batch->lock);
	return has_files;
}

/* Wait for a signal, complete files or a new state, at most until the report's next tick. */
static void wait_for_events(struct batch *batch)
{
	struct pollfd events[] = {
		{.fd = batch->wakeup, .events = POLLIN},
		{.fd = batch->signals, .events = POLLIN},
	};
	int tick_ms = report_tick_ms(batch->report);
	uint64_t count;

	if (poll(events, 2, tick_ms < COLLECT_MS ? tick_ms : COLLECT_MS) <= 0)
		return;
	if (events[0].revents & POLLIN)
		(void)!read(batch->wakeup, &count, sizeof(count));
	if (events[1].revents & POLLIN)
		on_signals(batch);
}

static bool workers_are_wanted(struct batch *batch)
{
	bool are_wanted;

	lock_acquire(&batch->lock);
	are_wanted = batch->workers == WORKERS_WANTED;
	lock_release(&batch->lock);
	return are_wanted;
}

/* Called when the feeder waits for workers: start them. If that fails, refuse the batch. */
static void answer_for_workers(struct batch *batch)
{
	struct failure failure;
	bool are_ready = start_workers(batch, &failure);

	lock_acquire(&batch->lock);
	batch->workers = are_ready ? WORKERS_READY : WORKERS_REFUSED;
	cond_signal(&batch->has_room);
	lock_release(&batch->lock);
	if (are_ready)
		return;
	report_say(batch->report, "cannot start: %s", failure.text);
	refuse(batch);
}

/* Stop feeding when the batch has too many failures, or when its time is over. */
static void check_limits(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	const bool is_over = batch->stop_ns >= 0 && clock_now_ns() >= batch->stop_ns;

	if (is_over)
		batch->stop_ns = -1;
	if (batch->was_limited || batch->ended_by != 0 || was_stopped_early(batch))
		return;
	if (has_too_many_failures(batch)) {
		batch->was_limited = true;
		report_say(batch->report, "stopping after %u failure%s",
		           options->max_failures, options->max_failures == 1 ? "" : "s");
	} else if (is_over && state_of(batch) < BATCH_DRAINING) {
		batch->was_limited = true;
		batch_stop(batch, BATCH_DRAINING);
		report_say(batch->report,
		           "--stop-after: the time is over; finishing running images");
	}
}

/* Called often while images are processed. Splits tasks in which one image delays the others. Tells
 * the report the slowest image and whether the batch is ending, for the progress line. */
static void look_at_running(struct batch *batch)
{
	static const int64_t LOOK_NS = 100000000, SLOW_NS = 3000000000;
	const int64_t now_ns = clock_now_ns();
	int64_t slowest_ns = 0;
	char *slowest;

	if (state_of(batch) >= BATCH_DRAINING)
		report_ending(batch->report);
	if (now_ns - batch->looked_ns < LOOK_NS)
		return;
	batch->looked_ns = now_ns;
	batch_split_groups(batch);
	slowest = batch_slowest(batch, SLOW_NS, &slowest_ns);
	report_slowest(batch->report, slowest, (double)slowest_ns / 1e9);
	free(slowest);
}

/* Let the main thread tell the user that a file system call on this path is waiting. */
static void note_wait(void *data, const char *path)
{
	struct batch *batch = data;

	batch_submit_gathered(batch);
	lock_acquire(&batch->lock);
	free(batch->waited_for);
	batch->waited_for = strdup(path);
	lock_release(&batch->lock);
	batch_wake_main(batch);
}

static void say_wait(struct batch *batch)
{
	char *path;

	lock_acquire(&batch->lock);
	path = batch->waited_for;
	batch->waited_for = NULL;
	lock_release(&batch->lock);
	if (path)
		report_say(batch->report, "waiting for the file system of %s",
		           quoted(path));
	free(path);
}

static bool may_go_on_waiting(void *data)
{
	struct batch *batch = data;

	/* The main thread does not return to its loop while it waits for a call, so it prints the
	 * message, handles signals and updates the display here. */
	if (pthread_equal(pthread_self(), batch->main_thread)) {
		say_wait(batch);
		on_signals(batch);
		report_tick(batch->report);
	}
	return batch_goes_on(batch);
}

/* Run until every file that was fed is reported. Returns false if the batch gives up waiting for
 * killed workers. */
static bool watch(struct batch *batch)
{
	bool is_planning = true;

	while (has_files(batch)) {
		wait_for_events(batch);
		/* Tell the report how many images the plan has found so far. If the batch ends
		 * before the plan is made, these images count as cancelled. */
		if (is_planning)
			report_scanning(batch->report, batch->plan->n_images);
		if (is_planning && state_of(batch) == BATCH_PLANNED) {
			is_planning = false;
			decide(batch);
		}
		if (workers_are_wanted(batch))
			answer_for_workers(batch);
		say_wait(batch);
		report_complete(batch);
		check_limits(batch);
		look_at_running(batch);
		report_tick(batch->report);
		if (batch->stuck_ns >= 0 && clock_now_ns() > batch->stuck_ns)
			return false;
	}
	if (is_planning)
		report_scanning(batch->report, batch->plan->n_images);
	return true;
}

/* ---- the end ---- */

static int exit_status_of(struct batch *batch)
{
	struct report_counts counts = report_counts(batch->report);

	if (batch->ended_by)
		return EXIT_SIGNAL + batch->ended_by;
	if (batch->was_refused)
		return EXIT_USAGE;
	if (was_stopped_early(batch) || (batch->was_limited && counts.cancelled > 0))
		return EXIT_STOPPED;
	if (batch->options->accept_known && counts.failed == counts.remembered)
		counts.failed = 0;
	if (counts.failed > 0 || counts.cancelled > 0)
		return EXIT_SOME_FAILED;
	/* A shard without inputs and an empty list of inputs are no errors. */
	if (batch->options->shard.n > 1 ||
	    (batch->options->walk.is_list && batch->options->walk.n_inputs == 0))
		return EXIT_DONE;
	return counts.inputs == 0 ? EXIT_NO_IMAGE : EXIT_DONE;
}

/* Report how many planned images the second walk did not find. */
static void say_missing(struct batch *batch)
{
	uint64_t n = report_counts(batch->report).cancelled;

	if (n > 0 && state_of(batch) == BATCH_FED)
		report_say(batch->report,
		           "%" PRIu64
		           " images were deleted or moved before they were processed",
		           n);
}

/* ---- pruning of outputs whose input no longer exists ---- */

struct pruned {
	struct batch *batch;
	uint64_t n_removed, n_failed;
	int sys_errno; /* the errno of the last failure */
};

static bool is_planned(void *data, const char *output)
{
	const struct pruned *pruned = data;

	return plan_has(pruned->batch->plan, output);
}

static void on_removed(void *data, const char *output, int sys_errno)
{
	struct pruned *pruned = data;
	char *path = path_join(pruned->batch->options->output, output);

	if (sys_errno != 0) {
		pruned->n_failed++;
		pruned->sys_errno = sys_errno;
	} else {
		pruned->n_removed++;
		report_removed(pruned->batch->report, path ? path : output);
	}
	free(path);
}

/* Whether pruning may continue. A signal ends it. */
static bool may_prune(void *data)
{
	struct pruned *pruned = data;

	on_signals(pruned->batch);
	report_tick(pruned->batch->report);
	return state_of(pruned->batch) == BATCH_FED;
}

/* The reason why nothing may be pruned; NULL: pruning is allowed. One reason is an INPUT without
 * any image, because that may be a disk that is not mounted. */
static const char *why_not_to_prune(struct batch *batch)
{
	bool has_walk_errors;

	lock_acquire(&batch->lock);
	has_walk_errors = batch->has_walk_errors || batch->plan->has_errors;
	lock_release(&batch->lock);
	if (state_of(batch) != BATCH_FED)
		return "the run did not complete";
	if (has_walk_errors)
		return "some inputs could not be read";
	if (batch->plan->n_inputs < batch->walk.n_inputs)
		return "an INPUT contains no image";
	if (!batch->history || !history_keeps_records(batch->history))
		return "this build cannot record outputs: it has no hash library";
	if (report_counts(batch->report).cancelled > 0)
		return "images were deleted or moved before they were processed";
	return NULL;
}

static void prune(struct batch *batch)
{
	struct pruned pruned = {.batch = batch};
	uint64_t n_others;
	const char *why_not = why_not_to_prune(batch);

	if (why_not) {
		report_say(batch->report, "no output was pruned: %s", why_not);
		return;
	}
	n_others = history_prune(batch->history,
	                         &(struct history_pruning){
					 .only_lists = batch->options->plans_only,
					 .is_planned = is_planned,
					 .on_removed = on_removed,
					 .may_go_on = may_prune,
					 .data = &pruned,
				 });
	if (report_list_errno(batch->report) == EPIPE)
		end_by_closed_pipe(batch);
	if (pruned.n_removed > 0 && !batch->options->plans_only)
		report_say(batch->report,
		           "pruned %" PRIu64 " output%s whose input no longer exists",
		           pruned.n_removed, pruned.n_removed == 1 ? "" : "s");
	if (n_others > 0)
		report_say(batch->report,
		           "not pruned: %" PRIu64
		           " output%s from INPUTs that this run was not given",
		           n_others, n_others == 1 ? "" : "s");
	if (pruned.n_failed > 0)
		report_say(batch->report,
		           "warning: cannot remove %" PRIu64
		           " output%s whose input no longer exists: %s",
		           pruned.n_failed, pruned.n_failed == 1 ? "" : "s",
		           strerrordesc_np(pruned.sys_errno));
}

/* Report that the database failed during the run. */
static void say_state(struct batch *batch)
{
	const char *notice = batch->database ? state_notice(batch->database) : "";

	if (notice[0])
		report_say(batch->report, "%s", notice);
}

/* Report once that with --in-place an output got no stamp, or a backup got no mark. No other record
 * of such a file exists. */
static void say_stamps(struct batch *batch)
{
	if (!batch->options->in_place || !batch->store)
		return;
	if (store_has_lost_mark(batch->store))
		report_say(batch->report,
		           "warning: a backup could not be marked as a backup, so a run "
		           "with another --backup suffix would process it as an image");
	if (batch->options->keeps_no_state)
		return;
	if (report_counts(batch->report).ok > 0 &&
	    (!content_hash_is_built() || store_has_lost_stamp(batch->store)))
		report_say(batch->report,
		           "warning: %s cannot store records on images, so a second run "
		           "cannot recognise finished outputs and would make them again",
		           content_hash_is_built() ? "the file system" : "this build");
}

/* Report once that file times could not be kept. */
static void say_dates(struct batch *batch)
{
	int sys_errno = batch->store ? store_dates_error(batch->store) : 0;

	if (sys_errno != 0)
		report_say(batch->report, "warning: cannot set the dates of outputs: %s",
		           strerrordesc_np(sys_errno));
}

/* If no image was found, name the options that may be the cause. Without --follow a folder of links
 * looks empty, --include and --exclude leave files out, and backups of --in-place are not
 * inputs. */
static void say_why_empty(struct batch *batch)
{
	const uint64_t n_links = batch->plan->n_links,
		       n_left_out = batch->plan->n_left_out,
		       n_backups = batch->plan->n_backups;

	if (exit_status_of(batch) != EXIT_NO_IMAGE)
		return;
	if (n_links > 0)
		report_say(
			batch->report,
			"%" PRIu64 " symbolic link%s %s not followed; --follow follows "
			"them",
			n_links, n_links == 1 ? "" : "s", n_links == 1 ? "was" : "were");
	if (n_left_out > 0)
		report_say(batch->report,
		           "--include and --exclude left out %" PRIu64 " file%s",
		           n_left_out, n_left_out == 1 ? "" : "s");
	if (n_backups > 0)
		report_say(batch->report,
		           "%" PRIu64
		           " backup%s of --in-place %s left out; rename a backup to "
		           "process it",
		           n_backups, n_backups == 1 ? "" : "s",
		           n_backups == 1 ? "was" : "were");
}

/* Create the locks of a run in place, with the folders of all INPUTs. */
static void note_folders(struct batch *batch)
{
	/* The locks take at most MAX_LOCKS descriptors, and at most 1 / PART of the descriptors
	 * that the process may open. */
	enum { MAX_LOCKS = 64, PART = 8 };
	const struct folder_calls calls = {open_name, lstat_name, batch};
	const struct walk_options *walk = &batch->walk;
	struct rlimit limit;
	rlim_t n = (rlim_t)MAX_LOCKS * PART;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		n = limit.rlim_cur;
	batch->locks = folder_locks_create(at_most(n / PART, MAX_LOCKS),
	                                   batch->options->shard.n > 1, &calls);
	if (batch->locks && walk->is_list && walk->base)
		folder_locks_add(batch->locks, walk->base);
	else if (batch->locks) {
		for (size_t i = 0; i < walk->n_inputs; i++)
			folder_locks_add(batch->locks, walk->inputs[i]);
	}
}

/* Keep other runs with --in-place out of the folders of this run. If other runs use these folders,
 * wait until they have ended. If the batch must not wait, stop it. */
static void lock_folders(struct batch *batch)
{
	const char *busy;
	struct failure failure;

	if (!batch->options->in_place || batch->options->plans_only ||
	    !batch_goes_on(batch))
		return;
	note_folders(batch);
	do
		busy = batch->locks ? folder_locks_try(batch->locks) : NULL;
	while (busy && wait_for_other_run(batch, "replacing images in", busy));
	if (!busy || !batch_goes_on(batch))
		return;
	failure_set(&failure, FAIL_IO, "another run is replacing images in %s",
	            quoted(busy));
	batch_stop_early(batch, &failure);
}

static int run(struct batch *batch, bool *ret_is_stuck)
{
	struct failure failure;

	lock_folders(batch);
	if (batch_goes_on(batch) && !start(batch, &failure)) {
		report_say(batch->report, "cannot start: %s", failure.text);
		return EXIT_USAGE;
	}
	*ret_is_stuck = !watch(batch);
	if (was_stopped_early(batch))
		report_say(batch->report, "stopped: %s", batch->stop_reason.text);
	report_cancel_rest(batch->report);
	say_missing(batch);
	if (batch->options->prunes && !*ret_is_stuck)
		prune(batch);
	say_dates(batch);
	say_stamps(batch);
	say_state(batch);
	say_why_empty(batch);
	batch_enter(batch, BATCH_ENDED);
	return exit_status_of(batch);
}

bool batch_init(struct batch *batch, const struct batch_options *options,
                struct report *report)
{
	*batch = (struct batch){
		.options = options,
		.rules = options->variants,
		.only_rule = {.recipe = options->recipe,
	                      .format = options->format,
	                      .in_place = options->in_place,
	                      .backup_suffix = options->backup_suffix,
	                      .style = options->style},
		.n_rules = options->n_variants,
		.report = report,
		.main_thread = pthread_self(),
		.signals = -1,
		.stuck_ns = -1,
		.stop_ns = options->stop_after_ms > 0
	                           ? clock_deadline_ns(clock_now_ns(),
	                                               options->stop_after_ms)
	                           : -1,
		.walk = options->walk,
	};
	batch->walk.mark = STATE_PATTERN;
	if (options->n_variants == 0) {
		batch->rules = &batch->only_rule;
		batch->n_rules = 1;
	}
	batch->n_outputs = options->decodes_only ? 0 : batch->n_rules;
	batch->deferred.last = &batch->deferred.first;
	batch->left.last = &batch->left.first;
	batch->plan = plan_create();
	batch->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	lock_init(&batch->lock);
	cond_init(&batch->has_room);
	batch->openers = openers_create(&(struct openers_options){
		.timeout_ms = options->timeout_ms > 0 ? options->timeout_ms
	                                              : OPEN_TIMEOUT_MS,
		.may_go_on = may_go_on_waiting,
		.on_wait = note_wait,
		.data = batch,
	});
	if (batch->openers)
		batch->walk.calls = openers_calls(batch->openers);
	return batch->plan && batch->openers && batch->wakeup >= 0;
}

/* The threads end in this order: a thread that passes files on ends before the thread that gets
 * them. */
bool batch_fini(struct batch *batch)
{
	bool is_whole;

	if (batch->has_feeder)
		pthread_join(batch->feeder, NULL);
	pools_destroy(batch->pools);
	committer_destroy(batch->committer);
	history_destroy(batch->history);
	state_close(batch->database);
	store_close(batch->store);
	plan_destroy(batch->plan);
	free(batch->complete);
	free(batch->waited_for);
	free(batch->inputs);
	folder_locks_destroy(batch->locks);
	is_whole = openers_destroy(batch->openers);
	fd_close(&batch->signals);
	fd_close(&batch->wakeup);
	cond_fini(&batch->has_room);
	lock_fini(&batch->lock);
	return is_whole;
}

int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck)
{
	/* The batch is on the heap, because threads that are stuck outlive this call. */
	struct batch *batch = malloc(sizeof(*batch));
	int status = EXIT_USAGE;

	*ret_is_stuck = false;
	if (!batch) {
		report_say(report, "cannot start: out of memory");
		return EXIT_USAGE;
	}
	if (!batch_init(batch, options, report) || (batch->signals = open_signals()) < 0)
		report_say(report, "cannot start: %s", strerrordesc_np(errno));
	else if (inputs_exist(batch) && skip_output_folder(batch))
		status = run(batch, ret_is_stuck);
	if (*ret_is_stuck)
		return status;
	/* A file system call that still hangs must not keep the program from ending. */
	*ret_is_stuck = !batch_fini(batch);
	free(batch);
	return status;
}
