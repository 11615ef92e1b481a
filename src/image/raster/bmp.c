/*
 * Reads BMP with every version of its header. The fourth byte of a pixel is alpha only if the
 * header has a mask for alpha. If alpha is 0 in all pixels, the picture counts as opaque, because
 * writers that do not support alpha set it to 0.
 */
#include "image/raster/raster_reader.h"

#include <string.h>

enum {
	/* The length of the file header. The header of the picture follows it. */
	FILE_BYTES = 14,
	/* The length of the picture's header in the oldest BMP, and in that of Windows. */
	OLDEST = 12,
	WINDOWS = 40,
	/* The length of the longest header of OS/2. In a header of OS/2, the compression number
	 * MASKS and all higher numbers have another meaning. */
	OS2 = 64,
};

enum compression {
	PLAIN = 0,
	RUNS_OF_8_BITS = 1,
	RUNS_OF_4_BITS = 2,
	MASKS = 3,
	MASKS_WITH_ALPHA = 6,
};

struct bmp {
	uint32_t width, height;
	bool is_from_top;
	unsigned n_bits; /* number of bits of a pixel */
	enum compression compression;
	/* masks of red, green, blue and alpha in pixels of 16 and 32 bits */
	uint32_t masks[4];
	uint64_t palette_at, pixels_at;
	unsigned n_palette_bytes; /* number of bytes of a palette colour */
	uint32_t n_colours;
};

static bool is_of_os2(uint32_t n_header)
{
	return n_header > OLDEST && n_header <= OS2 && n_header != WINDOWS &&
	       n_header != 52 && n_header != 56;
}

static void read_masks(struct bmp *bmp, const struct raster *raster, uint32_t n_header)
{
	static const uint32_t of_16_bits[] = {0x7c00, 0x3e0, 0x1f, 0};
	static const uint32_t of_32_bits[] = {0xff0000, 0xff00, 0xff, 0};
	enum { MASKS_AT = FILE_BYTES + WINDOWS };
	bool has_alpha = n_header >= 56 || bmp->compression == MASKS_WITH_ALPHA;

	if (bmp->compression == PLAIN) {
		memcpy(bmp->masks, bmp->n_bits == 16 ? of_16_bits : of_32_bits,
		       sizeof(bmp->masks));
		return;
	}
	for (unsigned i = 0; i < (has_alpha ? 4 : 3); i++)
		bmp->masks[i] = raster_little(raster, MASKS_AT + 4 * i, 4);
	/* A header of the length WINDOWS does not include the masks. They are between the header
	 * and the palette. */
	if (n_header == WINDOWS)
		bmp->palette_at += has_alpha ? 16 : 12;
}

static void read_oldest(struct bmp *bmp, const struct raster *raster)
{
	bmp->width = raster_little(raster, 18, 2);
	bmp->height = raster_little(raster, 20, 2);
	bmp->n_bits = raster_little(raster, 24, 2);
	bmp->n_palette_bytes = 3;
}

static void read_newer(struct bmp *bmp, const struct raster *raster, uint32_t n_header)
{
	uint32_t height = raster_little(raster, 22, 4);

	bmp->width = raster_little(raster, 18, 4);
	bmp->is_from_top = height > INT32_MAX;
	bmp->height = bmp->is_from_top ? 0 - height : height;
	bmp->n_bits = raster_little(raster, 28, 2);
	bmp->n_palette_bytes = 4;
	/* A short header of OS/2 may have no field for the compression or for the number of
	 * colours. */
	if (n_header >= 20)
		bmp->compression = (enum compression)raster_little(raster, 30, 4);
	if (n_header >= 36)
		bmp->n_colours = raster_little(raster, 46, 4);
}

/* Limit the number of palette colours to as many as a pixel can name, and to as many as fit before
 * the pixels. */
static void fit_palette(struct bmp *bmp, const struct raster *raster)
{
	uint64_t end = bmp->pixels_at < raster->n ? bmp->pixels_at : raster->n;
	uint64_t room = end > bmp->palette_at
	                        ? (end - bmp->palette_at) / bmp->n_palette_bytes
	                        : 0;
	uint32_t most = 1U << bmp->n_bits;

	if (bmp->n_colours == 0 || bmp->n_colours > most)
		bmp->n_colours = most;
	if (bmp->n_colours > room)
		bmp->n_colours = (uint32_t)room;
}

