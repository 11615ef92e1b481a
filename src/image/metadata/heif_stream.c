/*
 * Reads the size and the colours from the headers of AV1 (AV1 specification, 5.5) and HEVC (ITU-T
 * H.265, 7.3.2.2 and E.2.1). Fields have variable lengths, so all fields before the colours must be
 * read, although most of their values are not used.
 */
#include "image/metadata/heif_properties.h"

#include <string.h>

/* Bits that are read from the highest bit of each byte to the lowest. */
struct bits {
	struct bytes bytes;
	uint64_t at; /* in bits */
	bool has_ended;
};

static uint32_t take(struct bits *bits, unsigned n)
{
	uint32_t number = 0;

	if (n > 8 * (uint64_t)bits->bytes.n - bits->at || bits->has_ended) {
		bits->has_ended = true;
		return 0;
	}
	for (; n > 0; n--, bits->at++) {
		uint32_t byte = bits->bytes.at[bits->at / 8];

		number = number << 1 | (byte >> (7 - bits->at % 8) & 1);
	}
	return number;
}

static bool take_flag(struct bits *bits)
{
	return take(bits, 1) == 1;
}

static void skip(struct bits *bits, unsigned n)
{
	for (; n > 32; n -= 32)
		take(bits, 32);
	take(bits, n);
}

/* Read a number of variable length: n zero bits, a one bit, and n bits to which 2^n - 1 is added.
 * AV1 calls this format uvlc, HEVC calls it ue. In a valid header, n is at most 31. */
static uint32_t take_variable(struct bits *bits)
{
	unsigned n = 0;

	while (!bits->has_ended && !take_flag(bits))
		bits->has_ended |= ++n > 31;
	if (bits->has_ended)
		return 0;
	return (1U << n) - 1 + take(bits, n);
}

static void skip_variable(struct bits *bits, unsigned n)
{
	for (; n > 0 && !bits->has_ended; n--)
		take_variable(bits);
}

enum { UNSPECIFIED = 2 }; /* a code point of CICP */

/* Read the three code points: primaries, transfer and matrix. Returns the matrix. */
static unsigned take_code_points(struct bits *bits, struct heif_stream *stream)
{
	stream->primaries = take(bits, 8);
	stream->transfer = take(bits, 8);
	return take(bits, 8);
}

/* ---- AV1 ---- */

static void skip_operating_points(struct bits *bits, bool has_model,
                                  unsigned n_delay_bits)
{
	bool has_delay = take_flag(bits);

	for (uint32_t n = take(bits, 5) + 1; n > 0; n--) {
		skip(bits, 12);
		if (take(bits, 5) > 7)
			skip(bits, 1);
		if (has_model && take_flag(bits))
			skip(bits, 2 * n_delay_bits + 1);
		if (has_delay && take_flag(bits))
			skip(bits, 4);
	}
}

static void skip_timing(struct bits *bits)
{
	bool has_model = false;
	unsigned n_delay_bits = 0;

	if (take_flag(bits)) {
		skip(bits, 64);
		if (take_flag(bits))
			take_variable(bits);
		has_model = take_flag(bits);
		if (has_model) {
			n_delay_bits = take(bits, 5) + 1;
			skip(bits, 32 + 5 + 5);
		}
	}
	skip_operating_points(bits, has_model, n_delay_bits);
}

/* Skip the flags that enable coding tools. The reduced header of a still picture does not have
 * these flags. */
static void skip_tools(struct bits *bits)
{
	enum { CHOSEN_BY_FRAME = 2 };
	uint32_t screen_content = CHOSEN_BY_FRAME;
	bool has_order;

	skip(bits, 4);
	has_order = take_flag(bits);
	if (has_order)
		skip(bits, 2);
	if (!take_flag(bits))
		screen_content = take(bits, 1);
	if (screen_content > 0 && !take_flag(bits))
		skip(bits, 1);
	if (has_order)
		skip(bits, 3);
}

