/*
 * Filters EXIF field by field. A TIFF structure is read into four directories. Their fields borrow
 * the values from the structure. The table of rules decides whether each field is kept, set or
 * dropped. The result is written in the byte order of the input.
 *
 * The bytes are hostile. Each directory is read at most once, so pointers cannot make a loop. A
 * value outside the structure is dropped. Many fields may refer to the same bytes, so the total
 * length of the values is limited to about the length of the structure. The output cannot become
 * much longer than the input.
 */
#include "image/metadata/exif.h"

#include "image/metadata/containers.h"
#include "image/metadata/iptc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum directory_name { MAIN, EXIF, GPS, INTEROP, N_DIRECTORIES };

enum tag {
	TAG_IMAGE_WIDTH = 0x100,
	TAG_IMAGE_LENGTH = 0x101,
	TAG_ORIENTATION = 0x112,
	TAG_X_RESOLUTION = 0x11a,
	TAG_Y_RESOLUTION = 0x11b,
	TAG_RESOLUTION_UNIT = 0x128,
	TAG_SITING = 0x213, /* positions of chroma samples */
	TAG_XMP = 0x2bc,
	TAG_IPTC = 0x83bb,
	TAG_PHOTOSHOP = 0x8649,
	TAG_EXIF_POINTER = 0x8769,
	TAG_GPS_POINTER = 0x8825,
	TAG_INTEROP_POINTER = 0xa005,
};

enum type {
	TYPE_ASCII = 2,
	TYPE_SHORT = 3,
	TYPE_LONG = 4,
	TYPE_RATIONAL = 5,
	TYPE_UNDEFINED = 7,
	TYPE_IFD = 13,
	TYPE_UTF8 = 129, /* this type is new in EXIF 3.0 */
};

/* The number of bytes of one value of a type. 0: classic TIFF does not have this type. */
static size_t type_bytes(unsigned type)
{
	static const uint8_t n_bytes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};

	if (type == TYPE_UTF8)
		return 1;
	return type < sizeof(n_bytes) ? n_bytes[type] : 0;
}

struct field {
	uint16_t tag, type;
	uint32_t count;
	const uint8_t *value; /* NULL: the value is in the member `own` */
	uint8_t own[16];
};

struct directory {
	struct field *fields;
	size_t n;
};

struct structure {
	struct bytes bytes;
	bool is_big_endian;
	bool is_wide; /* BigTIFF, in which offsets and counts have 8 bytes */
	struct directory directories[N_DIRECTORIES];
	size_t n_value_bytes;
	size_t base; /* the offset in the file where the written bytes will begin */
	/* For writing: offset of the directory that follows the main directory. */
	uint32_t next_directory;

	/* Parameters of exif_filter(). */
	unsigned keep;
	/* The facts about the output that fields must state. NULL: values are not changed. */
	const struct metadata_target *target;
	bool has_lost, has_failed;
};

/* The rules for fields. */
enum rule {
	RULE_KEEP = 0, /* keep the field if the recipe keeps EXIF */
	/* Drop: the field describes the structure of the file, or contains a preview or another
	 * block. */
	RULE_DROP,
	RULE_PLACE,       /* keep the field if the recipe keeps locations */
	RULE_COPYRIGHT,   /* keep the field if the recipe keeps copyright or EXIF */
	RULE_ORIENTATION, /* set the field to 1 if the picture was turned upright */
	RULE_WIDTH,       /* set the field to the width of the output */
	RULE_HEIGHT,      /* set the field to the height of the output */
	RULE_SITING, /* set the field to 1, because outputs have centred chroma samples */
	/* set the field to sRGB or "uncalibrated", to agree with the colours of the output */
	RULE_COLOUR_SPACE,
	/* drop the field, unless the output keeps a colour space of the input that is not sRGB */
	RULE_COLOUR_DETAIL,
	/* change or drop the field if it does not agree with the colours of the output */
	RULE_INTEROP_INDEX,
	/* convert the position and the size of the subject from the input to the output */
	RULE_SUBJECT,
};

/* The rules for ranges of tags. Tags without a row have RULE_KEEP. The directory GPS has no rows:
 * all its fields have RULE_PLACE. In every directory, fields of the type IFD are dropped. */
