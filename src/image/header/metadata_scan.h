/*
 * Finds facts about a JPEG, PNG or GIF that stb_image does not report: the orientation, a colour
 * profile, and whether stb_image would decode the file wrongly.
 *
 * The bytes are untrusted. A wrong length ends the scan, and anything not found by then counts as
 * absent; malformed EXIF means orientation 1.
 */
#ifndef PXP_METADATA_SCAN_H
#define PXP_METADATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of the file that defines the colours of the samples. */
enum colour_chunk {
	COLOUR_CHUNK_NONE,    /* nothing, or a part that says sRGB */
	COLOUR_CHUNK_PROFILE, /* the embedded profile */
	COLOUR_CHUNK_CICP,    /* for a PNG: primaries and transfer */
	COLOUR_CHUNK_GAMMA,   /* for a PNG: gamma, and chromaticities if present */
};

struct metadata_scan {
	unsigned orientation;  /* EXIF orientation, 1 to 8 */
	unsigned n_components; /* components in the frame of a JPEG; 0 without a frame */
	uint8_t process;       /* the SOF marker of a JPEG; 0xc0 is baseline */
	/* the end marker of a JPEG was found; true for other formats */
	bool is_whole;
	/* A JPEG ends at the place of its end marker, or before. If its scans send all bits of all
	 * coefficients, perhaps only the marker is missing; the last scan may still be
	 * truncated. */
	bool lacks_end, has_all_scans;
	bool has_bad_table; /* a Huffman table of a JPEG has too many codes */
	bool has_exif, has_xmp, has_iptc;
	bool has_profile;
	const uint8_t *profile; /* the profile; NULL if it is in several segments */
	size_t n_profile;
	bool profile_is_deflated; /* whether the profile is compressed, as in a PNG */
	/* For a PNG: the first of cICP, iCCP, sRGB, and gAMA with cHRM decides. */
	enum colour_chunk colours;
	uint8_t primaries, transfer; /* code points of CICP */
	uint32_t gamma;              /* gamma in 1/100000; 0 without a gAMA chunk */
	bool has_chromaticities;
	uint32_t chromaticities[8]; /* chromaticities x, y of white, red, green, blue */
};

void metadata_scan_jpeg(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
void metadata_scan_png(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);

/* The subsampling of the chroma of a JPEG on each axis, from 1 to 4. For 4:2:0 both are 2. */
struct chroma_ratio {
	unsigned across, down;
};

struct chroma_ratio jpeg_chroma_ratio(const uint8_t *bytes, size_t n);

/* Whether every block of a GIF is complete. Decoders ignore incomplete frames. */
bool gif_is_whole(const uint8_t *bytes, size_t n);

/* The value of a tag with one short number in the first directory of a TIFF structure of n bytes;
 * `otherwise` if the tag is missing. */
unsigned tiff_short(const uint8_t *tiff, size_t n, unsigned tag, unsigned otherwise);

/* The samples of a pixel in the first page of a TIFF. */
struct tiff_samples {
	/* the number of colour samples; 0: the colour space is not known */
	uint32_t n_colours;
	/* the index of the sample that the file declares as alpha; 0: none */
	uint32_t alpha;
};

/* The pages of a TIFF. Directories with previews or masks do not count as pages; if there are no
 * others, the first counts as a page. */
struct tiff_pages {
	uint32_t n;
	uint32_t n_directories;
	uint32_t first;              /* number of directories before the first page */
	bool are_adjacent;           /* no other directory is between the pages */
	struct tiff_samples samples; /* samples of the first page */
	bool is_whole; /* all directories, and the pixels of later pages, lie within the file */
};

void tiff_find_pages(const uint8_t *bytes, size_t n, struct tiff_pages *ret_pages);

/* The EXIF orientation in a TIFF structure of n bytes; 1 if the tag is missing or malformed. */
unsigned exif_orientation(const uint8_t *tiff, size_t n);

#endif