static void read_color_config(struct bits *bits, unsigned profile,
                              struct heif_stream *stream)
{
	enum { SRGB_PRIMARIES = 1, SRGB_TRANSFER = 13, IDENTITY = 0 };
	unsigned matrix = UNSPECIFIED;
	bool is_deep = take_flag(bits), is_grey;

	if (profile == 2 && is_deep)
		skip(bits, 1);
	is_grey = profile != 1 && take_flag(bits);
	if (take_flag(bits))
		matrix = take_code_points(bits, stream);
	if (is_grey || stream->primaries != SRGB_PRIMARIES ||
	    stream->transfer != SRGB_TRANSFER || matrix != IDENTITY)
		stream->has_limited_range = !take_flag(bits);
	stream->has_colours = true;
}

static bool read_sequence_header(struct bytes header, struct heif_stream *ret_stream)
{
	struct bits bits = {.bytes = header};
	struct heif_stream stream = {.primaries = UNSPECIFIED, .transfer = UNSPECIFIED};
	unsigned profile = take(&bits, 3), n_width_bits, n_height_bits;
	bool is_reduced;

	skip(&bits, 1);
	is_reduced = take_flag(&bits);
	if (is_reduced)
		skip(&bits, 5);
	else
		skip_timing(&bits);
	n_width_bits = take(&bits, 4) + 1;
	n_height_bits = take(&bits, 4) + 1;
	stream.width = take(&bits, n_width_bits) + 1;
	stream.height = take(&bits, n_height_bits) + 1;
	if (!is_reduced && take_flag(&bits))
		skip(&bits, 4 + 3);
	skip(&bits, 3);
	if (!is_reduced)
		skip_tools(&bits);
	skip(&bits, 3);
	read_color_config(&bits, profile, &stream);
	*ret_stream = stream;
	return !bits.has_ended;
}

/* Find the sequence header in a list of OBUs, the units of AV1. */
static bool read_av1(struct bytes units, struct heif_stream *ret_stream)
{
	enum { SEQUENCE_HEADER = 1, MAX_UNITS = 16, MAX_LENGTH_BYTES = 8 };

	for (int i = 0; i < MAX_UNITS && units.n > 0; i++) {
		unsigned head = units.at[0];
		size_t n_head = head & 4 ? 2 : 1;
		uint64_t n = 0;
		bool goes_on = head & 2; /* the unit states its length */

		for (unsigned k = 0; goes_on && k < MAX_LENGTH_BYTES; k++) {
			uint64_t byte = bytes_number(units, n_head++, 1, true);

			n |= (byte & 0x7f) << 7 * k;
			goes_on = byte & 0x80;
		}
		units = bytes_after(units, n_head);
		if (!(head & 2))
			n = units.n;
		if ((head >> 3 & 15) == SEQUENCE_HEADER)
			return read_sequence_header(bytes_part(units, 0, (size_t)n),
			                            ret_stream);
		units = bytes_after(units, (size_t)n);
	}
	return false;
}

/* ---- HEVC ---- */

static void skip_profile(struct bits *bits, unsigned n_sub_layers)
{
	enum { PROFILE = 88, LEVEL = 8, MOST = 8 };
	bool has_profile[MOST] = {false}, has_level[MOST] = {false};

	skip(bits, PROFILE + LEVEL);
	for (unsigned i = 0; i < n_sub_layers; i++) {
		has_profile[i] = take_flag(bits);
		has_level[i] = take_flag(bits);
	}
	if (n_sub_layers > 0)
		skip(bits, 2 * (MOST - n_sub_layers));
	for (unsigned i = 0; i < n_sub_layers; i++) {
		skip(bits, has_profile[i] ? PROFILE : 0);
		skip(bits, has_level[i] ? LEVEL : 0);
	}
}