static const struct rule_row {
	uint8_t directory;
	uint16_t first, last;
	uint8_t rule;
} rules[] = {
	{MAIN, 0x00fe, 0x00ff, RULE_DROP}, /* subfile types */
	{MAIN, 0x0100, 0x0100, RULE_WIDTH},
	{MAIN, 0x0101, 0x0101, RULE_HEIGHT},
	{MAIN, 0x0102, 0x010a, RULE_DROP}, /* tags BitsPerSample to FillOrder */
	{MAIN, 0x0111, 0x0111, RULE_DROP}, /* strips */
	{MAIN, 0x0112, 0x0112, RULE_ORIENTATION},
	{MAIN, 0x0115, 0x0119, RULE_DROP}, /* tags SamplesPerPixel to MaxSampleValue */
	{MAIN, 0x011c, 0x011c, RULE_DROP}, /* planar configuration */
	{MAIN, 0x0120, 0x0125, RULE_DROP}, /* tags FreeOffsets to T6Options */
	{MAIN, 0x0129, 0x0129, RULE_DROP}, /* page number */
	{MAIN, 0x012d, 0x012d, RULE_COLOUR_DETAIL}, /* transfer function */
	{MAIN, 0x013b, 0x013b, RULE_COPYRIGHT},     /* artist */
	{MAIN, 0x013d, 0x013d, RULE_DROP},          /* predictor */
	{MAIN, 0x013e, 0x013f, RULE_COLOUR_DETAIL}, /* white point, primary colours */
	{MAIN, 0x0140, 0x015b, RULE_DROP},          /* tags ColorMap to JPEGTables */
	{MAIN, 0x0200, 0x0212, RULE_DROP}, /* tags JPEGProc to YCbCrSubSampling */
	{MAIN, 0x0213, 0x0213, RULE_SITING},
	{MAIN, 0x0214, 0x0214, RULE_COLOUR_DETAIL}, /* black and white levels */
	{MAIN, 0x02bc, 0x02bc, RULE_DROP},          /* XMP */
	{MAIN, 0x8298, 0x8298, RULE_COPYRIGHT},
	{MAIN, 0x830e, 0x830e, RULE_PLACE},     /* GeoTIFF: scale */
	{MAIN, 0x83bb, 0x83bb, RULE_DROP},      /* IPTC */
	{MAIN, 0x8480, 0x8482, RULE_PLACE},     /* GeoTIFF: matrix, tie points */
	{MAIN, 0x85d8, 0x85d8, RULE_PLACE},     /* GeoTIFF: transformation */
	{MAIN, 0x8649, 0x8649, RULE_DROP},      /* Photoshop's resources */
	{MAIN, 0x8773, 0x8773, RULE_DROP},      /* ICC profile */
	{MAIN, 0x87af, 0x87b1, RULE_PLACE},     /* GeoTIFF: keys */
	{MAIN, 0x935c, 0x935c, RULE_DROP},      /* Photoshop's layers */
	{MAIN, 0x9c9d, 0x9c9d, RULE_COPYRIGHT}, /* XPAuthor, a tag of Windows */
	{MAIN, 0xa480, 0xa480, RULE_PLACE},     /* metadata of GDAL */
	{MAIN, 0xc634, 0xc634, RULE_DROP},      /* DNG: the maker's private data */
	{MAIN, 0xc68b, 0xc68b, RULE_DROP},      /* DNG: name of the original file */
	{MAIN, 0xea1c, 0xea1d, RULE_DROP},      /* tags Padding, OffsetSchema */
	{EXIF, 0x9102, 0x9102, RULE_DROP},      /* compressed bits per pixel */
	{EXIF, 0x9214, 0x9214, RULE_SUBJECT},
	{EXIF, 0x927c, 0x927c, RULE_DROP}, /* maker note */
	{EXIF, 0xa001, 0xa001, RULE_COLOUR_SPACE},
	{EXIF, 0xa002, 0xa002, RULE_WIDTH},
	{EXIF, 0xa003, 0xa003, RULE_HEIGHT},
	{EXIF, 0xa214, 0xa214, RULE_SUBJECT},
	{EXIF, 0xa437, 0xa437, RULE_COPYRIGHT},     /* photographer */
	{EXIF, 0xa500, 0xa500, RULE_COLOUR_DETAIL}, /* gamma */
	{EXIF, 0xea1c, 0xea1d, RULE_DROP},          /* tags Padding, OffsetSchema */
	{INTEROP, 0x0001, 0x0001, RULE_INTEROP_INDEX},
	{INTEROP, 0x1001, 0x1001, RULE_WIDTH},
	{INTEROP, 0x1002, 0x1002, RULE_HEIGHT},
};

static enum rule rule_of(enum directory_name directory, unsigned tag, unsigned type)
{
	if (type == TYPE_IFD)
		return RULE_DROP;
	if (directory == GPS)
		return RULE_PLACE;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].directory == directory && rules[i].first <= tag &&
		    tag <= rules[i].last)
			return (enum rule)rules[i].rule;
	}
	return RULE_KEEP;
}

static bool keeps(unsigned keep, enum rule rule)
{
	switch (rule) {
	case RULE_DROP:
		return false;
	case RULE_PLACE:
		return keep & KEEP_GPS;
	case RULE_COPYRIGHT:
		return keep & (KEEP_COPYRIGHT | KEEP_EXIF);
	default:
		return keep & KEEP_EXIF;
	}
}

static const uint8_t *field_value(const struct field *field)
{
	return field->value ? field->value : field->own;
}

static size_t field_bytes(const struct field *field)
{
	return field->count * type_bytes(field->type);
}

/* Get one of the whole numbers of a field. Returns 0 if the field has no number with this index, or
 * if its type is neither SHORT nor LONG. */
static uint32_t field_number(const struct structure *structure, const struct field *field,
                             uint32_t index)
{
	size_t n = type_bytes(field->type);
	const struct bytes all = {field_value(field), field_bytes(field)};

	if ((field->type != TYPE_SHORT && field->type != TYPE_LONG) ||
	    index >= field->count)
		return 0;
	return (uint32_t)bytes_number(all, index * n, (unsigned)n,
	                              structure->is_big_endian);
}

static void put(const struct structure *structure, struct field *field, uint32_t index,
                uint32_t number)
{
	struct block own = {.at = field->own, .n = sizeof(field->own)};
	unsigned n = (unsigned)type_bytes(field->type);

	block_set_number(&own, (size_t)index * n, number, n, structure->is_big_endian);
}

