/* Writes lossy WebP from planes with libwebp. */
#include "image/fast/codec.h"

#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

struct webp_writer {
	/* The part of the file that was written so far, in a buffer that grows. */
	uint8_t *bytes;
	size_t n_bytes, n_written;
	struct workspace neutral;    /* a plane of neutral chroma, for grey pictures */
	struct workspace limited[2]; /* the planes of chroma in the limited range */
	/* A table that converts a level of chroma from the range 0 to 255 to the range 16 to
	 * 240. */
	uint8_t limited_chroma[256];
};

static void *create(void)
{
	struct webp_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return NULL;
	for (int level = 0; level < 256; level++) {
		double limited = (level - 128) * 224.0 / 255 + 128;

		writer->limited_chroma[level] = (uint8_t)(limited + 0.5);
	}
	return writer;
}

static void free_buffers(struct webp_writer *writer)
{
	workspace_fini(&writer->neutral);
	for (unsigned i = 0; i < 2; i++)
		workspace_fini(&writer->limited[i]);
	free(writer->bytes);
	writer->bytes = NULL;
	writer->n_bytes = 0;
}

static void destroy(void *state)
{
	struct webp_writer *writer = state;

	if (!writer)
		return;
	free_buffers(writer);
	free(writer);
}

static void trim(void *state, size_t max_bytes)
{
	struct webp_writer *writer = state;

	if (writer->n_bytes + writer->neutral.n_bytes + writer->limited[0].n_bytes +
	            writer->limited[1].n_bytes >
	    max_bytes)
		free_buffers(writer);
}

static int append(const uint8_t *bytes, size_t n, const WebPPicture *picture)
{
	struct webp_writer *writer = picture->custom_ptr;

	if (n > writer->n_bytes - writer->n_written) {
		size_t larger = (writer->n_bytes + n) * 2;
		uint8_t *grown = realloc(writer->bytes, larger);

		if (!grown)
			return 0;
		writer->bytes = grown;
		writer->n_bytes = larger;
	}
	memcpy(writer->bytes + writer->n_written, bytes, n);
	writer->n_written += n;
	return 1;
}

/* Convert a plane of chroma to the limited range. The result is a copy, because other outputs of
 * the picture may need the plane. */
static bool limit_chroma(struct webp_writer *writer, unsigned i,
                         const struct plane *plane, struct plane *ret_plane)
{
	if (!plane_reserve(ret_plane, &writer->limited[i], plane->width, plane->height,
	                   8))
		return false;
	for (uint32_t y = 0; y < plane->height; y++) {
		const uint8_t *in = plane_row(plane, y);
		uint8_t *out = plane_row(ret_plane, y);

		for (uint32_t x = 0; x < plane->width; x++)
			out[x] = writer->limited_chroma[in[x]];
	}
	return true;
}

/* Make a plane of neutral chroma. A grey picture uses this plane as Cb and as Cr. */
static bool make_neutral(struct webp_writer *writer, const struct plane *luma,
                         struct plane *ret_plane)
{
	if (!plane_reserve(ret_plane, &writer->neutral, (luma->width + 1) / 2,
	                   (luma->height + 1) / 2, 8))
		return false;
	memset(ret_plane->samples, 128, ret_plane->stride * ret_plane->height);
	return true;
}

static bool fill_picture(struct webp_writer *writer, WebPPicture *picture,
                         const struct rendered *rendered)
{
	const struct plane *planes = rendered->planes;
	const struct plane *alpha = rendered->has_alpha ? &planes[ALPHA] : NULL;
	struct plane neutral, chroma[2] = {planes[1], planes[2]};

	picture->width = (int)planes[0].width;
	picture->height = (int)planes[0].height;
	picture->use_argb = 0;
	picture->colorspace = alpha ? WEBP_YUV420A : WEBP_YUV420;
	picture->writer = append;
	picture->custom_ptr = writer;
	picture->y = planes[0].samples;
	picture->y_stride = (int)planes[0].stride;
	if (rendered->n_planes == 1) {
		if (!make_neutral(writer, &planes[0], &neutral))
			return false;
		picture->u = picture->v = neutral.samples;
		picture->uv_stride = (int)neutral.stride;
	} else {
		for (unsigned i = 0; i < 2 && !alpha; i++) {
			if (!limit_chroma(writer, i, &planes[1 + i], &chroma[i]))
				return false;
		}
		picture->u = chroma[0].samples;
		picture->v = chroma[1].samples;
		picture->uv_stride = (int)chroma[0].stride;
	}
	if (alpha) {
		picture->a = alpha->samples;
		picture->a_stride = (int)alpha->stride;
	}
	return true;
}

static bool write_file(void *state, struct rendered *rendered,
                       const struct write_options *options, struct written *ret_written)
{
	struct webp_writer *writer = state;
	WebPConfig config;
	WebPPicture picture;

	if (!WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, (float)options->quality) ||
	    !WebPPictureInit(&picture))
		/* the installed libwebp does not fit the header with which this file was
		 * compiled */
		return false;
	config.method = (int)(options->effort * 6 + 4) / 9;
	config.thread_level = 0;
	writer->n_written = 0;
	if (!fill_picture(writer, &picture, rendered) || !WebPEncode(&config, &picture))
		return false;
	*ret_written = (struct written){writer->bytes, writer->n_written};
	return true;
}

const struct writer webp_writer = {create, destroy, trim, write_file};
