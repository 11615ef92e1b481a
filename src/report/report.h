/*
 * What a batch says while it runs and when it ends: one meter of numbers, one painter of
 * them (bar, plain, json, none), records for --report, and the summary. All calls from one
 * thread. Everything goes to standard error, but for the records of `--report -`.
 *
 * Standard error that can't be written to is no failure. SIGPIPE has to be ignored, and
 * the locale set, before a report is made.
 */
#ifndef PXP_REPORT_H
#define PXP_REPORT_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the command ends; the summary record has it as "exit". */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_SOME_FAILED = 1,
	EXIT_USAGE = 2, /* refused before any work began */
	EXIT_NO_IMAGE = 3,
	EXIT_STOPPED = 4,
	EXIT_SIGNAL = 128, /* plus the number of the signal */
};

enum progress {
	PROGRESS_AUTO,
	PROGRESS_BAR,
	PROGRESS_PLAIN,
	PROGRESS_JSON,
	PROGRESS_NONE
};

struct report_options {
	/* AUTO: a bar on a terminal that can move its cursor, plain lines elsewhere. A bar that
	 * was asked for is painted whatever standard error is. */
	enum progress progress;
	bool verbose; /* also name ignored files, and finished images above the bar */
	bool quiet;   /* no progress and no summary; failures are still printed */
	int records;  /* descriptor for the records, or -1; borrowed */

	/* Descriptor for a list of broken and misnamed images, a line each, or 0; borrowed:
	 * "CLASS NAME (reason)", "misnamed NAME (it is FORMAT)". */
	int list;

	/* Borrowed until the report is finished; NULL leaves them out. */
	const char *recipe, *fingerprint; /* for the summary record */
	const char *how_to_continue;      /* what to do after a run that stopped early */
};

struct report;

/* NULL when memory ran out. */
struct report *report_create(const struct report_options *options);
void report_destroy(struct report *report); /* NULL is fine; leaves the terminal sane */

enum record_status { RECORD_OK, RECORD_SKIPPED, RECORD_FAILED, RECORD_CANCELLED };

struct record_side {
	uint32_t width, height; /* 0: not known */
	const char *format;     /* NULL: nothing of this side is known */
	uint64_t bytes;
};

struct record_output {
	const char *path;
	struct record_side side;
};

/* One image that is finished. Strings are borrowed for the call. NULL, or a negative number,
 * leaves a member out. */
struct record {
	const char *input, *output;
	const char *name; /* of the input, relative to its INPUT */
	enum record_status status;
	const char *reason;     /* of a skip: "exists" */
	struct failure failure; /* of a failure */
	int signal;             /* that killed the worker; 0: none */

	/* The end of what a worker that died wrote to standard error: any bytes. */
	const char *log;
	size_t n_log;

	const char *engine;
	struct record_side in, out;
	/* Of an image with several outputs, in place of output and out. */
	const struct record_output *outputs;
	size_t n_outputs;

	double queue_ms, read_ms, work_ms, commit_ms;
	unsigned attempts;
	int64_t worker;   /* its process id */
	bool is_misnamed; /* its suffix is that of another format than its content's */
	bool is_damaged;  /* --fail-on let it pass with damage */
	const char *const
		*lost; /* words for what the output could not keep; ends with NULL */
};

/* The plan pass goes on: n images so far (shown as "scanning"). */
void report_scanning(struct report *report, uint64_t n_images);
/* The plan is made. n_images counts all that records will come for or have come for, a
 * folder that can't be read among them; n_bytes is 0 when it is not known. */
void report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes);
void report_ignored(struct report *report, const char *path);
void report_add(struct report *report, const struct record *record);

/* A line for the user that stands above the bar ("interrupted: ..."). printf-like. */
void report_say(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Repaint if it is time to; call it at least every report_tick_ms() milliseconds. Reads
 * the terminal's width each time, so a resize is followed. */
void report_tick(struct report *report);
int report_tick_ms(const struct report *report);

/* Take the bar off the screen, before the process stops or hands the terminal on; the
 * next tick paints it again. */
void report_hide(struct report *report);

struct report_counts {
	uint64_t inputs, ok, skipped, failed, cancelled, ignored;
	uint64_t lost, damaged;       /* of those that are ok */
	uint64_t bytes_in, bytes_out; /* of those that are ok */
};

/* Images that were planned (or scanned, when the plan was never made) and are not reported
 * count as cancelled from here on; one that is reported after all counts as what it is. */
void report_cancel_rest(struct report *report);

/* What has been counted; inputs = ok + skipped + failed + cancelled. */
struct report_counts report_counts(const struct report *report);

/* Write the summary record and the summary; exit_status is what the command will return.
 * False when the records could not be written whole. */
bool report_finish(struct report *report, int exit_status);

/* A name as GNU ls quotes it on a terminal (shell-escape): bare when nothing in it needs
 * quotes. Into text of n bytes, cut with an ellipsis when it is longer; returns text. */
const char *report_quote(const char *name, char *text, size_t n);

#endif
