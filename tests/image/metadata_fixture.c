/* EXIF blocks made from a list of fields, and a reader for them. */
#include "metadata_fixture.h"

#include <string.h>

static size_t value_bytes(const struct fixture_field *field)
{
	static const size_t n_bytes[] = {[FIXTURE_ASCII] = 1,
	                                 [FIXTURE_SHORT] = 2,
	                                 [FIXTURE_LONG] = 4,
	                                 [FIXTURE_RATIONAL] = 8,
	                                 [FIXTURE_UNDEFINED] = 1};
	size_t n = field->n_numbers ? field->n_numbers : 1;

	if (field->text)
		return field->type == FIXTURE_ASCII ? strlen(field->text) + 1
		                                    : strlen(field->text);
	return field->type == FIXTURE_RATIONAL ? 8 : n * n_bytes[field->type];
}

static void add_value(struct block *to, const struct fixture_field *field, bool is_big)
{
	size_t n = field->n_numbers ? field->n_numbers : 1;

	if (field->text) {
		block_add(to, (struct bytes){(const uint8_t *)field->text,
		                             value_bytes(field)});
		return;
	}
	if (field->type == FIXTURE_RATIONAL)
		n = 2;
	for (size_t i = 0; i < n; i++)
		block_add_number(to, field->number[i],
		                 field->type == FIXTURE_SHORT ? 2 : 4, is_big);
}

/* For each directory that has a pointer: the directory that contains the pointer, and its tag. */
static const struct {
	enum fixture_directory in;
	uint16_t tag;
} pointers[N_FIXTURE_DIRECTORIES] = {
	[FIXTURE_EXIF] = {FIXTURE_MAIN, 0x8769},
	[FIXTURE_GPS] = {FIXTURE_MAIN, 0x8825},
	[FIXTURE_INTEROP] = {FIXTURE_EXIF, 0xa005},
};

static size_t add_directory(struct block *to, bool is_big,
                            const struct fixture_field *fields, size_t n,
                            enum fixture_directory directory, const size_t *at)
{
	size_t n_fields = 0, begin = to->n, value_at;
	struct block values = {0};

	for (size_t i = 0; i < n; i++)
		n_fields += fields[i].directory == directory;
	for (int i = FIXTURE_EXIF; i <= FIXTURE_INTEROP; i++)
		n_fields += pointers[i].in == directory && at[i] > 0;
	value_at = begin + 2 + 12 * n_fields + 4;
	block_add_number(to, n_fields, 2, is_big);
	for (size_t i = 0; i < n; i++) {
		size_t n_value = value_bytes(&fields[i]);

		if (fields[i].directory != directory)
			continue;
		block_add_number(to, fields[i].tag, 2, is_big);
		block_add_number(to, fields[i].type, 2, is_big);
		block_add_number(to,
		                 fields[i].text        ? n_value
		                 : fields[i].n_numbers ? fields[i].n_numbers
		                                       : 1,
		                 4, is_big);
		if (n_value > 4) {
			block_add_number(to, value_at + values.n, 4, is_big);
			add_value(&values, &fields[i], is_big);
		} else {
			add_value(to, &fields[i], is_big);
			block_add_number(to, 0, (unsigned)(4 - n_value), is_big);
		}
	}
	for (int i = FIXTURE_EXIF; i <= FIXTURE_INTEROP; i++) {
		if (pointers[i].in != directory || at[i] == 0)
			continue;
		block_add_number(to, pointers[i].tag, 2, is_big);
		block_add_number(to, FIXTURE_LONG, 2, is_big);
		block_add_number(to, 1, 4, is_big);
		block_add_number(to, at[i], 4, is_big);
	}
	block_add_number(to, directory == FIXTURE_MAIN ? at[FIXTURE_THUMBNAIL] : 0, 4,
	                 is_big);
	block_add(to, block_bytes(&values));
	block_fini(&values);
	return begin;
}