/* Set a field to a whole number. Its type becomes SHORT, or LONG if the number does not fit into
 * SHORT. */
static void set_number(const struct structure *structure, struct field *field,
                       uint32_t number)
{
	field->type = number > UINT16_MAX ? TYPE_LONG : TYPE_SHORT;
	field->count = 1;
	field->value = NULL;
	memset(field->own, 0, sizeof(field->own));
	put(structure, field, 0, number);
}

static bool set_colour_space(struct structure *structure, struct field *field)
{
	enum { SRGB = 1, UNCALIBRATED = 0xffff };

	set_number(structure, field,
	           structure->target->colour == COLOUR_SRGB ? SRGB : UNCALIBRATED);
	return true;
}

/* Set the interoperability index to the output's colours. "R98" means sRGB, "R03" means Adobe RGB.
 * Other values say nothing about colours. Returns false if the field must be dropped. */
static bool set_interop_index(struct structure *structure, struct field *field)
{
	enum metadata_colour colour = structure->target->colour;
	const struct bytes value = {field_value(field), field_bytes(field)};
	bool is_adobe = bytes_begin_with(value, BYTES_OF("R03"));

	if (colour == COLOUR_SRGB && is_adobe) {
		*field = (struct field){field->tag, TYPE_ASCII, 4, NULL, {'R', '9', '8'}};
		return true;
	}
	if (is_adobe)
		return colour == COLOUR_KEPT;
	return colour == COLOUR_SRGB || !bytes_begin_with(value, BYTES_OF("R98"));
}

static uint32_t scaled(double part, uint32_t side)
{
	return (uint32_t)lround(fmin(fmax(part, 0), 1) * side);
}

/* Convert a subject area from the input to the output. If the field has 2 numbers, they are a
 * point; if 3, the centre and the diameter of a circle; if 4, the centre, the width and the height
 * of a rectangle. Returns false if the field must be dropped. */
static bool set_subject(struct structure *structure, struct field *field)
{
	const struct metadata_target *target = structure->target;
	double from_width = target->from_width, from_height = target->from_height;
	uint32_t count = field->count, numbers[4] = {0}, most = 0;
	struct part at, size;

	if (!target->is_whole || count < 2 || count > 4 || from_width < 1 ||
	    from_height < 1 || (field->type != TYPE_SHORT && field->type != TYPE_LONG))
		return false;
	for (uint32_t i = 0; i < count; i++)
		numbers[i] = field_number(structure, field, i);
	at = target_turn_point(
		target, (struct part){numbers[0] / from_width, numbers[1] / from_height});
	size = (struct part){numbers[2] / from_width, numbers[3] / from_height};
	if (count == 4)
		size = target_turn_size(target, size);
	else if (target->orientation <= 4)
		size.x *= target->width;
	else
		size.x *= target->height;

	numbers[0] = scaled(at.x, target->width);
	numbers[1] = scaled(at.y, target->height);
	if (count == 3)
		numbers[2] = (uint32_t)lround(fmin(size.x, UINT16_MAX));
	if (count == 4) {
		numbers[2] = scaled(size.x, target->width);
		numbers[3] = scaled(size.y, target->height);
	}
	for (uint32_t i = 0; i < count; i++)
		most = numbers[i] > most ? numbers[i] : most;
	/* SHORT is the usual type, but it may be too small for the output. */
	if (most > UINT16_MAX)
		field->type = TYPE_LONG;
	field->value = NULL;
	memset(field->own, 0, sizeof(field->own));
	for (uint32_t i = 0; i < count; i++)
		put(structure, field, i, numbers[i]);
	return true;
}

/* If a field describes the file, set it to the output's value. Returns false if the field must be
 * dropped. */
static bool adapt(struct structure *structure, struct field *field, enum rule rule)
{
	const struct metadata_target *target = structure->target;

	if (!target)
		return true;
	switch (rule) {
	case RULE_ORIENTATION:
		if (!target->is_as_stored)
			set_number(structure, field, 1);
		return true;
	case RULE_WIDTH:
		set_number(structure, field, target->width);
		return true;
	case RULE_HEIGHT:
		set_number(structure, field, target->height);
		return true;
	case RULE_SITING:
		set_number(structure, field, 1);
		return true;
	case RULE_COLOUR_SPACE:
		return set_colour_space(structure, field);
	case RULE_COLOUR_DETAIL:
		return target->colour == COLOUR_KEPT;
	case RULE_INTEROP_INDEX:
		return set_interop_index(structure, field);
	case RULE_SUBJECT:
		return set_subject(structure, field);
	default:
		return true;
	}
}

static uint64_t number_at(const struct structure *structure, uint64_t offset,
                          unsigned n_bytes)
{
	if (offset > structure->bytes.n)
		return 0;
	return bytes_number(structure->bytes, (size_t)offset, n_bytes,
	                    structure->is_big_endian);
}

static const struct field *find(const struct directory *directory, unsigned tag)
{
	for (size_t i = 0; i < directory->n; i++) {
		if (directory->fields[i].tag == tag)
			return &directory->fields[i];
	}
	return NULL;
}

/* Read the entry at an offset. Returns false if the type of its value is unknown, or if the value
 * is not completely inside the structure. */
