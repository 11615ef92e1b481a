#include "batch/batch.h"

#include "base/clock.h"
#include "base/fd.h"
#include "batch/run_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* The main thread's own. */
struct batch {
	struct run run;
	struct report *report;
	int signals;      /* signalfd */
	int ended_by;     /* the first signal that ended it; 0: none */
	int64_t stuck_ns; /* when to give up waiting; -1: never */
	bool was_refused; /* it never began: usage, a collision, no output folder */
};

static const char *quoted(const char *name)
{
	static char text[1024];

	return report_quote(name, text, sizeof(text));
}

/* ---- before it begins ---- */

static bool inputs_are_there(const struct batch_options *options, struct report *report)
{
	bool all = true;
	struct stat stat_of_input;

	for (size_t i = 0; i < options->n_inputs; i++) {
		if (stat(options->inputs[i], &stat_of_input) == 0 || errno == EACCES)
			continue; /* one that may not be read is a failed record */
		report_say(report, "no such input: %s: %s", quoted(options->inputs[i]),
		           strerrordesc_np(errno));
		all = false;
	}
	return all;
}

static bool is_same_folder(const char *name, const struct stat *folder)
{
	struct stat stat_of_name;

	return stat(name, &stat_of_name) == 0 && stat_of_name.st_dev == folder->st_dev &&
	       stat_of_name.st_ino == folder->st_ino;
}

/* The output folder is not walked; one that is still to be made cannot be met. */
static bool pass_over_output(struct batch *batch)
{
	const struct batch_options *options = batch->run.options;
	const char *output = options->output;
	struct stat folder;

	if (options->decodes_only || stat(output, &folder) != 0)
		return true;
	if (!S_ISDIR(folder.st_mode)) {
		report_say(batch->report, "the output is not a folder: %s",
		           quoted(output));
		return false;
	}
	batch->run.walk.skip_dev = folder.st_dev;
	batch->run.walk.skip_ino = folder.st_ino;
	for (size_t i = 0; i < options->n_inputs; i++) {
		if (is_same_folder(options->inputs[i], &folder))
			report_say(batch->report,
			           "not walked, as it is the output folder: %s",
			           quoted(options->inputs[i]));
	}
	return true;
}

/* Those that are ignored (nohup, a shell's background) stay ignored. */
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

/*
 * How many workers, inputs and finished outputs the limit on descriptors bears: a worker
 * takes a channel, a pidfd, a log and two outputs, its inputs come on top, and so do the
 * walk and what else is open.
 */
static unsigned fit_to_descriptors(struct run *run, unsigned n_workers)
{
	enum { OTHERS = 48, PER_WORKER = 5 + INPUTS_PER_WORKER, FEWEST_OUTPUTS = 4 };
	struct rlimit limit;
	rlim_t n_free, n_bearable;

	run->max_finished = FINISHED_OUTPUTS;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		n_free = limit.rlim_cur > OTHERS ? limit.rlim_cur - OTHERS : 0;
		n_bearable = n_free / (PER_WORKER + FEWEST_OUTPUTS);
		if (n_workers > n_bearable)
			n_workers = n_bearable > 0 ? (unsigned)n_bearable : 1;
		n_free -= n_free < (rlim_t)n_workers * PER_WORKER
		                  ? n_free
		                  : (rlim_t)n_workers * PER_WORKER;
		if (n_free < run->max_finished)
			run->max_finished = n_free > FEWEST_OUTPUTS ? (unsigned)n_free
			                                            : FEWEST_OUTPUTS;
	}
	run->max_inputs = n_workers * INPUTS_PER_WORKER;
	return n_workers;
}

static enum pxp_status do_nothing(struct pxp_task *task)
{
	(void)task;
	return PXP_OK;
}

/* An executor of one thread, which is there when this returns: its tasks end in the order in
 * which they came. */
static enum pxp_status thread_create(unsigned max_pending,
                                     struct pxp_executor **ret_thread,
                                     struct pxp_error *error)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_THREADS,
		.n_workers = 1,
		.max_pending = max_pending,
	};

	enum pxp_status status = pxp_executor_create(&options, ret_thread, error);

	if (status == PXP_OK) {
		status = pxp_executor_submit(*ret_thread, do_nothing, NULL, 0, NULL,
		                             NULL);
		if (status != PXP_OK)
			pxp_fail(error, status, "no thread can be started");
	}
	return status;
}

/* How many workers, and what memory for each. */
static void share_out(struct run *run, struct report *report)
{
	const struct batch_options *options = run->options;

	run->limits = limits_make(options->memory, options->n_workers);
	if (run->limits.n_workers < options->n_workers)
		report_say(report, "%u of %u workers: there is memory for no more",
		           run->limits.n_workers, options->n_workers);
	if (options->memory > 0 && !pxp_memory_is_limited())
		report_say(report, "memory is not limited: this build has sanitizers");
}

