/* Functions for all engines: which engines may be used, which formats are trusted, how large
 * outputs may be. */
#include "image/engine.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool inputs_are_hostile;
static enum picture_drawing drawing_here;

void picture_set_drawing(enum picture_drawing drawing)
{
	drawing_here = drawing;
}

enum picture_drawing engine_drawing(void)
{
	return drawing_here;
}

void picture_distrust_inputs(void)
{
	inputs_are_hostile = true;
}

bool engine_inputs_are_hostile(void)
{
	return inputs_are_hostile;
}

/* The engine that draws SVG and PDF, or NULL. */
static const struct engine *find_drawing_engine(void)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if ((*engine)->draws)
			return *engine;
	}
	return NULL;
}

bool picture_can_draw(void)
{
	return find_drawing_engine() != NULL;
}

const char *const *picture_font_folders(void)
{
	const struct engine *engine = find_drawing_engine();

	return engine ? engine->font_folders() : NULL;
}

bool picture_draws(enum image_format format, struct failure *ret_failure)
{
	const struct engine *engine = find_drawing_engine();

	if (engine)
		return engine->draws(format, ret_failure);
	return failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "this build cannot render SVG or PDF");
}

bool engine_trusts(enum image_format format)
{
	switch (format) {
	case FORMAT_JPEG:
	case FORMAT_PNG:
	case FORMAT_WEBP:
	case FORMAT_GIF:
	case FORMAT_HEIC:
	case FORMAT_AVIF:
	case FORMAT_TIFF:
		return true;
	default:
		return !inputs_are_hostile;
	}
}

bool picture_may_read(enum image_format format)
{
	switch (format) {
	case FORMAT_NONE:
	case FORMAT_RAW:
	case FORMAT_ICO:
	case FORMAT_EXR:
		return false;
#ifndef PIXPOOL_VIPS
	case FORMAT_WEBP:
	case FORMAT_TIFF:
	case FORMAT_HEIC:
	case FORMAT_AVIF:
	case FORMAT_JXL:
	case FORMAT_JP2:
	case FORMAT_SVG:
	case FORMAT_PDF:
		return false;
#endif
	default:
		return true;
	}
}

bool engine_is_wanted(const struct engine *engine, const struct recipe *recipe)
{
	return !recipe->engine[0] || strcmp(recipe->engine, engine->name) == 0;
}

const struct engine *engine_that_reads(enum image_format format,
                                       const struct recipe *recipe)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if (engine_trusts(format) && engine_is_wanted(*engine, recipe) &&
		    (*engine)->reads(format))
			return *engine;
	}
	return NULL;
}

const struct engine *engine_that_writes(enum image_format format,
                                        const struct recipe *recipe)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if (engine_is_wanted(*engine, recipe) && (*engine)->writes(format))
			return *engine;
	}
	return NULL;
}

uint32_t source_frames(const struct source *source, const struct recipe *recipe)
{
	const struct format_info *from = format_info(source->format),
				 *to = format_info(recipe->format);
	bool is_kept = (from->has_frames && to->has_frames) ||
	               (from->has_pages && to->has_pages);

	return is_kept ? source->n_frames : 1;
}

char *engine_one_line(char *text)
{
	char *begin = text + strspn(text, " \t\r\n");
	size_t n = strcspn(begin, "\r\n");

	while (n > 0 && (begin[n - 1] == ' ' || begin[n - 1] == '\t'))
		n--;
	memmove(text, begin, n);
	text[n] = 0;
	return text;
}

unsigned engine_quality(const struct recipe *recipe)
{
	if (recipe->quality)
		return recipe->quality;
	return recipe->format == FORMAT_AVIF || recipe->format == FORMAT_HEIC ? 50 : 80;
}

bool engine_fail_to_write(struct failure *ret_failure)
{
	if (errno == ENOMEM || errno == ENOSPC)
		return failure_set(ret_failure, FAIL_MEMORY, "encode: out of memory");
	return failure_set(ret_failure, FAIL_INTERNAL, "encode: %s",
	                   strerrordesc_np(errno));
}

static bool size_fits(const struct recipe *recipe, struct size size, uint32_t n_frames,
                      struct failure *ret_failure)
{
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;
	uint64_t n_pixels;

	if (size.width > RECIPE_MAX_SIDE || size.height > RECIPE_MAX_SIDE)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"size: the output would be %u x %u, but a side can have at "
			"most %d pixels",
			size.width, size.height, RECIPE_MAX_SIDE);
	/* The product of two sides of 24 bits and a frame count of 32 bits may overflow 64 bits. */
	if (__builtin_mul_overflow((uint64_t)size.width * size.height, n_frames,
	                           &n_pixels))
		n_pixels = UINT64_MAX;
	if (n_pixels <= max_pixels)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "size: the output would be %u x %u%s, %" PRIu64
	                   " pixels; the limit is %" PRIu64,
	                   size.width, size.height, n_frames > 1 ? " in all frames" : "",
	                   n_pixels, max_pixels);
}

bool engine_layout(struct layout *ret_layout, const struct recipe *recipe,
                   struct size from, uint32_t n_frames, struct failure *ret_failure)
{
	struct layout layout = geometry_layout(&recipe->geometry, from);
	const struct format_info *info = format_info(recipe->format);
	struct size to = layout.canvas;

	geometry_focus(&layout, from);
	*ret_layout = layout;
	if (!size_fits(recipe, layout.scaled, n_frames, ret_failure) ||
	    !size_fits(recipe, to, n_frames, ret_failure))
		return false;
	if (info->max_side && (to.width > info->max_side || to.height > info->max_side))
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"size: the output would be %u x %u, but %s allows sides of at "
			"most %u pixels",
			to.width, to.height, info->name, info->max_side);
	return true;
}
