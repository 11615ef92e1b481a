/* What completes a future. */
#ifndef PXP_COMPLETION_H
#define PXP_COMPLETION_H

#include <pixpool/future.h>

/* Plain data; what it owns is moved by future_complete(). */
struct completion {
	enum pxp_future_state state; /* PXP_FINISHED, PXP_FAILED or PXP_CANCELLED */
	int output;                  /* descriptor, or -1 */
	void *result;                /* malloc(), or NULL */
	size_t n_result;
	int long_result; /* a memfd that the result is still to be read from, or -1 */
	unsigned n_descriptors;
	char *log; /* malloc(), or NULL: what outcome.log points to */
	int descriptors[PXP_MAX_DESCRIPTORS];
	struct pxp_outcome outcome;
};

struct completion completion_cancelled(const char *why);

/* An empty one of this state. */
struct completion completion_of(enum pxp_future_state state);

/* The same, but for the error's text beyond its end and the descriptors that are none: there
 * may be a million a second. */
void completion_init(struct completion *completion, enum pxp_future_state state);

/* Read the long result, which may take its time: without a lock. When it cannot be had the
 * completion becomes a failure. */
void completion_load(struct completion *completion);

/* Free what a completion still owns. */
void completion_fini(struct completion *completion);

#endif
