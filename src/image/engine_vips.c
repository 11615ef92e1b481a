/*
 * The vips engine: libvips, one thread, no cache, bytes given as memory.
 *
 * vips_thumbnail_source() does the work, because it shrinks while it loads. It is told
 * our size and to force it; fail_on goes in with the option string, as 8.14.1 ignores its
 * argument. Everything is decoded into memory before anything is encoded.
 */
#include "image/engine.h"

#include "image/profile.h"
#include "image/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vips/vips.h>

#ifdef PIXPOOL_SANITIZE
/* x265 leaks a little for each picture: its own fault, to be passed over without a word,
 * since any word of a sanitizer fails a test. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:x265_malloc\n";
}

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif

/* What libvips calls the formats: its loader from a source, and the suffix and options
 * of its saver (%u is the quality). NULL where we do not ask it. */
static const struct codec {
	const char *loader, *saver;
} codecs[N_FORMATS] = {
	[FORMAT_JPEG] = {"jpegload_source", ".jpg[Q=%u,strip]"},
	[FORMAT_PNG] = {"pngload_source", ".png[strip]"},
	[FORMAT_WEBP] = {"webpload_source", ".webp[Q=%u,strip]"},
	[FORMAT_GIF] = {"gifload_source", ".gif[strip]"},
	[FORMAT_TIFF] = {"tiffload_source", ".tif[strip]"},
	[FORMAT_HEIC] = {"heifload_source", ".heic[Q=%u,strip]"},
	[FORMAT_AVIF] = {"heifload_source", ".avif[Q=%u,strip]"},
	[FORMAT_JXL] = {"jxlload_source", ".jxl[Q=%u,strip]"},
	[FORMAT_JP2] = {"jp2kload_source", ".jp2[Q=%u,strip]"},
	[FORMAT_SVG] = {"svgload_source", NULL},
	[FORMAT_PDF] = {"pdfload_source", NULL},
	[FORMAT_PNM] = {"ppmload_source", ".ppm[strip]"},
	[FORMAT_HDR] = {"radload_source", NULL},
};

/* Libraries warn on standard error of things that are no failure; ours to say is only
 * what failed. */
static void drop_log(const char *domain, GLogLevelFlags level, const char *message,
                     void *data)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)data;
}

static bool vips_start(char *text, size_t n_text)
{
	/* Nothing of ours goes to a temporary file: the memory limit rules instead. */
	setenv("VIPS_DISC_THRESHOLD", "16777216m", 1);
	/* OpenMP of some loaders' libraries would start a thread for each core. */
	setenv("OMP_NUM_THREADS", "1", 1);
	unsetenv("VIPS_MAX_THREADS");

	g_log_set_default_handler(drop_log, NULL);
	if (vips_init("pixpool")) {
		snprintf(text, n_text, "libvips does not start: %s", vips_error_buffer());
		engine_one_line(text);
		return false;
	}
	vips_block_untrusted_set(engine_is_strict());
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	return true;
}

/* The class of what libvips says. Its errors are text alone. */
static enum fail_class class_of_text(const char *text, enum fail_class otherwise)
{
	static const struct {
		const char *words;
		enum fail_class class;
	} known[] = {
		{"out of memory", FAIL_MEMORY},
		{"nsufficient memory", FAIL_MEMORY},
		{"emory allocation", FAIL_MEMORY},
		{"no known route", FAIL_UNSUPPORTED},
		{"nsupported codec", FAIL_UNSUPPORTED},
		{"nsupported JPEG process", FAIL_UNSUPPORTED},
		{"ompression scheme", FAIL_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(text, known[i].words))
			return known[i].class;
	}
	return otherwise;
}

