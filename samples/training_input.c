/*
 * Pictures prepared as training input on processes: resized, cropped to their centre,
 * normalised as for ImageNet, and written to one .npy file of the shape N x 3 x 224 x 224.
 *
 *     build/samples/training_input input.npy samples/pictures/{lake,dunes}.jpg
 *
 * Map gives the pictures out in the order of their names, and holds a few of them in memory
 * at a time. Those that fail are listed, and left out.
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
enum { DEADLINE_MS = 20 * 1000, NPY_HEADER_BYTES = 128 };

/* The centre of the picture that has SHORT_SIDE as its shorter side. */
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

/* Runs in a worker process, one at a time. Its result is a picture plane by plane. */
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
		return pxp_task_fail(task, 2, "no memory to resize it");

	for (int plane = 0; plane < PLANES; plane++)
		for (int i = 0; i < CROP * CROP; i++)
			planes[plane][i] = ((float)centre[i][plane] / 255 - mean[plane]) /
			                   deviation[plane];
	return pxp_task_return(task, planes, sizeof(planes));
}

/* The next name, whenever the map has room for one; argv ends with NULL. */
static enum pxp_status next_name(void *data, const void **ret_bytes, size_t *ret_n)
{
	char ***names = data, *name = **names;

	if (!name)
		return PXP_ESTATE;
	(*names)++;
	*ret_bytes = name;
	*ret_n = strlen(name) + 1;
	return PXP_OK;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "'<f4' says so");

/* NumPy's format, version 1.0: what it is, the length of the rest, the rest. */
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

int main(int argc, char **argv)
{
	struct pxp_executor_options processes = {.size = sizeof(processes),
	                                         .kind = PXP_PROCESSES};
	struct pxp_map_options limits = {.size = sizeof(limits),
	                                 .deadline_ms = DEADLINE_MS};
	enum pxp_status status = pxp_zygote_start(NULL); /* while there is one thread */
	FILE *file = argc > 2 ? fopen(argv[1], "wb") : NULL;
	char **names = argv + 2;
	struct pxp_executor *pool = NULL;
	struct pxp_map *map = NULL;
	struct pxp_map_item item;
	int n_done = 0;
	bool is_whole;

	if (!file || fseek(file, NPY_HEADER_BYTES, SEEK_SET) != 0) {
		fprintf(stderr, "training_input: no file to write\n");
		return EXIT_FAILURE;
	}
	if (status == PXP_OK)
		status = pxp_executor_create(&processes, &pool, NULL);
	if (status == PXP_OK)
		status = pxp_map_open(pool, prepare, next_name, &names, &limits, &map);
	while (status == PXP_OK && (status = pxp_map_next(map, &item)) == PXP_OK) {
		const char *name = argv[2 + item.index];

		if (item.error.status == PXP_OK) {
			fwrite(item.bytes, item.n, 1, file); /* ferror() below tells */
			printf("%d: %s\n", n_done++, name);
		} else {
			printf("%s: %s\n", name, item.error.text);
		}
		free(item.bytes);
	}
	pxp_map_close(map);
	pxp_executor_destroy(pool);

	fseek(file, 0, SEEK_SET);
	write_header(file, n_done); /* last: a file that was cut short has none */
	is_whole = status == PXP_ESTATE && !ferror(file);
	if (fclose(file) != 0 || !is_whole) {
		fprintf(stderr, "training_input: %s is not whole\n", argv[1]);
		return EXIT_FAILURE;
	}
	return n_done == argc - 2 ? EXIT_SUCCESS : EXIT_FAILURE;
}
