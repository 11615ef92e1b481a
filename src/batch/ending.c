/* The end of a batch: pruning, the last messages and the exit status. */
#include "batch/ending.h"

#include "common/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int exit_status_of(struct batch *batch)
{
	struct report_counts counts = report_counts(batch->report);

	if (batch->ended_by)
		return EXIT_SIGNAL + batch->ended_by;
	if (batch->was_refused)
		return EXIT_USAGE;
	if (batch_was_stopped_early(batch) ||
	    (batch->was_limited && counts.cancelled > 0))
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

	if (n > 0 && batch_state(batch) == BATCH_FED)
		report_say(batch->report,
		           "%" PRIu64 " image%s deleted or moved before %s processed", n,
		           n == 1 ? " was" : "s were", n == 1 ? "it was" : "they were");
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

	batch_on_signals(pruned->batch);
	report_tick(pruned->batch->report);
	return batch_state(pruned->batch) == BATCH_FED;
}

/* The reason why nothing may be pruned; NULL: pruning is allowed. One reason is an INPUT without
 * any image, because that may be a disk that is not mounted. */
static const char *why_not_to_prune(struct batch *batch)
{
	bool has_walk_errors;

	lock_acquire(&batch->lock);
	has_walk_errors = batch->has_walk_errors || batch->plan->n_errors > 0;
	lock_release(&batch->lock);
	if (batch_state(batch) != BATCH_FED)
		return "the run did not complete";
	if (has_walk_errors)
		return "some inputs could not be read";
	if (batch->plan->n_inputs < batch->walk.n_inputs)
		return "an INPUT contains no image";
	if (batch->plan->n_images == 0)
		return "the list of inputs is empty";
	if (batch->history && !history_keeps_records(batch->history))
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
	/* In a plan, an output folder that does not exist yet has no outputs. */
	if (!batch->history)
		return;
	n_others = history_prune(batch->history,
	                         &(struct history_pruning){
					 .only_lists = batch->options->plans_only,
					 .is_planned = is_planned,
					 .on_removed = on_removed,
					 .may_go_on = may_prune,
					 .data = &pruned,
				 });
	if (report_list_errno(batch->report) == EPIPE)
		batch_end_by_closed_pipe(batch);
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

/* If the database failed during the run, print its notice. */
static void say_state(struct batch *batch)
{
	const char *notice = batch->database ? state_notice(batch->database) : "";

	if (notice[0])
		report_say(batch->report, "%s", notice);
}

/* With --in-place, warn once if an output got no stamp, or if a backup got no mark. Nothing else
 * records that a file is an output or a backup. */
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

/* Print a warning if the times of outputs could not be set. */
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

int batch_conclude(struct batch *batch, bool is_stuck)
{
	if (batch_was_stopped_early(batch))
		report_say(batch->report, "stopped: %s", batch->stop_reason.text);
	report_cancel_rest(batch->report);
	say_missing(batch);
	if (batch->options->prunes && !is_stuck)
		prune(batch);
	say_dates(batch);
	say_stamps(batch);
	say_state(batch);
	say_why_empty(batch);
	batch_enter(batch, BATCH_ENDED);
	return exit_status_of(batch);
}
