/*
 * The metadata and features of an input that an output should have kept but lost. Records list the
 * losses, and the summary counts the images with losses.
 */
#ifndef PXP_LOST_H
#define PXP_LOST_H

/* A bit mask of losses. Workers send it in their answers. lost_words() has a word for each bit. */
enum lost {
	LOST_ALPHA = 1,
	LOST_PAGES = 2,
	LOST_ANIMATION = 4,
	/* The gain map of an HDR picture. Such a picture is stored as an SDR picture and a gain
	 * map. */
	LOST_GAINMAP = 8,
	LOST_HDR = 16,
	LOST_VIDEO = 32, /* the video of a motion photo */
	/* The input had more bits per sample than the output has, or it had a depth map. */
	LOST_DEPTH = 64,
	LOST_PROFILE = 128,
	LOST_EXIF = 256,
	LOST_XMP = 512,
	LOST_IPTC = 1024,
	LOST_COMMENT = 2048,
	LOST_ALL = 4095,
};

enum { N_LOST = 12 };

/* Get the names of the losses in a mask, in the order of enum lost. The list ends with NULL. */
void lost_words(unsigned lost, const char *ret_words[N_LOST + 1]);

#endif
