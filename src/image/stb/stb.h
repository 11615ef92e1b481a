/*
 * The stb libraries, configured once: what stb.c compiles is what engine_stb.c sees.
 * Memory only, no files; only the formats of the gate.
 */
#ifndef PXP_STB_H
#define PXP_STB_H

#define STBI_NO_STDIO
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
/* Beyond this the numbers inside the scaler lose their last bits. */
#define STBI_MAX_DIMENSIONS 65535
#define STBI_WRITE_NO_STDIO
/* Of a damaged JPEG stb_image leaves pixels as they were allocated: zeros, so that they never
 * show what the memory held before, another picture. */
#define STBI_MALLOC(n)     calloc(1, n)
#define STBI_REALLOC(p, n) realloc(p, n)
#define STBI_FREE(p)       free(p)

#include <stdlib.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#include "image/engine.h"

/* ---- ps_filters.c ---- */

bool ps_takes(const struct recipe *recipe, struct failure *ret_failure);

/* Apply a chain of filters that ps_takes() lets through; false when memory ran out. */
bool ps_apply(struct pixels *pixels, const struct filter_chain *chain,
              const struct recipe *recipe);

/* Scale with alpha multiplied in, which stb undoes after; false when memory ran out. */
bool ps_scale(struct pixels *pixels, struct size to, const struct recipe *recipe);

/* Cut the layout's part out and put it on its canvas; false when memory ran out. */
bool ps_place(struct pixels *pixels, const struct layout *layout,
              const struct recipe *recipe);

/* By our own look at the header: what stb_image would decode wrongly, or refuse with words that
 * say something else. True of what is no such header at all, which is for it to say. */
bool ps_check_header(const struct source *source, struct failure *ret_failure);

#endif
