/* Reads options of programs that were built with an older or a newer header. */
#include "exec/executor/options.h"

#include <string.h>

bool options_read(void *ret_ours, size_t n, const void *theirs, size_t n_minimum)
{
	const unsigned char *bytes = theirs;
	size_t size;

	memcpy(&size, theirs, sizeof(size));
	if (size < n_minimum || size > OPTIONS_MAX_BYTES)
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
