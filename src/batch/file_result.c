/* Makes the record of a file from its result, for the report. */
#include "batch/file_result.h"

#include "base/fd.h"
#include "common/path.h"

#include <stdlib.h>

void file_result_destroy(struct file_result *result)
{
	if (!result)
		return;
	pxp_future_release(result->task);
	for (size_t i = 0; i < result->n_variants; i++)
		free(result->variants[i].name);
	fd_close(&result->content);
	free(result->input);
	free(result);
}

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

void file_result_report(const struct file_result *result, const char *folder,
                        struct report *report)
{
	struct record_output outputs[PICTURE_MAX_VARIANTS];
	struct record record = record_of(result);
	const char *lost[N_LOST + 1];
	char quoted[1024];
	size_t n = 0;

	/* A cancelled image that no worker had begun gets no record. It is counted at the end,
	 * together with the images that were not even fed. */
	if (result->end == FILE_CANCELLED && result->attempts == 0)
		return;
	if (result->end == FILE_MARKED) {
		report_say(report,
		           "not searched, because it is an output folder (it holds "
		           ".pixpool.db): %s; name it as INPUT to search it",
		           report_quote(result->input, quoted, sizeof(quoted)));
		return;
	}
	if (result->end == FILE_IGNORED) {
		if (result->is_loop)
			report_say(report,
			           "%s is a symbolic link to a folder that contains "
			           "it; not followed",
			           report_quote(result->input, quoted, sizeof(quoted)));
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
