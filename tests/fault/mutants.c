/*
 * Functions that damage random bytes of a picture, and a parser for each container format that
 * finds the boundaries of headers.
 */
#include "mutants.h"

#include <stdlib.h>
#include <string.h>

uint64_t dice_roll(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

size_t dice_below(struct dice *dice, size_t n)
{
	return (size_t)(dice_roll(dice) % n);
}

/* ---- damage ---- */

/* A position for damage. Half of all positions are in the first bytes, where the headers are. */
static size_t somewhere(const struct blob *blob, struct dice *dice)
{
	enum { HEAD = 512 };
	size_t n = blob->n > HEAD && dice_below(dice, 2) ? HEAD : blob->n;

	return dice_below(dice, n);
}

static void flip_bit(struct blob *blob, struct dice *dice)
{
	blob->bytes[somewhere(blob, dice)] ^= (uint8_t)(1 << dice_below(dice, 8));
}

static void set_byte(struct blob *blob, struct dice *dice)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xfe, 0xff};

	blob->bytes[somewhere(blob, dice)] =
		dice_below(dice, 2) ? (uint8_t)dice_roll(dice)
				    : values[dice_below(dice, sizeof(values))];
}

/* Numbers with which the arithmetic of lengths and sizes may overflow. */
static void set_number(struct blob *blob, struct dice *dice)
{
	static const uint64_t values[] = {0,          1,          0x7f,   0x80,
	                                  0xff,       0x7fff,     0x8000, 0xffff,
	                                  0x10000,    0x7fffffff, 0xfffc, 0x80000000,
	                                  0xfffffff0, 0xffffffff, 100000};
	uint64_t value = values[dice_below(dice, sizeof(values) / sizeof(values[0]))];
	size_t n = (size_t)1 << dice_below(dice, 4), at = somewhere(blob, dice);
	bool is_big_endian = dice_below(dice, 2);

	for (size_t i = 0; i < n && at + i < blob->n; i++)
		blob->bytes[at + i] = (uint8_t)(value >>
		                                8 * (is_big_endian ? n - 1 - i : i));
}

static size_t some_length(const struct blob *blob, size_t at, struct dice *dice)
{
	size_t max = blob->n - at < 256 ? blob->n - at : 256;

	return 1 + dice_below(dice, max);
}

static void clear_run(struct blob *blob, struct dice *dice)
{
	size_t at = somewhere(blob, dice);

	memset(blob->bytes + at, dice_below(dice, 2) ? 0 : 0xff,
	       some_length(blob, at, dice));
}

static void remove_run(struct blob *blob, struct dice *dice)
{
	size_t at = somewhere(blob, dice), n = some_length(blob, at, dice);

	if (n >= blob->n)
		return;
	memmove(blob->bytes + at, blob->bytes + at + n, blob->n - at - n);
	blob->n -= n;
}

static void repeat_run(struct blob *blob, struct dice *dice)
{
	size_t at = somewhere(blob, dice), n = some_length(blob, at, dice);
	uint8_t run[256];

	memcpy(run, blob->bytes + at, n);
	blob_insert(blob, somewhere(blob, dice), run, n);
}

static void cut(struct blob *blob, struct dice *dice)
{
	blob->n = 1 + somewhere(blob, dice);
}

/* Change a character of a number in an SVG. A parser refuses a damaged keyword at once, but it
 * accepts most other numbers. */
static void change_digit(struct blob *blob, struct dice *dice)
{
	static const char marks[] = "0123456789.-e";

	for (size_t at = dice_below(dice, blob->n); at < blob->n; at++) {
		if (blob->bytes[at] < '0' || blob->bytes[at] > '9')
			continue;
		blob->bytes[at] = (uint8_t)marks[dice_below(dice, sizeof(marks) - 1)];
		return;
	}
}

