/*
 * The stb engine: stb_image, stb_image_resize, stb_image_write and our readers of image/raster,
 * which need nothing but a C compiler. It has no colour management: it refuses pictures that are not sRGB, rather than show
 * them wrong. metadata_scan.c reads what stb does not tell. Metadata do not come through: where
 * some must be kept and the picture has them, it refuses the picture too.
 *
 * stb_image fills the rest of a JPEG that ends early with grey, and calls some such files good. The
 * engine looks for the end marker first: a file without one is a bad image here as everywhere,
 * unless fail_on is none. Damage in the middle of the scans goes unnoticed; libvips notices some of
 * it.
 */
#include "image/engine.h"

#include "base/fd.h"
#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image/memory_estimate.h"
#include "image/raster/raster.h"
#include "image/stb/stb.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ps_state {
	struct size stored;   /* as stored, not turned */
	struct pixels pixels; /* after decode() */
	/* the picture, if image/raster reads it; else its bytes are NULL */
	struct raster raster;
	/* a JPEG without an end marker, which fail_on lets pass */
	bool ends_early;
};

static const uint8_t jpeg_end[2] = {0xff, 0xd9};

static bool ps_reads(enum image_format format)
{
	switch (format) {
	case FORMAT_JPEG:
	case FORMAT_PNG:
	case FORMAT_GIF:
	case FORMAT_HDR:
		return true;
	default:
		return raster_reads(format);
	}
}

/* Turn the reason of stb_image into a failure. Its words tell damage from missing
 * features. */
static bool fail_stb(struct failure *ret_failure, const char *stage)
{
	const char *reason = stbi_failure_reason();
	enum fail_class class = FAIL_BAD_IMAGE;

	if (!reason)
		reason = "no reason given";
	/* An unknown chunk most often means the zeros after a file that was cut off. */
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
	enum { ROOM = 64 * 1024 }; /* an sRGB profile is much smaller */
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

/* ---- headers, before stb_image's own look ---- */

static uint64_t number_at(const struct source *source, uint64_t at, unsigned n)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 |
		         (at + i < source->n_bytes ? source->bytes[at + i] : 0);
	return number;
}

/*
 * Whether a PNG is larger than stb_image reads. It would report another reason, which the
 * formats that it tries next have overwritten.
 */
static bool png_is_too_big(const struct source *source)
{
	enum { WIDTH_AT = 16, HEIGHT_AT = 20, COLOURS_AT = 25, MOST = 1 << 30 };
	const uint8_t *b = source->bytes;
	uint64_t width, height, n_bands;

	if (source->format != FORMAT_PNG || source->n_bytes <= COLOURS_AT)
		return false;
	width = number_at(source, WIDTH_AT, 4);
	height = number_at(source, HEIGHT_AT, 4);
	n_bands = b[COLOURS_AT] == 3
	                  ? 4
	                  : (b[COLOURS_AT] & 2 ? 3U : 1U) + (b[COLOURS_AT] & 4 ? 1U : 0U);
	return width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS ||
	       width * height > MOST / n_bands;
}

/* Refuse files that stb_image would decode wrongly. */
static bool check_scan(const struct metadata_scan *scan, struct failure *ret_failure)
{
	if (scan->n_components > 3)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: CMYK needs the vips engine");
	if (scan->process > 0xc2)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: the stb engine does not support this JPEG process");
	if (!scan_is_srgb(scan))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: a colour profile other than sRGB needs the vips "
			"engine");
	if (scan->has_bad_table)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: a Huffman table has too many codes");
	if (!scan->is_whole)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file ends before its end marker");
	return true;
}

/* Refuse files with metadata that the recipe keeps and this engine cannot. */
static bool check_kept(const struct source *source, const struct metadata_scan *scan,
                       const struct raster *raster, const struct recipe *recipe,
                       struct failure *ret_failure)
{
	bool is_deep = raster->bytes
	                       ? raster->n_bits > 8
	                       : source->format == FORMAT_HDR ||
	                                 stbi_is_16_bit_from_memory(source->bytes,
	                                                            (int)source->n_bytes);
	const char *what = NULL;

