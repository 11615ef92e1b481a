/*
 * The stb engine: stb_image, stb_image_resize and stb_image_write, which need nothing
 * but a C compiler. It knows no colour management: what is not sRGB it refuses, rather
 * than show it wrong. What stb does not read beside the pixels, metadata_scan.c does. Metadata do
 * not come through: where some are to be kept and the picture has them, it refuses too.
 *
 * stb_image fills the rest of a JPEG that ends early with grey, and some such files it calls
 * good. We look for the end marker before: a file without is a bad image here as everywhere,
 * unless fail_on is none. Damage in the middle of the scans goes unnoticed; libvips notices
 * some of it.
 */
#include "image/engine.h"

#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image/stb/stb.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ps_state {
	struct size stored; /* as the file has it, not turned */
	unsigned orientation;
	bool ends_early; /* a JPEG without its end marker, which fail_on let pass */
};

static const uint8_t jpeg_end[2] = {0xff, 0xd9};

static bool ps_reads(enum image_format format)
{
	switch (format) {
	case FORMAT_JPEG:
	case FORMAT_PNG:
	case FORMAT_GIF:
	case FORMAT_BMP:
	case FORMAT_TGA:
	case FORMAT_PSD:
	case FORMAT_HDR:
	case FORMAT_PNM:
		return true;
	default:
		return false;
	}
}

/* Why stb said no. Its words tell apart what is broken from what it does not do. */
static bool fail_stb(struct failure *ret_failure, const char *stage)
{
	const char *reason = stbi_failure_reason();
	enum fail_class class = FAIL_BAD_IMAGE;

	if (!reason)
		reason = "no reason given";
	/* A chunk that it does not know is most often the zeros behind a file that was cut. */
	if (strstr(reason, "unknown PNG chunk"))
		class = FAIL_BAD_IMAGE;
	else if (strstr(reason, "nsupported") || strstr(reason, "not supported") ||
	         strstr(reason, "not in RGB") || strstr(reason, "is not 8 or 16 bit"))
		class = FAIL_UNSUPPORTED;
	else if (strstr(reason, "Out of memory"))
		class = FAIL_MEMORY;
	else if (strstr(reason, "Very large image"))
		class = FAIL_TOO_BIG;
	return failure_set(ret_failure, class, "%s: %s", stage, reason);
}

static bool scan_is_srgb(const struct metadata_scan *scan)
{
	enum { ROOM = 64 * 1024 }; /* an sRGB profile takes far less */
	char *room;
	int n;
	bool is_srgb;

	if (!scan->has_profile)
		return true;
	if (!scan->profile || scan->n_profile > INT_MAX)
		return false;
	if (!scan->profile_is_deflated)
		return profile_is_srgb(scan->profile, scan->n_profile);

	room = malloc(ROOM);
	if (!room)
		return false;
	n = stbi_zlib_decode_buffer(room, ROOM, (const char *)scan->profile,
	                            (int)scan->n_profile);
	is_srgb = n > 0 && profile_is_srgb(room, (size_t)n);
	free(room);
	return is_srgb;
}

/* What stb would decode, but wrongly. */
static bool check_scan(const struct metadata_scan *scan, struct failure *ret_failure)
{
	if (scan->n_components > 3)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a CMYK picture, which needs the vips engine");
	if (scan->process > 0xc2)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: a JPEG process that the stb engine does not know");
	if (!scan_is_srgb(scan))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: its colour profile is not sRGB, which needs the "
			"vips engine");
	if (scan->has_bad_table)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: a Huffman table with too many codes");
	if (!scan->is_whole)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file ends before its end marker");
	return true;
}

/* What the recipe wants kept of this picture and we cannot keep. */
static bool check_kept(const struct source *source, const struct metadata_scan *scan,
                       const struct recipe *recipe, struct failure *ret_failure)
{
	const char *what = NULL;

	if ((recipe->keep & (KEEP_EXIF | KEEP_GPS)) && scan->has_exif)
		what = "EXIF";
	else if ((recipe->keep & KEEP_XMP) && scan->has_xmp)
		what = "XMP";
	else if ((recipe->keep & KEEP_IPTC) && scan->has_iptc)
		what = "IPTC";
	if (what)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep its %s: use "
		                   "--keep none, or the vips engine",
		                   what);
	if (recipe->depth == DEPTH_KEEP && format_info(recipe->format)->has_depth &&
	    (source->format == FORMAT_HDR ||
	     stbi_is_16_bit_from_memory(source->bytes, (int)source->n_bytes)))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep its 16 bit: use "
		                   "--depth 8, or the vips engine");
	return true;
}

static bool ps_open(struct source *source, const struct recipe *recipe,
                    struct failure *ret_failure)
{
	struct metadata_scan scan = {.orientation = 1, .is_whole = true};
	struct ps_state *state;
	int width, height, n_bands;
	bool ends_early;

