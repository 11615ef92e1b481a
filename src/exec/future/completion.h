/* How a future ended: its final state, the outcome, and the result. */
#ifndef PXP_COMPLETION_H
#define PXP_COMPLETION_H

#include <pixpool/future.h>

/* Plain data. A completion owns the result, the log and the descriptors, until it is moved into a
 * future or completion_fini() frees them. */
struct completion {
	/* The final state: PXP_FINISHED, PXP_FAILED or PXP_CANCELLED. */
	enum pxp_future_state state;
	/* The descriptor of the task's output, or -1. */
	int output;
	/* The result, from malloc(), or NULL. */
	void *result;
	size_t n_result;
	/* A memfd from which the result must still be read (completion_load()), or -1. */
	int long_result;
	unsigned n_descriptors;
	int descriptors[PXP_MAX_DESCRIPTORS];
	/* The log, from malloc(), or NULL. Once the future is done, outcome.log points to it. */
	char *log;
	struct pxp_outcome outcome;
};

/* Make a completion with this state, but without a result, a log or descriptors. */
struct completion completion_of(enum pxp_future_state state);

/* Initialise *completion as completion_of() does, but faster: the array of descriptors is not
 * written, because its unused elements have no meaning. */
void completion_init(struct completion *completion, enum pxp_future_state state);

/* Make a completion of a cancelled task with this text. */
struct completion completion_cancelled(const char *text);

/* Read the long result, if there is one. If that fails, the completion becomes a failure. Reading
 * may take long, so no lock may be held. */
void completion_load(struct completion *completion);

/* Free what the completion still owns. */
void completion_fini(struct completion *completion);

#endif
