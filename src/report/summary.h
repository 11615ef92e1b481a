/*
 * The failures of a run, for the summary. There is one group for each reason. Each group has the
 * names of its first images.
 */
#ifndef PXP_SUMMARY_H
#define PXP_SUMMARY_H

#include "report/reason.h"

/* These limits keep the summary's memory small. */
enum { MAX_FAILURE_GROUPS = 32, NAMES_PER_GROUP = 3 };

struct failure_group {
	char reason[REASON_BYTES];
	uint64_t n_images;
	unsigned n_names;
	/* paths of the first images, owned by this struct */
	char *names[NAMES_PER_GROUP];
};

struct failures {
	unsigned n_groups;
	struct failure_group groups[MAX_FAILURE_GROUPS];
	/* The number of failures whose reason has no group, because MAX_FAILURE_GROUPS are in
	 * use. */
	uint64_t n_others;
};

#endif
