/* The main thread of a batch: it starts the other threads, accepts or refuses the plan, handles
 * signals, reports complete files, and ends the run. */
#include "batch/batch_internal.h"

#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"
#include "base/thread.h"
#include "batch/descriptors.h"
#include "batch/ending.h"
#include "batch/inputs.h"
#include "batch/outputs.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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

enum batch_state batch_state(struct batch *batch)
{
	enum batch_state state;

	lock_acquire(&batch->lock);
	state = batch->state;
	lock_release(&batch->lock);
	return state;
}

bool batch_goes_on(struct batch *batch)
{
	return batch_state(batch) < BATCH_FED;
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

void batch_stop(struct batch *batch, enum batch_state state)
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

bool batch_was_stopped_early(struct batch *batch)
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

const char *batch_quote(const char *name)
{
	static char text[1024];

	return report_quote(name, text, sizeof(text));
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
	/* The pending SIGTSTP stops the process in the next call, which returns when the process
	 * continues. */
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	if (batch->pools)
		pools_resume(batch->pools);
}

static void end_by(struct batch *batch, int number)
{
	/* The message says that running images are being finished, so it is printed after
	 * batch_stop(). */
	if (!batch->was_signalled) {
		batch->was_signalled = true;
		if (batch->ended_by == 0)
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

void batch_on_signals(struct batch *batch)
{
	struct signalfd_siginfo info;

	while (read(batch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			suspend(batch);
		else
			end_by(batch, (int)info.ssi_signo);
	}
}

bool batch_wait_for_other_run(struct batch *batch, const char *use, const char *folder)
{
	enum { LOOK_MS = 100 };
	struct pollfd event = {.fd = batch->signals, .events = POLLIN};

	if (batch->options->no_wait)
		return false;
	if (!batch->is_waiting)
		report_say(batch->report, "another run is %s %s; waiting for it", use,
		           batch_quote(folder));
	batch->is_waiting = true;
	if (poll(&event, 1, LOOK_MS) > 0)
		batch_on_signals(batch);
	report_tick(batch->report);
	return batch_goes_on(batch);
}

void batch_end_by_closed_pipe(struct batch *batch)
{
	if (batch->ended_by == 0)
		batch->ended_by = SIGPIPE;
	batch_stop(batch, BATCH_DRAINING);
}

/* ---- the start ---- */

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

/* Set the limits and the number of workers. Prints a message if a limit allows fewer workers than
 * requested, or if this build cannot limit memory. Returns false with a failure if not even one
 * worker is possible. */
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
	if (!batch_divide_descriptors(batch, &n_workers, ret_failure))
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

/* Allocate the ring of futures. It has a place for each file that is fed but not reported yet. */
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
	if (batch_state(batch) >= BATCH_DRAINING)
		stop_pools(pools, batch_state(batch));
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

/* Accept the plan and start feeding, or refuse the plan. */
static void decide(struct batch *batch)
{
	uint64_t n_images = batch->plan->n_images;

	switch (batch->plan_result) {
	case PLAN_COLLISION:
		batch_report_collisions(batch);
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
	/* If there is no image, the outputs are not opened, and none is fed (is_too_late()). */
	if (n_images > 0 && batch->n_outputs > 0 && !batch_open_outputs(batch)) {
		refuse(batch);
		return;
	}
	report_planned(batch->report, n_images, batch->plan->n_bytes);
	batch_enter(batch, BATCH_FEEDING);
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

/* Write the n bytes at `offset` of a file to the stream of the output. Signals are handled during
 * the write, because the reader of a pipe may be slow. Returns false with errno on failure; EINTR:
 * the batch was killed. */
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
			batch_on_signals(batch);
		if (batch_state(batch) == BATCH_KILLED) {
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

/* If the result has an output for the stream, write it there. If that fails, end the batch, unless
 * a second signal has ended it already. */
static void deliver(struct batch *batch, struct file_result *result)
{
	const struct picture_side *side = &result->variants[0].side;

	if (result->content < 0 || result->end != FILE_DONE ||
	    write_to_stream(batch, result->content, side->offset, side->bytes))
		return;
	result->end = FILE_CANCELLED;
	if (errno == EINTR)
		return;
	if (errno == EPIPE) {
		batch_end_by_closed_pipe(batch);
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
			file_result_report(result, folder, batch->report);
			file_result_destroy(result);
		}
		pxp_future_release(future);
	}
	if (report_list_errno(batch->report) == EPIPE)
		batch_end_by_closed_pipe(batch);
}

static bool has_files(struct batch *batch)
{
	bool has_files;

	lock_acquire(&batch->lock);
	has_files = batch->n_files > 0;
	lock_release(&batch->lock);
	return has_files;
}

/* Wait for a signal, complete files or a new state, at most until the report's next tick, and at
 * most COLLECT_MS. */
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
		batch_on_signals(batch);
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

/* Stop feeding when the time of the batch is over. If the batch has reached --max-failures,
 * batch_count_failure() has already stopped it. A message says which of the two has happened. */
static void check_limits(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	const bool is_over = batch->stop_ns >= 0 && clock_now_ns() >= batch->stop_ns;

	if (is_over)
		batch->stop_ns = -1;
	if (batch->was_limited || batch->ended_by != 0 || batch_was_stopped_early(batch))
		return;
	if (has_too_many_failures(batch)) {
		batch->was_limited = true;
		report_say(batch->report, "stopping after %u failure%s",
		           options->max_failures, options->max_failures == 1 ? "" : "s");
	} else if (is_over && batch_state(batch) < BATCH_DRAINING) {
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

	if (batch_state(batch) >= BATCH_DRAINING)
		report_ending(batch->report);
	if (now_ns - batch->looked_ns < LOOK_NS)
		return;
	batch->looked_ns = now_ns;
	batch_split_groups(batch);
	slowest = batch_slowest(batch, SLOW_NS, &slowest_ns);
	report_slowest(batch->report, slowest, (double)slowest_ns / 1e9);
	free(slowest);
}

/* Called while a file system call on this path is waiting: let the main thread tell the user. The
 * feeder, if it makes the call, cannot gather more files now, so it submits those it has. */
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
		           batch_quote(path));
	free(path);
}

static bool may_go_on_waiting(void *data)
{
	struct batch *batch = data;

	/* The main thread does not return to its loop while it waits for a file system call. So it
	 * says here that it waits, handles signals and updates the display. */
	if (pthread_equal(pthread_self(), batch->main_thread)) {
		say_wait(batch);
		batch_on_signals(batch);
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
		if (is_planning && batch_state(batch) == BATCH_PLANNED) {
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

static int run(struct batch *batch, bool *ret_is_stuck)
{
	struct failure failure;

	batch_lock_inputs(batch);
	if (batch_goes_on(batch) && !start(batch, &failure)) {
		report_say(batch->report, "cannot start: %s", failure.text);
		return EXIT_USAGE;
	}
	*ret_is_stuck = !watch(batch);
	return batch_conclude(batch, *ret_is_stuck);
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
	else if (batch_check_inputs(batch))
		status = run(batch, ret_is_stuck);
	if (*ret_is_stuck)
		return status;
	/* A file system call that still hangs must not keep the program from ending. */
	*ret_is_stuck = !batch_fini(batch);
	free(batch);
	return status;
}
