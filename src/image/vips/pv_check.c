/*
 * Decodes every pixel of a picture row by row and keeps none. Nothing is shrunk, so
 * nothing is skipped, and memory holds only a few rows.
 */
#include "image/vips/engine_vips.h"

#include <stdio.h>

/* Decode the pages that the option string chooses. The loader is the one that the claim
 * found. */
static bool decode(const struct source *source, const char *options, int *ret_n_pages)
{
	VipsSource *bytes = vips_source_new_from_memory(source->bytes, source->n_bytes);
	VipsImage *image = NULL;
	double average;
	bool is_whole = false;

	if (bytes)
		image = vips_image_new_from_source(bytes, options, "access",
		                                   VIPS_ACCESS_SEQUENTIAL, "fail_on",
		                                   VIPS_FAIL_ON_ERROR, NULL);
	if (image) {
		*ret_n_pages = vips_image_get_n_pages(image);
		is_whole = !vips_avg(image, &average, NULL);
	}
	VIPS_UNREF(image);
	VIPS_UNREF(bytes);
	return is_whole;
}

static bool check_raster(const struct source *source, struct failure *ret_failure)
{
	const struct pv_state *state = source->state;
	VipsImage *image = NULL;

	if (!pv_load_raster(&image, &state->raster, ret_failure))
		return pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	g_object_unref(image);
	return true;
}

/* Draw an SVG, or the first page of a PDF, which is the only page that is read. */
static bool draw(const struct source *source)
{
	const struct recipe as_it_is = {0};
	const struct pv_job job = {
		.state = source->state, .from = source->format, .recipe = &as_it_is};
	VipsImage *image = NULL;
	double average;
	bool is_whole = pv_draw_load(&image, &job) && !vips_avg(image, &average, NULL);

	VIPS_UNREF(image);
	return is_whole;
}

static bool check_reading(struct pv_state *state, struct failure *ret_failure)
{
	struct samples samples;
	bool is_whole;

	state->reading.reads_everything = true;
	is_whole = state->reader->decode(&state->reading, &samples, ret_failure);
	samples_fini(&samples);
	return is_whole;
}

bool pv_check(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	/* Frames of an animation build on each other, so they are decoded together. Pages
	 * may differ in size, and libvips refuses to join such pages. */
	bool is_animation = source->format == FORMAT_GIF || source->format == FORMAT_WEBP;
	bool is_whole;
	int n_pages = 1;

	if (state->raster.bytes)
		return check_raster(source, ret_failure);
	if (state->reader)
		return check_reading(state, ret_failure);
	if (format_info(source->format)->is_drawn)
		return draw(source) ? pv_draw_has_all_text(source->format, ret_failure)
		                    : pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	is_whole = decode(source, is_animation ? "[n=-1]" : "", &n_pages);
	for (int page = 1; is_whole && !is_animation && page < n_pages; page++) {
		char options[32];

		snprintf(options, sizeof(options), "[page=%d]", page);
		is_whole = decode(source, options, &n_pages);
	}
	return is_whole || pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
}
