/*
 * Finds facts about a JPEG, PNG, WebP, GIF or TIFF that decoders do not report. Examples are the
 * orientation, the colour profile, and faults that stb_image does not notice.
 *
 * The bytes are untrusted. A wrong length ends the scan. A part that the scan has not reached by
 * then counts as absent. If EXIF is malformed, the orientation is 1.
 */
#ifndef PXP_METADATA_SCAN_H
#define PXP_METADATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of the file that defines the colours of the samples. */
enum colour_chunk {
	COLOUR_CHUNK_NONE,    /* the colours are not defined, or are sRGB */
	COLOUR_CHUNK_PROFILE, /* the embedded profile */
	COLOUR_CHUNK_CICP,    /* for a PNG: the chunk cICP, with primaries and transfer */
	/* For a PNG: gamma, and chromaticities if the file has them. */
	COLOUR_CHUNK_GAMMA,
};

struct metadata_scan {
	unsigned orientation;  /* EXIF orientation, 1 to 8 */
	unsigned n_components; /* components of a JPEG; 0: it has no frame header */
	uint8_t process; /* the low byte of the SOF marker of a JPEG; 0xc0 is baseline */
	/* For a JPEG: the end marker was found after at least one scan. For other files: true. */
	bool is_whole;
	/* lacks_end: a JPEG ends without an end marker. has_all_scans: lacks_end is true, but the
	 * scans of the JPEG send all bits of all coefficients. Such a file lacks only its end
	 * marker, unless its last scan is truncated. */
	bool lacks_end, has_all_scans;
	bool has_bad_table; /* a Huffman table of a JPEG has too many codes */
	bool has_exif, has_xmp, has_iptc;
	bool has_profile;
	/* The embedded profile. NULL: the file has no profile, or the profile is malformed or split
	 * into several segments. */
	const uint8_t *profile;
	size_t n_profile;
	bool profile_is_deflated; /* the profile is compressed, as in a PNG */
	/* The part that defines the colours. A PNG may define them in several chunks. The order of
	 * precedence of these chunks is cICP, iCCP, sRGB, gAMA (with cHRM if present). */
	enum colour_chunk colours;
	uint8_t primaries, transfer; /* code points of CICP */
	uint32_t gamma;              /* gamma in units of 1/100000; 0: no gAMA chunk */
	bool has_chromaticities;
	/* X and y of white, red, green, blue, in units of 1/100000. */
	uint32_t chromaticities[8];
};

void metadata_scan_jpeg(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
void metadata_scan_png(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
/* Search a WebP only for its profile. metadata_webp.c reads the other metadata of a WebP. */
void metadata_scan_webp(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);

/* How much the chroma of a JPEG is subsampled, from 1 to 4 on each axis. For 4:2:0 both numbers are
 * 2. */
struct chroma_ratio {
	unsigned across, down;
};

struct chroma_ratio jpeg_chroma_ratio(const uint8_t *bytes, size_t n);

/* Whether every block of a GIF is complete. This must be checked here, because decoders do not
 * report an incomplete frame. */
bool gif_is_whole(const uint8_t *bytes, size_t n);

/* The value of a tag in the first directory of a TIFF structure of n bytes. Returns `otherwise` if
 * the tag is missing, or if its value is not exactly one number of type SHORT. */
unsigned tiff_short(const uint8_t *tiff, size_t n, unsigned tag, unsigned otherwise);

/* How many samples each pixel has in the first page of a TIFF, and of which kinds. */
struct tiff_samples {
	/* the number of colour samples; 0: the colour space is unknown */
	uint32_t n_colours;
	/* The only colour sample is an index into a palette. Decoders replace the index by 1 or 3
	 * colour samples. */
	bool has_palette;
	/* the number of samples that are not colours, such as alpha */
	uint32_t n_extra;
	/* the index of the sample that the file declares as alpha; 0: none */
	uint32_t alpha;
	/* A pixel has one colour sample and further samples, and each of them is stored in a plane
	 * of its own. */
	bool is_grey_in_planes;
};

/* The pages of a TIFF. A directory with a preview or a mask does not count as a page. But if every
 * directory has a preview or a mask, the first directory counts as a page. */
struct tiff_pages {
	uint32_t n;
	uint32_t n_directories;
	uint32_t first;              /* index of the directory with the first page */
	bool are_adjacent;           /* no preview or mask is between the pages */
	struct tiff_samples samples; /* samples of the first page */
	/* No part is beyond the end of the file. These parts are checked: all directories; the
	 * palette, the kinds of the extra samples and the profile of each page; the pixels of all
	 * pages except the first. */
	bool is_whole;
};

void tiff_find_pages(const uint8_t *bytes, size_t n, struct tiff_pages *ret_pages);

/* A range of n directories of a TIFF. `first` is the index of the first of these directories. */
struct tiff_range {
	uint32_t first, n;
};

/* The compressed bytes of a strip or tile of a TIFF. */
struct tiff_strip {
	const uint8_t *bytes;
	size_t n;
	uint32_t directory; /* index of the directory that the strip belongs to */
	/* The number of pixels of the directory to which the strip belongs. Tiles can extend beyond
	 * the picture: all tiles together have less than four times this number of pixels. */
	uint64_t n_pixels;
};

/*
 * In a range of directories, find the strips and tiles that are compressed with deflate, and call
 * visit() for each of them. Strips and tiles that are not completely inside the file are skipped.
 *
 * visit   gets a strip or tile. If it returns false, no more strips are visited.
 *
 * Returns false if visit() has returned false.
 */
bool tiff_visit_deflated(const uint8_t *bytes, size_t n, struct tiff_range range,
                         bool (*visit)(void *data, const struct tiff_strip *strip),
                         void *data);

/* The EXIF orientation in a TIFF structure of n bytes; 1 if the tag is missing or malformed. */
unsigned exif_orientation(const uint8_t *tiff, size_t n);

#endif
