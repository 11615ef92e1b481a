/*
 * Configures the stb libraries, for stb.c, which compiles them, and for the engine. They use memory
 * only, no files.
 */
#ifndef PXP_STB_H
#define PXP_STB_H

#define STBI_NO_STDIO
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
/* The scaler loses precision beyond this size. */
#define STBI_MAX_DIMENSIONS 65535
#define STBI_WRITE_NO_STDIO
/* Memory is zeroed, because stb_image does not set missing pixels of a damaged JPEG, and these must
 * not show another picture. */
#define STBI_MALLOC(n)     calloc(1, n)
#define STBI_REALLOC(p, n) realloc(p, n)
#define STBI_FREE(p)       free(p)

#include <stdlib.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#endif
