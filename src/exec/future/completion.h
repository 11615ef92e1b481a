/* How a future ends: its final state, the outcome, and the result that it carries. */
#ifndef PXP_COMPLETION_H
#define PXP_COMPLETION_H

#include <pixpool/future.h>

/* Plain data. It owns the result, the log and the descriptors, until it is moved into a future or
 * completion_fini() frees them. */
struct completion {
	/* PXP_FINISHED, PXP_FAILED or PXP_CANCELLED. */
	enum pxp_future_state state;
	/* The task's output, or -1. */
	int output;
	/* From malloc(), or NULL. */
	void *result;
	size_t n_result;
	/* A memfd that the result must still be read from (completion_load()), or -1. */
	int long_result;
	unsigned n_descriptors;
	int descriptors[PXP_MAX_DESCRIPTORS];
	/* What outcome.log points to once the future is done: from malloc(), or NULL. */
	char *log;
	struct pxp_outcome outcome;
};

/* An empty completion. */
struct completion completion_of(enum pxp_future_state state);

/* Make *completion empty, in place, as error_clear() does it. Its unused descriptors stay too. */
void completion_init(struct completion *completion, enum pxp_future_state state);

/* A cancelled completion with this text. */
struct completion completion_cancelled(const char *text);

/* Read the long result, if there is one. This may take long: call it without a lock. If the
 * result cannot be read, the completion becomes a failure. */
void completion_load(struct completion *completion);

/* Free what the completion still owns. */
void completion_fini(struct completion *completion);

#endif
