/* Functions that the tests of the store share: a store for each way to publish, and contents
 * for outputs. */
#include "output.h"

#include "support/test.h"

#include "base/fd.h"
#include "store/store_internal.h"

#include <dirent.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct failure last_failure;

static const unsigned ways[N_WAYS] = {
	0,
	WITHOUT_OPENAT2,
	WITHOUT_TMPFILE,
	WITHOUT_PROC | WITHOUT_OPENAT2,
	WITHOUT_TMPFILE | WITHOUT_NOREPLACE,
	WITHOUT_OPENAT2 | WITHOUT_TMPFILE | WITHOUT_PROC | WITHOUT_NOREPLACE,
	WITHOUT_TMPFILE | WITHOUT_NOREPLACE | WITHOUT_LINKS,
};

struct store *store_with_way(int way)
{
	struct store *store = store_open("out");

	REQUIRE(store != NULL);
	store->without |= ways[way];
	return store;
}

int content_of(char c, size_t n)
{
	char block[4096];
	int fd = memfd_create("content", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	memset(block, c, sizeof(block));
	while (n > 0) {
		size_t now = n < sizeof(block) ? n : sizeof(block);

		REQUIRE(fd_write_all(fd, block, now));
		n -= now;
	}
	return fd;
}

enum store_result publish_text(struct store *store, const char *relative,
                               const char *text, enum overwrite overwrite)
{
	int content = memfd_create("content", MFD_CLOEXEC);
	enum store_result result;

	REQUIRE(content >= 0 && fd_write_all(content, text, strlen(text)));
	result = store_publish(store, relative,
	                       &(struct store_content){content, 0, strlen(text), NULL},
	                       overwrite, &last_failure);
	fd_close(&content);
	return result;
}

int n_names(const char *folder)
{
	DIR *names = opendir(folder);
	int n = -2; /* do not count "." and ".." */

	if (!names)
		return -1;
	while (readdir(names))
		n++;
	closedir(names);
	return n;
}

bool failed_by(int sys_errno)
{
	const char *reason = strerrordesc_np(sys_errno);
	size_t n = strlen(last_failure.text), n_reason = strlen(reason);

	return n >= n_reason && strcmp(last_failure.text + n - n_reason, reason) == 0;
}
