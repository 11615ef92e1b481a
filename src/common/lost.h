/*
 * What an output has lost of its input although it was to be kept. Records name the losses,
 * and the summary counts the images that have some.
 */
#ifndef PXP_LOST_H
#define PXP_LOST_H

/* A mask. Workers send it in their answers: add new ones at the end. */
enum lost {
	LOST_ALPHA = 1,
	LOST_PAGES = 2,
	LOST_ANIMATION = 4,
	LOST_GAINMAP = 8, /* of an HDR picture that is stored as SDR and a gain map */
	LOST_HDR = 16,
	LOST_VIDEO = 32, /* a motion photo's */
	LOST_DEPTH = 64,
	LOST_PROFILE = 128,
	LOST_EXIF = 256,
	LOST_XMP = 512,
	LOST_IPTC = 1024,
	LOST_COMMENT = 2048,
	LOST_ALL = 4095,
};

enum { N_LOST = 12 };

/* The words of the losses in a mask, in the order above, with a NULL behind the last. */
void lost_words(unsigned lost, const char *ret_words[N_LOST + 1]);

#endif
