/*
 * Prepares pictures as training input in worker processes: resizes them, crops them to their centre,
 * normalises them as for ImageNet, and writes one .npy file of the shape N x 3 x 224 x 224.
 *
 *     build/samples/training_input input.npy samples/pictures/{lake,dunes}.jpg
 *
 * Each picture is written to its place in the file when its task is done. Only one batch of pictures
 * is in memory at a time. A picture that fails is listed, and its place holds zeros.
 */
#include <pixpool/pixpool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

enum { SHORT_SIDE = 256, CROP = 224, PLANES = 3, N_VALUES = PLANES * CROP * CROP };
enum { DEADLINE_MS = 20 * 1000, NPY_HEADER_BYTES = 128, BATCH = 64 };

/* Shrink the picture until its shorter side is SHORT_SIDE, and keep only CROP x CROP pixels in its
 * centre. One call does both. */
static bool resize_centre(const stbi_uc *pixels, int width, int height, stbi_uc *centre)
{
	float side = (float)(width < height ? width : height) * CROP / SHORT_SIDE;
	float left = (1 - side / (float)width) / 2, top = (1 - side / (float)height) / 2;

	return stbir_resize_region(
		pixels, width, height, 0, centre, CROP, CROP, 0, STBIR_TYPE_UINT8, PLANES,
		STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP, STBIR_EDGE_CLAMP,
		STBIR_FILTER_TRIANGLE, STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR,
		NULL, left, top, 1 - left, 1 - top);
}

/* The task, which runs in a worker process. The result is the picture, plane by plane. */
static enum pxp_status prepare(struct pxp_task *task)
{
	static const float mean[PLANES] = {0.485F, 0.456F, 0.406F};
	static const float deviation[PLANES] = {0.229F, 0.224F, 0.225F};
	static float planes[PLANES][CROP * CROP];
	static stbi_uc centre[CROP * CROP][PLANES];
	int width, height, n_stored;
	stbi_uc *pixels = stbi_load(pxp_task_input(task, NULL), &width, &height,
	                            &n_stored, PLANES);
	bool is_resized;

	if (!pixels)
		return pxp_task_fail(task, 1, "%s", stbi_failure_reason());
	is_resized = resize_centre(pixels, width, height, centre[0]);
	stbi_image_free(pixels);
	if (!is_resized)
		return pxp_task_fail(task, 2, "no memory to resize the picture");

	for (int plane = 0; plane < PLANES; plane++)
		for (int i = 0; i < CROP * CROP; i++)
			planes[plane][i] = ((float)centre[i][plane] / 255 - mean[plane]) /
			                   deviation[plane];
	return pxp_task_return(task, planes, sizeof(planes));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the header says '<f4', little-endian");

/* NumPy's format, version 1.0: a magic number, the length of the header, the header. */
static void write_header(FILE *file, int n_pictures)
{
	static const unsigned char start[] = {0x93, 'N', 'U', 'M', 'P',
	                                      'Y',  1,   0,   118, 0};
	char text[NPY_HEADER_BYTES];

	snprintf(text, sizeof(text),
	         "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d, %d, %d), }",
	         n_pictures, PLANES, CROP, CROP);
	fwrite(start, sizeof(start), 1, file);
	fprintf(file, "%-117s\n", text);
}

/* Write the picture to its place in the file, or zeros if the picture failed. Returns whether the
 * picture succeeded. */
static bool report(const char *name, struct pxp_future *future, FILE *file, int place)
{
	static const float zeros[N_VALUES];
	struct pxp_error error;
	void *planes;
	enum pxp_status status = pxp_future_result(future, 0, &planes, NULL, &error);

	fseek(file, NPY_HEADER_BYTES + (long)sizeof(zeros) * place, SEEK_SET);
	/* Errors of fwrite() are not checked here, because main() calls ferror(). */
	fwrite(status == PXP_OK ? planes : zeros, sizeof(zeros), 1, file);
	printf("%d: %s: %s\n", place, name, status == PXP_OK ? "done" : error.text);
	free(planes);
	return status == PXP_OK;
}

/* Exit unless status is PXP_OK. The processes of the pool end too. */
static void need(enum pxp_status status)
{
	if (status == PXP_OK)
		return;
	fprintf(stderr, "training_input: %s\n", pxp_status_name(status));
	exit(EXIT_FAILURE);
}

/* Prepare n pictures, at most BATCH, and write them to the file, one after the other: the first of
 * them becomes picture number `first` of the file. Returns how many pictures succeeded. */
static int prepare_batch(struct pxp_executor *pool, char **names, int n, FILE *file,
                         int first)
{
	struct pxp_task_options limits = {.size = sizeof(limits),
	                                  .deadline_ms = DEADLINE_MS};
	struct pxp_future *futures[BATCH], *future;
	struct pxp_as_completed *iteration;
	int n_done = 0;

	for (int i = 0; i < n; i++)
		need(pxp_executor_submit(pool, prepare, names[i], strlen(names[i]) + 1,
		                         &limits, &futures[i]));
	need(pxp_as_completed_open(futures, (size_t)n, PXP_FOREVER, &iteration));
	while (pxp_as_completed_next(iteration, &future) == PXP_OK && future) {
		int i = 0;

		while (futures[i] != future)
			i++;
		n_done += report(names[i], future, file, first + i);
	}
	pxp_as_completed_close(iteration);
	for (int i = 0; i < n; i++)
		pxp_future_release(futures[i]);
	return n_done;
}

int main(int argc, char **argv)
{
	struct pxp_executor_options processes = {.size = sizeof(processes),
	                                         .kind = PXP_PROCESSES};
	FILE *file = argc > 2 ? fopen(argv[1], "wb") : NULL;
	char **names = argv + 2;
	int n_names = argc - 2, n_done = 0;
	struct pxp_executor *pool;
	bool is_whole;

	if (!file) {
		fprintf(stderr, "training_input: cannot write the output file\n");
		return EXIT_FAILURE;
	}
	/* The zygote must be started while this process has only one thread. */
	need(pxp_zygote_start(NULL));
	need(pxp_executor_create(&processes, &pool, NULL));
	for (int i = 0; i < n_names; i += BATCH)
		n_done += prepare_batch(pool, names + i,
		                        n_names - i < BATCH ? n_names - i : BATCH, file,
		                        i);
	pxp_executor_destroy(pool);

	fseek(file, 0, SEEK_SET);
	/* Write the header last, so that an incomplete file has no header. */
	write_header(file, n_names);
	is_whole = !ferror(file);
	if (fclose(file) != 0 || !is_whole) {
		fprintf(stderr, "training_input: %s is incomplete\n", argv[1]);
		return EXIT_FAILURE;
	}
	return n_done == n_names ? EXIT_SUCCESS : EXIT_FAILURE;
}
