/* What stands at the end for people: one line of sums, then who failed and why. */
#ifndef PXP_SUMMARY_H
#define PXP_SUMMARY_H

#include "report/report.h"
#include "report/text.h"

enum { FAILURES_KEPT = 100 }; /* the bound of what a batch of failures costs in memory */

struct failures {
	uint64_t n_seen;
	unsigned n_kept;
	struct kept_failure {
		char *input; /* owned */
		struct failure failure;
	} kept[FAILURES_KEPT];
};

/* Note one; beyond the bound, or when memory runs out, it is only counted. */
void failures_add(struct failures *failures, const char *input,
                  const struct failure *failure);
void failures_fini(struct failures *failures);

void summary_lines(struct text *text, const struct report_counts *counts, double seconds,
                   const struct failures *failures);

#endif