	if ((recipe->keep & (KEEP_EXIF | KEEP_GPS)) && scan->has_exif)
		what = "EXIF";
	else if ((recipe->keep & KEEP_XMP) && scan->has_xmp)
		what = "XMP";
	else if ((recipe->keep & KEEP_IPTC) && scan->has_iptc)
		what = "IPTC";
	if (what)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep %s: use "
		                   "--keep none, or the vips engine",
		                   what);
	if (recipe->depth == DEPTH_KEEP && format_info(recipe->format)->has_depth &&
	    is_deep)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: the stb engine cannot keep 16 bits: use "
		                   "--depth 8, or the vips engine");
	return true;
}

/* Read the header by our own readers, or by stb_image, which gives the stored size. */
static bool read_header(const struct source *source, struct ps_state *state,
                        struct failure *ret_failure)
{
	int width, height, n_bands;

	if (source->n_bytes > INT_MAX - sizeof(jpeg_end))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the stb engine reads files up to 2 GiB");
	if (raster_reads_file(source->format, source->bytes, source->n_bytes)) {
		bool is_lenient = source->reading->fail_on == FAIL_ON_NONE;

		if (!raster_open(&state->raster, source->format, source->bytes,
		                 source->n_bytes, is_lenient, ret_failure))
			return false;
		state->stored = state->raster.size;
		return true;
	}
	if (png_is_too_big(source))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the PNG is larger than the stb engine reads");
	if (!stbi_info_from_memory(source->bytes, (int)source->n_bytes, &width, &height,
	                           &n_bands))
		return fail_stb(ret_failure, "header");
	if (width < 1 || height < 1 || n_bands < 1 || n_bands > 4)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: impossible size %d x %d with %d bands", width,
		                   height, n_bands);
	if (width > STBI_MAX_DIMENSIONS || height > STBI_MAX_DIMENSIONS)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: %d x %d, but the longest side of the stb engine is %d",
			width, height, STBI_MAX_DIMENSIONS);
	state->stored = (struct size){(uint32_t)width, (uint32_t)height};
	return true;
}

/* Read the facts that stb_image does not report. */
static void scan_metadata(const struct source *source, struct metadata_scan *ret_scan)
{
	*ret_scan = (struct metadata_scan){.orientation = 1, .is_whole = true};
	if (source->format == FORMAT_JPEG)
		metadata_scan_jpeg(ret_scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_PNG)
		metadata_scan_png(ret_scan, source->bytes, source->n_bytes);
	else if (source->format == FORMAT_GIF)
		ret_scan->is_whole = gif_is_whole(source->bytes, source->n_bytes);
}

static bool check_all_kept(const struct source *source, const struct metadata_scan *scan,
                           const struct raster *raster, struct failure *ret_failure)
{
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!check_kept(source, scan, raster, source->variants[i].recipe,
		                ret_failure))
			return false;
	}
	return true;
}

static bool open_source(struct source *source, struct failure *ret_failure)
{
	struct metadata_scan scan;
	struct ps_state state = {0};
	struct size stored;

	if (!read_header(source, &state, ret_failure))
		return false;
	scan_metadata(source, &scan);
	state.ends_early = source->format == FORMAT_JPEG && !scan.is_whole;
	if (source->reading->fail_on == FAIL_ON_NONE)
		scan.is_whole = true;
	if (!check_scan(&scan, ret_failure) ||
	    !check_all_kept(source, &scan, &state.raster, ret_failure))
		return false;
	source->state = malloc(sizeof(state));
	if (!source->state)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	memcpy(source->state, &state, sizeof(state));
	stored = state.stored;
	source->orientation = source->reading->no_rotate ? 1 : scan.orientation;
	source->size = source->orientation > 4
	                       ? (struct size){stored.height, stored.width}
	                       : stored;
	return true;
}

