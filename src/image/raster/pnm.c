/*
 * Reads PNM (P1 to P6) and PAM (P7) by the same rules as netpbm. Comments are allowed anywhere in
 * the header, and between the samples of a plain file. In a plain bitmap, the bits need no space
 * between them. The maximum value in the header means white. If a file has several pictures, only
 * the first is read.
 */
#include "image/raster/raster_reader.h"

#include <string.h>

/* The header. `at` is the offset of the samples. */
struct pnm {
	uint32_t width, height;
	/* The number of samples of a pixel in the file. Samples beyond n_bands are not used. */
	unsigned n_samples;
	unsigned n_bands;
	uint32_t white; /* maximum value of a sample, which means white */
	bool is_plain, is_bitmap;
	size_t at;
};

struct cursor {
	const uint8_t *at, *end;
};

/* Read the next byte. Returns -1 at the end of the file. A comment is skipped, except for the
 * newline at its end. */
static int next_byte(struct cursor *cursor)
{
	int byte;

	if (cursor->at == cursor->end)
		return -1;
	byte = *cursor->at++;
	if (byte != '#')
		return byte;
	while (cursor->at < cursor->end) {
		byte = *cursor->at++;
		if (byte == '\n' || byte == '\r')
			return byte;
	}
	return -1;
}

