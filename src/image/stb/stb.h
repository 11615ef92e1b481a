/*
 * Configures the stb libraries. stb.c, which compiles them, and engine_stb.c include this header.
 * The libraries use no files, only memory.
 */
#ifndef PXP_STB_H
#define PXP_STB_H

#define STBI_NO_STDIO
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
/* The longest side of a picture. With longer sides, stb_image_resize loses precision. */
#define STBI_MAX_DIMENSIONS 65535
#define STBI_WRITE_NO_STDIO
/* Allocated memory is zeroed. stb_image leaves the missing pixels of a damaged JPEG unset, and
 * without the zeros they could show parts of another picture. */
#define STBI_MALLOC(n)     calloc(1, n)
#define STBI_REALLOC(p, n) realloc(p, n)
#define STBI_FREE(p)       free(p)

#include <stdlib.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#endif
