#include "image/header/need.h"

#include "base/fd.h"

#include <string.h>

enum {
	WINDOW_BYTES = 4096,
	MAX_MARKERS = 4096, /* of a JPEG before its first scan */
	LINES = 2048,
	FEW_LINES = 512,
	GIF_PIXEL_BYTES = 8,
	ANIMATED_PIXEL_BYTES = 12,
};

static const uint64_t worker_bytes = (uint64_t)48 << 20;
static const uint64_t drawing_bytes = (uint64_t)8 << 20; /* fonts and shapes */

/* Bytes of a file by offset, through a window. Past the end they are zero. */
struct look {
	int input;
	uint64_t n_bytes, at; /* of the window */
	size_t n;
	uint8_t window[WINDOW_BYTES];
};

static uint8_t byte_at(struct look *look, uint64_t offset)
{
	ssize_t n;

	if (offset >= look->n_bytes)
		return 0;
	if (offset < look->at || offset >= look->at + look->n) {
		n = fd_pread_full(look->input, look->window, WINDOW_BYTES, (off_t)offset);
		look->at = offset;
		look->n = n > 0 ? (size_t)n : 0;
		if (n <= 0)
			return 0;
	}
	return look->window[offset - look->at];
}

static uint32_t big(struct look *look, uint64_t offset, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 | byte_at(look, offset + i);
	return number;
}

static uint32_t little(struct look *look, uint64_t offset, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number |= (uint32_t)byte_at(look, offset + i) << (8 * i);
	return number;
}

static bool is_at(struct look *look, uint64_t offset, const char *magic)
{
	for (; *magic; magic++, offset++) {
		if (byte_at(look, offset) != (uint8_t)*magic)
			return false;
	}
	return true;
}

/* ---- the formats ---- */

/* A frame header: the size, and what all coefficients take. */
static uint64_t look_at_frame(struct look *look, uint64_t at, struct picture_facts *facts)
{
	unsigned n_components = byte_at(look, at + 9), wide = 1, high = 1;
	uint64_t n_samples = 0, n_pixels;

	facts->size = (struct size){big(look, at + 7, 2), big(look, at + 5, 2)};
	facts->n_pixel_bytes = n_components < 3 ? n_components : 3;
	n_pixels = (uint64_t)facts->size.width * facts->size.height;
	for (unsigned i = 0; i < n_components; i++) {
		uint8_t factors = byte_at(look, at + 11 + (uint64_t)3 * i);

		wide = factors >> 4 > (int)wide ? factors >> 4 : wide;
		high = (factors & 15) > (int)high ? factors & 15 : high;
	}
	for (unsigned i = 0; i < n_components; i++) {
		uint8_t factors = byte_at(look, at + 11 + (uint64_t)3 * i);

		n_samples += n_pixels * (factors >> 4) * (factors & 15) /
		             ((uint64_t)wide * high);
	}
	return n_samples * 2;
}

static bool look_at_jpeg(struct look *look, struct picture_facts *facts)
{
	uint64_t at = 2, n_coefficient_bytes = 0;
	unsigned n_components = 0;

	for (int i = 0; i < MAX_MARKERS && at < look->n_bytes; i++) {
		uint8_t marker = byte_at(look, at + 1);

		if (byte_at(look, at) != 0xff)
			return false;
		if (marker == 0xff) {
			at++; /* filling */
			continue;
		}
		if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
		    marker != 0xc8 && marker != 0xcc) {
			n_coefficient_bytes = look_at_frame(look, at, facts);
			n_components = byte_at(look, at + 9);
			if ((marker & 3) == 2) /* progressive */
				facts->n_coefficient_bytes = n_coefficient_bytes;
		}
		if (marker == 0xda) {
			/* A first scan without all components is one of several. */
			if (byte_at(look, at + 4) < n_components)
				facts->n_coefficient_bytes = n_coefficient_bytes;
			return n_components > 0;
		}
		at += 2 + (uint64_t)big(look, at + 2, 2);
	}
	return false;
}