	if (source->n_bytes > INT_MAX - sizeof(jpeg_end))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the stb engine reads files up to 2 GiB");
	if (!ps_check_header(source, ret_failure))
		return false;
	if (!stbi_info_from_memory(source->bytes, (int)source->n_bytes, &width, &height,
	                           &n_bands))
		return fail_stb(ret_failure, "header");
	/* Of a BMP from the top down it is negative. */
	if (source->format == FORMAT_BMP && height < 0 && height > -INT_MAX)
		height = -height;
	if (width < 1 || height < 1 || n_bands < 1 || n_bands > 4)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: %d x %d of %d bands", width, height, n_bands);
	if (width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: %d x %d, but the stb engine takes sides up to %d", width,
			height, STBI_MAX_DIMENSIONS);

	if (source->format == FORMAT_JPEG)
		metadata_scan_jpeg(&scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_PNG)
		metadata_scan_png(&scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_GIF)
		scan.is_whole = gif_is_whole(source->bytes, source->n_bytes);
	ends_early = source->format == FORMAT_JPEG && !scan.is_whole;
	if (recipe->fail_on == FAIL_ON_NONE)
		scan.is_whole = true;
	if (!check_scan(&scan, ret_failure) ||
	    !check_kept(source, &scan, recipe, ret_failure))
		return false;
	if (recipe->no_rotate)
		scan.orientation = 1;

	state = calloc(1, sizeof(*state));
	if (!state)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	*state = (struct ps_state){
		{(uint32_t)width, (uint32_t)height}, scan.orientation, ends_early};
	source->state = state;
	source->size = scan.orientation > 4
	                       ? (struct size){(uint32_t)height, (uint32_t)width}
	                       : state->stored;
	return true;
}

static void ps_close(struct source *source)
{
	free(source->state);
	source->state = NULL;
}

/*
 * Where stb reads from, but for JPEG and PNG, whose end metadata_scan.c and stb look for. It does not
 * look at whether it got what it wanted: from memory, what is behind the end is zeros, or in
 * a row of a TGA or PNM whatever its buffer held before, another picture's pixels.
 */
struct feed {
	const struct source *source;
	size_t at;
	const char *buffer; /* stb's own, which it fills as far as there is something */
	bool is_overrun;    /* more was wanted than there is */
};

static int feed_read(void *data, char *bytes, int n_int)
{
	struct feed *feed = data;
	size_t n = (size_t)n_int, n_left = feed->source->n_bytes - feed->at;
	size_t n_here = n < n_left ? n : n_left;

	/* The first thing that it does is to fill it. */
	if (!feed->buffer)
		feed->buffer = bytes;
	memcpy(bytes, feed->source->bytes + feed->at, n_here);
	feed->at += n_here;
	if (n_here == n || (n_here > 0 && bytes == feed->buffer))
		return (int)n_here;

	feed->is_overrun = true;
	if (feed->source->format != FORMAT_HDR) {
		memset(bytes + n_here, 0, n - n_here);
		return (int)n_here;
	}
	/* An HDR that ends early would keep stb_image 2.27 busy for ever, since it takes the
	 * end for runs of no length. Line ends without end are the end of its loops. */
	memset(bytes + n_here, '\n', n - n_here);
	return n_int;
}

static void feed_skip(void *data, int n_int)
{
	struct feed *feed = data;
	size_t n_left = feed->source->n_bytes - feed->at, n = (size_t)n_int;

	feed->at += n < n_left ? n : n_left;
}

static int feed_is_over(void *data)
{
	const struct feed *feed = data;

	return feed->source->format != FORMAT_HDR && feed->at == feed->source->n_bytes;
}

static uint8_t *load_from_feed(const struct source *source, int *width, int *height,
                               int *n_bands, struct failure *ret_failure)
{
	static const stbi_io_callbacks calls = {feed_read, feed_skip, feed_is_over};
	struct feed feed = {.source = source};
	uint8_t *bytes = stbi_load_from_callbacks(&calls, &feed, width, height, n_bands,
	                                          0);

	if (!bytes) {
		fail_stb(ret_failure, "decode");
	} else if (feed.is_overrun) {
		failure_set(ret_failure, FAIL_BAD_IMAGE, "decode: the file ends early");
		stbi_image_free(bytes);
		bytes = NULL;
	}
	return bytes;
}

