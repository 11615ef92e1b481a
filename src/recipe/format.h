/*
 * Image formats: one table for format detection, output names and `pixpool info`. No image library
 * is needed here, so the main process can use it.
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
	FORMAT_PAM, /* the format P7 of the Netpbm family */
	FORMAT_RAW, /* camera RAW: distinguished from TIFF; its preview is never used */
	N_FORMATS
};
enum { FORMAT_SNIFF_BYTES = 32 }; /* bytes that are enough to recognise most formats */

struct format_info {
	const char *name;      /* the name in records: "jpeg" */
	const char *extension; /* the suffix of a new output: "jpg" */
	/* All suffixes in lower case, ended by NULL. */
	const char *const *suffixes;
	/* the output format for `-f same`: the format itself, jpeg or png */
	enum image_format same_as;
	uint32_t max_side; /* the longest side that can be written; 0: no limit */
	bool has_alpha;    /* outputs can have alpha */
	bool has_depth;    /* outputs can have more than 8 bits per sample */
	bool has_profile;  /* outputs can have a colour profile */
	bool has_frames;   /* outputs can be an animation */
	bool has_pages;    /* outputs can have several pages */
	/* the format has shapes and text instead of pixels, and needs fonts */
	bool is_drawn;
};

/* The table row of a format, never NULL. The name of FORMAT_NONE is "unknown". */
const struct format_info *format_info(enum image_format format);

/* The format of a file name, by its suffix in upper or lower case; or FORMAT_NONE. */
enum image_format format_of_name(const char *name);

/* The format for a value of -f, such as "jpg" or "png"; or FORMAT_NONE. */
enum image_format format_of_word(const char *word);

/*
 * The format of a file, by its first n bytes: FORMAT_SNIFF_BYTES or more, or the whole file. With
 * more bytes more files are recognised: an SVG after a comment, and a camera RAW file by its TIFF
 * directory instead of its suffix.
 *
 * TGA has no magic number: it is recognised by its suffix, if no other format matches and
 * the header is possible for a TGA. Gzip counts as SVG only by its suffix, and no library
 * may sniff it, because libvips 8.14.1 loops forever over a certain gzip of 33 bytes.
 * FORMAT_NONE for everything else.
 */
enum image_format format_of_bytes(const uint8_t *bytes, size_t n, const char *name);

#endif