static bool read_field(const struct structure *structure, uint64_t at,
                       struct field *ret_field)
{
	unsigned n_inline = structure->is_wide ? 8 : 4;
	unsigned type = (unsigned)number_at(structure, at + 2, 2);
	uint64_t count = number_at(structure, at + 4, n_inline);
	uint64_t value_at = at + 4 + n_inline, n = count * type_bytes(type);
	struct bytes value;

	*ret_field = (struct field){.tag = (uint16_t)number_at(structure, at, 2),
	                            .type = (uint16_t)type,
	                            .count = (uint32_t)count};
	if (type_bytes(type) == 0 || count > structure->bytes.n)
		return false;
	if (n > n_inline)
		value_at = number_at(structure, value_at, n_inline);
	if (value_at > structure->bytes.n)
		return false;
	value = bytes_part(structure->bytes, (size_t)value_at, (size_t)n);
	ret_field->value = value.at;
	return value.n == n;
}

static void add_field(struct structure *structure, enum directory_name name,
                      const struct field *field)
{
	struct directory *directory = &structure->directories[name];

	/* Of several fields with the same tag, keep only the first, as readers do. */
	if (find(directory, field->tag))
		return;
	/* Several fields may share the bytes of a value. The sum of all lengths is limited, so that
	 * the output does not become much longer than the input. */
	structure->n_value_bytes += field_bytes(field);
	if (structure->n_value_bytes > structure->bytes.n + sizeof(field->own) * 64 ||
	    structure->n_value_bytes > METADATA_MAX_BYTES) {
		structure->has_lost = true;
		return;
	}
	directory->fields[directory->n++] = *field;
}

static void read_directory(struct structure *structure, enum directory_name name,
                           uint64_t at, uint64_t pointers[N_DIRECTORIES]);

/* The directory to which an entry with this tag points. N_DIRECTORIES: the entry is not a pointer
 * to a directory. */
static enum directory_name pointed_to(enum directory_name name, unsigned tag)
{
	if (name == MAIN && tag == TAG_EXIF_POINTER)
		return EXIF;
	if (name == MAIN && tag == TAG_GPS_POINTER)
		return GPS;
	if (name == EXIF && tag == TAG_INTEROP_POINTER)
		return INTEROP;
	return N_DIRECTORIES;
}

static bool is_pointer(unsigned tag)
{
	return tag == TAG_EXIF_POINTER || tag == TAG_GPS_POINTER ||
	       tag == TAG_INTEROP_POINTER;
}

static void take_entry(struct structure *structure, enum directory_name name, uint64_t at,
                       uint64_t pointers[N_DIRECTORIES])
{
	struct field field;
	bool is_whole = read_field(structure, at, &field);
	enum directory_name to = pointed_to(name, field.tag);
	enum rule rule = rule_of(name, field.tag, field.type);

	if (is_pointer(field.tag)) {
		/* Some writers give a pointer the type IFD instead of LONG. */
		field.type = field.type == TYPE_IFD ? TYPE_LONG : field.type;
		if (to != N_DIRECTORIES && is_whole && pointers[to] == 0)
			pointers[to] = field_number(structure, &field, 0);
		return;
	}
	if (!keeps(structure->keep, rule))
		return;
	if (!is_whole) {
		structure->has_lost = true;
		return;
	}
	if (adapt(structure, &field, rule))
		add_field(structure, name, &field);
}

static void read_directory(struct structure *structure, enum directory_name name,
                           uint64_t at, uint64_t pointers[N_DIRECTORIES])
{
	unsigned n_count = structure->is_wide ? 8 : 2,
		 n_entry = structure->is_wide ? 20 : 12;
	uint64_t n = number_at(structure, at, n_count), n_left;
	struct directory *directory = &structure->directories[name];

	if (at < 8 || at > structure->bytes.n || structure->bytes.n - at < n_count) {
		structure->has_lost = true;
		return;
	}
	at += n_count;
	n_left = (structure->bytes.n - at) / n_entry;
	if (n > n_left) {
		structure->has_lost = true;
		n = n_left;
	}
	/* Room for 5 more fields: 3 fields for the density of the target, and 2 pointers. */
	directory->fields = calloc((size_t)n + 5, sizeof(struct field));
	if (!directory->fields) {
		structure->has_failed = true;
		return;
	}
	for (; n > 0; n--, at += n_entry)
		take_entry(structure, name, at, pointers);
}

static bool read_head(struct structure *structure, struct bytes tiff, uint64_t *ret_first)
{
	bool is_little = bytes_begin_with(tiff, BYTES_OF("II"));

	structure->bytes = tiff;
	structure->is_big_endian = !is_little;
	if (!is_little && !bytes_begin_with(tiff, BYTES_OF("MM")))
		return false;
	structure->is_wide = number_at(structure, 2, 2) == 43;
	if (!structure->is_wide && number_at(structure, 2, 2) != 42)
		return false;
	*ret_first = structure->is_wide ? number_at(structure, 8, 8)
	                                : number_at(structure, 4, 4);
	return true;
}

static void read_structure(struct structure *structure, struct bytes tiff)
{
	uint64_t pointers[N_DIRECTORIES] = {0};

	if (!read_head(structure, tiff, &pointers[MAIN])) {
		structure->has_lost = true;
		return;
	}
	for (enum directory_name name = MAIN; name < N_DIRECTORIES; name++) {
		bool is_wanted = name == GPS ? structure->keep & KEEP_GPS : true;

		if ((name == MAIN || pointers[name] > 0) && is_wanted)
			read_directory(structure, name, pointers[name], pointers);
	}
}

