/*
 * Reports on a batch while it runs and at its end: progress (bar, plain, JSON or none), records for
 * --report, the list that the command verify prints, the plan, and the summary. Progress, messages
 * and the summary go to standard error. The records, the list and the plan go to the descriptors in
 * struct report_options.
 *
 * Call all functions from the same thread. It is not a failure if standard error cannot be written.
 * Before report_create(), set the locale and ignore SIGPIPE.
 */
#ifndef PXP_REPORT_H
#define PXP_REPORT_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The exit status of the command. It is also the member "exit" of the summary record. */
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
	/* PROGRESS_AUTO: no progress for a plan. For other runs, a bar if standard error is a
	 * terminal that can move its cursor, otherwise plain lines. PROGRESS_BAR: always a bar. */
	enum progress progress;
	/* Also print ignored files. If there is a bar, also print finished images above it. */
	bool verbose;
	bool quiet;  /* no progress and no summary, only failures and messages */
	int records; /* borrowed descriptor for the records, or -1 */

	/* Borrowed descriptor for the list of broken and misnamed images; 0: no list. The list has
	 * a line for each such image: "CLASS NAME (reason)" or "misnamed NAME (it is FORMAT)". */
	int list;

	/* Borrowed descriptor for the plan of a run that makes no outputs; 0: no plan is written.
	 * The plan has a line for each output: "ACTION INPUT -> OUTPUT (reason)". */
	int plan;
	bool is_plan;

	/* Texts for the summary, borrowed until the report is finished. If a text is NULL, the
	 * summary does not contain it. */
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
	RECORD_PLANNED, /* a run without --dry-run would make the output */
	RECORD_IGNORED  /* the file has the format in.format, which cannot be read */
};

struct record_side {
	uint32_t width, height; /* size in pixels; 0: not known */
	/* Name of the format; NULL: no member of this struct is known. */
	const char *format;
	uint64_t bytes;
};

struct record_output {
	const char *path;
	struct record_side side;
};

/* One finished image. Strings are borrowed for the call. If a pointer is NULL or a number is
 * negative, the record has no such member. */
struct record {
	const char *input, *output;
	const char *name; /* the input's path relative to its INPUT */
	enum record_status status;
	/* Why the image was skipped or is planned, such as "exists". */
	const char *reason;
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
	int64_t worker;     /* process id of the worker; 0: none */
	bool is_misnamed;   /* the suffix does not match the format of the content */
	bool is_damaged;    /* the image is damaged, but --fail-on allows the damage */
	bool is_remembered; /* an earlier run found this failure */
	/* Names of the properties that the output lost, such as "hdr". The list ends with NULL. */
	const char *const *lost;
};

/* Call this function while the plan is being made. n_images is the number of images that were found
 * so far. The progress says "scanning". */
void report_scanning(struct report *report, uint64_t n_images);
/* Call this function when the plan is complete. n_images is the number of all records of the run,
 * including the records of unreadable folders. n_bytes is 0 if the sizes of the inputs are not
 * known. */
void report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes);
void report_ignored(struct report *report, const char *path);
/* Call this function when an output was removed because its input no longer exists, or when a plan
 * finds such an output. After a removal, the path is printed with -v. A plan lists the path. */
void report_removed(struct report *report, const char *path);
void report_add(struct report *report, const struct record *record);

/* Print a message such as "interrupted: ..." above the bar. The arguments are those of printf(). */
void report_say(struct report *report, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Repaint the progress if it is due. Call this function at least every report_tick_ms()
 * milliseconds. Each repaint gets the width of the terminal, so the progress adapts to a new
 * width. */
void report_tick(struct report *report);
int report_tick_ms(const struct report *report);

/* Erase the bar. Call this function before the process stops, or before another process uses the
 * terminal. The next tick paints the bar again. */
void report_hide(struct report *report);

/* The maximum number of unreadable formats that are counted separately. */
enum { REPORT_UNREAD_FORMATS = 8 };

struct report_unread {
	const char *format;
	uint64_t n;
};

struct report_counts {
	uint64_t inputs, ok, skipped, failed, cancelled, ignored, planned;
	uint64_t remembered; /* the number of failures known from an earlier run */
	/* The number of cancelled images that had already begun. Only these have a record. */
	uint64_t interrupted;
	/* The number of ok images that lost something, and the number of ok images that are
	 * damaged. */
	uint64_t lost, damaged;
	uint64_t bytes_in, bytes_out; /* sums over the ok images */
	/* For each format that cannot be read: the number of ignored files. */
	struct report_unread unread[REPORT_UNREAD_FORMATS];
	unsigned n_unread;
};

/* Write the numbers of ignored files into `text`, such as "; 2 camera RAW files not read; 1 other
 * file ignored". `text` has room for n bytes. Returns `text`. */
const char *report_print_ignored(const struct report_counts *counts, char *text,
                                 size_t n);

/* Set the image that has been in progress for the longest time. `path` is NULL if no image has
 * taken long. The progress shows the image. */
void report_slowest(struct report *report, const char *path, double seconds);

/* Call this function when the batch ends early and no more images will start. From then on, the
 * progress says "finishing" instead of the remaining time. */
void report_ending(struct report *report);

/* From now on, planned images without a record count as cancelled. If there is no plan yet, the
 * images that were found so far count as planned. If an image is reported later, it counts by its
 * own status. */
void report_cancel_rest(struct report *report);

/* Get the sums so far. inputs = ok + skipped + failed + cancelled + planned. */
struct report_counts report_counts(const struct report *report);

/* Write the summary record, and the summary for people. `exit_status` is the exit status of the
 * command. Returns false if any record could not be written completely. */
bool report_finish(struct report *report, int exit_status);

/* The errno of the first failed write of the list or the plan; 0: none failed. EPIPE means that the
 * reader of standard output has closed the pipe. */
int report_list_errno(const struct report *report);

/* Write a name into `text` as GNU ls quotes it (shell-escape). `text` has room for n bytes. A
 * longer name is truncated and ends in "...". Returns `text`. */
const char *report_quote(const char *name, char *text, size_t n);

#endif
