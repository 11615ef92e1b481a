/*
 * Reads the header of a picture. The bytes are untrusted: every offset is checked, every loop is
 * bounded, and a wrong length ends the reading.
 */
#include "image/header/picture_header.h"

#include "base/fd.h"

#include <string.h>

enum {
	WINDOW_BYTES = 4096,
	MAX_MARKERS = 4096, /* the maximum number of segments or chunks to search */
};

/* Reads a file byte by byte. The window holds a part of the file in memory. Bytes past the end of
 * the file are 0. */
struct input {
	int descriptor;
	uint64_t n_bytes, at; /* length of the file, and offset of the window in it */
	size_t n;
	uint8_t window[WINDOW_BYTES];
};

static uint8_t byte_at(struct input *input, uint64_t offset)
{
	ssize_t n;

	if (offset >= input->n_bytes)
		return 0;
	if (offset < input->at || offset >= input->at + input->n) {
		n = fd_pread_full(input->descriptor, input->window, WINDOW_BYTES,
		                  (off_t)offset);
		input->at = offset;
		input->n = n > 0 ? (size_t)n : 0;
		if (n <= 0)
			return 0;
	}
	return input->window[offset - input->at];
}

static uint32_t big(struct input *input, uint64_t offset, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 | byte_at(input, offset + i);
	return number;
}

static uint32_t little(struct input *input, uint64_t offset, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number |= (uint32_t)byte_at(input, offset + i) << (8 * i);
	return number;
}

static bool is_at(struct input *input, uint64_t offset, const char *magic)
{
	for (; *magic; magic++, offset++) {
		if (byte_at(input, offset) != (uint8_t)*magic)
			return false;
	}
	return true;
}

/* ---- the formats ---- */

/* Read the frame header of a JPEG. Sets size, n_components and n_pixel_bytes. Returns the number of
 * bytes of all coefficients. */
static uint64_t read_frame(struct input *input, uint64_t at,
                           struct picture_header *header)
{
	unsigned n_components = byte_at(input, at + 9), wide = 1, high = 1;
	uint64_t n_samples = 0, n_pixels;

	header->size = (struct size){big(input, at + 7, 2), big(input, at + 5, 2)};
	header->n_components = n_components;
	header->n_pixel_bytes = n_components < 3 ? n_components : 3;
	n_pixels = (uint64_t)header->size.width * header->size.height;
	for (unsigned i = 0; i < n_components; i++) {
		uint8_t factors = byte_at(input, at + 11 + (uint64_t)3 * i);

		wide = factors >> 4 > (int)wide ? factors >> 4 : wide;
		high = (factors & 15) > (int)high ? factors & 15 : high;
	}
	for (unsigned i = 0; i < n_components; i++) {
		uint8_t factors = byte_at(input, at + 11 + (uint64_t)3 * i);

		n_samples += n_pixels * (factors >> 4) * (factors & 15) /
		             ((uint64_t)wide * high);
	}
	return n_samples * 2;
}

static bool read_jpeg(struct input *input, struct picture_header *header)
{
	uint64_t at = 2, n_coefficient_bytes = 0;
	unsigned n_components = 0;

	for (int i = 0; i < MAX_MARKERS && at < input->n_bytes; i++) {
		uint8_t marker = byte_at(input, at + 1);

		if (byte_at(input, at) != 0xff)
			return false;
		if (marker == 0xff) {
			at++; /* fill byte */
			continue;
		}
		if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
		    marker != 0xc8 && marker != 0xcc) {
			n_coefficient_bytes = read_frame(input, at, header);
			n_components = byte_at(input, at + 9);
			if ((marker & 3) == 2) /* progressive */
				header->n_coefficient_bytes = n_coefficient_bytes;
		}
		if (marker == 0xda) {
			/* If the first scan does not contain all components, the file has several
			 * scans. */
			if (byte_at(input, at + 4) < n_components)
				header->n_coefficient_bytes = n_coefficient_bytes;
			return n_components > 0;
		}
		at += 2 + (uint64_t)big(input, at + 2, 2);
	}
	return false;
}

static bool read_png(struct input *input, struct picture_header *header)
{
	/* The number of samples of a pixel, for each colour type of PNG. A palette counts as 4,
	 * because it may have alpha. */
	static const uint8_t channels[] = {1, 0, 3, 4, 2, 0, 4};
	uint8_t kind = byte_at(input, 25), depth = byte_at(input, 24);
	uint64_t at = 8;

	header->size = (struct size){big(input, 16, 4), big(input, 20, 4)};
	header->n_pixel_bytes = (kind < sizeof(channels) ? channels[kind] : 4U) *
	                        (depth == 16 ? 2 : 1);
	header->is_interlaced = byte_at(input, 28) == 1;
	for (int i = 0; i < MAX_MARKERS && at < input->n_bytes; i++) {
		if (is_at(input, at + 4, "acTL"))
			header->n_frames = big(input, at + 8, 4);
		if (is_at(input, at + 4, "IDAT"))
			break;
		at += 12 + (uint64_t)big(input, at, 4);
	}
	return is_at(input, 12, "IHDR");
}

