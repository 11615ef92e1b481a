/* Stubs for a build with PIXPOOL_STATE off, which has no hash libraries. Such a build hashes no
 * contents. */
#include "common/content_hash.h"

#include <errno.h>
#include <string.h>

bool content_hash_is_built(void)
{
	return false;
}

void input_hash_of_bytes(const void *bytes, size_t n, struct input_hash *ret_hash)
{
	(void)bytes;
	(void)n;
	memset(ret_hash, 0, sizeof(*ret_hash));
}

bool input_hash_of_file(int fd, uint64_t n_bytes, struct input_hash *ret_hash)
{
	(void)fd;
	(void)n_bytes;
	(void)ret_hash;
	errno = ENOSYS;
	return false;
}

bool output_hash_of_range(int fd, uint64_t offset, uint64_t n_bytes,
                          struct output_hash *ret_hash)
{
	(void)fd;
	(void)offset;
	(void)n_bytes;
	(void)ret_hash;
	errno = ENOSYS;
	return false;
}