static bool is_space(int byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static bool is_digit(int byte)
{
	return byte >= '0' && byte <= '9';
}

static int next_after_space(struct cursor *cursor)
{
	int byte;

	do
		byte = next_byte(cursor);
	while (is_space(byte));
	return byte;
}

enum found { FOUND, FOUND_END, FOUND_OTHER };

/* Read a decimal number and the byte after it. If the number is larger than UINT32_MAX, it becomes
 * UINT32_MAX. */
static enum found next_number(struct cursor *cursor, uint32_t *ret_number)
{
	int byte = next_after_space(cursor);
	uint64_t number = 0;

	if (!is_digit(byte))
		return byte < 0 ? FOUND_END : FOUND_OTHER;
	for (; is_digit(byte); byte = next_byte(cursor)) {
		number = number * 10 + (uint64_t)(byte - '0');
		if (number > UINT32_MAX)
			number = UINT32_MAX;
	}
	*ret_number = (uint32_t)number;
	return FOUND;
}

/* Read one digit of a plain bitmap. */
static enum found next_bit(struct cursor *cursor, uint32_t *ret_bit)
{
	int byte = next_after_space(cursor);

	if (byte != '0' && byte != '1')
		return byte < 0 ? FOUND_END : FOUND_OTHER;
	*ret_bit = byte == '1';
	return FOUND;
}

static bool read_pnm_header(struct pnm *pnm, const struct raster *raster)
{
	struct cursor cursor = {raster->bytes + 2, raster->bytes + raster->n};
	char kind = (char)raster->bytes[1];

	*pnm = (struct pnm){
		.n_samples = kind == '3' || kind == '6' ? 3 : 1,
		.white = 1,
		.is_plain = kind < '4',
		.is_bitmap = kind == '1' || kind == '4',
	};
	pnm->n_bands = pnm->n_samples;
	if (next_number(&cursor, &pnm->width) != FOUND ||
	    next_number(&cursor, &pnm->height) != FOUND ||
	    (!pnm->is_bitmap && next_number(&cursor, &pnm->white) != FOUND))
		return false;
	pnm->at = (size_t)(cursor.at - raster->bytes);
	return true;
}

/* ---- PAM ---- */

/* A line of the header: its first word, and the rest of the line without spaces at both ends. */
struct line {
	const char *word, *rest;
	size_t n_word, n_rest;
};

/* Read the next line. Returns false at the end of the file. */
static bool next_line(struct cursor *cursor, struct line *ret_line)
{
	const uint8_t *at = cursor->at, *end;

	if (at == cursor->end)
		return false;
	end = memchr(at, '\n', (size_t)(cursor->end - at));
	if (!end)
		end = cursor->end;
	cursor->at = end < cursor->end ? end + 1 : end;
	while (at < end && is_space(*at))
		at++;
	while (end > at && is_space(end[-1]))
		end--;
	ret_line->word = (const char *)at;
	while (at < end && !is_space(*at))
		at++;
	ret_line->n_word = (size_t)((const char *)at - ret_line->word);
	while (at < end && is_space(*at))
		at++;
	ret_line->rest = (const char *)at;
	ret_line->n_rest = (size_t)(end - at);
	return true;
}

static bool is_word(const struct line *line, const char *word)
{
	return line->n_word == strlen(word) &&
	       memcmp(line->word, word, line->n_word) == 0;
}

static bool rest_begins_with(const struct line *line, const char *word)
{
	return line->n_rest >= strlen(word) &&
	       memcmp(line->rest, word, strlen(word)) == 0;
}

static bool take_number(const struct line *line, uint32_t *ret_number)
{
	struct cursor cursor = {(const uint8_t *)line->rest,
	                        (const uint8_t *)line->rest + line->n_rest};

	return next_number(&cursor, ret_number) == FOUND;
}

struct tuple_type {
	bool is_alpha, is_grey, is_cmyk;
};

static void take_tuple_type(const struct line *line, struct tuple_type *type)
{
	static const char alpha[] = "_ALPHA";
	size_t n = sizeof(alpha) - 1;

	type->is_alpha = line->n_rest >= n &&
	                 memcmp(line->rest + line->n_rest - n, alpha, n) == 0;
	type->is_grey = rest_begins_with(line, "GRAYSCALE") ||
	                rest_begins_with(line, "BLACKANDWHITE");
	type->is_cmyk = rest_begins_with(line, "CMYK");
}

/* Decide which samples of a pixel are used. A sample beyond the colours is used as alpha if the
 * tuple type declares alpha. Other samples beyond the colours are not used. */
static bool choose_bands(struct pnm *pnm, const struct tuple_type *type,
                         struct failure *ret_failure)
{
	unsigned n_colours = type->is_grey || pnm->n_samples < 3 ? 1 : 3;

	if (type->is_cmyk)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a PAM in CMYK is not supported");
	pnm->n_bands = n_colours;
	if (type->is_alpha && pnm->n_samples > n_colours)
		pnm->n_bands++;
	return true;
}

static bool read_pam_header(struct pnm *pnm, const struct raster *raster,
                            struct failure *ret_failure)
{
	struct cursor cursor = {raster->bytes + 2, raster->bytes + raster->n};
	struct tuple_type type = {0};
	struct line line;
	bool is_read = true;

	*pnm = (struct pnm){0};
	while (is_read && next_line(&cursor, &line)) {
		if (is_word(&line, "ENDHDR")) {
			pnm->at = (size_t)(cursor.at - raster->bytes);
			break;
		}
		if (is_word(&line, "WIDTH"))
			is_read = take_number(&line, &pnm->width);
		else if (is_word(&line, "HEIGHT"))
			is_read = take_number(&line, &pnm->height);
		else if (is_word(&line, "DEPTH"))
			is_read = take_number(&line, &pnm->n_samples);
		else if (is_word(&line, "MAXVAL"))
			is_read = take_number(&line, &pnm->white);
		else if (is_word(&line, "TUPLTYPE"))
			take_tuple_type(&line, &type);
		else
			is_read = line.n_word == 0 || line.word[0] == '#';
	}
	if (!is_read || pnm->at == 0 || pnm->n_samples == 0 || pnm->n_samples > 1024)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the header of the PAM is damaged");
	return choose_bands(pnm, &type, ret_failure);
}

/* ---- PNM and PAM ---- */

static bool read_header(struct pnm *pnm, const struct raster *raster,
                        struct failure *ret_failure)
{
	if (raster->format == FORMAT_PAM) {
		if (!read_pam_header(pnm, raster, ret_failure))
			return false;
	} else if (!read_pnm_header(pnm, raster)) {
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the header of the PNM is damaged");
	}
	return (pnm->white > 0 && pnm->white <= UINT16_MAX) ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "header: the maximum sample value must be 1 to 65535, got %u",
	                   pnm->white);
}

/* The number of bytes of a row. The file must not be plain. */
static uint64_t row_bytes(const struct pnm *pnm)
{
	if (pnm->is_bitmap)
		return ((uint64_t)pnm->width + 7) / 8;
	return (uint64_t)pnm->width * pnm->n_samples * (pnm->white > UINT8_MAX ? 2 : 1);
}