/* Replace a field of the main directory, or add the field if it is missing. */
static void set_main(struct structure *structure, const struct field *field)
{
	struct directory *main = &structure->directories[MAIN];

	for (size_t i = 0; i < main->n; i++) {
		if (main->fields[i].tag == field->tag) {
			main->fields[i] = *field;
			return;
		}
	}
	main->fields[main->n++] = *field;
}

static void set_rational(struct structure *structure, unsigned tag, double number)
{
	struct field field = {.tag = (uint16_t)tag, .type = TYPE_RATIONAL, .count = 1};
	struct block own = {.at = field.own, .n = sizeof(field.own)};
	/* A density that is almost a whole number is rounded. The tolerance is about half a pixel
	 * per metre, because PNG stores a density in whole pixels per metre. */
	bool is_whole = fabs(number - round(number)) < 0.013;
	uint32_t under = is_whole ? 1 : 1000;

	block_set_number(&own, 0, (uint64_t)llround(number * under), 4,
	                 structure->is_big_endian);
	block_set_number(&own, 4, under, 4, structure->is_big_endian);
	set_main(structure, &field);
}

static void set_density(struct structure *structure, const struct density *density)
{
	enum { MOST = 4000000, INCH = 2 };
	struct field unit = {.tag = TAG_RESOLUTION_UNIT, .type = TYPE_SHORT};

	if (!(density->x > 0 && density->x <= MOST && density->y > 0 &&
	      density->y <= MOST))
		return;
	set_rational(structure, TAG_X_RESOLUTION, density->x);
	set_rational(structure, TAG_Y_RESOLUTION, density->y);
	set_number(structure, &unit, INCH);
	set_main(structure, &unit);
}

static int compare_tags(const void *a, const void *b)
{
	const struct field *first = a, *second = b;

	return (first->tag > second->tag) - (first->tag < second->tag);
}

/* The number of bytes that a directory and its values take in the written structure. Returns 0 for
 * an empty directory, which is not written. */
static size_t directory_bytes(const struct directory *directory)
{
	size_t n = 2 + 12 * directory->n + 4;

	if (directory->n == 0)
		return 0;
	for (size_t i = 0; i < directory->n; i++) {
		size_t n_value = field_bytes(&directory->fields[i]);

		if (n_value > 4)
			n += n_value + (n_value & 1);
	}
	return n;
}

static void write_directory(const struct structure *structure,
                            const struct directory *directory, struct block *to)
{
	bool is_big = structure->is_big_endian;
	size_t value_at = structure->base + to->n + 2 + 12 * directory->n + 4;

	block_add_number(to, directory->n, 2, is_big);
	for (size_t i = 0; i < directory->n; i++) {
		const struct field *field = &directory->fields[i];
		const struct bytes value = {field_value(field), field_bytes(field)};

		block_add_number(to, field->tag, 2, is_big);
		block_add_number(to, field->type, 2, is_big);
		block_add_number(to, field->count, 4, is_big);
		if (value.n > 4) {
			block_add_number(to, value_at, 4, is_big);
			value_at += value.n + (value.n & 1);
		} else {
			block_add(to, value);
			block_add_number(to, 0, (unsigned)(4 - value.n), is_big);
		}
	}
	block_add_number(to,
	                 directory == &structure->directories[MAIN]
	                         ? structure->next_directory
	                         : 0,
	                 4, is_big);
	for (size_t i = 0; i < directory->n; i++) {
		const struct field *field = &directory->fields[i];
		const struct bytes value = {field_value(field), field_bytes(field)};

		if (value.n <= 4)
			continue;
		block_add(to, value);
		block_add_number(to, 0, value.n & 1, is_big);
	}
}

/* Add to the directory `from` a pointer to the directory `to`. If `to` is empty, no pointer is
 * added. set_pointer() sets the value of the pointer later. */
static void add_pointer(struct structure *structure, enum directory_name from,
                        unsigned tag, enum directory_name to)
{
	struct directory *directory = &structure->directories[from];

	if (structure->directories[to].n == 0 || !directory->fields)
		return;
	directory->fields[directory->n++] = (struct field){
		.tag = (uint16_t)tag, .type = TYPE_LONG, .count = 1};
}

static void set_pointer(struct structure *structure, enum directory_name from,
                        unsigned tag, size_t to)
{
	struct directory *directory = &structure->directories[from];

	for (size_t i = 0; i < directory->n; i++) {
		if (directory->fields[i].tag == tag)
			put(structure, &directory->fields[i], 0, (uint32_t)to);
	}
}

static void write_directories(struct structure *structure, struct block *to)
{
	struct directory *directories = structure->directories;
	size_t at[N_DIRECTORIES], next = structure->base + to->n;

	for (int i = 0; i < N_DIRECTORIES; i++) {
		if (directories[i].n > 0)
			qsort(directories[i].fields, directories[i].n,
			      sizeof(struct field), compare_tags);
		at[i] = next;
		next += directory_bytes(&directories[i]);
	}
	set_pointer(structure, EXIF, TAG_INTEROP_POINTER, at[INTEROP]);
	set_pointer(structure, MAIN, TAG_EXIF_POINTER, at[EXIF]);
	set_pointer(structure, MAIN, TAG_GPS_POINTER, at[GPS]);
	for (int i = 0; i < N_DIRECTORIES; i++) {
		if (directories[i].n > 0)
			write_directory(structure, &directories[i], to);
	}
}

