#include "batch/lockdown.h"

#include "batch/ask.h"
#include "image/picture.h"

#include <string.h>

/* What is open in a worker: 0 to 2, the channel, what a task brings, and what libraries
 * duplicate of that. */
enum { MAX_DESCRIPTORS = 32 };

/* In a fork server, from where its workers inherit it, and in a worker. */
static struct {
	struct lockdown asked;
	struct sandbox_state state;
} here;

enum pxp_status lockdown_prepare(const void *bytes, size_t n, struct pxp_error *ret_error)
{
	if (n < sizeof(here.asked))
		return pxp_fail(ret_error, PXP_EINVAL, "the lock-down did not arrive");
	memcpy(&here.asked, bytes, sizeof(here.asked));
	if (here.asked.is_on)
		sandbox_drop_user(&here.state);
	return PXP_OK;
}

enum pxp_status lockdown_finish(struct pxp_error *ret_error)
{
	struct sandbox_state *state = &here.state;
	char missing[PXP_ERROR_TEXT_BYTES / 2];

	if (!here.asked.is_on)
		return PXP_OK;
	sandbox_lock_down(state, MAX_DESCRIPTORS,
	                  here.asked.reads_fonts ? picture_font_folders() : NULL);
	if ((state->in_force & here.asked.layers) == here.asked.layers)
		return PXP_OK;
	sandbox_say_missing(state, missing, sizeof(missing));
	return pxp_fail(ret_error, PXP_ETASK,
	                "sandbox: a worker came out without what others have: %s",
	                missing);
}

static enum pxp_status tell_state(struct pxp_task *task)
{
	return pxp_task_return(task, &here.state, sizeof(here.state));
}

/* One worker that does nothing but put up the layers and tell. */
static enum pxp_status ask_worker(struct sandbox_state *ret_state,
                                  struct pxp_error *ret_error)
{
	const struct lockdown any = {.is_on = 1};
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_PROCESSES,
		.n_workers = 1,
		.init_bytes = &any,
		.n_init_bytes = sizeof(any),
		.prepare = lockdown_prepare,
		.lock_down = lockdown_finish,
		.max_crashes = 1,
	};
	struct pxp_executor *pool;
	enum pxp_status status = pxp_executor_create(&options, &pool, ret_error);

	if (status == PXP_OK)
		status = ask_once(pool, tell_state, ret_state, sizeof(*ret_state),
		                  ret_error);
	if (status == PXP_OK && !sandbox_is_sound(ret_state))
		status = ask_makes_no_sense(ret_error);
	return status;
}

enum pxp_status lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                             struct sandbox_state *ret_state, struct pxp_error *ret_error)
{
	char missing[PXP_ERROR_TEXT_BYTES / 2];
	enum pxp_status status;

	*ret_lockdown = (struct lockdown){0};
	*ret_state = (struct sandbox_state){0};
	if (mode == SANDBOX_OFF)
		return PXP_OK;
	status = ask_worker(ret_state, ret_error);
	if (status != PXP_OK)
		return status;
	ret_lockdown->is_on = 1;
	ret_lockdown->layers = ret_state->in_force;
	if (mode == SANDBOX_AUTO || sandbox_is_whole(ret_state))
		return PXP_OK;
	sandbox_say_missing(ret_state, missing, sizeof(missing));
	return pxp_fail(ret_error, PXP_ETASK, "sandbox: it is required, but without %s",
	                missing);
}