static bool pnm_open(struct raster *raster, struct failure *ret_failure)
{
	struct pnm pnm;

	if (!read_header(&pnm, raster, ret_failure))
		return false;
	raster->size = (struct size){pnm.width, pnm.height};
	raster->n_bands = pnm.n_bands;
	raster->n_bits = pnm.white > UINT8_MAX ? 16 : 8;
	if (!pnm.is_plain && pnm.white == UINT8_MAX && pnm.n_samples == pnm.n_bands &&
	    raster_bytes(raster) <= raster->n - pnm.at)
		raster->ready = raster->bytes + pnm.at;
	return true;
}

/* Convert a sample of the file, where `white` is the maximum, to the range of the raster. Store it
 * as sample i of the raster. */
static void put(const struct raster *raster, const struct pnm *pnm, uint8_t *samples,
                uint64_t i, uint32_t sample)
{
	uint32_t most = raster->n_bits == 16 ? UINT16_MAX : UINT8_MAX;

	/* In a bitmap 1 is black. */
	if (pnm->is_bitmap)
		sample = 1 - sample;
	/* A sample above white is damage. If the raster does not accept damage, this function is
	 * not called for such a sample. */
	if (sample > pnm->white)
		sample = pnm->white;
	sample = (uint32_t)(((uint64_t)sample * most + pnm->white / 2) / pnm->white);
	if (raster->n_bits == 16)
		((uint16_t *)(void *)samples)[i] = (uint16_t)sample;
	else
		samples[i] = (uint8_t)sample;
}

static bool decode_plain(const struct raster *raster, const struct pnm *pnm,
                         uint8_t *samples, struct failure *ret_failure)
{
	struct cursor cursor = {raster->bytes + pnm->at, raster->bytes + raster->n};
	uint64_t n = (uint64_t)pnm->width * pnm->height * pnm->n_bands;
	uint32_t sample = 0;

	for (uint64_t i = 0; i < n; i++) {
		enum found found = pnm->is_bitmap ? next_bit(&cursor, &sample)
		                                  : next_number(&cursor, &sample);

		if (found == FOUND_END)
			return raster_ends_early(raster, ret_failure);
		if (found == FOUND_OTHER)
			return raster_is_damaged(raster, "a sample is not a number",
			                         ret_failure);
		if (sample > pnm->white &&
		    !raster_is_damaged(raster, "a sample exceeds the maximum value",
		                       ret_failure))
			return false;
		put(raster, pnm, samples, i, sample);
	}
	return true;
}

/* Get sample i of a row. */
static uint32_t sample_at(const struct pnm *pnm, const uint8_t *row, uint64_t i)
{
	if (pnm->is_bitmap)
		return (uint32_t)row[i / 8] >> (7 - i % 8) & 1U;
	if (pnm->white > UINT8_MAX)
		return (uint32_t)row[2 * i] << 8 | row[2 * i + 1];
	return row[i];
}

static bool decode_row(const struct raster *raster, const struct pnm *pnm,
                       const uint8_t *row, uint32_t y, uint8_t *samples,
                       struct failure *ret_failure)
{
	uint64_t to = (uint64_t)y * pnm->width * pnm->n_bands;

	for (uint32_t x = 0; x < pnm->width; x++) {
		for (unsigned band = 0; band < pnm->n_bands; band++) {
			uint64_t from = (uint64_t)x * pnm->n_samples + band;
			uint32_t sample = sample_at(pnm, row, from);

			if (sample > pnm->white &&
			    !raster_is_damaged(raster,
			                       "a sample exceeds the maximum value",
			                       ret_failure))
				return false;
			put(raster, pnm, samples, to++, sample);
		}
	}
	return true;
}

static bool pnm_decode(const struct raster *raster, uint8_t *samples,
                       struct failure *ret_failure)
{
	const uint8_t *row;
	uint64_t n_row, n_left;
	struct pnm pnm;

	if (!read_header(&pnm, raster, ret_failure))
		return false;
	if (pnm.is_plain)
		return decode_plain(raster, &pnm, samples, ret_failure);
	n_row = row_bytes(&pnm);
	row = raster->bytes + pnm.at;
	n_left = raster->n - pnm.at;
	for (uint32_t y = 0; y < pnm.height; y++, row += n_row, n_left -= n_row) {
		if (n_left < n_row)
			return raster_ends_early(raster, ret_failure);
		if (!decode_row(raster, &pnm, row, y, samples, ret_failure))
			return false;
	}
	return true;
}

const struct raster_reader raster_pnm = {pnm_open, pnm_decode};
