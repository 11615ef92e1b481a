/*
 * Resizes images in worker processes: one task for each picture. Prints a line for each picture when
 * its task is done. The results are PNG files in the current folder.
 *
 *     build/samples/resize_images samples/pictures/{lake.jpg,dunes.jpg,balloon.png}
 *
 * A picture that cannot be read fails alone. If the decoder crashes or hangs, the pool also
 * replaces the worker of this picture.
 */
#include <pixpool/pixpool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

enum { SIDE = 128, CHANNELS = 4, ALPHA = 3, DEADLINE_MS = 20 * 1000 };

/* The task, which runs in a worker process. The only data that it gets from main() is a copy of its
 * input. */
static enum pxp_status resize(struct pxp_task *task)
{
	const char *path = pxp_task_input(task, NULL), *slash = strrchr(path, '/');
	unsigned char small[SIDE * SIDE * CHANNELS];
	int width, height, n_stored;
	stbi_uc *pixels = stbi_load(path, &width, &height, &n_stored, CHANNELS);
	bool is_resized;
	char name[256];

	if (!pixels)
		return pxp_task_fail(task, 1, "%s", stbi_failure_reason());

	/* The longest side becomes SIDE; the other is rounded up, so it is never 0. */
	double scale = (double)SIDE / (width > height ? width : height);
	int w = 1 + (int)((width - 1) * scale), h = 1 + (int)((height - 1) * scale);

	is_resized = stbir_resize_uint8_srgb(pixels, width, height, 0, small, w, h, 0,
	                                     CHANNELS, ALPHA, 0);
	stbi_image_free(pixels);
	snprintf(name, sizeof(name), "%s.png", slash ? slash + 1 : path);
	if (!is_resized || !stbi_write_png(name, w, h, CHANNELS, small, 0))
		return pxp_task_fail(task, 2, "cannot write %s", name);
	return pxp_task_return(task, name, strlen(name) + 1);
}

/* Print the result of a picture. Returns whether the picture was resized. */
static bool report(const char *picture, struct pxp_future *future)
{
	struct pxp_error error;
	void *name;
	enum pxp_status status = pxp_future_result(future, 0, &name, NULL, &error);

	if (status == PXP_OK) {
		printf("%s -> %s\n", picture, (char *)name);
		free(name);
	} else {
		printf("%s: %s: %s\n", picture, pxp_status_name(error.status),
		       error.text);
	}
	return status == PXP_OK;
}

/* Exit with a message unless `status` is PXP_OK. The processes of the pool end too. */
static void need(enum pxp_status status)
{
	if (status == PXP_OK)
		return;
	fprintf(stderr, "resize_images: %s\n", pxp_status_name(status));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct pxp_executor_options processes = {.size = sizeof(processes),
	                                         .kind = PXP_PROCESSES};
	struct pxp_task_options limits = {.size = sizeof(limits),
	                                  .deadline_ms = DEADLINE_MS};
	struct pxp_future **futures = calloc((size_t)argc, sizeof(*futures)), *future;
	struct pxp_as_completed *iteration;
	struct pxp_executor *pool;
	int n_done = 0;

	/* The zygote must be started while this process has only one thread. */
	need(pxp_zygote_start(NULL));
	need(pxp_executor_create(&processes, &pool, NULL));
	need(futures ? PXP_OK : PXP_ENOMEM);
	for (int i = 1; i < argc; i++) {
		need(pxp_executor_submit(pool, resize, argv[i], strlen(argv[i]) + 1,
		                         &limits, &futures[i]));
		pxp_future_set_tag(futures[i], argv[i]);
	}

	need(pxp_as_completed_open(futures + 1, (size_t)argc - 1, PXP_FOREVER,
	                           &iteration));
	while (pxp_as_completed_next(iteration, &future) == PXP_OK && future)
		n_done += report(pxp_future_tag(future), future);
	pxp_as_completed_close(iteration);

	for (int i = 1; i < argc; i++)
		pxp_future_release(futures[i]);
	free(futures);
	pxp_executor_destroy(pool);
	return n_done == argc - 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
