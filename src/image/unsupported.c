/* Says why no engine reads a picture, and what the user can do about it. */
#include "image/engine.h"

static const char *way_out_of_drawing(void)
{
	switch (engine_drawing()) {
	case DRAWING_ELSEWHERE:
		return "only a worker that may read fonts renders it";
	case DRAWING_UNSAFE:
		return "its text needs fonts, and without Landlock a worker that reads "
		       "fonts could read every file: --sandbox off renders it anyway";
	default:
		return "this build cannot render it: it needs a libvips with librsvg and "
		       "poppler";
	}
}

/* Why a picture of a known format is not read, and what to do about it. */
static const char *way_out(enum image_format format)
{
	switch (format) {
	case FORMAT_RAW:
		return "convert it first, e.g. with darktable-cli or dcraw -T";
	case FORMAT_SVG:
	case FORMAT_PDF:
		return way_out_of_drawing();
	case FORMAT_ICO:
	case FORMAT_EXR:
		return "convert it to PNG first, e.g. with ImageMagick";
	case FORMAT_HEIC:
		return "install libheif with its libde265 decoder";
	case FORMAT_AVIF:
		return "install libheif with its aom or dav1d decoder";
	default:
		return "this build needs a libvips that reads it";
	}
}

bool engine_unsupported(const struct source *source, struct failure *ret_failure)
{
	static const struct recipe any_engine;
	const char *name = format_info(source->format)->name;

	if (source->format == FORMAT_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "format: not an image of any known format");
	if (source->format != FORMAT_RAW && !engine_trusts(source->format))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "format: %s is not read with --untrusted", name);
	if (source->format != FORMAT_RAW && source->reading->engine[0] &&
	    engine_that_reads(source->format, &any_engine))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"format: %s cannot be read by the engine that was asked for, %s",
			name, source->reading->engine);
	return failure_set(ret_failure, FAIL_UNSUPPORTED, "format: %s cannot be read: %s",
	                   name, way_out(source->format));
}
