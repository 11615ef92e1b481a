/*
 * Creates an executor of any kind: checks the options, fills in the defaults, and calls the code of
 * that kind. This file stands in exec/ itself and not in one of its folders, because no other file
 * needs all kinds.
 */
#include "base/cpus.h"
#include "exec/executor/executor.h"
#include "exec/executor/options.h"
#include "exec/pool/process_pool.h"
#include "exec/process/protocol.h"

enum {
	DEFAULT_MAX_PENDING = 1024,
	DEFAULT_START_TIMEOUT_MS = 60 * 1000,
	MAX_WORKERS = 1024,
};

static const struct executor_table *const kinds[] = {
	[PXP_THREADS] = &thread_pool_executor,
	[PXP_PROCESSES] = &process_pool_executor,
	[PXP_INLINE] = &inline_executor,
};

static const size_t default_max_pending_bytes = (size_t)64 << 20;
static const size_t default_max_result = (size_t)256 << 20;

unsigned pxp_default_workers(void)
{
	return cpus_usable("");
}

static bool has_option_for_processes(const struct pxp_executor_options *options)
{
	return options->prepare || options->preload || options->lock_down ||
	       options->max_tasks_per_worker > 0 || options->max_result > 0 ||
	       options->start_timeout_ms != 0 || options->max_crashes > 0 ||
	       options->memory_allowance > 0 || options->memory_budget > 0 ||
	       options->max_output > 0 || options->survive_signals;
}

static enum pxp_status check_memory(const struct pxp_executor_options *options,
                                    struct pxp_error *ret_error)
{
	if (options->memory_budget > 0 && options->memory_allowance == 0)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "memory_budget needs a memory_allowance, but "
		                "memory_allowance is 0");
	if (options->memory_allowance > INT64_MAX / 2 ||
	    options->memory_budget > INT64_MAX / 2)
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"memory_allowance and memory_budget must be below 4 EiB each");
	return PXP_OK;
}

static enum pxp_status check_options(const struct pxp_executor_options *options,
                                     struct pxp_error *ret_error)
{
	if (options->kind != PXP_PROCESSES && has_option_for_processes(options))
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"only PXP_PROCESSES takes prepare, preload, lock_down, "
			"max_tasks_per_worker, max_result, start_timeout_ms, max_crashes, "
			"memory_allowance, memory_budget, max_output and survive_signals");
	if (options->kind == PXP_INLINE && options->idle_timeout_ms != 0)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "PXP_INLINE does not take idle_timeout_ms");
	if (options->n_workers > MAX_WORKERS)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "n_workers must be at most %d, got %u", MAX_WORKERS,
		                options->n_workers);
	if (options->n_init_bytes > 0 && !options->init_bytes)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "n_init_bytes is %zu, but init_bytes is NULL",
		                options->n_init_bytes);
	if (options->kind == PXP_PROCESSES && options->n_init_bytes > MAX_INIT_BYTES)
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"n_init_bytes must be at most %d for PXP_PROCESSES, got %zu",
			MAX_INIT_BYTES, options->n_init_bytes);
	if (options->idle_timeout_ms < 0)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "idle_timeout_ms must not be negative, got %jd",
		                (intmax_t)options->idle_timeout_ms);
	if (options->start_timeout_ms < PXP_FOREVER)
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"start_timeout_ms must be at least 0, or PXP_FOREVER (-1), got %jd",
			(intmax_t)options->start_timeout_ms);
	return check_memory(options, ret_error);
}

static void fill_in_defaults(struct pxp_executor_options *options)
{
	if (options->n_workers == 0)
		options->n_workers = pxp_default_workers();
	if (options->max_pending == 0)
		options->max_pending = DEFAULT_MAX_PENDING;
	if (options->max_pending_bytes == 0)
		options->max_pending_bytes = default_max_pending_bytes;
	if (options->max_result == 0)
		options->max_result = default_max_result;
	if (options->start_timeout_ms == 0)
		options->start_timeout_ms = DEFAULT_START_TIMEOUT_MS;
}

enum pxp_status pxp_executor_create(const struct pxp_executor_options *options,
                                    struct pxp_executor **ret_executor,
                                    struct pxp_error *ret_error)
{
	struct pxp_executor_options ours;

	*ret_executor = NULL;
	if (!options || !options_read(&ours, sizeof(ours), options,
	                              offsetof(struct pxp_executor_options, n_workers)))
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"options.size is wrong, or this version of libpixpool does not "
			"know an option that is set");
	if (check_options(&ours, ret_error) != PXP_OK)
		return PXP_EINVAL;
	fill_in_defaults(&ours);

	if ((unsigned)ours.kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[ours.kind])
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"options.kind must be one of enum pxp_executor_kind, got %d",
			(int)ours.kind);
	return kinds[ours.kind]->create(&ours, ret_executor, ret_error);
}
