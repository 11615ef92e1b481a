/*
 * Reads TGA: grey, RGB and palettes, with or without run lengths, with the first pixel in any
 * corner. The bits of a pixel beyond the colours are alpha if the header declares alpha, unless the
 * extension area says that they are unused. If they are not alpha, they are ignored.
 */
#include "image/raster/raster_reader.h"

#include <string.h>

enum {
	HEAD_BYTES = 18,
	KIND_PALETTE = 1,
	KIND_RGB = 2,
	KIND_GREY = 3,
	RUNS = 8,
	FROM_RIGHT = 0x10,
	FROM_TOP = 0x20,
	INTERLEAVED = 0xc0,
};

/* The meaning of a pixel's bits beyond the colours. In a new TGA, the extension area declares
 * it. */
enum extra { EXTRA_ALPHA, EXTRA_UNUSED, EXTRA_PREMULTIPLIED };

struct tga {
	uint32_t width, height;
	unsigned kind, n_bits; /* number of bits of a pixel in the file */
	/* If pixels are palette indices: the number of bits of a palette colour. If not: the number
	 * of bits of a pixel. */
	unsigned n_colour_bits;
	bool is_in_runs, is_from_right, is_from_top;
	bool has_alpha, is_premultiplied;
	/* first: the index of the first palette colour. n_colours: the number of palette
	 * colours. */
	uint32_t first, n_colours;
	uint64_t palette_at, pixels_at;
};

static unsigned bytes_of(unsigned n_bits)
{
	return (n_bits + 7) / 8;
}

/* Read the meaning of a pixel's bits beyond the colours. The last 26 bytes of a new TGA contain the
 * offset of its extension area. Without an extension area, the bits are alpha. */
static enum extra read_extra(const struct raster *raster)
{
	enum { FOOT_BYTES = 26, ATTRIBUTES_AT = 494 };
	static const char magic[] = "TRUEVISION-XFILE.";
	uint64_t foot, extension;

	if (raster->n < HEAD_BYTES + FOOT_BYTES)
		return EXTRA_ALPHA;
	foot = raster->n - FOOT_BYTES;
	extension = raster_little(raster, foot, 4);
	if (memcmp(raster->bytes + foot + 8, magic, sizeof(magic)) != 0 ||
	    extension == 0 || extension + ATTRIBUTES_AT >= foot)
		return EXTRA_ALPHA;
	switch (raster_little(raster, extension + ATTRIBUTES_AT, 1)) {
	case 0:
	case 1:
	case 2:
		return EXTRA_UNUSED;
	case 4:
		return EXTRA_PREMULTIPLIED;
	default:
		return EXTRA_ALPHA;
	}
}

/* Whether a colour has enough bits for the alpha that the header declares. */
static bool can_have_alpha(const struct tga *tga)
{
	return tga->n_colour_bits == 32 || tga->n_colour_bits == 16;
}

static void read_header(struct tga *tga, const struct raster *raster)
{
	unsigned kind = raster_little(raster, 2, 1), flags = raster_little(raster, 17, 1);
	unsigned n_palette_bits = raster_little(raster, 7, 1);
	enum extra extra = read_extra(raster);

	*tga = (struct tga){
		.width = raster_little(raster, 12, 2),
		.height = raster_little(raster, 14, 2),
		.kind = kind & ~(unsigned)RUNS,
		.n_bits = raster_little(raster, 16, 1),
		.is_in_runs = kind & RUNS,
		.is_from_right = flags & FROM_RIGHT,
		.is_from_top = flags & FROM_TOP,
		.first = raster_little(raster, 3, 2),
		.n_colours = raster_little(raster, 5, 2),
		.palette_at = (uint64_t)HEAD_BYTES + raster_little(raster, 0, 1),
	};
	tga->n_colour_bits = tga->kind == KIND_PALETTE ? n_palette_bits : tga->n_bits;
	tga->has_alpha = (flags & 15) > 0 && extra != EXTRA_UNUSED && can_have_alpha(tga);
	tga->is_premultiplied = extra == EXTRA_PREMULTIPLIED;
	tga->pixels_at = tga->palette_at;
	/* A file may have a palette even if its pixels are not palette indices. */
	if (raster_little(raster, 1, 1) == 1)
		tga->pixels_at += (uint64_t)tga->n_colours * bytes_of(n_palette_bits);
}

static bool is_known(const struct tga *tga)
{
	switch (tga->kind) {
	case KIND_PALETTE:
		if (tga->n_bits != 8 && tga->n_bits != 15 && tga->n_bits != 16)
			return false;
		break;
	case KIND_GREY:
		return tga->n_bits == 8 || tga->n_bits == 16;
	case KIND_RGB:
		break;
	default:
		return false;
	}
	return tga->n_colour_bits == 15 || tga->n_colour_bits == 16 ||
	       tga->n_colour_bits == 24 || tga->n_colour_bits == 32;
}