struct block fixture_exif(bool is_big_endian, const struct fixture_field *fields,
                          size_t n)
{
	/* Write inner directories before those that point to them, so that their offsets are
	 * known. */
	static const enum fixture_directory order[] = {FIXTURE_THUMBNAIL, FIXTURE_INTEROP,
	                                               FIXTURE_GPS, FIXTURE_EXIF,
	                                               FIXTURE_MAIN};
	size_t at[N_FIXTURE_DIRECTORIES] = {0};
	struct block tiff = {0};

	block_add_text(&tiff, is_big_endian ? "MM" : "II");
	block_add_number(&tiff, 42, 2, is_big_endian);
	block_add_number(&tiff, 0, 4, is_big_endian);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		bool is_there = order[i] == FIXTURE_MAIN ||
		                (order[i] == FIXTURE_EXIF && at[FIXTURE_INTEROP] > 0);

		for (size_t k = 0; k < n; k++)
			is_there |= fields[k].directory == order[i];
		if (is_there)
			at[order[i]] = add_directory(&tiff, is_big_endian, fields, n,
			                             order[i], at);
	}
	block_set_number(&tiff, 4, at[FIXTURE_MAIN], 4, is_big_endian);
	return tiff;
}

static bool is_big(struct bytes tiff)
{
	return bytes_begin_with(tiff, BYTES_OF("MM"));
}

static struct bytes value_at(struct bytes tiff, size_t directory, unsigned tag,
                             unsigned *ret_type)
{
	static const size_t n_bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};
	size_t n = bytes_number(tiff, directory, 2, is_big(tiff));

	for (size_t i = 0; i < n; i++) {
		size_t at = directory + 2 + 12 * i;
		unsigned type = (unsigned)bytes_number(tiff, at + 2, 2, is_big(tiff));
		size_t n_value = bytes_number(tiff, at + 4, 4, is_big(tiff)) *
		                 n_bytes[type < 14 ? type : 0];

		if (bytes_number(tiff, at, 2, is_big(tiff)) != tag)
			continue;
		*ret_type = type;
		at += 8;
		return bytes_part(
			tiff, n_value > 4 ? bytes_number(tiff, at, 4, is_big(tiff)) : at,
			n_value);
	}
	return (struct bytes){NULL, 0};
}

static size_t directory_at(struct bytes tiff, enum fixture_directory directory)
{
	size_t at = bytes_number(tiff, 4, 4, is_big(tiff));
	unsigned type;

	if (directory == FIXTURE_THUMBNAIL)
		return bytes_number(tiff,
		                    at + 2 + 12 * bytes_number(tiff, at, 2, is_big(tiff)),
		                    4, is_big(tiff));
	if (directory == FIXTURE_MAIN)
		return at;
	if (directory == FIXTURE_INTEROP)
		at = directory_at(tiff, FIXTURE_EXIF);
	return at ? bytes_number(value_at(tiff, at, pointers[directory].tag, &type), 0, 4,
	                         is_big(tiff))
	          : 0;
}

struct bytes fixture_exif_value(struct bytes tiff, enum fixture_directory directory,
                                unsigned tag)
{
	size_t at = directory_at(tiff, directory);
	unsigned type;

	return at ? value_at(tiff, at, tag, &type) : (struct bytes){NULL, 0};
}

int64_t fixture_exif_number(struct bytes tiff, enum fixture_directory directory,
                            unsigned tag)
{
	size_t at = directory_at(tiff, directory);
	unsigned type = 0;
	struct bytes value = {NULL, 0};

	if (at)
		value = value_at(tiff, at, tag, &type);
	if (value.n == 0)
		return -1;
	return (int64_t)bytes_number(value, 0, type == FIXTURE_SHORT ? 2 : 4,
	                             is_big(tiff));
}

struct block fixture_spliced(const struct splice *splice, struct bytes file)
{
	struct block to = {0};

	block_add(&to, block_bytes(&splice->head));
	block_add(&to, bytes_part(file, splice->from, splice->until - splice->from));
	block_add(&to, block_bytes(&splice->tail));
	return to;
}

bool fixture_holds(struct bytes bytes, const char *words)
{
	return bytes_find(bytes, (struct bytes){(const uint8_t *)words, strlen(words)},
	                  0) < bytes.n;
}

struct metadata_target fixture_target(void)
{
	return (struct metadata_target){
		.width = 320,
		.height = 240,
		.from_width = 640,
		.from_height = 480,
		.orientation = 1,
		.is_whole = true,
		.colour = COLOUR_SRGB,
		.mime = "image/jpeg",
	};
}
