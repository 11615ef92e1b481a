#include "exec/future/settlement.h"

#include "base/fd.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* All of an error but the rest of its text. */
static void clear_error(struct pxp_error *error)
{
	memset(error, 0, offsetof(struct pxp_error, text) + 1);
}

void settlement_init(struct settlement *settlement, enum pxp_future_state state)
{
	struct pxp_outcome *outcome = &settlement->outcome;
	size_t after_error = offsetof(struct pxp_outcome, error) + sizeof(outcome->error);

	settlement->state = state;
	settlement->output = settlement->long_result = -1;
	settlement->result = NULL;
	settlement->n_result = 0;
	settlement->n_descriptors = 0;
	settlement->log = NULL;
	clear_error(&outcome->error);
	memset((char *)outcome + after_error, 0, sizeof(*outcome) - after_error);
}

struct settlement settlement_of(enum pxp_future_state state)
{
	return (struct settlement){.state = state, .output = -1, .long_result = -1};
}

struct settlement settlement_cancelled(const char *why)
{
	struct settlement settlement = settlement_of(PXP_CANCELLED);

	pxp_fail(&settlement.outcome.error, PXP_ECANCELLED, "%s", why);
	return settlement;
}

void settlement_load(struct settlement *settlement)
{
	size_t n = settlement->n_result;
	struct pxp_error error;
	ssize_t got;

	if (settlement->long_result < 0)
		return;
	settlement->result = malloc(n);
	got = settlement->result
	              ? fd_pread_full(settlement->long_result, settlement->result, n, 0)
	              : -1;
	fd_close(&settlement->long_result);
	if (got == (ssize_t)n)
		return;
	if (!settlement->result)
		pxp_fail(&error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
	else if (got < 0)
		pxp_fail_errno(&error, "the result cannot be read");
	else
		pxp_fail(&error, PXP_EPROTO, "the result became shorter than it was");
	settlement_fini(settlement);
	settlement->state = PXP_FAILED;
	settlement->outcome.error = error;
}

void settlement_fini(struct settlement *settlement)
{
	free(settlement->result);
	free(settlement->log);
	settlement->result = NULL;
	settlement->log = NULL;
	fd_close(&settlement->output);
	fd_close(&settlement->long_result);
	for (unsigned i = 0; i < settlement->n_descriptors; i++)
		fd_close(&settlement->descriptors[i]);
	settlement->n_descriptors = 0;
}