/* Turn libvips' error buffer into a failure, and empty it. */
static bool fail_vips(struct failure *ret_failure, const char *stage,
                      enum fail_class otherwise)
{
	char text[FAILURE_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s", vips_error_buffer());
	vips_error_clear();
	engine_one_line(text);
	return failure_set(ret_failure, class_of_text(text, otherwise), "%s: %s", stage,
	                   *text ? text : "libvips gives no reason");
}

static GType loader_type(enum image_format format)
{
	const char *nickname = codecs[format].loader;

	return nickname ? vips_type_find("VipsForeignLoad", nickname) : 0;
}

/* Whether a loader decodes this small whole file. */
static bool try_loader(const char *loader, const uint8_t *bytes, size_t n)
{
	VipsSource *source = vips_source_new_from_memory(bytes, n);
	VipsImage *image = NULL;
	double average;
	bool is_decoded = source && !vips_call(loader, source, &image, NULL) &&
	                  !vips_avg(image, &average, NULL);

	VIPS_UNREF(image);
	VIPS_UNREF(source);
	vips_error_clear();
	return is_decoded;
}

/* A loader's being there is enough, but for libheif's, which has its codecs as plugins. */
static bool find_loader(enum image_format format)
{
	if (!loader_type(format))
		return false;
	if (format == FORMAT_AVIF)
		return try_loader(codecs[format].loader, sample_avif,
		                  sizeof(sample_avif));
	if (format == FORMAT_HEIC)
		return try_loader(codecs[format].loader, sample_heic,
		                  sizeof(sample_heic));
	return true;
}

/* What was found once holds for the life of a process: 1, -1, 0 not yet asked. */
static _Atomic signed char known_reads[N_FORMATS], known_writes[N_FORMATS];

static bool vips_reads(enum image_format format)
{
	if (!known_reads[format])
		known_reads[format] = find_loader(format) ? 1 : -1;
	return known_reads[format] > 0;
}

struct vips_state {
	VipsSource *source;
};

static void vips_close(struct source *source)
{
	struct vips_state *state = source->state;

	if (!state)
		return;
	VIPS_UNREF(state->source);
	free(state);
	source->state = NULL;
}

/* The header alone: nothing is decoded. */
static bool read_header(struct source *source, struct failure *ret_failure)
{
	struct vips_state *state = source->state;
	const char *found = vips_foreign_find_load_source(state->source);
	VipsImage *image = NULL;
	uint32_t width, height;

	if (!found)
		return fail_vips(ret_failure, "header", FAIL_BAD_IMAGE);
	if (strcmp(found, g_type_name(loader_type(source->format))) != 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: it begins as %s but is not one",
		                   format_info(source->format)->name);
	if (vips_call(codecs[source->format].loader, state->source, &image, "access",
	              VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL))
		return fail_vips(ret_failure, "header", FAIL_BAD_IMAGE);

	width = (uint32_t)vips_image_get_width(image);
	height = (uint32_t)vips_image_get_height(image);
	source->size = vips_image_get_orientation_swap(image)
	                       ? (struct size){height, width}
	                       : (struct size){width, height};
	g_object_unref(image);
	return true;
}

static bool vips_open(struct source *source, struct failure *ret_failure)
{
	struct vips_state *state = calloc(1, sizeof(*state));

	source->state = state;
	if (state)
		state->source = vips_source_new_from_memory(source->bytes,
		                                            source->n_bytes);
	if (!state || !state->source)
		failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	else if (read_header(source, ret_failure))
		return true;

	vips_close(source);
	return false;
}

/* An operation made *made of *image, or had an error: keep what it made, or *image. */
static bool take(VipsImage **image, VipsImage **made, int error)
{
	if (error)
		return false;
	g_object_unref(*image);
	*image = *made;
	*made = NULL;
	return true;
}

/*
 * To sRGB, where the picture says that it is in another space. A profile that does not
 * fit the pixels, or that is broken, is passed over: the picture is then taken for sRGB.
 * CMYK has been converted already, through its profile.
 */
static void convert_profile(VipsImage **image)
{
	VipsImage *converted = NULL;
	const void *profile;
	size_t n;

	if (!vips_image_get_typeof(*image, VIPS_META_ICC_NAME) ||
	    vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &n) ||
	    profile_is_srgb(profile, n) ||
	    !profile_fits(profile, n, (unsigned)vips_image_get_bands(*image)))
		return;
	take(image, &converted,
	     vips_icc_transform(*image, &converted, "srgb", "embedded", TRUE, "depth", 8,
	                        NULL));
	vips_error_clear();
}

/* 8 bit and 1 to 4 bands, whatever came. */
static bool make_plain(VipsImage **image)
{
	int n_bands = vips_image_get_bands(*image);
	VipsImage *made = NULL;

	if (vips_image_get_format(*image) != VIPS_FORMAT_UCHAR &&
	    !take(image, &made, vips_cast(*image, &made, VIPS_FORMAT_UCHAR, NULL)))
		return false;
	return n_bands <= 4 ||
	       take(image, &made, vips_extract_band(*image, &made, 0, "n", 4, NULL));
}