static enum claim ps_claim_source(struct source *source, struct failure *ret_reason)
{
	if (!ps_reads(source->format))
		return CLAIM_CANNOT;
	if (open_source(source, ret_reason))
		return CLAIM_CAN;
	/* Another engine may support it. */
	return ret_reason->class == FAIL_UNSUPPORTED ? CLAIM_CANNOT : CLAIM_FAILED;
}

static void ps_close(struct source *source)
{
	struct ps_state *state = source->state;

	pixels_fini(&state->pixels);
	free(state);
	source->state = NULL;
}

/*
 * The bytes for stb_image, as a stream. JPEG and PNG do not need it: metadata_scan.c and
 * stb_image look for their ends. For GIF and HDR stb_image does not check whether it got as many
 * bytes as it wanted: from memory it reads zeros past the end.
 */
struct feed {
	const struct source *source;
	size_t at;
	const char *buffer; /* the buffer of stb_image, which may be filled in part */
	bool is_overrun;    /* stb_image wanted more than there is */
};

static int feed_read(void *data, char *bytes, int n_int)
{
	struct feed *feed = data;
	size_t n = (size_t)n_int, n_left = feed->source->n_bytes - feed->at;
	size_t n_here = n < n_left ? n : n_left;

	/* The first read fills the buffer. */
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
	/* stb_image 2.27 loops forever over an HDR that ends early, because it takes the
	 * end for runs of length 0. Endless newlines end its loops. */
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

/* stb_image refuses a JPEG without an end marker, so decode a copy that has one. */
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

/* With as many bands as it finds: the header does not know the tRNS of a PNG. */
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

/* Reduce 16-bit samples to 8 bits, in place. */
static void halve_depth(uint8_t *samples, size_t n)
{
	const uint16_t *wide = (const uint16_t *)(const void *)samples;

	for (size_t i = 0; i < n; i++)
		samples[i] = (uint8_t)((wide[i] + 128U) / 257);
}

static bool decode_raster(struct ps_state *state, struct failure *ret_failure)
{
	const struct raster *raster = &state->raster;
	size_t n = (size_t)raster_bytes(raster);
	uint8_t *samples = calloc(n, 1);

	if (!samples)
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	if (!raster_decode(raster, samples, ret_failure)) {
		free(samples);
		return false;
	}
	if (raster->n_bits == 16)
		halve_depth(samples, n / 2);
	state->pixels = (struct pixels){
		.size = raster->size,
		.n_bands = raster->n_bands,
		.bytes = samples,
		.free_bytes = free,
	};
	return true;
}

static bool ps_decode(struct source *source, struct failure *ret_failure)
{
	struct ps_state *state = source->state;
	struct size stored = state->stored;
	int width, height, n_bands;
	uint8_t *bytes;

	if (state->pixels.bytes)
		return true;
	if ((uint64_t)stored.width * stored.height * 4 > INT_MAX)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "decode: %u x %u is more than the stb engine can hold",
		                   stored.width, stored.height);
	if (state->raster.bytes)
		return decode_raster(state, ret_failure);
	bytes = load(source, &width, &height, &n_bands, ret_failure);
	if (!bytes)
		return false;
	state->pixels = (struct pixels){
		.size = {(uint32_t)width, (uint32_t)height},
		.n_bands = (unsigned)n_bands,
		.bytes = bytes,
		.free_bytes = stbi_image_free,
	};
	return ((uint32_t)width == stored.width && (uint32_t)height == stored.height) ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: the size is %d x %d, but the header says %u x %u",
	                   width, height, stored.width, stored.height);
}

static const struct pixels *ps_lend_pixels(struct source *source,
                                           struct failure *ret_failure)
{
	struct ps_state *state = source->state;

