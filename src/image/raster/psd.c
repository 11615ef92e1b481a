/*
 * Reads the merged picture of PSD and PSB, in grey, RGB or a palette, with 8 or 16 bits. A channel
 * beyond the colours is transparency if the section of layers says so. If not, the channel is a
 * selection that the user saved.
 */
#include "image/raster/raster_reader.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEAD_BYTES = 26,
	MODE_GREY = 1,
	MODE_PALETTE = 2,
	MODE_RGB = 3,
	MODE_DUOTONE = 8, /* duotone: grey that is printed with other inks */
	PACKED = 1,       /* run-length coding, the same as PackBits in TIFF */
	PALETTE_BYTES = 768,
};

struct psd {
	bool is_large; /* the file is a PSB, in which some lengths have 8 bytes */
	unsigned n_channels, n_bits, mode;
	uint32_t width, height;
	unsigned n_colours; /* number of colour channels */
	bool has_alpha;
	unsigned compression;
	uint64_t palette_at, pixels_at;
};

/* Read a number of up to 4 bytes at an offset, most significant byte first. Bytes past the end of
 * the file count as 0. */
static uint32_t read_big(const struct raster *raster, uint64_t at, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 | (at + i < raster->n ? raster->bytes[at + i] : 0U);
	return number;
}

/* Read a length of 8 bytes if is_long is true, or of 4 bytes if not. */
static uint64_t read_length(const struct raster *raster, uint64_t at, bool is_long)
{
	if (!is_long)
		return read_big(raster, at, 4);
	return (uint64_t)read_big(raster, at, 4) << 32 | read_big(raster, at + 4, 4);
}

/* Compute a + b, or UINT64_MAX if the sum overflows. */
static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static bool is_text_at(const struct raster *raster, uint64_t at, const char *text)
{
	return at <= raster->n && raster->n - at >= 4 &&
	       memcmp(raster->bytes + at, text, 4) == 0;
}

/* Whether the number of layers is negative. A negative number means that the first channel beyond
 * the colours is transparency. */
static bool says_transparent(const struct raster *raster, uint64_t at)
{
	return read_big(raster, at, 2) & 0x8000;
}

static bool is_block_at(const struct raster *raster, uint64_t at)
{
	return is_text_at(raster, at, "8BIM") || is_text_at(raster, at, "8B64");
}

/*
 * Search the blocks after the masks for a sign of transparency. A file of 16 bits has its layers in
 * such a block. A file without layers may instead have an empty block that means transparency.
 */
static bool find_in_blocks(const struct raster *raster, const struct psd *psd,
                           uint64_t at, uint64_t end)
{
	static const char signs[][5] = {"Mt16", "Mt32", "Mtrn"};

	while (at < end && is_block_at(raster, at)) {
		bool is_of_layers = is_text_at(raster, at + 4, "Lr16") ||
		                    is_text_at(raster, at + 4, "Lr32");
		bool is_long = psd->is_large &&
		               (is_of_layers || is_text_at(raster, at, "8B64"));
		uint64_t n_head = is_long ? 16 : 12;

		for (int i = 0; i < 3; i++) {
			if (is_text_at(raster, at + 4, signs[i]))
				return true;
		}
		if (is_of_layers)
			return says_transparent(raster, at + n_head);
		at = add(at, add(n_head, read_length(raster, at + 8, is_long)));
		/* Skip the padding, which makes the length of a block a multiple of 2 or 4
		 * bytes. */
		for (int i = 0; i < 3 && !is_block_at(raster, at); i++)
			at = add(at, 1);
	}
	return false;
}

/* Whether the section of layers and masks says that the merged picture has transparency. */
static bool has_transparency(const struct raster *raster, const struct psd *psd,
                             uint64_t at, uint64_t end)
{
	unsigned n_length = psd->is_large ? 8 : 4;
	uint64_t n_layers;

	if (end - at < n_length)
		return false;
	n_layers = read_length(raster, at, psd->is_large);
	at += n_length;
	if (n_layers > 0 && says_transparent(raster, at))
		return true;
	/* The masks follow the layers. The length field of the masks has 4 bytes, even in a PSB. */
	at = add(at, n_layers);
	if (at >= end)
		return false;
	return find_in_blocks(raster, psd,
	                      add(at, add(4, read_length(raster, at, false))), end);
}

/* Find the profile in the section of resources, which begins at offset `at`. A resource consists of
 * a signature, a number, the length of its name, the name, the length of its data, and the data.
 * The name and its length, and the data, are padded to an even number of bytes. */