static void write_structure(struct structure *structure, struct block *to)
{
	add_pointer(structure, EXIF, TAG_INTEROP_POINTER, INTEROP);
	add_pointer(structure, MAIN, TAG_EXIF_POINTER, EXIF);
	add_pointer(structure, MAIN, TAG_GPS_POINTER, GPS);
	if (structure->directories[MAIN].n == 0)
		return;
	if (structure->target)
		set_density(structure, &structure->target->density);
	block_add_text(to, structure->is_big_endian ? "MM" : "II");
	block_add_number(to, 42, 2, structure->is_big_endian);
	block_add_number(to, 8, 4, structure->is_big_endian);
	write_directories(structure, to);
	structure->has_failed |= to->has_failed;
}

static void free_directories(struct structure *structure)
{
	for (int i = 0; i < N_DIRECTORIES; i++)
		free(structure->directories[i].fields);
}

bool exif_filter(struct block *ret_exif, struct bytes tiff, unsigned keep,
                 const struct metadata_target *target, unsigned *lost)
{
	struct structure structure = {.keep = keep, .target = target};

	if (!(keep & (KEEP_EXIF | KEEP_GPS | KEEP_COPYRIGHT)) || tiff.n == 0)
		return true;
	read_structure(&structure, tiff);
	if (!structure.has_failed)
		write_structure(&structure, ret_exif);
	free_directories(&structure);
	if (structure.has_lost)
		*lost |= LOST_EXIF;
	return !structure.has_failed;
}

bool exif_of_density(struct block *ret_exif, const struct metadata_target *target)
{
	struct structure structure = {.target = target, .is_big_endian = true};
	struct directory *main = &structure.directories[MAIN];

	/* Room for the three fields of the density. */
	main->fields = calloc(3, sizeof(struct field));
	if (!main->fields)
		return false;
	set_density(&structure, &target->density);
	write_structure(&structure, ret_exif);
	free_directories(&structure);
	return !structure.has_failed;
}

/* Drop the fields with these tags from a directory. */
static void drop_fields(struct directory *directory, const uint16_t *tags, size_t n_tags)
{
	size_t n = 0;

	for (size_t i = 0; i < directory->n; i++) {
		bool is_listed = false;

		for (size_t k = 0; k < n_tags; k++)
			is_listed |= directory->fields[i].tag == tags[k];
		if (!is_listed)
			directory->fields[n++] = directory->fields[i];
	}
	directory->n = n;
}

/*
 * Collect the EXIF of a TIFF file: the fields of its first directory, and the directories to which
 * they point. Fields that describe samples or density are left out.
 *
 * ret_exif  an empty block, which stays empty if the file has no EXIF. The caller frees it.
 *
 * Returns false if memory ran out.
 */
static bool exif_of_tiff(struct block *ret_exif, struct bytes file, unsigned *lost)
{
	static const uint16_t layout[] = {TAG_IMAGE_WIDTH,  TAG_IMAGE_LENGTH,
	                                  TAG_SITING,       TAG_X_RESOLUTION,
	                                  TAG_Y_RESOLUTION, TAG_RESOLUTION_UNIT};
	static const uint16_t upright[] = {TAG_ORIENTATION};
	struct structure structure = {.keep = KEEP_EXIF | KEEP_GPS};
	struct directory *main = &structure.directories[MAIN];
	const struct field *orientation;

	read_structure(&structure, file);
	drop_fields(main, layout, sizeof(layout) / sizeof(layout[0]));
	orientation = find(main, TAG_ORIENTATION);
	if (orientation && field_number(&structure, orientation, 0) <= 1)
		drop_fields(main, upright, 1);
	if (!structure.has_failed)
		write_structure(&structure, ret_exif);
	free_directories(&structure);
	if (structure.has_lost)
		*lost |= LOST_EXIF;
	return !structure.has_failed;
}

/* Read a rational number of the main directory. Returns 0 if the tag is missing or malformed. */
static double main_rational(const struct structure *structure, unsigned tag)
{
	const struct field *field = find(&structure->directories[MAIN], tag);
	struct bytes value;
	double under;

	if (!field || field->type != TYPE_RATIONAL || field->count != 1)
		return 0;
	value = (struct bytes){field->value, 8};
	under = (double)bytes_number(value, 4, 4, structure->is_big_endian);
	if (under < 1)
		return 0;
	return (double)bytes_number(value, 0, 4, structure->is_big_endian) / under;
}

struct density exif_density(struct bytes tiff)
{
	enum { INCH = 2, CENTIMETRE = 3 };
	struct structure structure = {.keep = KEEP_EXIF};
	uint64_t pointers[N_DIRECTORIES] = {0};
	struct density density = {0, 0};
	const struct field *unit;
	double scale = 1;

	if (read_head(&structure, tiff, &pointers[MAIN]))
		read_directory(&structure, MAIN, pointers[MAIN], pointers);
	unit = find(&structure.directories[MAIN], TAG_RESOLUTION_UNIT);
	if (unit && field_number(&structure, unit, 0) == CENTIMETRE)
		scale = 2.54;
	/* In TIFF and EXIF, the default unit is the inch. */
	if (!unit || field_number(&structure, unit, 0) == INCH || scale > 1) {
		density.x = main_rational(&structure, TAG_X_RESOLUTION) * scale;
		density.y = main_rational(&structure, TAG_Y_RESOLUTION) * scale;
	}
	free(structure.directories[MAIN].fields);
	if (!(density.x > 0 && density.y > 0))
		density = (struct density){0, 0};
	return density;
}

