/*
 * Downloads pages in threads: one task for each address. Prints the status of a page as soon as its
 * task is done.
 *
 *     build/samples/fetch_pages https://example.org/ https://nowhere.invalid/
 *
 * Each thread uses one libcurl handle for all its pages, so that it can use open connections again.
 * If a page cannot be fetched, only the future of this page fails.
 */
#define _POSIX_C_SOURCE 200809L

#include <pixpool/pixpool.h>

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_THREADS = 5, SECONDS = 60 };

/* The initialiser, which runs once in each thread, before its first task. It creates a libcurl
 * handle, which all tasks of this thread get as their context. */
static enum pxp_status open_handle(const void *bytes, size_t n, void **ret_context,
                                   struct pxp_error *ret_error)
{
	CURL *handle = curl_easy_init();

	(void)bytes, (void)n;
	if (!handle)
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a libcurl handle");
	/* libcurl must not use signals, because a signal could interrupt any thread. */
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)SECONDS);
	*ret_context = handle;
	return PXP_OK;
}

/* The result of a task. */
struct page {
	long http_status;
	char bytes[];
};

/* The task, which runs in a thread. */
static enum pxp_status fetch(struct pxp_task *task)
{
	CURL *handle = pxp_task_context(task);
	struct page head = {0};
	char *page = NULL;
	size_t n = 0;
	FILE *stream = open_memstream(&page, &n);
	enum pxp_status status;
	CURLcode code;

	if (!stream)
		return PXP_ENOMEM;
	/* Reserve room at the start of the result for `head`, which is complete only after the
	 * download. */
	fwrite(&head, sizeof(head), 1, stream);
	curl_easy_setopt(handle, CURLOPT_URL, pxp_task_input(task, NULL));
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, stream);
	code = curl_easy_perform(handle);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &head.http_status);
	if (fclose(stream) != 0)
		status = PXP_ENOMEM;
	else if (code != CURLE_OK)
		status = pxp_task_fail(task, (int)code, "%s", curl_easy_strerror(code));
	else if (head.http_status >= 400)
		status = pxp_task_fail(task, (int)head.http_status, "HTTP status %ld",
		                       head.http_status);
	else
		status = pxp_task_return(task, memcpy(page, &head, sizeof(head)), n);
	free(page);
	return status;
}

/* Print the status of a page. Returns whether the page was fetched. */
static bool report(const char *address, struct pxp_future *future)
{
	struct pxp_error error;
	void *result;
	size_t n;
	enum pxp_status status = pxp_future_result(future, 0, &result, &n, &error);
	const struct page *page = result;

	if (status == PXP_OK) {
		printf("%s: HTTP status %ld, %zu bytes\n", address, page->http_status,
		       n - sizeof(*page));
		free(result);
	} else {
		printf("%s: %s\n", address, error.text);
	}
	return status == PXP_OK;
}

/* Exit unless status is PXP_OK. */
static void need(enum pxp_status status)
{
	if (status == PXP_OK)
		return;
	fprintf(stderr, "fetch_pages: %s\n", pxp_status_name(status));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct pxp_executor_options threads = {
		.size = sizeof(threads),
		.kind = PXP_THREADS,
		.n_workers = N_THREADS,
		.initialise = open_handle,
		.finalise = curl_easy_cleanup,
	};
	struct pxp_future **futures = calloc((size_t)argc, sizeof(*futures)), *future;
	struct pxp_as_completed *iteration;
	struct pxp_executor *pool;
	int n_here = 0;

	/* curl_global_init() must be called while the process has only one thread. */
	curl_global_init(CURL_GLOBAL_DEFAULT);
	setvbuf(stdout, NULL, _IOLBF, 0); /* flush after each line, even into a pipe */
	need(futures ? PXP_OK : PXP_ENOMEM);
	need(pxp_executor_create(&threads, &pool, NULL));
	for (int i = 1; i < argc; i++) {
		need(pxp_executor_submit(pool, fetch, argv[i], strlen(argv[i]) + 1, NULL,
		                         &futures[i]));
		pxp_future_set_tag(futures[i], argv[i]);
	}

	need(pxp_as_completed_open(futures + 1, (size_t)argc - 1, PXP_FOREVER,
	                           &iteration));
	while (pxp_as_completed_next(iteration, &future) == PXP_OK && future)
		n_here += report(pxp_future_tag(future), future);
	pxp_as_completed_close(iteration);

	for (int i = 1; i < argc; i++)
		pxp_future_release(futures[i]);
	free(futures);
	pxp_executor_destroy(pool);
	curl_global_cleanup();
	return n_here == argc - 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
