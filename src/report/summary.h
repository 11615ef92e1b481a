/*
 * The end of a run for people: a line of sums, and the failures in groups, one for each reason,
 * the largest first, with the first few names of each.
 */
#ifndef PXP_SUMMARY_H
#define PXP_SUMMARY_H

#include "report/reason.h"
#include "report/report.h"
#include "report/text.h"

/* They bound the memory that failures take. */
enum { MAX_FAILURE_GROUPS = 32, NAMES_PER_GROUP = 3 };

struct failure_group {
	char reason[REASON_BYTES];
	uint64_t n_images;
	unsigned n_names;
	char *names[NAMES_PER_GROUP]; /* owned */
};

struct failures {
	unsigned n_groups;
	struct failure_group groups[MAX_FAILURE_GROUPS];
	uint64_t n_others; /* of reasons beyond the last group */
};

/* Count the failure of an image, and keep its name while its group has room. */
void failures_add(struct failures *failures, const struct record *record);
void failures_fini(struct failures *failures);

/* how_to_continue is NULL when the run came to its end: images that were not started are then
 * counted among the others, else on a line of their own. */
void summary_lines(struct text *text, const struct report_counts *counts, double seconds,
                   const struct failures *failures, const char *how_to_continue);

#endif
