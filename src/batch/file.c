#include "batch/file.h"

#include "base/fd.h"
#include "common/path.h"
#include "batch/run.h"

#include <stdlib.h>
#include <string.h>

struct file *file_create(const struct walk_item *item, const struct destination *output)
{
	struct file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->descriptor = file->content = -1;
	file->queue_ns = file->commit_ns = -1;
	file->input = strdup(item->path);
	file->output.format = output->format;
	file->output.name = output->name ? strdup(output->name) : NULL;
	file->future = pxp_promise_create();
	if (!file->input || !file->future || (output->name && !file->output.name)) {
		file_destroy(file);
		return NULL;
	}
	return file;
}

void file_destroy(struct file *file)
{
	if (!file)
		return;
	fd_close(&file->descriptor);
	fd_close(&file->content);
	pxp_future_release(file->future);
	pxp_future_release(file->task);
	free(file->output.name);
	free(file->input);
	free(file);
}

void file_collect(struct file *file)
{
	const struct pxp_outcome *outcome = pxp_future_outcome(file->task);

	picture_collect(file->task, file->output.format, &file->answer, &file->content);
	file->is_cancelled = pxp_future_state(file->task) == PXP_CANCELLED;
	file->signal = outcome->error.signal;
	file->attempts = outcome->attempts;
	file->worker = outcome->worker;
	if (outcome->attempts > 0)
		file->queue_ns = outcome->queue_ns;
}

static double ms_of(int64_t ns)
{
	return ns < 0 ? -1 : (double)ns / 1e6;
}

static struct record_side side_of(const struct picture_side *side)
{
	if (side->format == FORMAT_NONE)
		return (struct record_side){0};
	return (struct record_side){
		.width = side->width,
		.height = side->height,
		.format = format_info(side->format)->name,
		.bytes = side->bytes,
	};
}

static enum record_status status_of(const struct file *file)
{
	if (file->is_cancelled)
		return RECORD_CANCELLED;
	if (file->answer.failure.class != FAIL_NONE)
		return RECORD_FAILED;
	return file->is_skipped ? RECORD_SKIPPED : RECORD_OK;
}

/* A failure has no output to name, but for one that stands where its own would. */
static bool names_output(const struct file *file)
{
	enum fail_class class = file->answer.failure.class;

	return class == FAIL_NONE || class == FAIL_EXISTS || class == FAIL_COLLISION;
}

/* A picture that is whole, with the suffix of another format. */
static bool is_misnamed(const struct file *file)
{
	enum image_format by_name = format_of_name(file->input),
			  by_content = file->answer.in.format;

	return file->run->options->decodes_only && by_name != FORMAT_NONE &&
	       by_content != FORMAT_NONE && by_name != by_content &&
	       file->answer.failure.class == FAIL_NONE;
}

void file_report(const struct file *file, const char *folder, struct report *report)
{
	const struct picture_answer *answer = &file->answer;
	char *output = file->output.name && names_output(file)
	                       ? path_join(folder, file->output.name)
	                       : NULL;
	struct record record = {
		.input = file->input,
		.output = output,
		.status = status_of(file),
		.failure = answer->failure,
		.signal = file->signal,
		.engine = answer->engine[0] ? answer->engine : NULL,
		.in = side_of(&answer->in),
		.out = side_of(&answer->out[0]),
		.queue_ms = ms_of(file->queue_ns),
		.read_ms = answer->read_ns > 0 ? ms_of(answer->read_ns) : -1,
		.work_ms = answer->work_ns > 0 ? ms_of(answer->work_ns) : -1,
		.commit_ms = ms_of(file->commit_ns),
		.attempts = file->attempts,
		.worker = file->worker,
		.is_misnamed = is_misnamed(file),
	};

	if (file->task) {
		record.log = pxp_future_outcome(file->task)->log;
		record.n_log = pxp_future_outcome(file->task)->n_log;
	}
	if (file->is_ignored) {
		report_ignored(report, file->input);
	} else {
		if (file->is_skipped)
			record.reason = "exists";
		if (record.in.format && record.in.bytes == 0)
			record.in.bytes = file->n_bytes;
		report_add(report, &record);
	}
	free(output);
}