static void find_profile(struct raster *raster, uint64_t at)
{
	enum { PROFILE = 1039, NAME_AT = 6 };
	uint64_t end = add(at, read_big(raster, at, 4));

	for (at = add(at, 4); at < end && is_text_at(raster, at, "8BIM");) {
		uint64_t name_bytes = 1 + (uint64_t)read_big(raster, at + NAME_AT, 1);
		uint64_t n_at = at + NAME_AT + name_bytes + name_bytes % 2;
		uint64_t n = read_big(raster, n_at, 4);

		if (read_big(raster, at + 4, 2) == PROFILE)
			raster_take_profile(raster, n_at + 4, n);
		at = n_at + 4 + n + n % 2;
	}
}

static void read_header(struct psd *psd, const struct raster *raster)
{
	uint64_t at = HEAD_BYTES, layers_at;

	*psd = (struct psd){
		.is_large = read_big(raster, 4, 2) == 2,
		.n_channels = read_big(raster, 12, 2),
		.height = read_big(raster, 14, 4),
		.width = read_big(raster, 18, 4),
		.n_bits = read_big(raster, 22, 2),
		.mode = read_big(raster, 24, 2),
		.palette_at = HEAD_BYTES + 4,
	};
	psd->n_colours = psd->mode == MODE_RGB ? 3 : 1;
	/* Skip two sections: the palette and the resources. */
	for (int section = 0; section < 2; section++)
		at = add(at, 4 + read_length(raster, at, false));
	layers_at = at;
	at = add(at, add(psd->is_large ? 8 : 4, read_length(raster, at, psd->is_large)));
	if (psd->n_channels > psd->n_colours && layers_at < raster->n)
		psd->has_alpha = has_transparency(
			raster, psd, layers_at + (psd->is_large ? 8 : 4), at);
	psd->compression = read_big(raster, at, 2);
	psd->pixels_at = add(at, 2);
}

static bool is_known(const struct psd *psd)
{
	switch (psd->mode) {
	case MODE_GREY:
	case MODE_DUOTONE:
	case MODE_RGB:
		return psd->n_bits == 8 || psd->n_bits == 16;
	case MODE_PALETTE:
		return psd->n_bits == 8;
	default:
		return false;
	}
}

static bool psd_open(struct raster *raster, struct failure *ret_failure)
{
	struct psd psd;

	if (raster->n < HEAD_BYTES)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file ends early");
	read_header(&psd, raster);
	if (!is_known(&psd))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: this PSD has the colour mode %u and %u "
		                   "bits a sample, which is not supported: save it as "
		                   "TIFF first",
		                   psd.mode, psd.n_bits);
	if (psd.compression > PACKED)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a PSD with compression %u is not supported: "
		                   "save it as TIFF first",
		                   psd.compression);
	if (psd.n_channels < psd.n_colours)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the PSD has %u channels, but its colours "
		                   "need %u",
		                   psd.n_channels, psd.n_colours);
	/* The section of resources follows the palette. */
	find_profile(raster, HEAD_BYTES + 4 + (uint64_t)read_big(raster, HEAD_BYTES, 4));
	raster->size = (struct size){psd.width, psd.height};
	raster->n_bits = psd.n_bits;
	raster->n_bands = (psd.mode == MODE_PALETTE ? 3U : psd.n_colours) +
	                  (psd.has_alpha ? 1U : 0U);
	return true;
}

/* Decompress a row of n bytes. Returns false if the compressed bytes give fewer than n bytes;
 * further bytes are ignored. */
static bool unpack(const uint8_t *from, uint64_t n_from, uint8_t *to, uint64_t n)
{
	const uint8_t *end = from + n_from;

	while (n > 0 && from < end) {
		uint8_t code = *from++;
		uint64_t n_run = code < 128 ? code + 1U : 257U - code;

		if (code == 128)
			continue;
		if (n_run > n)
			n_run = n;
		if (code < 128) {
			if ((uint64_t)(end - from) < n_run)
				return false;
			memcpy(to, from, n_run);
			from += n_run;
		} else {
			if (from == end)
				return false;
			memset(to, *from++, n_run);
		}
		to += n_run;
		n -= n_run;
	}
	return n == 0;
}

/* Reads the rows of the file: first all rows of the first channel, then those of the next. */
struct rows {
	const struct raster *raster;
	const struct psd *psd;
	uint64_t n_row;     /* number of bytes of a decompressed row */
	uint64_t counts_at; /* offset of the compressed length of the next row */
	uint64_t at;        /* offset of the next row */
	uint8_t *unpacked;  /* a buffer for a row */
};

/* Read the next row of a channel. Returns NULL if the file ends early, or if the row cannot be
 * decompressed. */
