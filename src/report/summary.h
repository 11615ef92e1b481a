/*
 * The failures of a run for its summary: groups, one for each reason, with the first few names of
 * each.
 */
#ifndef PXP_SUMMARY_H
#define PXP_SUMMARY_H

#include "report/reason.h"

/* These limits bound the memory for failures in the summary. */
enum { MAX_FAILURE_GROUPS = 32, NAMES_PER_GROUP = 3 };

struct failure_group {
	char reason[REASON_BYTES];
	uint64_t n_images;
	unsigned n_names;
	/* paths of the first images; the struct owns them */
	char *names[NAMES_PER_GROUP];
};

struct failures {
	unsigned n_groups;
	struct failure_group groups[MAX_FAILURE_GROUPS];
	/* failures whose reasons have no group, because MAX_FAILURE_GROUPS are in use */
	uint64_t n_others;
};

#endif