/* What the workers may do, found out and, where it is more than it should be, said. */
static enum pxp_status choose_guard(const struct batch_options *options,
                                    struct report *report,
                                    struct picture_guard *ret_guard,
                                    struct pxp_error *error)
{
	struct sandbox_state state;
	struct lockdown lockdown;
	char missing[256];
	enum pxp_status status;

	status = lockdown_try(options->sandbox, &lockdown, &state, error);
	*ret_guard = picture_guard_of(&lockdown, options->is_untrusted);
	if (status == PXP_OK && !sandbox_is_whole(&state)) {
		sandbox_say_missing(&state, missing, sizeof(missing));
		report_say(report, "sandbox: workers run without %s", missing);
	}
	return status;
}

static enum pxp_status start_pools(struct run *run, struct report *report,
                                   struct pxp_error *error)
{
	unsigned n_asked = run->limits.n_workers;
	enum pxp_status status;

	run->n_workers = fit_to_descriptors(run, n_asked);
	run->picture_limits = (struct picture_limits){
		.memory_allowance = run->limits.allowance,
		.memory_budget = run->limits.budget,
		.max_output = run->limits.max_output,
		.recycle = run->options->recycle ? run->options->recycle : RECYCLE_IMAGES,
	};

	if (run->n_workers < n_asked)
		report_say(report, "%u of %u workers: the limit on descriptors is low",
		           run->n_workers, n_asked);
	status = choose_guard(run->options, report, &run->guard, error);
	if (status == PXP_OK)
		status = picture_pool_create(run->n_workers, run->max_inputs,
		                             &run->picture_limits, &run->guard,
		                             &run->pictures, error);
	if (status == PXP_OK)
		status = thread_create(1, &run->feeder, error);
	if (status == PXP_OK) {
		/* Its input is the address. */
		/* NOLINTNEXTLINE(bugprone-sizeof-expression) */
		status = pxp_executor_submit(run->feeder, run_feed, &run, sizeof(run),
		                             NULL, NULL);
		if (status != PXP_OK)
			pxp_fail(error, status, "the walk cannot begin");
	}
	return status;
}

/* ---- while it runs ---- */

static void report_settled(struct batch *batch)
{
	struct file *next;

	for (struct file *file = run_take_settled(&batch->run); file; file = next) {
		next = file->next;
		if (!file->is_put_off)
			file_report(file, batch->run.options->output, batch->report);
		file_destroy(file);
	}
}

static void refuse(struct batch *batch)
{
	batch->was_refused = true;
	run_stop(&batch->run, RUN_DRAINS);
}

static void report_collisions(struct batch *batch)
{
	const struct plan *plan = batch->run.plan;
	const char *output = "";

	for (size_t i = 0; i < plan_n_claims(plan); i++) {
		struct plan_claim claim = plan_claim(plan, i);

		if (strcmp(output, claim.output) != 0)
			report_say(batch->report, "several inputs claim the output %s:",
			           quoted(claim.output));
		report_say(batch->report, "  %s", quoted(claim.input));
		output = claim.output;
	}
}

/* The plan pass has ended: is it good to go on? */
static void on_planned(struct batch *batch)
{
	struct run *run = &batch->run;
	uint64_t n_images = plan_n_images(run->plan);

	/* If it ends here, so many were cancelled. */
	report_scanning(batch->report, n_images);
	switch (run->plan_result) {
	case PLAN_COLLISION:
		report_collisions(batch);
		refuse(batch);
		return;
	case PLAN_NO_MEMORY:
		report_say(batch->report, "no memory for the plan");
		refuse(batch);
		return;
	case PLAN_STOPPED:
		return;
	case PLAN_MADE:
		break;
	}
	if (batch->ended_by)
		return;
	if (n_images > 0 && !run->options->decodes_only) {
		run->store = store_open(run->options->output);
		if (!run->store) {
			report_say(batch->report, "cannot make the output folder %s: %s",
			           quoted(run->options->output), strerrordesc_np(errno));
			refuse(batch);
			return;
		}
		store_identity(run->store, &run->walk.skip_dev, &run->walk.skip_ino);
		run->committer = committer_create(&(struct committer_options){
			.store = run->store,
			.overwrite = run->options->overwrite,
			.done = run_is_committed,
			.data = run,
		});
		if (!run->committer) {
			report_say(batch->report, "cannot start: %s",
			           strerrordesc_np(errno));
			refuse(batch);
			return;
		}
	}
	report_planned(batch->report, n_images, plan_n_bytes(run->plan));
	run_let_feed(run);
}

/* Ctrl-Z: the workers stand still as well, and the bar leaves the screen. */
static void stop_for_a_while(struct batch *batch)
{
	struct pxp_executor *workers = run_pool_at_work(&batch->run);
	sigset_t stop;

	report_hide(batch->report);
	pxp_executor_suspend(workers);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL); /* here we stop, and here go on */
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	pxp_executor_resume(workers);
}

