/*
 * Finds facts about a JPEG, PNG, WebP or GIF that decoders do not report: the orientation, a colour
 * profile, and whether stb_image would decode the file wrongly.
 *
 * The bytes are untrusted. A wrong length ends the scan. Everything that the scan has not found by
 * then counts as absent. Malformed EXIF gives orientation 1.
 */
#ifndef PXP_METADATA_SCAN_H
#define PXP_METADATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of the file that defines the colours of the samples. */
enum colour_chunk {
	COLOUR_CHUNK_NONE,    /* no part, or a part that defines sRGB */
	COLOUR_CHUNK_PROFILE, /* the embedded profile */
	COLOUR_CHUNK_CICP,    /* for a PNG: primaries and transfer */
	/* For a PNG: gamma, and chromaticities if the file has them. */
	COLOUR_CHUNK_GAMMA,
};

struct metadata_scan {
	unsigned orientation;  /* EXIF orientation, 1 to 8 */
	unsigned n_components; /* components of a JPEG; 0: it has no frame header */
	uint8_t process; /* the low byte of the SOF marker of a JPEG; 0xc0 is baseline */
	/* For a JPEG: its end marker was found. For a PNG always true. */
	bool is_whole;
	/* For a JPEG. lacks_end: the file ends where its end marker should be, or earlier.
	 * has_all_scans: lacks_end is true, but the scans send all bits of all coefficients. Then
	 * only the end marker is missing, or the last scan is truncated. */
	bool lacks_end, has_all_scans;
	bool has_bad_table; /* a Huffman table of a JPEG has too many codes */
	bool has_exif, has_xmp, has_iptc;
	bool has_profile;
	/* The embedded profile. NULL: the file has no profile, or has it in several segments. */
	const uint8_t *profile;
	size_t n_profile;
	bool profile_is_deflated; /* the profile is compressed, as in a PNG */
	/* The part that defines the colours. In a PNG it is the first of these that the file has:
	 * cICP, iCCP, sRGB, gAMA (with cHRM if present). */
	enum colour_chunk colours;
	uint8_t primaries, transfer; /* code points of CICP */
	uint32_t gamma;              /* gamma in units of 1/100000; 0: no gAMA chunk */
	bool has_chromaticities;
	/* X and y of white, red, green, blue, in units of 1/100000. */
	uint32_t chromaticities[8];
};

void metadata_scan_jpeg(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
void metadata_scan_png(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
/* Finds the profile only: other metadata of a WebP is read elsewhere. */
void metadata_scan_webp(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);

/* How much the chroma of a JPEG is subsampled, from 1 to 4 on each axis. For 4:2:0 both numbers are
 * 2. */
struct chroma_ratio {
	unsigned across, down;
};

struct chroma_ratio jpeg_chroma_ratio(const uint8_t *bytes, size_t n);

/* Whether every block of a GIF is complete. Decoders do not report an incomplete frame, so this
 * function must find it. */
bool gif_is_whole(const uint8_t *bytes, size_t n);

/* The value of a tag in the first directory of a TIFF structure of n bytes. Returns `otherwise` if
 * the tag is missing, or if its value is not exactly one number of type SHORT. */
unsigned tiff_short(const uint8_t *tiff, size_t n, unsigned tag, unsigned otherwise);

/* The samples of a pixel in the first page of a TIFF. */
struct tiff_samples {
	/* the number of colour samples; 0: the colour space is unknown */
	uint32_t n_colours;
	/* The only colour sample is an index into a palette. Decoders replace the index by 1 or 3
	 * colour samples. */
	bool has_palette;
	/* the number of samples beyond the colours */
	uint32_t n_extra;
	/* the index of the sample that the file declares as alpha; 0: none */
	uint32_t alpha;
	/* The pixels are grey, and each sample of a pixel is stored in a plane of its own. */
	bool is_grey_in_planes;
};

/* The pages of a TIFF. A directory with a preview or a mask does not count as a page. But if every
 * directory has a preview or a mask, the first counts as a page. */
struct tiff_pages {
	uint32_t n;
	uint32_t n_directories;
	uint32_t first;              /* index of the directory with the first page */
	bool are_adjacent;           /* no preview or mask is between the pages */
	struct tiff_samples samples; /* samples of the first page */
	/* These are within the file: all directories, the palette and the profile of each page, and the
	 * pixels of all pages except the first. */
	bool is_whole;
};

void tiff_find_pages(const uint8_t *bytes, size_t n, struct tiff_pages *ret_pages);

/* Directories of a TIFF: n of them, beginning with the directory that has the index first. */
struct tiff_range {
	uint32_t first, n;
};

/*
 * Call visit for each strip and tile in a range of directories that is compressed with deflate.
 * Strips that are not inside the file are skipped.
 *
 * visit   gets the compressed bytes of a strip; it returns false to stop
 *
 * Returns false if visit returned false.
 */
bool tiff_visit_deflated(const uint8_t *bytes, size_t n, struct tiff_range range,
                         bool (*visit)(void *data, const uint8_t *strip, size_t n_strip),
                         void *data);

/* The EXIF orientation in a TIFF structure of n bytes; 1 if the tag is missing or malformed. */
unsigned exif_orientation(const uint8_t *tiff, size_t n);

#endif
