/* Results of files, and how they are reported. */
#include "batch/file_result.h"

#include "common/path.h"

#include <stdlib.h>
#include <string.h>

struct file_result *file_result_create(const struct walk_item *item, size_t n_variants)
{
	struct file_result *result = calloc(
		1, sizeof(*result) + n_variants * sizeof(result->variants[0]));

	if (!result)
		return NULL;
	result->n_variants = n_variants;
	result->queue_ns = result->read_ns = -1;
	result->work_ns = result->commit_ns = -1;
	result->input = strdup(item->path);
	if (!result->input) {
		file_result_destroy(result);
		return NULL;
	}
	return result;
}

void file_result_destroy(struct file_result *result)
{
	if (!result)
		return;
	pxp_future_release(result->task);
	for (size_t i = 0; i < result->n_variants; i++)
		free(result->variants[i].name);
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
	case FILE_SKIPPED:
		return RECORD_SKIPPED;
	case FILE_FAILED:
		return RECORD_FAILED;
	case FILE_CANCELLED:
		return RECORD_CANCELLED;
	default:
		return RECORD_OK;
	}
}

/* A failure names no output, unless a file that stands in its place is the failure. */
static bool names_outputs(const struct file_result *result)
{
	return result->end != FILE_FAILED || result->failure.class == FAIL_EXISTS ||
	       result->failure.class == FAIL_COLLISION;
}

/* Whether it is a whole picture with the suffix of another format. */
static bool is_misnamed(const struct file_result *result)
{
	enum image_format by_name = format_of_name(result->input),
			  by_content = result->in.format;

	return result->decodes_only && result->end == FILE_DONE &&
	       by_name != FORMAT_NONE && by_content != FORMAT_NONE &&
	       by_name != by_content;
}

void file_result_report(const struct file_result *result, const char *folder,
                        struct report *report)
{
	const struct variant *first = result->n_variants > 0 ? &result->variants[0]
	                                                     : NULL;
	const struct pxp_outcome *outcome = result->task
	                                            ? pxp_future_outcome(result->task)
	                                            : NULL;
	char *output = first && first->name && names_outputs(result)
	                       ? path_join(folder, first->name)
	                       : NULL;
	const struct record record = {
		.input = result->input,
		.output = output,
		.status = status_of(result->end),
		.reason = result->end == FILE_SKIPPED ? "exists" : NULL,
		.failure = result->failure,
		.signal = outcome ? outcome->error.signal : 0,
		.log = outcome ? outcome->log : NULL,
		.n_log = outcome ? outcome->n_log : 0,
		.engine = result->engine[0] ? result->engine : NULL,
		.in = side_of(&result->in),
		.out = first ? side_of(&first->side) : (struct record_side){0},
		.queue_ms = ms_of(result->queue_ns),
		.read_ms = ms_of(result->read_ns),
		.work_ms = ms_of(result->work_ns),
		.commit_ms = ms_of(result->commit_ns),
		.attempts = result->attempts,
		.worker = result->worker,
		.is_misnamed = is_misnamed(result),
	};

	if (result->end == FILE_IGNORED)
		report_ignored(report, result->input);
	else
		report_add(report, &record);
	free(output);
}