/* Borrow the bytes of a field of the main directory. The result is empty if the tag is missing. */
static struct bytes exif_main_value(struct bytes tiff, unsigned tag)
{
	struct structure structure = {.bytes = tiff};
	unsigned n_count, n_entry;
	uint64_t at, n;
	struct field field;

	if (!read_head(&structure, tiff, &at))
		return (struct bytes){NULL, 0};
	n_count = structure.is_wide ? 8 : 2;
	n_entry = structure.is_wide ? 20 : 12;
	for (n = number_at(&structure, at, n_count), at += n_count; n > 0 && at < tiff.n;
	     n--, at += n_entry) {
		if (number_at(&structure, at, 2) != tag)
			continue;
		if (!read_field(&structure, at, &field))
			break;
		return (struct bytes){field.value, field.value ? field_bytes(&field) : 0};
	}
	return (struct bytes){NULL, 0};
}

/*
 * ---- writing into a TIFF file ----
 */

/* How many bytes at a time are reversed to change the byte order of values of this type. A rational
 * number consists of two numbers of 4 bytes. */
static size_t unit_bytes(unsigned type)
{
	enum { TYPE_SSHORT = 8, TYPE_DOUBLE = 12, TYPE_SRATIONAL = 10 };

	if (type == TYPE_SHORT || type == TYPE_SSHORT)
		return 2;
	if (type == TYPE_DOUBLE)
		return 8;
	return type == TYPE_RATIONAL || type == TYPE_SRATIONAL || type_bytes(type) == 4
	               ? 4
	               : 1;
}

/* Convert the values of a directory to the other byte order. The new values are stored in the block
 * `turned`. */
static void turn_values(struct directory *directory, struct block *turned)
{
	size_t n = 0;

	for (size_t i = 0; i < directory->n; i++)
		n += field_bytes(&directory->fields[i]);
	/* Allocate all memory at once. A second allocation could move the block, but the fields
	 * point into it. */
	if (n == 0 || !block_extend(turned, n))
		return;
	n = 0;
	for (size_t i = 0; i < directory->n; i++) {
		struct field *field = &directory->fields[i];
		const uint8_t *from = field_value(field);
		size_t n_value = field_bytes(field), n_unit = unit_bytes(field->type);

		for (size_t k = 0; k < n_value; k++)
			turned->at[n + k] =
				from[k - k % n_unit + n_unit - 1 - k % n_unit];
		field->value = turned->at + n;
		n += n_value;
	}
}

/* Copy an entry of the file's first directory if it describes the structure of the file. Entries
 * with metadata are not copied: the new metadata replaces them. */
static void keep_entry(struct structure *structure, const struct structure *of_file,
                       uint64_t at)
{
	struct directory *main = &structure->directories[MAIN];
	struct field field;
	enum rule rule;

	if (!read_field(of_file, at, &field) || find(main, field.tag))
		return;
	rule = rule_of(MAIN, field.tag, field.type);
	if (rule == RULE_KEEP || rule == RULE_PLACE || rule == RULE_COPYRIGHT ||
	    is_pointer(field.tag) || field.tag == TAG_XMP || field.tag == TAG_IPTC ||
	    field.tag == TAG_PHOTOSHOP)
		return;
	main->fields[main->n++] = field;
}

static void add_block(struct structure *structure, unsigned tag, struct bytes bytes)
{
	const struct field field = {.tag = (uint16_t)tag,
	                            .type = TYPE_UNDEFINED,
	                            .count = (uint32_t)bytes.n,
	                            .value = bytes.at};

	if (bytes.n > 0)
		set_main(structure, &field);
}

/* If no density was set, declare it as unknown: a unit of 1 means that the two numbers are only the
 * aspect ratio of a pixel. */
static void set_no_density(struct structure *structure)
{
	struct field unit = {.tag = TAG_RESOLUTION_UNIT, .type = TYPE_SHORT};

	if (find(&structure->directories[MAIN], TAG_X_RESOLUTION))
		return;
	set_rational(structure, TAG_X_RESOLUTION, 1);
	set_rational(structure, TAG_Y_RESOLUTION, 1);
	set_number(structure, &unit, 1);
	set_main(structure, &unit);
}

/* Make room in the main directory for n more fields. */
static bool grow_main(struct structure *structure, size_t n)
{
	struct directory *main = &structure->directories[MAIN];
	struct field *fields = realloc(main->fields,
	                               (main->n + n) * sizeof(struct field));

	if (fields)
		main->fields = fields;
	return fields != NULL;
}

/*
 * Add EXIF, XMP and IPTC to a TIFF file. A new first directory gets the file's own fields and the
 * fields of the metadata. It is appended to the file, together with the directories to which it
 * points, so that the rest of the file does not move. Numbers have the file's byte order. The
 * density in the file was invented by the encoder. It is replaced by the density of the metadata,
 * or by fields that declare the density as unknown.
 *
 * to  an empty block. It gets the bytes to append to the file. If the file has an odd length, the
 *     first of them is a padding byte.
 *
 * Returns false if the file is no classic TIFF. If memory ran out, sets to->has_failed.
 */
