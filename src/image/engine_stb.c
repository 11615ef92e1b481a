/*
 * The stb engine: stb_image, stb_image_resize and stb_image_write, which need nothing
 * but a C compiler. It knows no colour management: what is not sRGB it refuses, rather
 * than show it wrong. What stb does not read beside the pixels, marks.c does.
 *
 * stb_image fills the rest of a JPEG that ends early with grey and calls it good. We look
 * for the end marker before, and such a file is a bad image here as everywhere. Damage
 * in the middle of the scans goes unnoticed; libvips notices some of it.
 */
#include "image/engine.h"

#include "image/marks.h"
#include "image/profile.h"
#include "image/stb.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stb_state {
	struct size stored; /* as the file has it, not turned */
	unsigned orientation;
};

static bool stb_reads(enum image_format format)
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

static bool marks_are_srgb(const struct marks *marks)
{
	enum { ROOM = 64 * 1024 }; /* an sRGB profile takes far less */
	char *room;
	int n;
	bool is_srgb;

	if (!marks->has_profile)
		return true;
	if (!marks->profile || marks->n_profile > INT_MAX)
		return false;
	if (!marks->profile_is_deflated)
		return profile_is_srgb(marks->profile, marks->n_profile);

	room = malloc(ROOM);
	if (!room)
		return false;
	n = stbi_zlib_decode_buffer(room, ROOM, (const char *)marks->profile,
	                            (int)marks->n_profile);
	is_srgb = n > 0 && profile_is_srgb(room, (size_t)n);
	free(room);
	return is_srgb;
}

/* What stb would decode, but wrongly. */
static bool check_marks(const struct marks *marks, struct failure *ret_failure)
{
	if (marks->n_components > 3)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a CMYK picture, which needs the vips engine");
	if (marks->process > 0xc2)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: a JPEG process that the stb engine does not know");
	if (!marks_are_srgb(marks))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: its colour profile is not sRGB, which needs the "
			"vips engine");
	if (marks->has_bad_table)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: a Huffman table with too many codes");
	if (!marks->is_whole)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the JPEG ends before its end marker");
	return true;
}

/*
 * stb has its reasons overwritten by those of the formats that it tries next: that a PNG is
 * larger than it reads is seen here, in the header that stands first.
 */
static bool png_is_too_big(const struct source *source)
{
	enum { WIDTH_AT = 16, HEIGHT_AT = 20, COLOURS_AT = 25, MOST = 1 << 30 };
	const uint8_t *b = source->bytes;
	uint64_t width = 0, height = 0, n_bands;

	if (source->format != FORMAT_PNG || source->n_bytes <= COLOURS_AT)
		return false;
	for (int i = 0; i < 4; i++) {
		width = width << 8 | b[WIDTH_AT + i];
		height = height << 8 | b[HEIGHT_AT + i];
	}
	n_bands = b[COLOURS_AT] == 3
	                  ? 4
	                  : (b[COLOURS_AT] & 2 ? 3U : 1U) + (b[COLOURS_AT] & 4 ? 1U : 0U);
	return width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS ||
	       width * height > MOST / n_bands;
}

static bool stb_open(struct source *source, struct failure *ret_failure)
{
	struct marks marks = {.orientation = 1, .is_whole = true};
	struct stb_state *state;
	int width, height, n_bands;

	if (source->n_bytes > INT_MAX)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the stb engine reads files up to 2 GiB");
	if (png_is_too_big(source))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: a larger PNG than the stb engine reads");
	if (!stbi_info_from_memory(source->bytes, (int)source->n_bytes, &width, &height,
	                           &n_bands))
		return fail_stb(ret_failure, "header");
	if (width < 1 || height < 1 || n_bands < 1 || n_bands > 4)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: %d x %d of %d bands", width, height, n_bands);
	if (width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: %d x %d, but the stb engine takes sides up to %d", width,
			height, STBI_MAX_DIMENSIONS);

	if (source->format == FORMAT_JPEG)
		marks_of_jpeg(&marks, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_PNG)
		marks_of_png(&marks, source->bytes, source->n_bytes);
	if (!check_marks(&marks, ret_failure))
		return false;

	state = calloc(1, sizeof(*state));
	if (!state)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	*state = (struct stb_state){{(uint32_t)width, (uint32_t)height},
	                            marks.orientation};
	source->state = state;
	source->size = marks.orientation > 4
	                       ? (struct size){(uint32_t)height, (uint32_t)width}
	                       : state->stored;
	return true;
}