static void read_header(struct bmp *bmp, const struct raster *raster)
{
	uint32_t n_header = raster_little(raster, FILE_BYTES, 4);

	*bmp = (struct bmp){.palette_at = (uint64_t)FILE_BYTES + n_header};
	if (n_header == OLDEST)
		read_oldest(bmp, raster);
	else
		read_newer(bmp, raster, n_header);
	if (bmp->n_bits == 16 || bmp->n_bits == 32)
		read_masks(bmp, raster, n_header);
	bmp->pixels_at = raster_little(raster, 10, 4);
	if (bmp->n_bits <= 8) {
		if (bmp->pixels_at == 0)
			bmp->pixels_at = bmp->palette_at +
			                 ((uint64_t)bmp->n_palette_bytes << bmp->n_bits);
		fit_palette(bmp, raster);
	} else if (bmp->pixels_at == 0) {
		bmp->pixels_at = bmp->palette_at;
	}
}

/* Whether the bits of a mask are contiguous, and are not more than 8. */
static bool is_usable_mask(uint32_t mask)
{
	uint32_t bits = mask ? mask >> __builtin_ctz(mask) : 0;

	return (bits & (bits + 1)) == 0 && bits <= UINT8_MAX;
}

static bool has_usable_masks(const struct bmp *bmp)
{
	for (int i = 0; i < 4; i++) {
		if (!is_usable_mask(bmp->masks[i]))
			return false;
	}
	return true;
}

static bool is_supported(const struct bmp *bmp, uint32_t n_header)
{
	if (is_of_os2(n_header) && bmp->compression >= MASKS)
		return false;
	switch (bmp->compression) {
	case PLAIN:
		return bmp->n_bits == 1 || bmp->n_bits == 2 || bmp->n_bits == 4 ||
		       bmp->n_bits == 8 || bmp->n_bits == 16 || bmp->n_bits == 24 ||
		       bmp->n_bits == 32;
	case RUNS_OF_8_BITS:
		return bmp->n_bits == 8;
	case RUNS_OF_4_BITS:
		return bmp->n_bits == 4;
	case MASKS:
	case MASKS_WITH_ALPHA:
		return (bmp->n_bits == 16 || bmp->n_bits == 32) && has_usable_masks(bmp);
	default:
		return false;
	}
}

/* Find the profile. Only the newest version of the header says where the profile is. The offset is
 * counted from the start of this header. */
static void find_profile(struct raster *raster)
{
	enum { NEWEST = 124, SPACE_AT = 56, PROFILE_AT = 112, N_AT = 116 };
	const uint32_t embedded = 0x4d424544; /* "MBED" */

	if (raster_little(raster, FILE_BYTES, 4) >= NEWEST &&
	    raster_little(raster, FILE_BYTES + SPACE_AT, 4) == embedded)
		raster_take_profile(
			raster,
			FILE_BYTES + (uint64_t)raster_little(raster,
		                                             FILE_BYTES + PROFILE_AT, 4),
			raster_little(raster, FILE_BYTES + N_AT, 4));
}

static bool is_near(uint32_t value, uint32_t wanted)
{
	const uint32_t tolerance = 200;

	return value <= wanted + tolerance && value + tolerance >= wanted;
}

/* Whether the colours are those of sRGB, which has a gamma of about 2.2. */
static bool has_srgb_colours(const struct raster *raster)
{
	static const uint32_t srgb[6] = {64000, 33000, 30000, 60000, 15000, 6000};
	bool is_srgb = is_near(raster->gamma, 45455);

	for (unsigned i = 0; i < 6; i++)
		is_srgb &= is_near(raster->primaries[i], srgb[i]);
	return is_srgb;
}

/* Read the colours of a BMP that describes them itself. Red, green and blue each have x, y and z,
 * in units of 2^-30, and a gamma, in units of 2^-16. Many writers fill these fields with zeros or
 * use other units. So the fields are used only if x, y and z of each colour add up to about 1, and
 * if the three gammas are about equal and from 1.2 to 3. */
static void find_calibration(struct raster *raster)
{
	enum {
		SHORTEST = 108,
		SPACE_AT = 56,
		POINTS_AT = 60,
		GAMMAS_AT = 96,
		CALIBRATED = 0
	};
	const double point = 1 << 30, unit = 100000;
	double gammas[3], parts[3];

	if (raster_little(raster, FILE_BYTES, 4) < SHORTEST ||
	    raster_little(raster, FILE_BYTES + SPACE_AT, 4) != CALIBRATED)
		return;
	for (size_t i = 0; i < 3; i++) {
		double sum = 0;

		gammas[i] = raster_little(raster, FILE_BYTES + GAMMAS_AT + 4 * i, 4) /
		            65536.0;
		for (size_t k = 0; k < 3; k++) {
			uint64_t at = FILE_BYTES + POINTS_AT + 12 * i + 4 * k;

			parts[k] = raster_little(raster, at, 4) / point;
			sum += parts[k];
		}
		if (sum < 0.98 || sum > 1.02 || gammas[i] < 1.2 || gammas[i] > 3 ||
		    gammas[i] > gammas[0] * 1.01 || gammas[i] < gammas[0] * 0.99)
			return;
		raster->primaries[2 * i] = (uint32_t)(parts[0] * unit + 0.5);
		raster->primaries[2 * i + 1] = (uint32_t)(parts[1] * unit + 0.5);
	}
	raster->gamma = (uint32_t)(unit / gammas[0] + 0.5);
	if (has_srgb_colours(raster))
		raster->gamma = 0;
}

