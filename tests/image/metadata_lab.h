/* Small blocks of metadata, made by hand, and looked at by readers of the tests' own. */
#ifndef PXP_METADATA_LAB_H
#define PXP_METADATA_LAB_H

#include "image/metadata/containers.h"

enum lab_directory {
	LAB_MAIN,
	LAB_EXIF,
	LAB_GPS,
	LAB_INTEROP,
	LAB_THUMBNAIL,
	N_LAB_DIRECTORIES
};

/* A field of a TIFF structure: ASCII with text, or whole numbers. */
struct lab_field {
	enum lab_directory directory;
	uint16_t tag, type;
	const char *text; /* with its final zero; NULL: numbers */
	uint32_t number[4];
	uint32_t n_numbers; /* 0 means 1 */
};

enum { LAB_ASCII = 2, LAB_SHORT = 3, LAB_LONG = 4, LAB_RATIONAL = 5, LAB_UNDEFINED = 7 };

/* A TIFF structure of these fields, in the order in which they stand. */
struct block lab_exif(bool is_big_endian, const struct lab_field *fields, size_t n);

/* The value of a field, as a reader of its own finds it; empty when there is none. */
struct bytes lab_exif_value(struct bytes tiff, enum lab_directory directory,
                            unsigned tag);

/* The first whole number of a field; -1 when there is none. */
int64_t lab_exif_number(struct bytes tiff, enum lab_directory directory, unsigned tag);

/* The file that a splice makes. */
struct block lab_spliced(const struct splice *splice, struct bytes file);

bool lab_holds(struct bytes bytes, const char *words);

/* An output of 320 x 240, all of an upright 640 x 480 input, sRGB, JPEG. */
struct metadata_target lab_target(void);

#endif