static void skip_scaling_lists(struct bits *bits)
{
	for (unsigned size = 0; size < 4; size++) {
		unsigned n_coefficients = size == 0 ? 16 : 64;

		for (unsigned matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {
			if (!take_flag(bits))
				take_variable(bits);
			else
				skip_variable(bits, n_coefficients + (size > 1 ? 1 : 0));
		}
	}
}

/* Skip a set of reference pictures. Before the call, *n_pictures is the number of pictures in the
 * previous set. After the call, it is the number of pictures in this set. */
static void skip_reference_set(struct bits *bits, bool is_first, uint32_t *n_pictures)
{
	uint32_t n = 0;

	if (!is_first && take_flag(bits)) {
		skip(bits, 1);
		take_variable(bits);
		for (uint32_t i = 0; i <= *n_pictures && !bits->has_ended; i++) {
			bool is_used = take_flag(bits);

			n += is_used || take_flag(bits);
		}
	} else {
		n = take_variable(bits);
		n += take_variable(bits);
		for (uint32_t i = 0; i < n && !bits->has_ended; i++) {
			take_variable(bits);
			skip(bits, 1);
		}
	}
	*n_pictures = n;
}

static void skip_references(struct bits *bits, unsigned n_order_bits)
{
	uint32_t n_sets = take_variable(bits), n_pictures = 0;

	for (uint32_t i = 0; i < n_sets && !bits->has_ended; i++)
		skip_reference_set(bits, i == 0, &n_pictures);
	if (take_flag(bits)) {
		uint32_t n = take_variable(bits);

		for (; n > 0 && !bits->has_ended; n--)
			skip(bits, n_order_bits + 1);
	}
}

/* Skip the fields between the bit depth and the reference sets. Returns the number of bits of a
 * picture order count. */
static unsigned skip_blocks(struct bits *bits, unsigned n_sub_layers)
{
	unsigned n_order_bits = take_variable(bits) + 4;
	bool has_lists;

	skip_variable(bits, 3 * (take_flag(bits) ? n_sub_layers + 1 : 1));
	skip_variable(bits, 6);
	has_lists = take_flag(bits);
	if (has_lists && take_flag(bits))
		skip_scaling_lists(bits);
	skip(bits, 2);
	if (take_flag(bits)) { /* PCM */
		skip(bits, 8);
		skip_variable(bits, 2);
		skip(bits, 1);
	}
	if (n_order_bits > 16)
		bits->has_ended = true;
	return n_order_bits;
}

/* Read the colours from the usability information (VUI). */
static void read_usability(struct bits *bits, struct heif_stream *stream)
{
	enum { OWN_RATIO = 255 };

	stream->has_limited_range = true;
	if (take_flag(bits) && take(bits, 8) == OWN_RATIO)
		skip(bits, 32);
	if (take_flag(bits))
		skip(bits, 1);
	if (take_flag(bits)) {
		skip(bits, 3);
		stream->has_limited_range = !take_flag(bits);
		if (take_flag(bits))
			take_code_points(bits, stream);
	}
	stream->has_colours = true;
}

/* Read the size, and subtract the borders that are not shown. The unit of the borders is the
 * distance between two samples of chroma. */
static void read_size(struct bits *bits, struct heif_stream *stream)
{
	uint32_t chroma = take_variable(bits), borders[4] = {0}, across, down;
	bool is_420 = chroma == 1, is_422 = chroma == 2;

	if (chroma == 3)
		skip(bits, 1);
	stream->width = take_variable(bits);
	stream->height = take_variable(bits);
	if (take_flag(bits)) {
		for (int i = 0; i < 4; i++)
			borders[i] = take_variable(bits) & UINT16_MAX;
	}
	across = (borders[0] + borders[1]) * (is_420 || is_422 ? 2 : 1);
	down = (borders[2] + borders[3]) * (is_420 ? 2 : 1);
	stream->width -= across < stream->width ? across : 0;
	stream->height -= down < stream->height ? down : 0;
}

static bool read_parameter_set(struct bytes set, struct heif_stream *ret_stream)
{
	struct bits bits = {.bytes = set};
	struct heif_stream stream = {.primaries = UNSPECIFIED, .transfer = UNSPECIFIED};
	unsigned n_sub_layers, n_order_bits;

	skip(&bits, 16 + 4);
	n_sub_layers = take(&bits, 3);
	skip(&bits, 1);
	skip_profile(&bits, n_sub_layers);
	take_variable(&bits);
	read_size(&bits, &stream);
	skip_variable(&bits, 2);
	n_order_bits = skip_blocks(&bits, n_sub_layers);
	skip_references(&bits, n_order_bits);
	skip(&bits, 2);
	if (take_flag(&bits))
		read_usability(&bits, &stream);
	*ret_stream = stream;
	return !bits.has_ended;
}

/* Copy a unit of HEVC without its escape bytes. An escape byte has the value 3 and follows two zero
 * bytes. Without the escape byte, the zero bytes could be read as part of a start code. Returns the
 * number of copied bytes. */
static size_t unescape(uint8_t *room, size_t n_room, struct bytes unit)
{
	size_t n = 0, n_zeros = 0;

	for (size_t i = 0; i < unit.n && n < n_room; i++) {
		if (n_zeros >= 2 && unit.at[i] == 3) {
			n_zeros = 0;
			continue;
		}
		n_zeros = unit.at[i] == 0 ? n_zeros + 1 : 0;
		room[n++] = unit.at[i];
	}
	return n;
}

/* Find the sequence parameter set in a decoder configuration (hvcC), which has lists of units. */
static bool read_hevc(struct bytes config, struct heif_stream *ret_stream)
{
	enum { LISTS_AT = 22, PARAMETER_SET = 33, MAX_LISTS = 16, MAX_BYTES = 1024 };
	uint64_t n_lists = bytes_number(config, LISTS_AT, 1, true);
	size_t at = LISTS_AT + 1;
	uint8_t room[MAX_BYTES];

	for (uint64_t i = 0; i < n_lists && i < MAX_LISTS; i++) {
		unsigned type = (unsigned)bytes_number(config, at, 1, true) & 0x3f;
		uint32_t n_units = bytes_be16(config, at + 1);

		at += 3;
		for (; n_units > 0 && at < config.n; n_units--) {
			struct bytes unit = bytes_part(config, at + 2,
			                               bytes_be16(config, at));

			if (type == PARAMETER_SET)
				return read_parameter_set(
					(struct bytes){room,
				                       unescape(room, MAX_BYTES, unit)},
					ret_stream);
			at += 2 + (size_t)bytes_be16(config, at);
		}
	}
	return false;
}

/* ---- items ---- */

/* Read the stream of one item. *ret_has_stream becomes true if the item has a stream. */
static bool read_item(struct bytes file, const struct heif_properties *properties,
                      uint64_t id, bool *ret_has_stream, struct heif_stream *ret_stream)
{
	enum { AV1_UNITS_AT = 4 };
	struct heif_item_properties item = {0};
	struct heif_boxes boxes;
	size_t at = 0;

	*ret_has_stream = false;
	do {
		if (!heif_next_item(properties, &at, &item))
			return false;
	} while (item.id != id);
	heif_item_boxes(properties, &item, &boxes);
	for (size_t i = 0; i < boxes.n; i++) {
		const struct box *box = &boxes.at[i];

		*ret_has_stream = box_is(box, "av1C") || box_is(box, "hvcC");
		if (box_is(box, "hvcC"))
			return read_hevc(box->data, ret_stream);
		if (box_is(box, "av1C"))
			return read_av1(heif_item_data(file, id), ret_stream) ||
			       read_av1(bytes_after(box->data, AV1_UNITS_AT), ret_stream);
	}
	return false;
}

bool heif_read_stream(struct bytes file, uint64_t primary, struct heif_stream *ret_stream)
{
	/* A transformed copy of a grid is derived from the grid, which is derived from its tiles.
	 * A hostile item may be derived from itself. */
	enum { MAX_DERIVATIONS = 4 };
	struct heif_properties properties;
	uint64_t id = primary;

	if (!heif_find_properties(file, &properties))
		return false;
	for (int i = 0; i <= MAX_DERIVATIONS; i++) {
		bool has_stream;
		bool is_read = read_item(file, &properties, id, &has_stream, ret_stream);

		if (has_stream)
			return is_read;
		if (!heif_first_source(file, id, &id))
			return false;
	}
	return false;
}
