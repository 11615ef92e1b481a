/*
 * Reports on a batch while it runs and at its end: progress (bar, plain, JSON or none), records for
 * --report, and the summary. Everything goes to standard error, except the records of `--report -`.
 *
 * Call all functions from the same thread. A standard error that cannot be written to is not a
 * failure. Before report_create(), set the locale and ignore SIGPIPE.
 */
#ifndef PXP_REPORT_H
#define PXP_REPORT_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit status of the command; also the member "exit" of the summary record. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_SOME_FAILED = 1,
	EXIT_USAGE = 2, /* the command was refused before any work began */
	EXIT_NO_IMAGE = 3,
	EXIT_STOPPED = 4,
	EXIT_SIGNAL = 128, /* a signal ended the command: 128 plus the signal's number */
};

enum progress {
	PROGRESS_AUTO,
	PROGRESS_BAR,
	PROGRESS_PLAIN,
	PROGRESS_JSON,
	PROGRESS_NONE
};

struct report_options {
	/* PROGRESS_AUTO: a progress bar on a terminal that can move its cursor, plain lines on any
	 * other standard error. PROGRESS_BAR: a bar, whatever standard error is. */
	enum progress progress;
	/* Also print ignored files, and print finished images above the bar. */
	bool verbose;
	bool quiet;  /* no progress and no summary; failures are still printed */
	int records; /* descriptor for the records, or -1; borrowed */

	/* Descriptor for a list of broken and misnamed images, or 0; borrowed. Each image is a
	 * line: "CLASS NAME (reason)" or "misnamed NAME (it is FORMAT)". */
	int list;

	/* Descriptor for the plan of a run that only plans, or 0; borrowed. Each output is a line:
	 * "ACTION INPUT -> OUTPUT (reason)". */
	int plan;
	bool is_plan;

	/* Texts for the summary, borrowed until the report is finished. A text that is NULL is left
	 * out. */
	const char *recipe, *fingerprint; /* the recipe, for the summary record */
	const char *how_to_continue;      /* advice after a run that stopped early */
};

struct report;

/* Create a report. Returns NULL if memory ran out. */
struct report *report_create(const struct report_options *options);
/* Erase the bar and free the report. NULL is allowed. */
void report_destroy(struct report *report);

enum record_status {
	RECORD_OK,
	RECORD_SKIPPED,
	RECORD_FAILED,
	RECORD_CANCELLED,
	RECORD_PLANNED, /* planned: a run would make the output */
	RECORD_IGNORED  /* the format of the file, in.format, cannot be read */
};

struct record_side {
	uint32_t width, height; /* size in pixels; 0: not known */
	/* format name; NULL: the members of this struct are not known */
	const char *format;
	uint64_t bytes;
};

struct record_output {
	const char *path;
	struct record_side side;
};

/* One finished image. Strings are borrowed for the call. A pointer that is NULL and a number that
 * is negative are left out of the record. */
struct record {
	const char *input, *output;
	const char *name; /* name of the input, relative to its INPUT */
	enum record_status status;
	const char *reason;     /* why the image was skipped, such as "exists" */
	struct failure failure; /* class and message of a failure */
	int signal;             /* the signal that killed the worker, or 0 */

	/* The end of a dead worker's standard error, which may contain any bytes. */
	const char *log;
	size_t n_log;

	const char *engine;
	struct record_side in, out;
	/* The outputs of an image that has several outputs; `output` and `out` are then unused. */
	const struct record_output *outputs;
	size_t n_outputs;

	double queue_ms, read_ms, work_ms, commit_ms;
	unsigned attempts;
	int64_t worker;     /* process id of the worker */
	bool is_misnamed;   /* the suffix belongs to another format than the content */
	bool is_damaged;    /* the image is damaged, but --fail-on accepted it */
	bool is_remembered; /* an earlier run found this failure */
	/* Names of the properties that the output lost, such as "hdr"; ends with NULL. */
	const char *const *lost;
};

/* Call this while the plan is being made: n_images were found so far. The progress says
 * "scanning". */
void report_scanning(struct report *report, uint64_t n_images);
/* Call this when the plan is made. n_images counts every record of the run, including those of
 * unreadable folders. n_bytes is 0 if the sizes of the inputs are not known. */
void report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes);
void report_ignored(struct report *report, const char *path);
/* Call this when an output was removed because its input no longer exists, or, in a plan, would be
 * removed. The path is printed with -v. */
void report_removed(struct report *report, const char *path);
void report_add(struct report *report, const struct record *record);

/* Print a line above the bar ("interrupted: ..."), as printf does. */
void report_say(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Repaint the progress if it is due. Call this at least every report_tick_ms() milliseconds. Each
 * repaint asks for the width of the terminal, so the progress adapts when the terminal is
 * resized. */
void report_tick(struct report *report);
int report_tick_ms(const struct report *report);

/* Erase the bar, before the process stops or another process uses the terminal. The next tick
 * paints the bar again. */
void report_hide(struct report *report);

/* The maximum number of unreadable formats that are counted separately. */
enum { REPORT_UNREAD_FORMATS = 8 };

struct report_unread {
	const char *format;
	uint64_t n;
};

struct report_counts {
	uint64_t inputs, ok, skipped, failed, cancelled, ignored, planned;
	uint64_t remembered; /* how many of the failures were found by an earlier run */
	/* How many of the cancelled images had begun. Only these have a record. */
	uint64_t interrupted;
	/* how many ok images lost something, and how many ok images are damaged */
	uint64_t lost, damaged;
	uint64_t bytes_in, bytes_out; /* sums over images that are ok */
	/* The number of ignored files whose format cannot be read, for each format. */
	struct report_unread unread[REPORT_UNREAD_FORMATS];
	unsigned n_unread;
};

/* Write the numbers of ignored files into text, which has room for n bytes: "; 2 camera RAW files
 * not read; 1 other file ignored". Returns text. */
const char *report_print_ignored(const struct report_counts *counts, char *text,
                                 size_t n);

/* Set the slowest image for the progress: the image on which a worker has worked for the longest
 * time. NULL: no image has taken long. */
void report_slowest(struct report *report, const char *path, double seconds);

/* Call this when the batch ends early and no more images will start. From now on the progress says
 * "finishing" instead of the remaining time. */
void report_ending(struct report *report);

/* From now on, planned images that were not reported count as cancelled. If no plan was made, the
 * scanned images count as cancelled. An image that is reported later counts by its own status. */
void report_cancel_rest(struct report *report);

/* The sums so far: inputs = ok + skipped + failed + cancelled. */
struct report_counts report_counts(const struct report *report);

/* Write the summary record and the summary. exit_status: the exit status of the command. Returns
 * false if the records could not be written completely. */
bool report_finish(struct report *report, int exit_status);

/* The errno with which writing the list or the plan failed; 0: it did not fail. EPIPE: the reader of
 * standard output has closed the pipe. */
int report_list_errno(const struct report *report);

/* Write a name into text, which has room for n bytes, as GNU ls quotes it (shell-escape). A longer
 * name is truncated and ends in "...". Returns text. */
const char *report_quote(const char *name, char *text, size_t n);

#endif
