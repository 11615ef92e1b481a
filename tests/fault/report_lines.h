/*
 * A reader of reports of any length, which finds the outcome of each input line by line. (records()
 * in cli_fixture.h is for short reports, which are compared as texts.)
 */
#ifndef PXP_REPORT_LINES_H
#define PXP_REPORT_LINES_H

#include <stddef.h>

/* This function gets the name of an input and its outcome: "ok", "skipped", "ignored", "cancelled"
 * or the class of its failure. Both texts are valid until the function returns. */
typedef void visit_line_fn(const char *input, const char *outcome, void *data);

/* Call visit() for each record of the file except the summary. Fails the test if the file or its
 * summary is missing, or if a line is not a record. Returns the number of records. */
size_t report_lines(const char *file, visit_line_fn *visit, void *data);

/* How many inputs had each outcome. */
struct tally {
	struct {
		char outcome[16];
		size_t n;
	} of[20];
	size_t n_inputs;
	/* The names of the inputs with the outcome "crashed", as many as fit. */
	char crashed[2048];
};

/* Add the outcomes of a whole report. */
void tally_add(struct tally *tally, const char *file);
size_t tally_of(const struct tally *tally, const char *outcome);
/* Print the tally, and the names in `crashed`, to standard error in one line. */
void tally_print(const struct tally *tally, const char *what);

#endif
