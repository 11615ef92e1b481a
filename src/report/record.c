/* Writes records for scripts. Scripts depend on the names and the order of the members, so do not
 * change them. The tests of the suite `record` compare whole lines. */
#include "report/record.h"

#include "report/json.h"
#include "report/quote.h"
#include "report/reason.h"

static const char *const status_names[] = {
	[RECORD_OK] = "ok",           [RECORD_SKIPPED] = "skipped",
	[RECORD_FAILED] = "failed",   [RECORD_CANCELLED] = "cancelled",
	[RECORD_PLANNED] = "planned", [RECORD_IGNORED] = "ignored",
};

static void add_side_members(struct json *json, const struct record_side *side)
{
	if (side->width > 0 && side->height > 0) {
		json_whole(json, "width", side->width);
		json_whole(json, "height", side->height);
	}
	json_string(json, "format", side->format);
	json_whole(json, "bytes", side->bytes);
}

static void add_side(struct json *json, const char *key, const struct record_side *side)
{
	if (!side->format)
		return;
	json_open(json, key);
	add_side_members(json, side);
	json_close(json);
}

static void add_outputs(struct json *json, const struct record *record)
{
	if (record->n_outputs == 0)
		return;
	json_open_list(json, "outputs");
	for (size_t i = 0; i < record->n_outputs; i++) {
		json_open(json, NULL);
		json_path(json, "output", record->outputs[i].path);
		if (record->outputs[i].side.format)
			add_side_members(json, &record->outputs[i].side);
		json_close(json);
	}
	json_close_list(json);
}

static void add_times(struct json *json, const struct record *record)
{
	const struct {
		const char *key;
		double ms;
	} times[] = {
		{"queue", record->queue_ms},
		{"read", record->read_ms},
		{"work", record->work_ms},
		{"commit", record->commit_ms},
	};
	bool is_open = false;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (!(times[i].ms >= 0))
			continue;
		if (!is_open)
			json_open(json, "ms");
		is_open = true;
		json_decimal(json, times[i].key, times[i].ms, 1);
	}
	if (is_open)
		json_close(json);
}

static void add_lost(struct json *json, const char *const *lost)
{
	if (!lost || !*lost)
		return;
	json_open_list(json, "lost");
	for (; *lost; lost++)
		json_string(json, NULL, *lost);
	json_close_list(json);
}

static void add_ok(struct json *json, const struct record *record)
{
	if (record->engine)
		json_string(json, "engine", record->engine);
	add_side(json, "in", &record->in);
	add_side(json, "out", &record->out);
	add_outputs(json, record);
	add_times(json, record);
	json_whole(json, "attempts", record->attempts);
	if (record->worker > 0)
		json_whole(json, "worker", (uint64_t)record->worker);
	if (record->is_misnamed && record->in.format)
		json_string(json, "misnamed", record->in.format);
	if (record->is_damaged)
		json_true(json, "damaged");
	add_lost(json, record->lost);
}

/* Add the end of a dead worker's log. Blanks and control characters at its end are left out. Zero
 * bytes become '?'. */
static void add_detail(struct json *json, const struct record *record)
{
	struct text detail = TEXT_EMPTY;
	size_t n = record->n_log;

	while (n > 0 && (unsigned char)record->log[n - 1] <= ' ')
		n--;
	for (size_t i = 0; i < n; i++)
		text_fill(&detail, record->log[i] ? record->log[i] : '?', 1);
	if (detail.bytes)
		json_string(json, "detail", detail.bytes);
	text_fini(&detail);
}

static void add_failed(struct json *json, const struct record *record)
{
	json_string(json, "class", fail_class_name(record->failure.class));
	json_string(json, "message", record->failure.text);
	if (record->is_remembered)
		json_true(json, "remembered");
	add_detail(json, record);
	if (record->signal > 0)
		json_whole(json, "signal", (uint64_t)record->signal);
	add_side(json, "in", &record->in);
	json_whole(json, "attempts", record->attempts);
}

static void add_skipped(struct json *json, const struct record *record)
{
	if (record->reason)
		json_string(json, "reason", record->reason);
	add_side(json, "in", &record->in);
	add_side(json, "out", &record->out);
}

void record_line(struct text *text, const struct record *record)
{
	struct json json = {.text = text};
	bool has_output = record->status == RECORD_OK ||
	                  record->status == RECORD_SKIPPED ||
	                  record->status == RECORD_PLANNED;

	json_open(&json, NULL);
	if (record->input)
		json_path(&json, "input", record->input);
	if (record->name)
		json_path(&json, "name", record->name);
	if (record->output && has_output)
		json_path(&json, "output", record->output);
	json_string(&json, "status", status_names[record->status]);
	if (record->status == RECORD_OK)
		add_ok(&json, record);
	else if (record->status == RECORD_FAILED)
		add_failed(&json, record);
	else if (record->status == RECORD_SKIPPED || record->status == RECORD_PLANNED)
		add_skipped(&json, record);
	else if (record->status == RECORD_IGNORED)
		add_side(&json, "in", &record->in);
	json_close(&json);
	text_put(text, "\n");
}

void record_summary_line(struct text *text, const struct report_counts *counts,
                         double seconds, int exit_status,
                         const struct report_options *options)
{
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_open(&json, "summary");
	json_whole(&json, "inputs", counts->inputs);
	json_whole(&json, "ok", counts->ok);
	json_whole(&json, "skipped", counts->skipped);
	json_whole(&json, "failed", counts->failed);
	json_whole(&json, "cancelled", counts->cancelled);
	if (options->is_plan)
		json_whole(&json, "planned", counts->planned);
	json_whole(&json, "remembered", counts->remembered);
	json_whole(&json, "ignored", counts->ignored);
	json_whole(&json, "lost", counts->lost);
	json_whole(&json, "damaged", counts->damaged);
	json_whole(&json, "bytes_in", counts->bytes_in);
	json_whole(&json, "bytes_out", counts->bytes_out);
	json_decimal(&json, "seconds", seconds, 2);
	json_whole(&json, "exit", (uint64_t)exit_status);
	json_string(&json, "version", PIXPOOL_VERSION);
	if (options->recipe && options->fingerprint) {
		json_string(&json, "recipe", options->recipe);
		json_string(&json, "fingerprint", options->fingerprint);
	}
	json_close(&json);
	json_close(&json);
	text_put(text, "\n");
}
