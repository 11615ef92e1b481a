/* The sandbox of the workers: one worker finds out which layers are available, then each worker
 * sets up these layers. */
#include "batch/lockdown.h"

#include "batch/worker_question.h"

/* The maximum number of open descriptors of a worker. It has the descriptors 0, 1 and 2, the
 * channel, the descriptors of its task, and the duplicates that libraries make. */
enum { MAX_DESCRIPTORS = 32 };

/* Variables that are set in the fork server and inherited by its workers. */
static struct {
	struct lockdown asked;
	struct sandbox_state state;
} sandbox_here;

void lockdown_prepare(const struct lockdown *lockdown)
{
	sandbox_here.asked = *lockdown;
	if (sandbox_here.asked.is_on)
		sandbox_drop_user(&sandbox_here.state);
}

enum pxp_status lockdown_finish(const char *const *readable, struct pxp_error *ret_error)
{
	struct sandbox_state *state = &sandbox_here.state;
	char missing[PXP_ERROR_TEXT_BYTES / 2];

	if (!sandbox_here.asked.is_on)
		return PXP_OK;
	sandbox_lock_down(state, MAX_DESCRIPTORS, readable);
	if ((state->in_force & sandbox_here.asked.layers) == sandbox_here.asked.layers)
		return PXP_OK;
	sandbox_say_missing(state, missing, sizeof(missing));
	return pxp_fail(
		ret_error, PXP_ETASK,
		"sandbox: a worker has fewer layers than the first worker; it lacks: %s",
		missing);
}

bool lockdown_confines_files(const struct lockdown *lockdown)
{
	return !lockdown->is_on || sandbox_confines_files(lockdown->layers);
}

static enum pxp_status prepare_lockdown(const void *bytes, size_t n,
                                        struct pxp_error *ret_error)
{
	const struct lockdown any_layers = {.is_on = 1};

	(void)bytes;
	(void)n;
	(void)ret_error;
	lockdown_prepare(&any_layers);
	return PXP_OK;
}

static enum pxp_status lock_down_all(struct pxp_error *ret_error)
{
	return lockdown_finish(NULL, ret_error);
}

static enum pxp_status run_tell_state(struct pxp_task *task)
{
	return pxp_task_return(task, &sandbox_here.state, sizeof(sandbox_here.state));
}

/* Start one worker, let it set up its layers, and get the state of its sandbox. */
static bool ask_worker(struct sandbox_state *ret_state, struct failure *ret_failure)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_PROCESSES,
		.n_workers = 1,
		.prepare = prepare_lockdown,
		.lock_down = lock_down_all,
		.max_crashes = 1,
	};

	if (!worker_ask_once(&options, run_tell_state, ret_state, sizeof(*ret_state),
	                     ret_failure))
		return false;
	return sandbox_is_sound(ret_state) ||
	       failure_set(ret_failure, FAIL_INTERNAL,
	                   "sandbox: the worker's answer is not valid");
}

bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure)
{
	char missing[FAILURE_TEXT_BYTES / 2];

	*ret_lockdown = (struct lockdown){0};
	*ret_state = (struct sandbox_state){0};
	if (mode == SANDBOX_OFF)
		return true;
	if (!ask_worker(ret_state, ret_failure))
		return false;
	ret_lockdown->is_on = 1;
	ret_lockdown->layers = ret_state->in_force;
	if (mode == SANDBOX_AUTO || sandbox_is_whole(ret_state))
		return true;
	sandbox_say_missing(ret_state, missing, sizeof(missing));
	return failure_set(ret_failure, FAIL_INTERNAL,
	                   "sandbox: required layers are missing: %s", missing);
}
