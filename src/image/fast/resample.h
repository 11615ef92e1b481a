/*
 * Planes resampled by zimg with Lanczos3, one plane at a time. Building a filter graph costs as
 * much as running it on a small picture, so graphs are kept between pictures.
 *
 * Threads: a resampler belongs to one thread at a time.
 */
#ifndef PXP_FAST_RESAMPLE_H
#define PXP_FAST_RESAMPLE_H

#include "image/fast/plane.h"

/* What of a plane is resampled, in samples; it may reach beyond the plane, where samples are as
 * the last ones. */
struct region {
	double x, y, width, height;
};

struct resampler;

/* NULL when out of memory. */
struct resampler *resampler_create(void);
void resampler_destroy(struct resampler *resampler); /* NULL too */

/* Free the working memory if it has more than max_bytes. Graphs stay. */
void resampler_trim(struct resampler *resampler, size_t max_bytes);

/*
 * Fill to, which says its size and its bits, with a region of from.
 *
 * is_limited   levels of the result are 16 to 235, as WebP's luma has them; else 0 to 255.
 * return       false when out of memory.
 */
bool resample(struct resampler *resampler, const struct plane *from,
              const struct region *region, struct plane *to, bool is_limited);

#endif
