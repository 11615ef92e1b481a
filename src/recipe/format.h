/*
 * Image formats: one table serves format detection, output names and `pixpool info`. It needs no
 * image library, so the main process can use it.
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
	/* Camera RAW, which is distinguished from TIFF; its preview is never used. */
	FORMAT_RAW,
	N_FORMATS
};
/* This many bytes are enough to recognise most formats. */
enum { FORMAT_SNIFF_BYTES = 32 };

struct format_info {
	const char *name;      /* the name in records, such as "jpeg" */
	const char *extension; /* the suffix of a new output, such as "jpg" */
	/* All suffixes, in lower case. The list ends with NULL. */
	const char *const *suffixes;
	/* The output format for `-f same`. It is this format if outputs can be written in it, or
	 * else JPEG or PNG. */
	enum image_format same_as;
	/* The longest side in pixels that can be written; 0: no limit. */
	uint32_t max_side;
	bool has_alpha;   /* outputs can have alpha */
	bool has_depth;   /* outputs can have more than 8 bits per sample */
	bool has_profile; /* outputs can have a colour profile */
	bool has_frames;  /* outputs can be an animation */
	bool has_pages;   /* outputs can have several pages */
	/* The format has shapes and text instead of pixels, and drawing it needs fonts. */
	bool is_drawn;
};

/* The table row of a format; never NULL. The row of FORMAT_NONE has the name "unknown". */
const struct format_info *format_info(enum image_format format);

/* Get the format of a file name by its suffix, in upper or lower case. Returns FORMAT_NONE for an
 * unknown suffix. */
enum image_format format_of_name(const char *name);

/* Get the format for a value of the option -f, such as "jpg" or "png". Returns FORMAT_NONE for an
 * unknown value. */
enum image_format format_of_word(const char *word);

/*
 * Get the format of a file from its first n bytes. n must be at least FORMAT_SNIFF_BYTES, unless
 * the whole file is shorter. If n is larger, more files are recognised: an SVG that begins with a
 * comment, and a camera RAW file whose suffix does not say so.
 *
 * A TGA has no magic number. A file is a TGA if its suffix says so, no other format matches, and
 * its header is possible for a TGA. A gzip file is an SVG only if its suffix says so. No library
 * may detect the format of a gzip file, because libvips 8.14.1 loops forever over a certain gzip of
 * 33 bytes. Everything else is FORMAT_NONE.
 */
enum image_format format_of_bytes(const uint8_t *bytes, size_t n, const char *name);

#endif
