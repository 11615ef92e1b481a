/*
 * Picture formats: one table that the gate, the names of outputs and `pixpool info`
 * share. Plain bytes only: no picture library is seen from here, so that the parent
 * may ask.
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
	FORMAT_PAM, /* of the Netpbm family too, but nobody here reads it */
	FORMAT_RAW, /* a camera's raw file: told from TIFF, never read as its preview */
	N_FORMATS
};
enum { FORMAT_GATE_BYTES = 32 }; /* what the gate looks at */

struct format_info {
	const char *name;      /* as records say it: "jpeg" */
	const char *extension; /* what a new output name ends in: "jpg" */
	/* Every suffix that names it, lower case, NULL at the end. */
	const char *const *suffixes;
	enum image_format same_as; /* what `-f same` writes: itself, jpeg or png */
	uint32_t max_side; /* longest that can be written; 0: no limit of its own */
	bool has_alpha;    /* what is written keeps an alpha channel */
	bool has_depth;    /* ... and more than 8 bits a sample */
	bool has_profile;  /* ... and a colour profile */
	bool has_frames;   /* ... and an animation */
	bool is_drawn;     /* shapes and text, and no pixels of its own: it takes fonts */
};

/* The row of a format, never NULL; FORMAT_NONE has the name "unknown". */
const struct format_info *format_info(enum image_format format);

/* The format that a name's suffix stands for (case does not matter), or FORMAT_NONE. */
enum image_format format_of_name(const char *name);

/* The format for a word of -f ("jpg", "jpeg", "png" ...), or FORMAT_NONE. */
enum image_format format_of_word(const char *word);

/*
 * The magic gate: the format by the first bytes, n of them: FORMAT_GATE_BYTES or more,
 * or all that the file has. With more bytes it sees more: an SVG behind a comment, and
 * a camera's raw file by its TIFF directory instead of by its suffix.
 *
 * TGA has no magic: it is believed by suffix alone, and only when nothing else matches
 * and the header is one a TGA can have. Gzip is taken for an SVG by suffix alone, and no
 * library is to sniff it: libvips 8.14.1 loops for ever over 33 bytes of it. FORMAT_NONE
 * for all else.
 */
enum image_format format_of_bytes(const uint8_t *bytes, size_t n, const char *name);

#endif
