/* Reads options of programs that were built with an older or a newer header. */
#include "exec/executor/options.h"

#include <string.h>

/* The maximum size of an options struct. A program that passes a larger size is wrong. */
enum { MAX_SIZE = 4096 };

bool options_read(void *ret_ours, size_t n, const void *theirs, size_t n_minimum)
{
	const unsigned char *bytes = theirs;
	size_t size;

	memcpy(&size, theirs, sizeof(size));
	if (size < n_minimum || size > MAX_SIZE)
		return false;
	for (size_t i = n; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	memset(ret_ours, 0, n);
	memcpy(ret_ours, theirs, size < n ? size : n);
	memcpy(ret_ours, &n, sizeof(n));
	return true;
}