static void stb_close(struct source *source)
{
	free(source->state);
	source->state = NULL;
}

/* Scale in linear light with alpha multiplied in, which stb undoes after. */
static bool scale(struct pixels *pixels, struct size to)
{
	struct size from = pixels->size;
	int n_bands = (int)pixels->n_bands;
	int alpha = n_bands % 2 ? STBIR_ALPHA_CHANNEL_NONE : n_bands - 1;
	struct pixels scaled;

	if (from.width == to.width && from.height == to.height)
		return true;
	if (!pixels_init(&scaled, to, pixels->n_bands))
		return false;
	if (!stbir_resize_uint8_generic(
		    pixels->bytes, (int)from.width, (int)from.height, 0, scaled.bytes,
		    (int)to.width, (int)to.height, 0, n_bands, alpha, 0, STBIR_EDGE_CLAMP,
		    STBIR_FILTER_DEFAULT, STBIR_COLORSPACE_SRGB, NULL)) {
		pixels_fini(&scaled);
		return false;
	}
	pixels_fini(pixels);
	*pixels = scaled;
	return true;
}

/*
 * Where stb reads from, but for JPEG and PNG, whose end marks.c and stb look for. It does not
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

/* As many bands as it finds: the header does not know of a PNG's tRNS. */
static uint8_t *load(const struct source *source, int *width, int *height, int *n_bands,
                     struct failure *ret_failure)
{
	uint8_t *bytes;

	if (source->format != FORMAT_JPEG && source->format != FORMAT_PNG)
		return load_from_feed(source, width, height, n_bands, ret_failure);
	bytes = stbi_load_from_memory(source->bytes, (int)source->n_bytes, width, height,
	                              n_bands, 0);
	if (!bytes)
		fail_stb(ret_failure, "decode");
	return bytes;
}

static bool stb_render(struct source *source, struct size to, struct pixels *ret_pixels,
                       struct failure *ret_failure)
{
	const struct stb_state *state = source->state;
	struct size stored = state->stored, aim = to;
	int width, height, n_bands;

	if ((uint64_t)stored.width * stored.height * 4 > INT_MAX)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "decode: %u x %u is more than the stb engine holds",
		                   stored.width, stored.height);
	ret_pixels->bytes = load(source, &width, &height, &n_bands, ret_failure);
	ret_pixels->free_bytes = stbi_image_free;
	if (!ret_pixels->bytes)
		return false;
	ret_pixels->size = (struct size){(uint32_t)width, (uint32_t)height};
	ret_pixels->n_bands = (unsigned)n_bands;
	if (ret_pixels->size.width != stored.width ||
	    ret_pixels->size.height != stored.height)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "decode: came out as %d x %d, the header said %u x %u",
		                   width, height, stored.width, stored.height);

	if (state->orientation > 4)
		aim = (struct size){to.height, to.width};
	if (!scale(ret_pixels, aim) || !pixels_orient(ret_pixels, state->orientation))
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	return true;
}

static void stb_say_version(char *text, size_t n_text)
{
	/* Its headers have a version in a comment alone. */
	snprintf(text, n_text, "stb_image, stb_image_write");
}

const struct engine engine_stb = {
	.name = "stb",
	.choice = ENGINE_STB,
	.reads = stb_reads,
	.writes = stb_writes,
	.open = stb_open,
	.render = stb_render,
	.close = stb_close,
	.encode = stb_encode,
	.version = stb_say_version,
};