static bool look_at_png(struct look *look, struct picture_facts *facts)
{
	static const uint8_t channels[] = {1, 0, 3, 4,
	                                   2, 0, 4}; /* a palette may have alpha */
	uint8_t kind = byte_at(look, 25), depth = byte_at(look, 24);
	uint64_t at = 8;

	facts->size = (struct size){big(look, 16, 4), big(look, 20, 4)};
	facts->n_pixel_bytes = (kind < sizeof(channels) ? channels[kind] : 4U) *
	                       (depth == 16 ? 2 : 1);
	facts->is_interlaced = byte_at(look, 28) == 1;
	for (int i = 0; i < MAX_MARKERS && at < look->n_bytes; i++) {
		if (is_at(look, at + 4, "acTL"))
			facts->n_frames = big(look, at + 8, 4);
		if (is_at(look, at + 4, "IDAT"))
			break;
		at += 12 + (uint64_t)big(look, at, 4);
	}
	return is_at(look, 12, "IHDR");
}

/* The table of colours that a GIF's flags announce. */
static uint64_t colours_of(uint8_t flags)
{
	return flags & 0x80 ? (uint64_t)3 << ((flags & 7) + 1) : 0;
}

static uint64_t skip_blocks(struct look *look, uint64_t at)
{
	while (at < look->n_bytes && byte_at(look, at) > 0)
		at += 1 + (uint64_t)byte_at(look, at);
	return at + 1;
}

static bool look_at_gif(struct look *look, struct picture_facts *facts)
{
	uint64_t at = 13 + colours_of(byte_at(look, 10));

	facts->size = (struct size){little(look, 6, 2), little(look, 8, 2)};
	facts->n_pixel_bytes = 4;
	facts->n_frames = 0;
	while (at < look->n_bytes) {
		uint8_t kind = byte_at(look, at);

		if (kind == 0x21) {
			at = skip_blocks(look, at + 2);
		} else if (kind == 0x2c) {
			facts->n_frames++;
			at = skip_blocks(look,
			                 at + 11 + colours_of(byte_at(look, at + 9)));
		} else {
			break;
		}
	}
	return true;
}

static bool look_at_webp(struct look *look, struct picture_facts *facts)
{
	uint64_t at = 12;
	uint32_t n_frames = 0, bits;

	facts->n_pixel_bytes = 4;
	while (at + 8 <= look->n_bytes) {
		if (is_at(look, at, "VP8X")) {
			facts->size = (struct size){little(look, at + 12, 3) + 1,
			                            little(look, at + 15, 3) + 1};
		} else if (is_at(look, at, "VP8L")) {
			bits = little(look, at + 9, 4);
			if (!facts->size.width)
				facts->size = (struct size){(bits & 0x3fff) + 1,
				                            (bits >> 14 & 0x3fff) + 1};
		} else if (is_at(look, at, "VP8 ") && !facts->size.width) {
			facts->size = (struct size){little(look, at + 14, 2) & 0x3fff,
			                            little(look, at + 16, 2) & 0x3fff};
		} else if (is_at(look, at, "ANMF")) {
			n_frames++;
		}
		at += 8 + (((uint64_t)little(look, at + 4, 4) + 1) & ~(uint64_t)1);
	}
	if (n_frames > 0)
		facts->n_frames = n_frames;
	return facts->size.width > 0;
}

/* A value of a TIFF directory: of its first kind that fits. */
static uint32_t tiff_value(struct look *look, uint64_t entry, bool is_big,
                           uint32_t (*number)(struct look *, uint64_t, unsigned))
{
	uint32_t kind = number(look, entry + 2, 2);
	uint64_t at = entry + (is_big ? 12 : 8);

	return number(look, at, kind == 3 ? 2 : 4);
}

static bool look_at_tiff(struct look *look, struct picture_facts *facts)
{
	enum { WIDTH = 256, HEIGHT, BITS, SAMPLES = 277, TILE_HEIGHT = 323 };
	bool is_mm = byte_at(look, 0) == 'M';
	uint32_t (*number)(struct look *, uint64_t, unsigned) = is_mm ? big : little;
	bool is_big = number(look, 2, 2) == 43;
	uint64_t at = is_big ? number(look, is_mm ? 12 : 8, 4) : number(look, 4, 4);
	uint32_t n_entries = number(look, at, 2), bits = 8, samples = 1;

	/* Of a count of 8 bytes the low half is enough. */
	if (is_big && is_mm)
		n_entries = number(look, at + 6, 2);
	at += is_big ? 8 : 2;
	for (uint32_t i = 0; i < n_entries && i < 512; i++) {
		uint64_t entry = at + (uint64_t)i * (is_big ? 20 : 12);
		uint32_t value = tiff_value(look, entry, is_big, number);

		switch (number(look, entry, 2)) {
		case WIDTH:
			facts->size.width = value;
			break;
		case HEIGHT:
			facts->size.height = value;
			break;
		case BITS:
			/* More than two stand elsewhere. */
			bits = number(look, entry + 4, 4) <= 2 ? value & 0xffff
			                                       : number(look, value, 2);
			break;
		case SAMPLES:
			samples = value & 0xffff;
			break;
		case TILE_HEIGHT:
			facts->tile_height = value;
			break;
		default:
			break;
		}
	}
	if (bits > 64 || samples > 16)
		bits = samples = 8; /* a lie; libtiff will say so */
	facts->n_pixel_bytes = samples * (bits <= 8 ? 1 : bits / 8);
	return facts->size.width > 0 && facts->size.height > 0;
}