static void free_glib(void *bytes)
{
	g_free(bytes);
}

static bool vips_render(struct source *source, struct size to, struct pixels *ret_pixels,
                        struct failure *ret_failure)
{
	struct vips_state *state = source->state;
	VipsImage *image = NULL;
	struct size made;
	size_t n;

	if (vips_thumbnail_source(state->source, &image, (int)to.width, "height",
	                          (int)to.height, "size", VIPS_SIZE_FORCE,
	                          "option_string", "[fail_on=error]", NULL))
		return fail_vips(ret_failure, "decode", FAIL_BAD_IMAGE);

	convert_profile(&image);
	if (make_plain(&image))
		ret_pixels->bytes = vips_image_write_to_memory(image, &n);
	made = (struct size){(uint32_t)vips_image_get_width(image),
	                     (uint32_t)vips_image_get_height(image)};
	ret_pixels->size = made;
	ret_pixels->n_bands = (unsigned)vips_image_get_bands(image);
	ret_pixels->free_bytes = free_glib;
	g_object_unref(image);

	if (!ret_pixels->bytes)
		return fail_vips(ret_failure, "decode", FAIL_BAD_IMAGE);
	if (made.width != to.width || made.height != to.height)
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "decode: came out as %u x %u, not %u x %u", made.width,
		                   made.height, to.width, to.height);
	return true;
}

/* Our pixels as an image of libvips, which borrows them. */
static VipsImage *image_of_pixels(const struct pixels *pixels)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height * pixels->n_bands;
	VipsImage *image = vips_image_new_from_memory(
		pixels->bytes, n, (int)pixels->size.width, (int)pixels->size.height,
		(int)pixels->n_bands, VIPS_FORMAT_UCHAR);
	VipsImage *named = NULL;

	if (!image)
		return NULL;
	take(&image, &named,
	     vips_copy(image, &named, "interpretation",
	               pixels->n_bands < 3 ? VIPS_INTERPRETATION_B_W
	                                   : VIPS_INTERPRETATION_sRGB,
	               NULL));
	return image;
}

static bool save(const struct pixels *pixels, enum image_format format, unsigned quality,
                 VipsTarget *target)
{
	VipsImage *image = image_of_pixels(pixels);
	char suffix[64];
	int error;

	if (!image)
		return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(suffix, sizeof(suffix), codecs[format].saver, quality);
#pragma GCC diagnostic pop
	error = vips_image_write_to_target(image, suffix, target, NULL);
	g_object_unref(image);
	return !error;
}

/* A saver may be there without its codec (libheif has them as plugins): it is believed
 * when it has written a small picture. */
static bool try_saver(enum image_format format)
{
	static uint8_t black[64 * 64 * 3];
	struct pixels pixels = {.size = {64, 64}, .n_bands = 3, .bytes = black};
	VipsTarget *target;
	bool is_saved;

	if (!codecs[format].saver)
		return false;
	target = vips_target_new_to_memory();
	is_saved = target && save(&pixels, format, 50, target);
	VIPS_UNREF(target);
	vips_error_clear();
	return is_saved;
}

static bool vips_writes(enum image_format format)
{
	if (!known_writes[format])
		known_writes[format] = try_saver(format) ? 1 : -1;
	return known_writes[format] > 0;
}

static bool vips_encode(const struct pixels *pixels, enum image_format format,
                        unsigned quality, int output, struct failure *ret_failure)
{
	VipsTarget *target = vips_target_new_to_descriptor(output);
	bool is_saved = target && save(pixels, format, quality, target);

	VIPS_UNREF(target);
	if (!is_saved)
		return fail_vips(ret_failure, "encode", FAIL_INTERNAL);
	return true;
}

static void vips_say_version(char *text, size_t n_text)
{
	snprintf(text, n_text, "libvips %s", vips_version_string());
}

const struct engine engine_vips = {
	.name = "vips",
	.choice = ENGINE_VIPS,
	.start = vips_start,
	.reads = vips_reads,
	.writes = vips_writes,
	.open = vips_open,
	.render = vips_render,
	.close = vips_close,
	.encode = vips_encode,
	.version = vips_say_version,
};