	return ps_decode(source, ret_failure) ? &state->pixels : NULL;
}

static bool ps_derive(struct source *source, const struct pixels *lent,
                      const struct picture_variant *variant, bool is_last,
                      struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct pixels *pixels = &ret_rendering->pixels;

	if (lent || !is_last) {
		const struct ps_state *state = source->state;

		if (!pixels_copy(pixels, lent ? lent : &state->pixels))
			return failure_set(ret_failure, FAIL_MEMORY,
			                   "decode: out of memory");
	} else {
		struct ps_state *state = source->state;

		*pixels = state->pixels;
		state->pixels = (struct pixels){0};
	}
	if (!ps_shape(pixels, source->orientation, variant->recipe, ret_failure))
		return false;
	ret_rendering->size = pixels->size;
	ret_rendering->n_frames = 1;
	return true;
}

/* ---- writing ---- */

static bool ps_writes(enum image_format format)
{
	return format == FORMAT_JPEG || format == FORMAT_PNG || format == FORMAT_BMP ||
	       format == FORMAT_TGA || format == FORMAT_HDR || format == FORMAT_PNM;
}

/* A buffer that collects the pieces written by stb_image_write. */
struct buffer {
	char *bytes;
	size_t n, room;
	bool is_broken;
};

static void gather(void *data, void *bytes, int n_int)
{
	struct buffer *buffer = data;
	size_t n = n_int > 0 ? (size_t)n_int : 0;

	if (buffer->is_broken)
		return;
	if (n > buffer->room - buffer->n) {
		size_t room = 2 * (buffer->room + n) + 4096;
		char *bigger = realloc(buffer->bytes, room);

		if (!bigger) {
			buffer->is_broken = true;
			return;
		}
		buffer->bytes = bigger;
		buffer->room = room;
	}
	if (n > 0)
		memcpy(buffer->bytes + buffer->n, bytes, n);
	buffer->n += n;
}

/* A PNM is a line of text and the raw pixels. */
static int write_pnm(struct buffer *buffer, int width, int height, int n_bands,
                     void *bytes)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "P%c\n%d %d\n255\n",
	                 n_bands == 1 ? '5' : '6', width, height);

	gather(buffer, head, n);
	gather(buffer, bytes, width * height * n_bands);
	return 1;
}

/* Encode three linear values as RGBE: they share the exponent of the largest. */
static void to_rgbe(uint8_t rgbe[4], const double light[3])
{
	double most = fmax(light[0], fmax(light[1], light[2]));
	int exponent = 0;
	double factor = most < 1e-32 ? 0 : frexp(most, &exponent) * 256 / most;

	for (int band = 0; band < 3; band++)
		rgbe[band] = (uint8_t)(light[band] * factor);
	rgbe[3] = factor > 0 ? (uint8_t)(exponent + 128) : 0;
}

/* Write linear light, without run lengths. (stb_image_write has an HDR writer only
 * together with stdio.) */
static int write_hdr(struct buffer *buffer, int width, int height, int n_bands,
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
	gather(buffer, head, n);
	for (size_t i = 0; i < (size_t)width * (size_t)height; i++, bytes += n_bands) {
		for (int band = 0; band < 3; band++)
			light[band] = curve[bytes[n_bands < 3 ? 0 : band]];
		to_rgbe(rgbe, light);
		gather(buffer, rgbe, sizeof(rgbe));
	}
	return 1;
}

