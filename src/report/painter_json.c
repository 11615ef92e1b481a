/*
 * The painter of --progress json: one JSON object on each line. Records and the summary are those
 * of --report; between them come
 *
 *     {"progress":{"scanned":12345}}
 *     {"progress":{"done":1234,"total":2900,"failed":2,"images_per_second":56.3,"seconds_left":29}}
 *     {"ignored":"photos/notes.txt"}
 *     {"message":"interrupted: ..."}
 *
 * done counts finished images of every status. images_per_second and seconds_left are missing
 * while they are not known.
 */
#include "report/painter.h"

#include "report/json.h"
#include "report/record.h"

static void end_line(struct json *json)
{
	json_close(json);
	text_put(json->text, "\n");
}

static void json_progress(struct text *text, const struct view *view)
{
	const struct meter *meter = view->meter;
	double rate = meter_rate(meter, view->now_ns);
	double left = meter_seconds_left(meter, view->now_ns);
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_open(&json, "progress");
	if (meter->is_planned) {
		json_whole(&json, "done", meter_done(meter));
		json_whole(&json, "total", meter_total(meter));
		json_whole(&json, "failed", meter->counts.failed);
		if (rate >= 0)
			json_decimal(&json, "images_per_second", rate, 1);
		if (left >= 0)
			json_decimal(&json, "seconds_left", left, 0);
	} else {
		json_whole(&json, "scanned", meter->planned_images);
	}
	json_close(&json);
	end_line(&json);
}

static void json_image(struct text *text, const struct view *view,
                       const struct record *record)
{
	if (!view->options->quiet || record->status == RECORD_FAILED)
		record_line(text, record);
}

static void json_ignored(struct text *text, const char *path)
{
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_path(&json, "ignored", path);
	end_line(&json);
}

static void json_message(struct text *text, const char *line)
{
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_string(&json, "message", line);
	end_line(&json);
}

static void json_summary(struct text *text, const struct view *view, int exit_status)
{
	struct report_counts counts = meter_counts(view->meter);

	record_summary_line(text, &counts, meter_seconds(view->meter, view->now_ns),
	                    exit_status, view->options);
}

const struct painter painter_json = {
	.tick_ms = 1000,
	.progress = json_progress,
	.image = json_image,
	.ignored = json_ignored,
	.message = json_message,
	.summary = json_summary,
};