/* The number of bytes of a GIF's colour table. `flags` is the byte that describes the table. */
static uint64_t colours_of(uint8_t flags)
{
	return flags & 0x80 ? (uint64_t)3 << ((flags & 7) + 1) : 0;
}

static uint64_t skip_blocks(struct input *input, uint64_t at)
{
	while (at < input->n_bytes && byte_at(input, at) > 0)
		at += 1 + (uint64_t)byte_at(input, at);
	return at + 1;
}

static bool read_gif(struct input *input, struct picture_header *header)
{
	uint64_t at = 13 + colours_of(byte_at(input, 10));

	header->size = (struct size){little(input, 6, 2), little(input, 8, 2)};
	header->n_pixel_bytes = 4;
	header->n_frames = 0;
	while (at < input->n_bytes) {
		uint8_t kind = byte_at(input, at);

		if (kind == 0x21) {
			at = skip_blocks(input, at + 2);
		} else if (kind == 0x2c) {
			header->n_frames++;
			at = skip_blocks(input,
			                 at + 11 + colours_of(byte_at(input, at + 9)));
		} else {
			break;
		}
	}
	return true;
}

static bool read_webp(struct input *input, struct picture_header *header)
{
	uint64_t at = 12;
	uint32_t n_frames = 0, bits;
	bool has_alpha = false;

	header->n_pixel_bytes = 4;
	while (at + 8 <= input->n_bytes) {
		has_alpha |= is_at(input, at, "ALPH");
		/* A lossy picture without alpha has three channels, any other WebP has four. */
		if (is_at(input, at, "VP8 ") && !has_alpha)
			header->n_pixel_bytes = 3;
		if (is_at(input, at, "VP8X")) {
			header->size = (struct size){little(input, at + 12, 3) + 1,
			                             little(input, at + 15, 3) + 1};
		} else if (is_at(input, at, "VP8L")) {
			bits = little(input, at + 9, 4);
			if (!header->size.width)
				header->size = (struct size){(bits & 0x3fff) + 1,
				                             (bits >> 14 & 0x3fff) + 1};
		} else if (is_at(input, at, "VP8 ") && !header->size.width) {
			header->size = (struct size){little(input, at + 14, 2) & 0x3fff,
			                             little(input, at + 16, 2) & 0x3fff};
		} else if (is_at(input, at, "ANMF")) {
			n_frames++;
		}
		at += 8 + (((uint64_t)little(input, at + 4, 4) + 1) & ~(uint64_t)1);
	}
	if (n_frames > 0)
		header->n_frames = n_frames;
	return header->size.width > 0;
}

/* A TIFF that is being read: its byte order, and whether it is a BigTIFF. */
struct tiff_input {
	struct input *input;
	bool is_big_endian, is_big_tiff;
};

static uint64_t tiff_number(const struct tiff_input *tiff, uint64_t at, unsigned n)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 |
		         byte_at(tiff->input, at + (tiff->is_big_endian ? i : n - 1 - i));
	return number;
}

/* Read the first value of a TIFF entry. If the values do not all fit into the entry, the entry has
 * their offset in the file. A value of more than 32 bits becomes UINT32_MAX. */
