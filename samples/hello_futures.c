/*
 * Hello, futures: runs four tasks in worker processes. One task crashes, and another one fails with
 * a reason. Each task has its own future, and the program continues.
 *
 *     build/samples/hello_futures
 */
#include <pixpool/pixpool.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs in a worker process. The only data that it gets from main() is a copy of its input. */
static enum pxp_status shout(struct pxp_task *task)
{
	size_t n;
	const char *word = pxp_task_input(task, &n);
	char loud[8];

	if (strcmp(word, "crash") == 0)
		abort();
	if (n > sizeof(loud))
		return pxp_task_fail(task, 1, "too long to shout");
	for (size_t i = 0; i < n; i++)
		loud[i] = (char)toupper((unsigned char)word[i]);
	return pxp_task_return(task, loud, n);
}

int main(void)
{
	enum { N = 4 };
	static const char *const words[N] = {"hello", "crash", "incredible", "futures"};
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES};
	struct pxp_executor *pool;
	struct pxp_future *futures[N];
	struct pxp_error error;
	enum pxp_status status;
	void *loud;

	/* This must come first in main(), because the zygote must be started while the process has
	 * only one thread. Workers are forked from the zygote. */
	if (pxp_zygote_start(&error) != PXP_OK ||
	    pxp_executor_create(&options, &pool, &error) != PXP_OK) {
		fprintf(stderr, "hello_futures: %s\n", error.text);
		return EXIT_FAILURE;
	}
	for (int i = 0; i < N; i++) {
		if (pxp_executor_submit(pool, shout, words[i], strlen(words[i]) + 1, NULL,
		                        &futures[i]) != PXP_OK)
			return EXIT_FAILURE;
	}
	for (int i = 0; i < N; i++) {
		status = pxp_future_result(futures[i], PXP_FOREVER, &loud, NULL, &error);
		if (status == PXP_OK) {
			printf("%s: %s\n", words[i], (const char *)loud);
			free(loud);
		} else {
			printf("%s: %s: %s\n", words[i], pxp_status_name(status),
			       error.text);
		}
		pxp_future_release(futures[i]);
	}
	pxp_executor_destroy(pool);
	return EXIT_SUCCESS;
}