/* The largest of the sizes that a box of this name gives, in the file's beginning: a grid of
 * tiles has that of a tile as well. */
static bool look_at_boxes(struct look *look, const char *box, unsigned at_width,
                          unsigned at_height, struct picture_facts *facts)
{
	uint64_t most = 0;

	for (uint64_t at = 4; at < look->n_bytes && at < (uint64_t)16 * WINDOW_BYTES;
	     at++) {
		struct size size;

		if (!is_at(look, at, box))
			continue;
		size = (struct size){big(look, at + at_width, 4),
		                     big(look, at + at_height, 4)};
		if ((uint64_t)size.width * size.height > most) {
			most = (uint64_t)size.width * size.height;
			facts->size = size;
		}
	}
	return most > 0;
}

static bool look_at_bmp(struct look *look, struct picture_facts *facts)
{
	int32_t height = (int32_t)little(look, 22, 4);

	facts->size = (struct size){little(look, 18, 4),
	                            (uint32_t)(height < 0 ? -(int64_t)height : height)};
	if (little(look, 14, 4) == 12)
		facts->size = (struct size){little(look, 18, 2), little(look, 20, 2)};
	return facts->size.width > 0 && facts->size.height > 0;
}

static bool look_at_format(struct look *look, struct picture_facts *facts)
{
	switch (facts->format) {
	case FORMAT_JPEG:
		return look_at_jpeg(look, facts);
	case FORMAT_PNG:
		return look_at_png(look, facts);
	case FORMAT_GIF:
		return look_at_gif(look, facts);
	case FORMAT_WEBP:
		return look_at_webp(look, facts);
	case FORMAT_TIFF:
		return look_at_tiff(look, facts);
	case FORMAT_HEIC:
	case FORMAT_AVIF:
		return look_at_boxes(look, "ispe", 8, 12, facts);
	case FORMAT_JP2:
		return look_at_boxes(look, "ihdr", 8, 4, facts);
	case FORMAT_BMP:
		return look_at_bmp(look, facts);
	case FORMAT_TGA:
		facts->size = (struct size){little(look, 12, 2), little(look, 14, 2)};
		return true;
	case FORMAT_PSD:
		facts->size = (struct size){big(look, 18, 4), big(look, 14, 4)};
		return true;
	default:
		return false;
	}
}

bool need_look(int input, uint64_t n_bytes, const char *name,
               struct picture_facts *ret_facts)
{
	struct look look = {.input = input, .n_bytes = n_bytes};

	*ret_facts = (struct picture_facts){.n_frames = 1, .n_pixel_bytes = 4};
	byte_at(&look, 0);
	ret_facts->format = format_of_bytes(look.window, look.n, name);
	if (look_at_format(&look, ret_facts) && ret_facts->size.width > 0 &&
	    ret_facts->size.height > 0) {
		if (ret_facts->n_frames == 0) /* cut off before its first */
			ret_facts->n_frames = 1;
		return true;
	}
	ret_facts->size = (struct size){0, 0};
	ret_facts->n_frames = 1;
	return false;
}

/* ---- the estimate ---- */

