/* Compiles the code of the stb libraries, and allocates their memory. */
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION

#include "image/stb/stb.h"

_Thread_local bool ps_is_out_of_memory;

void *ps_allocate(size_t n)
{
	void *bytes = calloc(1, n);

	ps_is_out_of_memory |= !bytes;
	return bytes;
}

void *ps_reallocate(void *old, size_t n)
{
	void *bytes = realloc(old, n);

	ps_is_out_of_memory |= !bytes;
	return bytes;
}