static bool exif_add_to_tiff(struct block *to, struct bytes file,
                             const struct metadata *metadata)
{
	enum { N_ADDED = 8 };
	/* In the metadata these fields describe the samples of the input, so they are not copied.
	 * In the TIFF file the same fields describe the samples of the output. */
	static const uint16_t layout[] = {TAG_IMAGE_WIDTH, TAG_IMAGE_LENGTH, TAG_SITING};
	struct structure structure = {.keep = KEEP_EXIF | KEEP_GPS};
	struct structure of_file = {.bytes = file};
	struct block turned[N_DIRECTORIES] = {0};
	uint64_t first, n, next_at;

	if (!read_head(&of_file, file, &first) || of_file.is_wide || first >= file.n)
		return false;
	n = number_at(&of_file, first, 2);
	next_at = first + 2 + 12 * n;
	if (next_at > file.n - 4 || file.n > UINT32_MAX / 2)
		return false;
	if (metadata->exif.n > 0)
		read_structure(&structure, block_bytes(&metadata->exif));
	for (int i = 0; i < N_DIRECTORIES; i++) {
		if (structure.is_big_endian != of_file.is_big_endian)
			turn_values(&structure.directories[i], &turned[i]);
		structure.has_failed |= turned[i].has_failed;
	}
	structure.is_big_endian = of_file.is_big_endian;
	if (structure.has_failed || !grow_main(&structure, (size_t)n + N_ADDED)) {
		to->has_failed = true;
	} else {
		drop_fields(&structure.directories[MAIN], layout,
		            sizeof(layout) / sizeof(layout[0]));
		set_density(&structure, &metadata->density);
		set_no_density(&structure);
		add_block(&structure, TAG_XMP, block_bytes(&metadata->xmp));
		add_block(&structure, TAG_IPTC, block_bytes(&metadata->iptc));
		add_pointer(&structure, EXIF, TAG_INTEROP_POINTER, INTEROP);
		add_pointer(&structure, MAIN, TAG_EXIF_POINTER, EXIF);
		add_pointer(&structure, MAIN, TAG_GPS_POINTER, GPS);
		for (uint64_t i = 0; i < n; i++)
			keep_entry(&structure, &of_file, first + 2 + 12 * i);

		block_add_number(to, 0, file.n & 1, true);
		structure.base = file.n;
		structure.next_directory = (uint32_t)number_at(&of_file, next_at, 4);
		write_directories(&structure, to);
	}
	free_directories(&structure);
	for (int i = 0; i < N_DIRECTORIES; i++)
		block_fini(&turned[i]);
	return true;
}

/* Set the pointer in the header of a TIFF file to the first directory, which is at offset `at`. */
static void exif_point_to(struct block *head, size_t at)
{
	enum { FIRST_AT = 4 };
	bool is_big_endian = bytes_begin_with(block_bytes(head), BYTES_OF("MM"));

	block_set_number(head, FIRST_AT, at, 4, is_big_endian);
}

/*
 * ---- TIFF files as containers ----
 *
 * The EXIF of a TIFF file consists of fields of the first directory and of the directories to which
 * it points. XMP and IPTC are also fields of the first directory. If the field for IPTC is
 * missing, IPTC may be in the field with Photoshop's resources. The metadata of other pages is not
 * read.
 */

enum { HEAD_BYTES = 8 };

/* Take the IPTC of a TIFF. Some writers store IPTC as 32-bit numbers in the wrong byte order. This
 * is corrected: in each group of 4 bytes, the order of the bytes is reversed. */
static void take_iptc(struct metadata *metadata, struct bytes iptc)
{
	bool is_turned = iptc.n >= 4 && iptc.at[0] != 0x1c && iptc.at[3] == 0x1c;

	/* metadata_take() reports IPTC as lost if it is too long. */
	if (!is_turned || iptc.n > METADATA_MAX_BYTES) {
		metadata_take(metadata, &metadata->iptc, iptc);
		return;
	}
	for (size_t at = 0; at + 4 <= iptc.n; at += 4)
		block_add_number(&metadata->iptc, bytes_le32(iptc, at), 4, true);
}

static void read_tiff(struct metadata *metadata, struct bytes file)
{
	struct bytes iptc = exif_main_value(file, TAG_IPTC);

	if (!exif_of_tiff(&metadata->exif, file, &metadata->lost))
		metadata->exif.has_failed = true;
	metadata_take(metadata, &metadata->xmp, exif_main_value(file, TAG_XMP));
	if (iptc.n == 0)
		iptc = photoshop_resource(exif_main_value(file, TAG_PHOTOSHOP),
		                          PHOTOSHOP_IPTC);
	take_iptc(metadata, iptc);
	metadata->density = exif_density(file);
}

static bool write_tiff(struct splice *splice, struct bytes file,
                       const struct metadata *metadata, unsigned *lost)
{
	if (metadata->comment.n > 0 || metadata->png_text.n > 0)
		*lost |= LOST_COMMENT;
	block_add(&splice->head, bytes_part(file, 0, HEAD_BYTES));
	splice->from = HEAD_BYTES;
	if (!exif_add_to_tiff(&splice->tail, file, metadata))
		return false;
	exif_point_to(&splice->head, file.n + (file.n & 1));
	return true;
}

const struct container container_tiff = {.read = read_tiff, .write = write_tiff};