static bool bmp_open(struct raster *raster, struct failure *ret_failure)
{
	struct bmp bmp;

	read_header(&bmp, raster);
	if (!is_supported(&bmp, raster_little(raster, FILE_BYTES, 4)))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: this BMP is not supported (compression %u, %u "
			"bits a pixel, masks %#x %#x %#x %#x): save it as PNG "
			"first",
			(unsigned)bmp.compression, bmp.n_bits, bmp.masks[0], bmp.masks[1],
			bmp.masks[2], bmp.masks[3]);
	find_profile(raster);
	find_calibration(raster);
	raster->size = (struct size){bmp.width, bmp.height};
	raster->n_bits = 8;
	raster->n_bands = bmp.masks[3] ? 4 : 3;
	return true;
}

/* ---- pixels ---- */

static uint8_t *place_of(const struct raster *raster, const struct bmp *bmp, uint32_t x,
                         uint32_t y, uint8_t *samples)
{
	uint32_t row = bmp->is_from_top ? y : bmp->height - 1 - y;

	return samples + ((uint64_t)row * bmp->width + x) * raster->n_bands;
}

/* Store the palette colour with this index. Returns false if the palette has no such colour. */
static bool put_index(const struct raster *raster, const struct bmp *bmp, uint32_t index,
                      uint8_t *to)
{
	const uint8_t *colour;

	if (index >= bmp->n_colours)
		return false;
	colour = raster->bytes + bmp->palette_at + (uint64_t)index * bmp->n_palette_bytes;
	for (int band = 0; band < 3; band++)
		to[band] = colour[2 - band];
	return true;
}

static uint8_t masked(uint32_t pixel, uint32_t mask)
{
	unsigned shift = mask ? (unsigned)__builtin_ctz(mask) : 0;
	uint32_t most = mask >> shift;

	if (most == 0)
		return 0;
	return (uint8_t)(((pixel & mask) >> shift) * 255 / most);
}

/* Store pixel x of a row. Returns false if the palette does not have its colour. */
static bool put_pixel(const struct raster *raster, const struct bmp *bmp,
                      const uint8_t *row, uint32_t x, uint8_t *to)
{
	unsigned n_bits = bmp->n_bits, n_bytes = n_bits / 8;
	uint64_t bit = (uint64_t)x * n_bits;
	uint32_t pixel = 0;

	if (n_bits <= 8) {
		pixel = (uint32_t)row[bit / 8] >> (8 - n_bits - bit % 8);
		return put_index(raster, bmp, pixel & ((1U << n_bits) - 1), to);
	}
	row += bit / 8;
	if (n_bits == 24) {
		for (int band = 0; band < 3; band++)
			to[band] = row[2 - band];
		return true;
	}
	for (unsigned i = 0; i < n_bytes; i++)
		pixel |= (uint32_t)row[i] << (8 * i);
	for (unsigned band = 0; band < raster->n_bands; band++)
		to[band] = masked(pixel, bmp->masks[band]);
	return true;
}

static bool decode_rows(const struct raster *raster, const struct bmp *bmp,
                        uint8_t *samples, struct failure *ret_failure)
{
	uint64_t n_used = ((uint64_t)bmp->width * bmp->n_bits + 7) / 8;
	uint64_t n_row = (n_used + 3) / 4 * 4, at = bmp->pixels_at;

	for (uint32_t y = 0; y < bmp->height; y++, at += n_row) {
		if (at + n_used > raster->n)
			return raster_ends_early(raster, ret_failure);
		for (uint32_t x = 0; x < bmp->width; x++) {
			if (!put_pixel(raster, bmp, raster->bytes + at, x,
			               place_of(raster, bmp, x, y, samples)) &&
			    !raster_is_damaged(raster, "a colour is not in the palette",
			                       ret_failure))
				return false;
		}
	}
	return true;
}

/* ---- run lengths ---- */

/* The state while runs are decoded. `at` is the current position in the file; x and y are the
 * current position in the picture. */
struct run_state {
	const struct raster *raster;
	const struct bmp *bmp;
	uint8_t *samples;
	uint64_t at;
	uint32_t x, y;
};

/* Store n pixels. With 8 bits, a byte has the palette index of one pixel. With 4 bits, a byte has
 * the palette indices of two pixels. is_one_byte: the first byte has the indices of all n pixels.
 * Pixels beyond the right border are dropped. Returns false if a colour is not in the palette. */
