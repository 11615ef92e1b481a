/* The stb engine's other half: what stb_image_write writes, and PNM. */
#include "image/engine.h"

#include "base/fd.h"
#include "image/stb/stb.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ps_writes(enum image_format format)
{
	return format == FORMAT_JPEG || format == FORMAT_PNG || format == FORMAT_BMP ||
	       format == FORMAT_TGA || format == FORMAT_HDR || format == FORMAT_PNM;
}

/* Where stb_image_write's pieces go: gathered, then written at once. */
struct sheaf {
	char *bytes;
	size_t n, room;
	bool is_broken;
};

static void gather(void *data, void *bytes, int n_int)
{
	struct sheaf *sheaf = data;
	size_t n = n_int > 0 ? (size_t)n_int : 0;

	if (sheaf->is_broken)
		return;
	if (n > sheaf->room - sheaf->n) {
		size_t room = 2 * (sheaf->room + n) + 4096;
		char *bigger = realloc(sheaf->bytes, room);

		if (!bigger) {
			sheaf->is_broken = true;
			return;
		}
		sheaf->bytes = bigger;
		sheaf->room = room;
	}
	if (n > 0)
		memcpy(sheaf->bytes + sheaf->n, bytes, n);
	sheaf->n += n;
}

/* PNM is a line of text and the pixels as they are. */
static int write_pnm(struct sheaf *sheaf, int width, int height, int n_bands, void *bytes)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "P%c\n%d %d\n255\n",
	                 n_bands == 1 ? '5' : '6', width, height);

	gather(sheaf, head, n);
	gather(sheaf, bytes, width * height * n_bands);
	return 1;
}

/* Three values of light as the bytes that HDR has for them: they share the exponent of the
 * greatest. */
static void to_rgbe(uint8_t rgbe[4], const double light[3])
{
	double most = fmax(light[0], fmax(light[1], light[2]));
	int exponent = 0;
	double factor = most < 1e-32 ? 0 : frexp(most, &exponent) * 256 / most;

	for (int band = 0; band < 3; band++)
		rgbe[band] = (uint8_t)(light[band] * factor);
	rgbe[3] = factor > 0 ? (uint8_t)(exponent + 128) : 0;
}

/* HDR has light itself, out of sRGB's curve; without run lengths. (stb_image_write has a
 * writer of it only together with stdio.) */
static int write_hdr(struct sheaf *sheaf, int width, int height, int n_bands,
                     const uint8_t *bytes)
{
	char head[96];
	int n = snprintf(head, sizeof(head),
	                 "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n", height,
	                 width);
	double curve[256], light[3];
	uint8_t rgbe[4];

	for (int i = 0; i < 256; i++)
		curve[i] = i <= 10 ? i / 255.0 / 12.92
		                   : pow((i / 255.0 + 0.055) / 1.055, 2.4);
	gather(sheaf, head, n);
	for (size_t i = 0; i < (size_t)width * (size_t)height; i++, bytes += n_bands) {
		for (int band = 0; band < 3; band++)
			light[band] = curve[bytes[n_bands < 3 ? 0 : band]];
		to_rgbe(rgbe, light);
		gather(sheaf, rgbe, sizeof(rgbe));
	}
	return 1;
}

static int write_sheaf(struct sheaf *sheaf, const struct pixels *pixels,
                       const struct recipe *recipe)
{
	int width = (int)pixels->size.width, height = (int)pixels->size.height;
	int n_bands = (int)pixels->n_bands;

	switch (recipe->format) {
	case FORMAT_JPEG:
		return stbi_write_jpg_to_func(gather, sheaf, width, height, n_bands,
		                              pixels->bytes, (int)engine_quality(recipe));
	case FORMAT_PNG:
		stbi_write_png_compression_level = recipe->has_effort ? recipe->effort
		                                                      : 8;
		return stbi_write_png_to_func(gather, sheaf, width, height, n_bands,
		                              pixels->bytes, width * n_bands);
	case FORMAT_BMP:
		return stbi_write_bmp_to_func(gather, sheaf, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_TGA:
		return stbi_write_tga_to_func(gather, sheaf, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_HDR:
		return write_hdr(sheaf, width, height, n_bands, pixels->bytes);
	case FORMAT_PNM:
		return write_pnm(sheaf, width, height, n_bands, pixels->bytes);
	default:
		return 0;
	}
}

bool ps_encode(const struct rendering *rendering, const struct recipe *recipe, int output,
               struct failure *ret_failure)
{
	const struct pixels *pixels = &rendering->pixels;
	struct sheaf sheaf = {0};
	bool is_written;

	/* Its own sums are of int. */
	if ((uint64_t)pixels->size.width * pixels->size.height * 5 > INT_MAX / 2)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "encode: %u x %u is more than the stb engine writes",
		                   pixels->size.width, pixels->size.height);
	if (!write_sheaf(&sheaf, pixels, recipe) || sheaf.is_broken) {
		free(sheaf.bytes);
		return failure_set(ret_failure, FAIL_MEMORY, "encode: out of memory");
	}
	is_written = fd_write_all(output, sheaf.bytes, sheaf.n);
	if (!is_written)
		failure_set(ret_failure, errno == EFBIG ? FAIL_TOO_BIG : FAIL_INTERNAL,
		            "encode: %s", strerrordesc_np(errno));
	free(sheaf.bytes);
	return is_written;
}
