/*
 * Converts colours from an embedded profile to sRGB with lcms2. It works on the planes of an
 * output, which have fewer pixels than the input. Transforms are kept between pictures.
 *
 * Threads: a converter belongs to one thread at a time.
 */
#ifndef PXP_FAST_COLOUR_H
#define PXP_FAST_COLOUR_H

#include "image/fast/render.h"
#include "recipe/recipe.h"

struct converter;

/* Create a converter. Returns NULL if memory ran out. */
struct converter *converter_create(void);
void converter_destroy(struct converter *converter); /* NULL is allowed */

/* Free the buffers if together they have more than max_bytes. Transforms are kept. */
void converter_trim(struct converter *converter, size_t max_bytes);

/*
 * Choose the profile of the pictures to convert.
 *
 * profile  borrowed for the call.
 * return   false when lcms2 does not take the profile, for grey or for RGB as is_grey says.
 */
bool converter_choose(struct converter *converter, const uint8_t *profile, size_t n_bytes,
                      bool is_grey, enum intent intent);

/*
 * Convert planes of 16 bits with whole chroma and the full range by the chosen profile.
 *
 * ret_rendered  planes of the converter, until its next call.
 * return        false when out of memory.
 */
bool converter_convert(struct converter *converter, const struct rendered *from,
                       struct rendered *ret_rendered);

#endif
