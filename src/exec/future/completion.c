/* How a future ends: see completion.h. */
#include "exec/future/completion.h"

#include "base/error.h"
#include "base/fd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void completion_init(struct completion *completion, enum pxp_future_state state)
{
	struct pxp_outcome *outcome = &completion->outcome;
	size_t after_error = offsetof(struct pxp_outcome, error) + sizeof(outcome->error);

	completion->state = state;
	completion->output = completion->long_result = -1;
	completion->result = NULL;
	completion->n_result = 0;
	completion->n_descriptors = 0;
	completion->log = NULL;
	error_clear(&outcome->error);
	memset((char *)outcome + after_error, 0, sizeof(*outcome) - after_error);
}

struct completion completion_of(enum pxp_future_state state)
{
	return (struct completion){.state = state, .output = -1, .long_result = -1};
}

struct completion completion_cancelled(const char *text)
{
	struct completion completion = completion_of(PXP_CANCELLED);

	pxp_fail(&completion.outcome.error, PXP_ECANCELLED, "%s", text);
	return completion;
}

void completion_load(struct completion *completion)
{
	size_t n = completion->n_result;
	struct pxp_error error;
	ssize_t got;

	if (completion->long_result < 0)
		return;
	completion->result = malloc(n);
	got = completion->result
	              ? fd_pread_full(completion->long_result, completion->result, n, 0)
	              : -1;
	fd_close(&completion->long_result);
	if (got == (ssize_t)n)
		return;
	if (!completion->result)
		pxp_fail(&error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
	else if (got < 0)
		pxp_fail_errno(&error, "the result cannot be read");
	else
		pxp_fail(&error, PXP_EPROTO, "the result became shorter than it was");
	completion_fini(completion);
	completion->state = PXP_FAILED;
	completion->outcome.error = error;
}

void completion_fini(struct completion *completion)
{
	free(completion->result);
	free(completion->log);
	completion->result = NULL;
	completion->log = NULL;
	fd_close(&completion->output);
	fd_close(&completion->long_result);
	for (unsigned i = 0; i < completion->n_descriptors; i++)
		fd_close(&completion->descriptors[i]);
	completion->n_descriptors = 0;
}