static void end_by(struct batch *batch, int number)
{
	/* First done, then said: nothing begins any more once it has been read. */
	if (batch->ended_by == 0) {
		batch->ended_by = number;
		run_stop(&batch->run, RUN_DRAINS);
		report_say(batch->report, "%s: finishing what runs; once more kills it",
		           number == SIGINT   ? "interrupted"
		           : number == SIGHUP ? "hung up"
		                              : "terminated");
	} else if (batch->stuck_ns < 0) {
		batch->stuck_ns = clock_deadline_ns(clock_now_ns(), STUCK_MS);
		run_stop(&batch->run, RUN_KILLED);
		report_say(batch->report, "killed");
	}
}

static void on_signals(struct batch *batch)
{
	struct signalfd_siginfo info;

	while (read(batch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			stop_for_a_while(batch);
		else
			end_by(batch, (int)info.ssi_signo);
	}
}

static bool has_ended(struct run *run)
{
	bool has_ended;

	lock_acquire(&run->lock);
	has_ended = run->phase == RUN_FED && run->n_under_way == 0 && !run->first;
	lock_release(&run->lock);
	return has_ended;
}

static enum run_phase phase_of(struct run *run)
{
	enum run_phase phase;

	lock_acquire(&run->lock);
	phase = run->phase;
	lock_release(&run->lock);
	return phase;
}

/* Until all is settled. False when it gave up waiting. */
static bool watch(struct batch *batch)
{
	struct run *run = &batch->run;
	bool has_seen_plan = false;
	uint64_t count;

	while (!has_ended(run)) {
		struct pollfd events[] = {
			{.fd = run->wakeup, .events = POLLIN},
			{.fd = batch->signals, .events = POLLIN},
		};

		if (poll(events, 2, report_tick_ms(batch->report)) > 0 &&
		    events[0].revents & POLLIN)
			(void)!read(run->wakeup, &count, sizeof(count));
		if (events[1].revents & POLLIN)
			on_signals(batch);

		if (!has_seen_plan && phase_of(run) >= RUN_PLANNED) {
			has_seen_plan = true;
			on_planned(batch);
		} else if (!has_seen_plan) {
			report_scanning(batch->report, plan_n_images(run->plan));
		}
		report_settled(batch);
		report_tick(batch->report);
		if (batch->stuck_ns >= 0 && clock_now_ns() > batch->stuck_ns)
			return false;
	}
	return true;
}

/* ---- and after ---- */

static int status_of(const struct batch *batch)
{
	struct report_counts counts = report_counts(batch->report);

	if (batch->ended_by)
		return EXIT_SIGNAL + batch->ended_by;
	if (batch->was_refused)
		return EXIT_USAGE;
	if (batch->run.stop_reason.class != FAIL_NONE)
		return EXIT_STOPPED;
	if (counts.failed > 0 || counts.cancelled > 0)
		return EXIT_SOME_FAILED;
	return counts.inputs == 0 ? EXIT_NO_IMAGE : EXIT_DONE;
}

/* What the plan had, and the walk did not come upon again. */
static void say_what_went_away(const struct batch *batch)
{
	uint64_t n = report_counts(batch->report).cancelled;

	if (n > 0 && status_of(batch) == EXIT_SOME_FAILED)
		report_say(batch->report,
		           "%" PRIu64 " of the images went away before their turn", n);
}

static int run_to_the_end(struct batch *batch, bool *ret_is_stuck)
{
	struct pxp_error error;

	share_out(&batch->run, batch->report);
	if (start_pools(&batch->run, batch->report, &error) != PXP_OK) {
		report_say(batch->report, "cannot start: %s", error.text);
		return EXIT_USAGE;
	}
	*ret_is_stuck = !watch(batch);
	if (batch->run.stop_reason.class != FAIL_NONE)
		report_say(batch->report, "stopped: %s", batch->run.stop_reason.text);
	report_cancel_rest(batch->report);
	say_what_went_away(batch);
	return status_of(batch);
}

static bool get_ready(struct batch *batch, const struct batch_options *options)
{
	if (run_init(&batch->run, options) && (batch->signals = open_signals()) >= 0)
		return true;
	report_say(batch->report, "cannot start: %s", strerrordesc_np(errno));
	return false;
}

int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck)
{
	struct batch batch = {.report = report, .stuck_ns = -1, .signals = -1};
	int status = EXIT_USAGE;

	*ret_is_stuck = false;
	if (!inputs_are_there(options, report))
		return EXIT_USAGE;
	if (get_ready(&batch, options) && pass_over_output(&batch)) {
		batch.run.walk.inputs = options->inputs;
		batch.run.walk.n_inputs = options->n_inputs;
		status = run_to_the_end(&batch, ret_is_stuck);
	}
	if (*ret_is_stuck)
		return status;
	/* Each before the one that it hands tasks to. */
	pxp_executor_destroy(batch.run.feeder);
	pxp_executor_destroy(batch.run.pictures);
	pxp_executor_destroy(batch.run.drawers);
	committer_destroy(batch.run.committer);
	run_fini(&batch.run);
	fd_close(&batch.signals);
	return status;
}