/* stb_image takes no JPEG without an end marker: a copy has one behind what is there. */
static uint8_t *load_cut_jpeg(const struct source *source, int *width, int *height,
                              int *n_bands, struct failure *ret_failure)
{
	size_t n = source->n_bytes;
	uint8_t *whole = malloc(n + sizeof(jpeg_end)), *bytes;

	if (!whole) {
		failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
		return NULL;
	}
	memcpy(whole, source->bytes, n);
	memcpy(whole + n, jpeg_end, sizeof(jpeg_end));
	bytes = stbi_load_from_memory(whole, (int)(n + sizeof(jpeg_end)), width, height,
	                              n_bands, 0);
	if (!bytes)
		fail_stb(ret_failure, "decode");
	free(whole);
	return bytes;
}

/* As many bands as it finds: the header does not know of a PNG's tRNS. */
static uint8_t *load(const struct source *source, int *width, int *height, int *n_bands,
                     struct failure *ret_failure)
{
	const struct ps_state *state = source->state;
	uint8_t *bytes;

	if (source->format != FORMAT_JPEG && source->format != FORMAT_PNG)
		return load_from_feed(source, width, height, n_bands, ret_failure);
	if (state->ends_early)
		return load_cut_jpeg(source, width, height, n_bands, ret_failure);
	bytes = stbi_load_from_memory(source->bytes, (int)source->n_bytes, width, height,
	                              n_bands, 0);
	if (!bytes)
		fail_stb(ret_failure, "decode");
	return bytes;
}

static bool ps_decode(struct source *source, struct pixels *ret_pixels,
                      struct failure *ret_failure)
{
	const struct ps_state *state = source->state;
	struct size stored = state->stored;
	int width, height, n_bands;

	if ((uint64_t)stored.width * stored.height * 4 > INT_MAX)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "decode: %u x %u is more than the stb engine holds",
		                   stored.width, stored.height);
	*ret_pixels = (struct pixels){.free_bytes = stbi_image_free};
	ret_pixels->bytes = load(source, &width, &height, &n_bands, ret_failure);
	if (!ret_pixels->bytes)
		return false;
	ret_pixels->size = (struct size){(uint32_t)width, (uint32_t)height};
	ret_pixels->n_bands = (unsigned)n_bands;
	if (ret_pixels->size.width == stored.width &&
	    ret_pixels->size.height == stored.height)
		return true;
	pixels_fini(ret_pixels);
	return failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: came out as %d x %d, the header said %u x %u", width,
	                   height, stored.width, stored.height);
}

static bool fail_memory(struct failure *ret_failure)
{
	return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
}

/* From the stored pixels to those that come out. */
static bool shape(struct pixels *pixels, unsigned orientation,
                  const struct recipe *recipe, struct failure *ret_failure)
{
	struct filter_chain before, after;
	struct layout layout;
	struct size upright = pixels->size;

	filters_split(&recipe->filters, &before, &after);
	/* Turning the small picture is cheaper: the large one, when filters come first. */
	if (before.n > 0) {
		if (!pixels_orient(pixels, orientation) ||
		    !ps_apply(pixels, &before, recipe))
			return fail_memory(ret_failure);
		upright = pixels->size;
		orientation = 1;
	} else if (orientation > 4) {
		upright = (struct size){upright.height, upright.width};
	}
	if (!engine_layout(&layout, recipe, upright, 1, ret_failure))
		return false;

	struct size to = layout.scaled;

	if (layout.is_focused) {
		if (!pixels_orient(pixels, orientation) ||
		    !pixels_cut(pixels, &layout.focus))
			return fail_memory(ret_failure);
		orientation = 1;
	}
	if (orientation > 4)
		to = (struct size){to.height, to.width};
	if (!ps_scale(pixels, to, recipe) || !pixels_orient(pixels, orientation) ||
	    !ps_place(pixels, &layout, recipe) || !ps_apply(pixels, &after, recipe))
		return fail_memory(ret_failure);
	if (!format_info(recipe->format)->has_alpha)
		pixels_flatten(pixels, &recipe->background);
	return true;
}

static bool ps_render(struct source *source, const struct recipe *recipe,
                      struct rendering *ret_rendering, struct failure *ret_failure)
{
	const struct ps_state *state = source->state;
	struct pixels *pixels = &ret_rendering->pixels;

	if (!ps_decode(source, pixels, ret_failure) ||
	    !shape(pixels, state->orientation, recipe, ret_failure))
		return false;
	ret_rendering->size = pixels->size;
	ret_rendering->n_frames = 1;
	return true;
}

static void ps_say_version(char *text, size_t n_text)
{
	/* Its headers have a version in a comment alone. */
	snprintf(text, n_text, "stb_image, stb_image_write");
}

const struct engine engine_stb = {
	.name = "stb",
	.choice = ENGINE_STB,
	.reads = ps_reads,
	.writes = ps_writes,
	.takes = ps_takes,
	.open = ps_open,
	.decode = ps_decode,
	.render = ps_render,
	.close = ps_close,
	.encode = ps_encode,
	.version = ps_say_version,
};
