/*
 * The image formats. One table is used for format detection, output names and `pixpool info`. The
 * table needs no image library, so the main process can use it.
 */
#ifndef PXP_FORMAT_H
#define PXP_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_format {
	FORMAT_NONE = 0,
	FORMAT_JPEG,
	FORMAT_PNG,
	FORMAT_WEBP,
	FORMAT_GIF,
	FORMAT_TIFF,
	FORMAT_HEIC,
	FORMAT_AVIF,
	FORMAT_JXL,
	FORMAT_JP2,
	FORMAT_SVG,
	FORMAT_PDF,
	FORMAT_PNM,
	FORMAT_BMP,
	FORMAT_TGA,
	FORMAT_PSD,
	FORMAT_HDR,
	FORMAT_EXR,
	FORMAT_ICO,
	FORMAT_PAM, /* P7 of the Netpbm formats */
	/* Camera RAW. Many camera RAW files are also TIFF files, but they are not read as TIFF. The
	 * preview in such a file is never used. */
	FORMAT_RAW,
	N_FORMATS
};
/* The number of bytes from which most formats can be recognised. */
enum { FORMAT_SNIFF_BYTES = 32 };

struct format_info {
	const char *name;      /* the name in records, such as "jpeg" */
	const char *extension; /* the suffix of a new output, such as "jpg" */
	/* All suffixes, in lower case. The list ends with NULL. */
	const char *const *suffixes;
	/* The output format for `-f same`: JPEG for a HEIC, PNG for an SVG, PDF, PSD, EXR, ICO or
	 * PAM, and for all other formats the format itself. */
	enum image_format same_as;
	/* The length in pixels of the longest side that an output can have; 0: no limit. */
	uint32_t max_side;
	bool has_alpha;   /* outputs can have alpha */
	bool has_depth;   /* outputs can have more than 8 bits per sample */
	bool has_profile; /* outputs can have a colour profile */
	bool has_frames;  /* outputs can be an animation */
	bool has_pages;   /* outputs can have several pages */
	/* Pictures in this format consist of shapes and text instead of pixels. Drawing them needs
	 * fonts. */
	bool is_drawn;
};

/* The table row of a format; never NULL. The row of FORMAT_NONE has the name "unknown". */
const struct format_info *format_info(enum image_format format);

/* Get the format of a file from the suffix of its name, in upper or lower case. Returns FORMAT_NONE
 * for an unknown suffix. */
enum image_format format_of_name(const char *name);

/* Get the format for a value of the option -f, such as "jpg" or "png". Returns FORMAT_NONE for an
 * unknown value. */
enum image_format format_of_word(const char *word);

/*
 * Get the format of a file from its first n bytes. n must be at least FORMAT_SNIFF_BYTES, unless
 * the whole file is shorter. With more bytes, three more kinds of files are recognised: an SVG in
 * which something comes before the element "svg", a PDF in which something comes before "%PDF-",
 * and a camera RAW file that does not have the suffix of a camera RAW format.
 *
 * A TGA has no magic number. A file is a TGA if it has the suffix of a TGA, no other format
 * matches, and its header is a possible TGA header. A gzip file is an SVG only if it has the suffix
 * of an SVG. Do not let a library detect the format of a gzip file: libvips 8.14.1 never returns
 * from a certain gzip file of 33 bytes. Returns FORMAT_NONE if the file has no known format.
 */
enum image_format format_of_bytes(const uint8_t *bytes, size_t n, const char *name);

#endif