static size_t number_at(const struct blob *blob, size_t at, unsigned n,
                        bool is_big_endian)
{
	size_t number = 0;

	if (at > blob->n || blob->n - at < n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		number |= (size_t)blob->bytes[at + i]
		          << 8 * (is_big_endian ? n - 1 - i : i);
	return number;
}

static void correct_checksums(struct blob *blob)
{
	for (size_t at = 8; at < blob->n && blob->n - at >= 12;) {
		size_t n = number_at(blob, at, 4, true);
		uint32_t crc;

		if (n > blob->n - at - 12)
			return;
		crc = png_crc(blob->bytes + at + 4, n + 4);
		for (unsigned i = 0; i < 4; i++)
			blob->bytes[at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
		at += 12 + n;
	}
}

struct blob mutate(const struct blob *whole, enum image_format format, struct dice *dice)
{
	static void (*const damages[])(struct blob *, struct dice *) = {
		flip_bit,  flip_bit,   set_byte,   set_number, set_number,
		clear_run, remove_run, repeat_run, cut,
	};
	struct blob blob = {0};
	bool is_text = format == FORMAT_SVG && dice_below(dice, 4) > 0;

	blob_append(&blob, whole->bytes, whole->n);
	for (size_t n = 1 + dice_below(dice, 8); n > 0; n--) {
		size_t kind = dice_below(dice, sizeof(damages) / sizeof(damages[0]));

		(is_text ? change_digit : damages[kind])(&blob, dice);
	}
	if (format == FORMAT_PNG && dice_below(dice, 4) > 0)
		correct_checksums(&blob);
	return blob;
}

/* ---- cuts ---- */

struct cuts {
	size_t *at, n, room, n_whole;
};

static void cut_at(struct cuts *cuts, size_t at)
{
	/* Cut at the boundary `at`, one byte before it, and one byte after it. */
	for (size_t cut = at > 0 ? at - 1 : 0; cut <= at + 1; cut++) {
		if (cut < cuts->n_whole && cuts->n < cuts->room)
			cuts->at[cuts->n++] = cut;
	}
}

static void cut_jpeg(struct cuts *cuts, const struct blob *blob)
{
	for (size_t at = 2; at + 4 <= blob->n && blob->bytes[at] == 0xff;
	     at += 2 + number_at(blob, at + 2, 2, true)) {
		cut_at(cuts, at);
		cut_at(cuts, at + 4);
		if (blob->bytes[at + 1] == 0xda)
			cut_at(cuts, at + 2 + number_at(blob, at + 2, 2, true));
	}
	cut_at(cuts, blob->n - 2);
}

static void cut_png(struct cuts *cuts, const struct blob *blob)
{
	for (size_t at = 8; at < blob->n; at += 12 + number_at(blob, at, 4, true)) {
		cut_at(cuts, at);
		cut_at(cuts, at + 4);
		cut_at(cuts, at + 8);
		cut_at(cuts, at + 8 + number_at(blob, at, 4, true));
	}
}

static void cut_riff(struct cuts *cuts, const struct blob *blob)
{
	for (size_t at = 12, n; at < blob->n; at += 8 + n + n % 2) {
		n = number_at(blob, at + 4, 4, false);
		cut_at(cuts, at);
		cut_at(cuts, at + 4);
		cut_at(cuts, at + 8);
	}
}

static void cut_tiff(struct cuts *cuts, const struct blob *blob)
{
	bool is_big_endian = blob->bytes[0] == 'M';
	size_t at = number_at(blob, 4, 4, is_big_endian);
	size_t n_entries = number_at(blob, at, 2, is_big_endian);

	cut_at(cuts, 4);
	cut_at(cuts, at);
	for (size_t i = 0; i <= n_entries; i++)
		cut_at(cuts, at + 2 + 12 * i);
}

/* Find the boxes of ISO media files and the boxes inside them. */
static void cut_boxes(struct cuts *cuts, const struct blob *blob, size_t at, size_t end)
{
	while (at + 8 <= end) {
		size_t n = number_at(blob, at, 4, true);
		const char *type = (const char *)blob->bytes + at + 4;

		cut_at(cuts, at);
		cut_at(cuts, at + 8);
		if (n < 8 || n > end - at)
			return;
		if (memcmp(type, "meta", 4) == 0)
			cut_boxes(cuts, blob, at + 12, at + n);
		else if (memcmp(type, "iprp", 4) == 0 || memcmp(type, "ipco", 4) == 0 ||
		         memcmp(type, "jp2h", 4) == 0)
			cut_boxes(cuts, blob, at + 8, at + n);
		at += n;
	}
}

static int compare(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

size_t header_cuts(const struct blob *whole, enum image_format format, size_t *ret_cuts,
                   size_t n)
{
	struct cuts cuts = {.at = ret_cuts, .room = n, .n_whole = whole->n};
	size_t n_kept = 0;

	for (size_t at = 0; at <= 40; at += 3)
		cut_at(&cuts, at);
	if (format == FORMAT_JPEG)
		cut_jpeg(&cuts, whole);
	else if (format == FORMAT_PNG)
		cut_png(&cuts, whole);
	else if (format == FORMAT_WEBP)
		cut_riff(&cuts, whole);
	else if (format == FORMAT_TIFF)
		cut_tiff(&cuts, whole);
	else if (format == FORMAT_HEIC || format == FORMAT_AVIF || format == FORMAT_JXL ||
	         format == FORMAT_JP2)
		cut_boxes(&cuts, whole, 0, whole->n);
	cut_at(&cuts, whole->n / 2);

	qsort(cuts.at, cuts.n, sizeof(cuts.at[0]), compare);
	for (size_t i = 0; i < cuts.n; i++) {
		if (i == 0 || cuts.at[i] != cuts.at[i - 1])
			cuts.at[n_kept++] = cuts.at[i];
	}
	return n_kept;
}
