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

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stb/stb_image_write.h>

#endif
