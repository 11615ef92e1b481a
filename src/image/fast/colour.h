/*
 * Converts colours from an embedded profile to sRGB with lcms2. The planes of an output are
 * converted and not those of the input, because an output has fewer pixels. Transforms are kept
 * between pictures.
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
void converter_destroy(struct converter *converter); /* `converter` may be NULL */

/* Free the buffers if together they have more than max_bytes. The transforms of lcms2 are kept. */
void converter_trim(struct converter *converter, size_t max_bytes);

/*
 * Choose the profile from which converter_convert() converts.
 *
 * profile  borrowed for the call.
 * return   false if lcms2 does not accept the profile as one for grey (is_grey) or for RGB (not
 *          is_grey), or if lcms2 got no memory.
 */
bool converter_choose(struct converter *converter, const uint8_t *profile, size_t n_bytes,
                      bool is_grey, enum intent intent);

/*
 * Convert planes from the chosen profile to sRGB. The planes must have 16 bits, chroma as large as
 * luma, and the full range of levels.
 *
 * ret_rendered  the converted planes, which belong to the converter and are valid until its next
 *               call. Alpha is not converted: its plane is that of `from`.
 * return        false if memory ran out.
 */
bool converter_convert(struct converter *converter, const struct rendered *from,
                       struct rendered *ret_rendered);

#endif