static int encode_into(struct buffer *buffer, const struct pixels *pixels,
                       const struct recipe *recipe)
{
	int width = (int)pixels->size.width, height = (int)pixels->size.height;
	int n_bands = (int)pixels->n_bands;

	switch (recipe->format) {
	case FORMAT_JPEG:
		return stbi_write_jpg_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes, (int)engine_quality(recipe));
	case FORMAT_PNG:
		stbi_write_png_compression_level = recipe->has_effort ? recipe->effort
		                                                      : 8;
		return stbi_write_png_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes, width * n_bands);
	case FORMAT_BMP:
		return stbi_write_bmp_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_TGA:
		return stbi_write_tga_to_func(gather, buffer, width, height, n_bands,
		                              pixels->bytes);
	case FORMAT_HDR:
		return write_hdr(buffer, width, height, n_bands, pixels->bytes);
	case FORMAT_PNM:
		return write_pnm(buffer, width, height, n_bands, pixels->bytes);
	default:
		return 0;
	}
}

/* A failed write is internal here; picture.c knows whether the output is over its limit. */
static bool ps_encode(const struct rendering *rendering, const struct recipe *recipe,
                      int output, struct failure *ret_failure)
{
	const struct pixels *pixels = &rendering->pixels;
	struct buffer buffer = {0};
	bool is_written = false;

	/* stb_image_write computes sizes in int. */
	if ((uint64_t)pixels->size.width * pixels->size.height * 5 > INT_MAX / 2)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"encode: %u x %u is more than the stb engine can write",
			pixels->size.width, pixels->size.height);
	if (!encode_into(&buffer, pixels, recipe) || buffer.is_broken)
		failure_set(ret_failure, FAIL_MEMORY, "encode: out of memory");
	else if (!fd_write_all(output, buffer.bytes, buffer.n))
		failure_set(ret_failure, FAIL_INTERNAL, "encode: %s",
		            strerrordesc_np(errno));
	else
		is_written = true;
	free(buffer.bytes);
	return is_written;
}

/* ---- the engine ---- */

static enum claim ps_claim_output(const struct source *source, bool is_lent,
                                  const struct recipe *recipe, struct failure *ret_reason)
{
	(void)source;
	(void)is_lent;
	return ps_takes(recipe, ret_reason) ? CLAIM_CAN : CLAIM_CANNOT;
}

/*
 * Bytes per pixel, from the source of stb_image 2.27. JPEG: planes and pixels, and all coefficients
 * if there are several scans. PNG: rows and pixels. GIF: pixels, background and history. HDR: wider
 * samples first. Formats of image/raster: up to four samples of 16 bits.
 */
static uint64_t ps_decoder_memory(const struct picture_header *header,
                                  const struct picture_variant *variants,
                                  unsigned n_variants)
{
	uint64_t n_pixels = memory_area(header->size);
	uint64_t n_kept = n_variants > 1 ? memory_product(n_pixels, 4) : 0;

	(void)variants;
	switch (header->format) {
	case FORMAT_JPEG:
		return n_kept + memory_product(n_pixels, 6) + header->n_coefficient_bytes;
	case FORMAT_PNG:
		return n_kept +
		       memory_product(n_pixels, (uint64_t)3 * header->n_pixel_bytes);
	case FORMAT_GIF:
		return n_kept + memory_product(n_pixels, 9);
	case FORMAT_PSD:
	case FORMAT_PNM:
	case FORMAT_PAM:
		return n_kept + memory_product(n_pixels, 8);
	case FORMAT_HDR:
		return n_kept + memory_product(n_pixels, 20);
	default:
		return n_kept + memory_product(n_pixels, 4);
	}
}

static void ps_say_version(char *text, size_t n_text)
{
	/* The stb headers have a version only in a comment. */
	snprintf(text, n_text, "stb_image, stb_image_write");
}

const struct engine engine_stb = {
	.name = "stb",
	.version = ps_say_version,
	.reads = ps_reads,
	.writes = ps_writes,
	.claim_source = ps_claim_source,
	.claim_output = ps_claim_output,
	.decoder_memory = ps_decoder_memory,
	.output_memory = memory_of_output,
	.decode = ps_decode,
	.check = ps_decode,
	.lend_pixels = ps_lend_pixels,
	.derive = ps_derive,
	.close = ps_close,
	.encode = ps_encode,
};
