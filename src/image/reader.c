/* Allocates and frees samples. */
#include "image/reader.h"

#include <stdlib.h>

void samples_fini(struct samples *samples)
{
	free(samples->bytes);
	free(samples->profile);
	*samples = (struct samples){0};
}

bool samples_init(struct samples *ret_samples, struct size size, unsigned n_bands,
                  bool is_deep)
{
	size_t n;

	*ret_samples = (struct samples){
		.size = size, .n_bands = n_bands, .is_deep = is_deep};
	if (__builtin_mul_overflow((size_t)size.width, size.height, &n) ||
	    __builtin_mul_overflow(n, n_bands * (is_deep ? 2 : 1), &n) || n == 0)
		return false;
	ret_samples->bytes = malloc(n);
	return ret_samples->bytes != NULL;
}