static bool put_run(struct run_state *state, const uint8_t *bytes, uint32_t n,
                    bool is_one_byte)
{
	const struct bmp *bmp = state->bmp;
	bool is_known = true;

	for (uint32_t i = 0; i < n && state->x < bmp->width && state->y < bmp->height;
	     i++, state->x++) {
		uint32_t index;

		if (bmp->compression == RUNS_OF_8_BITS)
			index = bytes[is_one_byte ? 0 : i];
		else
			index = bytes[is_one_byte ? 0 : i / 2] >> (i % 2 ? 0 : 4) & 15;
		is_known &= put_index(
			state->raster, bmp, index,
			place_of(state->raster, bmp, state->x, state->y, state->samples));
	}
	return is_known;
}

enum step { STEP_ON, STEP_END, STEP_CUT, STEP_DAMAGED };

/* Handle the code that follows a byte of 0. Code 0 ends the row, and code 1 ends the picture. Code
 * 2 moves the position; the next two bytes say how far. Any other code is the number of single
 * pixels that follow. */
static enum step do_escape(struct run_state *state, uint32_t code)
{
	const struct raster *raster = state->raster;
	uint64_t n_bytes;
	bool is_known;

	switch (code) {
	case 0:
		state->x = 0;
		state->y++;
		return STEP_ON;
	case 1:
		return STEP_END;
	case 2:
		if (state->at + 2 > raster->n)
			return STEP_CUT;
		state->x += raster->bytes[state->at];
		state->y += raster->bytes[state->at + 1];
		state->at += 2;
		return STEP_ON;
	default:
		n_bytes = state->bmp->compression == RUNS_OF_8_BITS ? code
		                                                    : (code + 1) / 2;
		if (state->at + n_bytes > raster->n)
			return STEP_CUT;
		is_known = put_run(state, raster->bytes + state->at, code, false);
		state->at += (n_bytes + 1) / 2 * 2;
		return is_known ? STEP_ON : STEP_DAMAGED;
	}
}

static enum step do_step(struct run_state *state)
{
	const struct raster *raster = state->raster;
	const uint8_t *bytes;

	if (state->at + 2 > raster->n)
		return STEP_CUT;
	bytes = raster->bytes + state->at;
	state->at += 2;
	if (bytes[0] == 0)
		return do_escape(state, bytes[1]);
	return put_run(state, bytes + 1, bytes[0], true) ? STEP_ON : STEP_DAMAGED;
}

/* Set all pixels to the first colour of the palette. Pixels that the runs skip keep this colour. */
static void fill_with_first(const struct raster *raster, const struct bmp *bmp,
                            uint8_t *samples)
{
	uint64_t n = (uint64_t)bmp->width * bmp->height;

	for (uint64_t i = 0; i < n; i++)
		put_index(raster, bmp, 0, samples + i * raster->n_bands);
}

static bool decode_runs(const struct raster *raster, const struct bmp *bmp,
                        uint8_t *samples, struct failure *ret_failure)
{
	struct run_state state = {raster, bmp, samples, bmp->pixels_at, 0, 0};

	fill_with_first(raster, bmp, samples);
	while (state.y < bmp->height) {
		switch (do_step(&state)) {
		case STEP_END:
			return true;
		case STEP_CUT:
			/* Some writers leave out the end code after the last row. Such a file is
			 * not damaged. */
			return (state.y + 1 == bmp->height && state.x >= bmp->width) ||
			       raster_ends_early(raster, ret_failure);
		case STEP_DAMAGED:
			if (!raster_is_damaged(raster, "a colour is not in the palette",
			                       ret_failure))
				return false;
			break;
		case STEP_ON:
			break;
		}
	}
	return true;
}

static void make_opaque_if_clear(const struct raster *raster, uint8_t *samples)
{
	uint64_t n = (uint64_t)raster->size.width * raster->size.height;

	for (uint64_t i = 0; i < n; i++) {
		if (samples[i * 4 + 3] > 0)
			return;
	}
	for (uint64_t i = 0; i < n; i++)
		samples[i * 4 + 3] = 255;
}

static bool bmp_decode(const struct raster *raster, uint8_t *samples,
                       struct failure *ret_failure)
{
	struct bmp bmp;
	bool is_done;

	read_header(&bmp, raster);
	is_done = bmp.compression == RUNS_OF_8_BITS || bmp.compression == RUNS_OF_4_BITS
	                  ? decode_runs(raster, &bmp, samples, ret_failure)
	                  : decode_rows(raster, &bmp, samples, ret_failure);
	if (is_done && raster->n_bands == 4)
		make_opaque_if_clear(raster, samples);
	return is_done;
}

const struct raster_reader raster_bmp = {bmp_open, bmp_decode};