static uint32_t tiff_value(const struct tiff_input *tiff, uint64_t entry)
{
	/* The number of bytes of a value of each type. 0: values of this type are not whole
	 * numbers. */
	static const uint8_t sizes[] = {0, 1, 0, 2, 4, 0, 1, 0, 2, 4,
	                                0, 0, 0, 4, 0, 0, 8, 8, 8};
	unsigned n_room = tiff->is_big_tiff ? 8 : 4;
	uint64_t kind = tiff_number(tiff, entry + 2, 2), at = entry + 4 + n_room, value;
	unsigned n_value = kind < sizeof(sizes) ? sizes[kind] : 0;

	if (n_value == 0)
		return 0;
	if (tiff_number(tiff, entry + 4, n_room) > n_room / n_value)
		at = tiff_number(tiff, at, n_room);
	value = tiff_number(tiff, at, n_value);
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static bool read_tiff(struct input *input, struct picture_header *header)
{
	enum { WIDTH = 256, HEIGHT, BITS, SAMPLES = 277, TILE_HEIGHT = 323 };
	/* The largest sample is a complex number of two doubles. */
	enum { MAX_BITS = 128, MAX_SAMPLES = UINT16_MAX };
	struct tiff_input tiff = {input, byte_at(input, 0) == 'M', false};
	uint32_t bits = 8, samples = 1;
	uint64_t at, n_entries;

	tiff.is_big_tiff = tiff_number(&tiff, 2, 2) == 43;
	at = tiff.is_big_tiff ? tiff_number(&tiff, 8, 8) : tiff_number(&tiff, 4, 4);
	n_entries = tiff_number(&tiff, at, tiff.is_big_tiff ? 8 : 2);
	at += tiff.is_big_tiff ? 8 : 2;
	for (uint64_t i = 0; i < n_entries && i < 512; i++) {
		uint64_t entry = at + i * (tiff.is_big_tiff ? 20 : 12);

		switch (tiff_number(&tiff, entry, 2)) {
		case WIDTH:
			header->size.width = tiff_value(&tiff, entry);
			break;
		case HEIGHT:
			header->size.height = tiff_value(&tiff, entry);
			break;
		case BITS:
			bits = tiff_value(&tiff, entry);
			break;
		case SAMPLES:
			samples = tiff_value(&tiff, entry);
			break;
		case TILE_HEIGHT:
			header->tile_height = tiff_value(&tiff, entry);
			break;
		default:
			break;
		}
	}
	/* Larger values are not valid. Without a limit, the product could overflow. */
	bits = bits < MAX_BITS ? bits : MAX_BITS;
	samples = samples < MAX_SAMPLES ? samples : MAX_SAMPLES;
	header->n_pixel_bytes = samples * (bits <= 8 ? 1 : bits / 8);
	return header->size.width > 0 && header->size.height > 0;
}

/* Search the beginning of the file for boxes with the name `box`. Each of these boxes contains a
 * size. The largest size is taken, because one of the boxes may contain the size of a tile. */
static bool read_boxes(struct input *input, const char *box, unsigned at_width,
                       unsigned at_height, struct picture_header *header)
{
	uint64_t most = 0;

	for (uint64_t at = 4; at < input->n_bytes && at < (uint64_t)16 * WINDOW_BYTES;
	     at++) {
		struct size size;

		if (!is_at(input, at, box))
			continue;
		size = (struct size){big(input, at + at_width, 4),
		                     big(input, at + at_height, 4)};
		if ((uint64_t)size.width * size.height > most) {
			most = (uint64_t)size.width * size.height;
			header->size = size;
		}
	}
	return most > 0;
}

static bool read_bmp(struct input *input, struct picture_header *header)
{
	int32_t height = (int32_t)little(input, 22, 4);

	header->size = (struct size){little(input, 18, 4),
	                             (uint32_t)(height < 0 ? -(int64_t)height : height)};
	if (little(input, 14, 4) == 12)
		header->size = (struct size){little(input, 18, 2), little(input, 20, 2)};
	return header->size.width > 0 && header->size.height > 0;
}

static bool read_format(struct input *input, struct picture_header *header)
{
	switch (header->format) {
	case FORMAT_JPEG:
		return read_jpeg(input, header);
	case FORMAT_PNG:
		return read_png(input, header);
	case FORMAT_GIF:
		return read_gif(input, header);
	case FORMAT_WEBP:
		return read_webp(input, header);
	case FORMAT_TIFF:
		return read_tiff(input, header);
	case FORMAT_HEIC:
	case FORMAT_AVIF:
		return read_boxes(input, "ispe", 8, 12, header);
	case FORMAT_JP2:
		return read_boxes(input, "ihdr", 8, 4, header);
	case FORMAT_BMP:
		return read_bmp(input, header);
	case FORMAT_TGA:
		header->size = (struct size){little(input, 12, 2), little(input, 14, 2)};
		return true;
	case FORMAT_PSD:
		header->size = (struct size){big(input, 18, 4), big(input, 14, 4)};
		return true;
	default:
		return false;
	}
}

bool picture_header_read(int descriptor, uint64_t n_bytes, const char *name,
                         struct picture_header *ret_header)
{
	struct input input = {.descriptor = descriptor, .n_bytes = n_bytes};

	*ret_header = (struct picture_header){.n_frames = 1, .n_pixel_bytes = 4};
	byte_at(&input, 0);
	ret_header->format = format_of_bytes(input.window, input.n, name);
	if (read_format(&input, ret_header) && ret_header->size.width > 0 &&
	    ret_header->size.height > 0) {
		/* If the file ends before its first frame, n_frames is 0. Such a file counts as a
		 * still picture. */
		if (ret_header->n_frames == 0)
			ret_header->n_frames = 1;
		return true;
	}
	ret_header->size = (struct size){0, 0};
	ret_header->n_frames = 1;
	return false;
}

bool picture_header_fits(const struct picture_header *header, const struct recipe *recipe,
                         uint64_t input_bytes)
{
	uint64_t max_bytes = recipe->max_file_bytes ? recipe->max_file_bytes
	                                            : RECIPE_MAX_FILE_BYTES;
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;
	struct size size = header->decoded.width > 0 ? header->decoded : header->size;

	return input_bytes <= max_bytes &&
	       (uint64_t)size.width * size.height <= max_pixels;
}

bool picture_header_check_frames(const struct picture_header *header,
                                 const struct recipe *recipe, struct failure *ret_failure)
{
	if (recipe->max_frames == 0 || header->n_frames <= recipe->max_frames)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: the image has %u frames; the limit is %u",
	                   header->n_frames, recipe->max_frames);
}