static bool tga_open(struct raster *raster, struct failure *ret_failure)
{
	struct tga tga;

	read_header(&tga, raster);
	if (raster_little(raster, 17, 1) & INTERLEAVED)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: a TGA with interleaved rows is not supported: "
			"save it as PNG first");
	if (!is_known(&tga))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a TGA of kind %u with %u bits a pixel is not "
		                   "supported: save it as PNG first",
		                   tga.kind, tga.n_bits);
	raster->size = (struct size){tga.width, tga.height};
	raster->n_bits = 8;
	raster->n_bands = (tga.kind == KIND_GREY ? 1U : 3U) + (tga.has_alpha ? 1U : 0U);
	return true;
}

/* Convert a sample of 5 bits to 8 bits. */
static uint8_t widen(unsigned sample)
{
	return (uint8_t)((sample & 31) * 255 / 31);
}

static uint8_t divide_by_alpha(unsigned sample, unsigned alpha)
{
	unsigned value = alpha > 0 ? (sample * 255 + alpha / 2) / alpha : 0;

	return (uint8_t)(value < 255 ? value : 255);
}

/* Store a colour: grey or RGB. Also store alpha if the picture has it. */
static void put_colour(const struct tga *tga, const uint8_t *from, uint8_t *to)
{
	unsigned n_colours = tga->kind == KIND_GREY ? 1 : 3, word;
	unsigned alpha = 255;

	if (n_colours == 1) {
		to[0] = from[0];
		alpha = tga->has_alpha ? from[1] : 255;
	} else if (tga->n_colour_bits > 16) {
		for (int band = 0; band < 3; band++)
			to[band] = from[2 - band];
		alpha = tga->has_alpha ? from[3] : 255;
	} else {
		word = from[0] | (unsigned)from[1] << 8;
		to[0] = widen(word >> 10);
		to[1] = widen(word >> 5);
		to[2] = widen(word);
		alpha = word & 0x8000 ? 255 : 0;
	}
	if (!tga->has_alpha)
		return;
	for (unsigned band = 0; tga->is_premultiplied && band < n_colours; band++)
		to[band] = divide_by_alpha(to[band], alpha);
	to[n_colours] = (uint8_t)alpha;
}

/* Store a pixel. Returns false if the pixel is an index that the palette does not have. */
static bool put_pixel(const struct raster *raster, const struct tga *tga,
                      const uint8_t *from, uint8_t *to)
{
	unsigned n_colour = bytes_of(tga->n_colour_bits);
	uint32_t index;
	uint64_t at;

	if (tga->kind != KIND_PALETTE) {
		put_colour(tga, from, to);
		return true;
	}
	index = from[0] | (tga->n_bits > 8 ? (uint32_t)from[1] << 8 : 0);
	if (index < tga->first || index - tga->first >= tga->n_colours)
		return false;
	at = tga->palette_at + (uint64_t)(index - tga->first) * n_colour;
	if (at + n_colour > raster->n)
		return false;
	put_colour(tga, raster->bytes + at, to);
	return true;
}

/* Reads the pixels of the file one after the other. */
struct stream {
	uint64_t at;
	unsigned n_bytes; /* number of bytes of a pixel */
	unsigned n_left;  /* number of pixels left in the current packet */
	bool is_run;
};

/* Find the next pixel. Returns NULL at the end of the file. */
static const uint8_t *next_pixel(struct stream *stream, const struct raster *raster,
                                 const struct tga *tga)
{
	bool is_first = stream->n_left == 0;

	if (tga->is_in_runs && is_first) {
		uint32_t packet = raster_little(raster, stream->at++, 1);

		stream->is_run = packet & 0x80;
		stream->n_left = (packet & 0x7f) + 1;
	}
	if (tga->is_in_runs)
		stream->n_left--;
	/* All pixels of a run share the bytes of its first pixel. */
	if (!stream->is_run || is_first)
		stream->at += stream->n_bytes;
	if (stream->at > raster->n)
		return NULL;
	return raster->bytes + stream->at - stream->n_bytes;
}

static bool tga_decode(const struct raster *raster, uint8_t *samples,
                       struct failure *ret_failure)
{
	struct tga tga;
	struct stream stream;

	read_header(&tga, raster);
	stream = (struct stream){.at = tga.pixels_at, .n_bytes = bytes_of(tga.n_bits)};
	for (uint32_t i = 0; i < tga.height; i++) {
		uint32_t y = tga.is_from_top ? i : tga.height - 1 - i;

		for (uint32_t j = 0; j < tga.width; j++) {
			uint32_t x = tga.is_from_right ? tga.width - 1 - j : j;
			uint64_t to = ((uint64_t)y * tga.width + x) * raster->n_bands;
			const uint8_t *from = next_pixel(&stream, raster, &tga);

			if (!from)
				return raster_ends_early(raster, ret_failure);
			if (!put_pixel(raster, &tga, from, samples + to) &&
			    !raster_is_damaged(raster, "a colour is not in the palette",
			                       ret_failure))
				return false;
		}
	}
	return true;
}

const struct raster_reader raster_tga = {tga_open, tga_decode};
