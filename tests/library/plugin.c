/* A shared object that contains libpixpool. It runs one task in a thread and one in a process. */
#include <pixpool/pixpool.h>

#include <stdlib.h>
#include <string.h>

int plugin_run(void);

static enum pxp_status reverse(struct pxp_task *task)
{
	size_t n;
	const char *input = pxp_task_input(task, &n);
	char output[16];

	if (n > sizeof(output))
		return pxp_task_fail(task, 1, "too long");
	for (size_t i = 0; i < n; i++)
		output[i] = input[n - 1 - i];
	return pxp_task_return(task, output, n);
}

static int run_on(enum pxp_executor_kind kind)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options), .kind = kind, .n_workers = 1};
	struct pxp_executor *executor;
	struct pxp_future *future;
	void *bytes = NULL;
	size_t n = 0;
	int is_right;

	if (pxp_executor_create(&options, &executor, NULL) != PXP_OK)
		return 0;
	if (pxp_executor_submit(executor, reverse, "loop", 4, NULL, &future) != PXP_OK)
		return 0;
	is_right = pxp_future_result(future, PXP_FOREVER, &bytes, &n, NULL) == PXP_OK &&
	           n == 4 && memcmp(bytes, "pool", 4) == 0;
	free(bytes);
	pxp_future_release(future);
	pxp_executor_destroy(executor);
	return is_right;
}

__attribute__((visibility("default"))) int plugin_run(void)
{
	return pxp_zygote_start(NULL) == PXP_OK && run_on(PXP_THREADS) &&
	       run_on(PXP_PROCESSES) && pxp_zygote_stop() == PXP_OK;
}
