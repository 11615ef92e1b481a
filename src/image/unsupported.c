/* Why nobody reads a picture, and what who asked for it can do about that. */
#include "image/engine.h"

static const char *way_out_of_drawing(void)
{
	switch (engine_drawing()) {
	case DRAWING_ELSEWHERE:
		return "a worker that may read fonts has to draw it";
	case DRAWING_UNSAFE:
		return "its text takes fonts, and without Landlock a worker that may read "
		       "them may read every file: --sandbox off draws it all the same";
	default:
		return "this build does not draw it: it needs a libvips that does";
	}
}

/* Why a picture of a known format is not read, and what to do about it. */
static const char *way_out(enum image_format format)
{
	switch (format) {
	case FORMAT_RAW:
		return "a camera's raw file, which is not read: develop it first, e.g. "
		       "with darktable-cli or dcraw -T";
	case FORMAT_SVG:
	case FORMAT_PDF:
		return way_out_of_drawing();
	case FORMAT_ICO:
	case FORMAT_EXR:
	case FORMAT_PAM:
		return "the format is not read: make it a PNG first, e.g. with ImageMagick";
	case FORMAT_HEIC:
		return "this build reads no HEIC: install libheif with its libde265 decoder";
	case FORMAT_AVIF:
		return "this build reads no AVIF: install libheif with its aom or dav1d "
		       "decoder";
	default:
		return "this build does not read it: it needs a libvips that does";
	}
}

bool engine_unsupported(const struct source *source, struct failure *ret_failure)
{
	static const struct recipe any_engine;
	const char *name = format_info(source->format)->name;

	if (source->format == FORMAT_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "gate: not a picture of any known format");
	if (source->format != FORMAT_RAW && !engine_trusts(source->format))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: %s is not read with --untrusted", name);
	if (source->format != FORMAT_RAW && source->reading->engine[0] &&
	    engine_that_reads(source->format, &any_engine))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: %s cannot be read by the engine that was asked "
		                   "for",
		                   name);
	return failure_set(ret_failure, FAIL_UNSUPPORTED, "gate: %s cannot be read: %s",
	                   name, way_out(source->format));
}