static const uint8_t *next_row(struct rows *rows)
{
	const struct raster *raster = rows->raster;
	unsigned n_count = rows->psd->is_large ? 4 : 2;
	uint64_t n = rows->n_row, at = rows->at;

	if (rows->psd->compression == PACKED) {
		if (rows->counts_at + n_count > raster->n)
			return NULL;
		n = read_big(raster, rows->counts_at, n_count);
		rows->counts_at += n_count;
	}
	if (at > raster->n || raster->n - at < n)
		return NULL;
	rows->at += n;
	if (rows->psd->compression != PACKED)
		return raster->bytes + at;
	return unpack(raster->bytes + at, n, rows->unpacked, rows->n_row) ? rows->unpacked
	                                                                  : NULL;
}

/* Store a row of a channel as a band of row `y` of the picture. */
static void put_row(const struct raster *raster, const struct psd *psd,
                    const uint8_t *row, uint32_t y, unsigned band, uint8_t *samples)
{
	uint64_t to = (uint64_t)y * psd->width * raster->n_bands + band;

	for (uint32_t x = 0; x < psd->width; x++, to += raster->n_bands) {
		if (psd->n_bits == 16)
			((uint16_t *)(void *)samples)[to] =
				(uint16_t)(row[2 * (size_t)x] << 8 |
			                   row[2 * (size_t)x + 1]);
		else
			samples[to] = row[x];
	}
}

/* Replace palette indices by colours. The indices are in the first band. The palette has 256
 * samples of red, then 256 of green, then 256 of blue. */
static void apply_palette(const struct raster *raster, const struct psd *psd,
                          uint8_t *samples)
{
	uint64_t n = (uint64_t)psd->width * psd->height;

	for (uint64_t i = 0; i < n; i++, samples += raster->n_bands) {
		uint64_t at = psd->palette_at + samples[0];

		for (unsigned band = 0; band < 3; band++)
			samples[band] = (uint8_t)read_big(raster,
			                                  at + UINT64_C(256) * band, 1);
	}
}

/* In a PSD, the colours of transparent pixels are blended with white. Compute the value of one
 * colour before the blending. */
static uint32_t without_white(uint32_t sample, uint32_t alpha, uint32_t most)
{
	uint64_t white = most - alpha;

	if (alpha == 0 || sample <= white)
		return 0;
	sample = (uint32_t)(((uint64_t)(sample - white) * most + alpha / 2) / alpha);
	return sample < most ? sample : most;
}

static void remove_white(const struct raster *raster, uint8_t *samples)
{
	uint64_t n = (uint64_t)raster->size.width * raster->size.height;
	unsigned n_bands = raster->n_bands;
	uint16_t *wide = (uint16_t *)(void *)samples;

	for (uint64_t i = 0; i < n * n_bands; i += n_bands) {
		for (unsigned band = 0; band + 1 < n_bands; band++) {
			if (raster->n_bits == 16)
				wide[i + band] = (uint16_t)without_white(
					wide[i + band], wide[i + n_bands - 1],
					UINT16_MAX);
			else
				samples[i + band] = (uint8_t)without_white(
					samples[i + band], samples[i + n_bands - 1],
					UINT8_MAX);
		}
	}
}

static bool read_channels(struct rows *rows, uint8_t *samples,
                          struct failure *ret_failure)
{
	const struct psd *psd = rows->psd;
	unsigned n_used = psd->n_colours + (psd->has_alpha ? 1U : 0U);

	for (unsigned channel = 0; channel < n_used; channel++) {
		bool is_alpha = channel == psd->n_colours;
		unsigned band = is_alpha ? rows->raster->n_bands - 1 : channel;

		for (uint32_t y = 0; y < psd->height; y++) {
			const uint8_t *row = next_row(rows);

			if (!row)
				return raster_ends_early(rows->raster, ret_failure);
			put_row(rows->raster, psd, row, y, band, samples);
		}
	}
	return true;
}

static bool psd_decode(const struct raster *raster, uint8_t *samples,
                       struct failure *ret_failure)
{
	struct psd psd;
	struct rows rows = {.raster = raster, .psd = &psd};
	bool is_done;

	read_header(&psd, raster);
	rows.n_row = (uint64_t)psd.width * (psd.n_bits / 8);
	rows.counts_at = rows.at = psd.pixels_at;
	if (psd.compression == PACKED)
		rows.at = add(rows.at, (uint64_t)psd.n_channels * psd.height *
		                               (psd.is_large ? 4 : 2));
	rows.unpacked = malloc(rows.n_row);
	if (!rows.unpacked)
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	is_done = read_channels(&rows, samples, ret_failure);
	free(rows.unpacked);
	if (is_done && psd.mode == MODE_PALETTE)
		apply_palette(raster, &psd, samples);
	if (is_done && psd.has_alpha)
		remove_white(raster, samples);
	return is_done;
}

const struct raster_reader raster_psd = {psd_open, psd_decode};