/* A product that stays at its most: a size that lies must not wrap round to a small need. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX / 8
	               ? INT64_MAX / 8
	               : product;
}

static uint64_t lines_of(const struct picture_facts *facts, uint32_t n_lines)
{
	n_lines += 2 * facts->tile_height > n_lines ? 2 * facts->tile_height : 0;
	if (n_lines > facts->size.height)
		n_lines = facts->size.height;
	return times(times(facts->size.width, n_lines), facts->n_pixel_bytes);
}

static uint64_t need_of_decoder(const struct picture_facts *facts)
{
	uint64_t n_pixels = times(facts->size.width, facts->size.height);

	switch (facts->format) {
	case FORMAT_JPEG:
		return lines_of(facts, FEW_LINES) + facts->n_coefficient_bytes;
	case FORMAT_PNG:
		return facts->is_interlaced ? times(n_pixels, facts->n_pixel_bytes)
		                            : lines_of(facts, LINES);
	case FORMAT_WEBP:
		if (facts->n_frames > 1)
			return times(n_pixels, ANIMATED_PIXEL_BYTES);
		return lines_of(facts, FEW_LINES) + times(n_pixels, 4);
	case FORMAT_GIF:
		return times(n_pixels, facts->n_frames > 1 ? ANIMATED_PIXEL_BYTES
		                                           : GIF_PIXEL_BYTES);
	case FORMAT_HEIC:
	case FORMAT_AVIF:
	case FORMAT_JXL:
		return times(n_pixels, 14);
	case FORMAT_JP2:
		return times(n_pixels, 24);
	case FORMAT_BMP:
	case FORMAT_TGA:
		return times(n_pixels, 4);
	case FORMAT_PSD:
		return times(n_pixels, 8);
	case FORMAT_HDR:
		return times(n_pixels, 20);
	case FORMAT_SVG:
	case FORMAT_PDF:
		n_pixels = times(facts->decoded.width, facts->decoded.height);
		return drawing_bytes +
		       times(n_pixels, facts->format == FORMAT_SVG ? 8 : 4);
	default:
		return lines_of(facts, LINES);
	}
}

/* Bytes for each byte of the output's pixels. */
static uint64_t encoder_factor(const struct recipe *recipe, unsigned n_bands)
{
	switch (recipe->format) {
	case FORMAT_WEBP: /* alpha is always written without loss */
		return recipe->lossless || n_bands == 4 ? 11 : 5;
	case FORMAT_BMP:
	case FORMAT_TGA:
		return 5;
	case FORMAT_GIF:
		return 7;
	case FORMAT_HDR:
		return 8;
	case FORMAT_HEIC:
	case FORMAT_AVIF:
		return 12;
	case FORMAT_JXL:
	case FORMAT_JP2:
		return 24;
	default:
		return 3;
	}
}

static uint64_t area_of(struct size size)
{
	return times(size.width, size.height);
}

/* The output, on its canvas, which is clear beside the picture where the format has alpha. */
static uint64_t need_of_encoder(const struct picture_facts *facts,
                                const struct recipe *recipe, const struct layout *layout,
                                uint64_t n_frames)
{
	bool has_canvas = area_of(layout->canvas) > area_of(layout->scaled);
	struct size to = has_canvas ? layout->canvas : layout->scaled;
	bool has_alpha = facts->n_pixel_bytes >= 4 ||
	                 (has_canvas && format_info(recipe->format)->has_alpha);
	unsigned n_bands = has_alpha ? 4 : 3;

	return times(times(area_of(to), n_frames),
	             n_bands * encoder_factor(recipe, n_bands));
}

uint64_t need_of(const struct picture_facts *facts, const struct recipe *recipe,
                 uint64_t input_bytes, uint64_t n_frames)
{
	uint64_t need = worker_bytes + times(input_bytes, 1);

	if (facts->size.width > 0 && facts->size.height > 0) {
		struct layout layout = geometry_layout(&recipe->geometry, facts->size);

		geometry_focus(&layout, facts->size);
		/* The part to focus on is searched in all of it. */
		if (layout.is_focused && layout.is_searched)
			need += times(area_of(facts->size), facts->n_pixel_bytes);
		need += need_of_decoder(facts) +
		        need_of_encoder(facts, recipe, &layout, n_frames);
	}
	return need;
}

bool need_is_allowed(const struct picture_facts *facts, const struct recipe *recipe,
                     uint64_t input_bytes)
{
	uint64_t max_bytes = recipe->max_file_bytes ? recipe->max_file_bytes
	                                            : RECIPE_MAX_FILE_BYTES;
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;

	struct size size = facts->decoded.width > 0 ? facts->decoded : facts->size;

	return input_bytes <= max_bytes &&
	       (uint64_t)size.width * size.height <= max_pixels;
}

bool need_has_few_frames(const struct picture_facts *facts, const struct recipe *recipe,
                         struct failure *ret_failure)
{
	if (recipe->max_frames == 0 || facts->n_frames <= recipe->max_frames)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: %u frames, the limit is %u", facts->n_frames,
	                   recipe->max_frames);
}
