/* Small metadata blocks made by hand, and independent readers to check them. */
#ifndef PXP_METADATA_FIXTURE_H
#define PXP_METADATA_FIXTURE_H

#include "image/metadata/containers.h"

enum fixture_directory {
	FIXTURE_MAIN,
	FIXTURE_EXIF,
	FIXTURE_GPS,
	FIXTURE_INTEROP,
	FIXTURE_THUMBNAIL,
	N_FIXTURE_DIRECTORIES
};

/* A field of a TIFF structure, with a text or with whole numbers. */
struct fixture_field {
	enum fixture_directory directory;
	uint16_t tag, type;
	/* The text, which is stored with its final zero if the type is ASCII; NULL: the field has
	 * numbers. */
	const char *text;
	uint32_t number[4];
	uint32_t n_numbers; /* number of values; 0 means 1 */
};

enum {
	FIXTURE_ASCII = 2,
	FIXTURE_SHORT = 3,
	FIXTURE_LONG = 4,
	FIXTURE_RATIONAL = 5,
	FIXTURE_UNDEFINED = 7
};

/* Make a TIFF structure of these fields, in their order. */
struct block fixture_exif(bool is_big_endian, const struct fixture_field *fields,
                          size_t n);

/* The value of a field, as an independent reader finds it; empty if the field is missing. */
struct bytes fixture_exif_value(struct bytes tiff, enum fixture_directory directory,
                                unsigned tag);

/* The first whole number of a field; -1 if the field is missing. */
int64_t fixture_exif_number(struct bytes tiff, enum fixture_directory directory,
                            unsigned tag);

/* The file that results from splicing metadata in. */
struct block fixture_spliced(const struct splice *splice, struct bytes file);

bool fixture_holds(struct bytes bytes, const char *words);

/* The target of most tests: an sRGB JPEG of 320 x 240 pixels that shows the whole input. The input
 * is upright and has 640 x 480 pixels. */
struct metadata_target fixture_target(void);

#endif
