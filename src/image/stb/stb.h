/*
 * Configures the stb libraries. stb.c, which compiles them, and engine_stb.c include this header.
 * The libraries use no files, only memory.
 */
#ifndef PXP_STB_H
#define PXP_STB_H

#define STBI_NO_STDIO
#define STBI_NO_PIC
#define STBI_FAILURE_USERMSG
/* The longest side of a picture that stb_image reads. With longer sides, stb_image_resize loses
 * precision. */
#define STBI_MAX_DIMENSIONS 65535
#define STBI_WRITE_NO_STDIO
#define STBI_MALLOC(n)     ps_allocate(n)
#define STBI_REALLOC(p, n) ps_reallocate(p, n)
#define STBI_FREE(p)       free(p)

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Whether an allocation of stb_image has failed in this thread. The caller of stb_image sets it to
 * false. The reason that stb_image gives may be misleading: it may call the file corrupt. */
extern _Thread_local bool ps_is_out_of_memory;

/* Allocate memory for stb_image, and fill it with zeros. stb_image leaves the missing pixels of a
 * damaged JPEG unset, and without the zeros they could show parts of another picture. */
void *ps_allocate(size_t n);
/* Change the length of such memory. The bytes that are added are not zeroed. */
void *ps_reallocate(void *old, size_t n);

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#endif
