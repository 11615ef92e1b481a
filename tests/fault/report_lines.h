/*
 * A report of any length, read line by line: what became of each input. (records() of
 * stage.h compares short ones as texts.)
 */
#ifndef PXP_REPORT_LINES_H
#define PXP_REPORT_LINES_H

#include <stddef.h>

/* What became of one: its name, and "ok", "skipped", "cancelled" or the class of its
 * failure. Both are good during the call. */
typedef void visit_line_fn(const char *input, const char *fate, void *data);

/* Call visit for each record of the file, not for the summary. Fails the test when there is
 * no such file, no summary, or a line that is no record. Returns how many. */
size_t report_lines(const char *file, visit_line_fn *visit, void *data);

/* How many ended how. */
struct tally {
	struct {
		char fate[16];
		size_t n;
	} of[20];
	size_t n_inputs;
	char crashed[2048]; /* the names of those that crashed, as far as they go in */
};

/* Add up a whole report. */
void tally_add(struct tally *tally, const char *file);
size_t tally_of(const struct tally *tally, const char *fate);
/* All of it on standard error, in one line, and the names of those that crashed. */
void tally_say(const struct tally *tally, const char *what);

#endif
