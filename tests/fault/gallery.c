#include "gallery.h"

#include "base/fd.h"
#include "cli/stage.h"

#include <fcntl.h>
#include <stdlib.h>

enum { MAX_BYTES = 256 * 1024 };

struct blob gallery_read(const char *path)
{
	static uint8_t bytes[MAX_BYTES];
	struct blob blob = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_pread_full(fd, bytes, sizeof(bytes), 0);

	fd_close(&fd);
	REQUIRE(n > 0 && n < MAX_BYTES, "%s", path);
	blob_append(&blob, bytes, (size_t)n);
	return blob;
}

void gallery_gather(glob_t *ret_paths)
{
	static const char *const written[] = {"jpg",  "png",  "webp", "gif", "tiff",
	                                      "heic", "avif", "jxl",  "jp2", "pnm",
	                                      "bmp",  "tga",  NULL};
	const char *samples = getenv("PIXPOOL_SAMPLES");

	REQUIRE(samples != NULL);
	REQUIRE(run("mkdir whole && cp '%s'/pictures/*.[jptwg]* '%s'/pictures/orientation/* "
	            "whole/",
	            samples, samples)
	                .status == 0);
	for (size_t i = 0; written[i]; i++)
		run("pixpool resize -s 64 -f %s whole/lake.jpg -o made", written[i]);
	REQUIRE(glob("whole/*", 0, NULL, ret_paths) == 0);
	REQUIRE(glob("made/*", GLOB_APPEND, NULL, ret_paths) == 0);
	REQUIRE(ret_paths->gl_pathc >= 16, "%zu", ret_paths->gl_pathc);
}

void gallery_run(struct tally *tally, const char *options)
{
#ifdef PIXPOOL_SANITIZE
	const int timeout = 50;
#else
	const int timeout = 20;
#endif
	struct ended ended = run("pixpool resize -s 32 -f png -j 2 --timeout %d %s "
	                         "--progress none --report r in -o out",
	                         timeout, options);

	EXPECT(ended.status == 0 || ended.status == 1, "status %d: %s", ended.status,
	       ended.err);
	tally_add(tally, "r");
}

void gallery_expect_true(const struct tally *tally)
{
	size_t n = 0;
	static const char *const fates[] = {
		"ok", "bad-image", "too-big", "unsupported", "memory", "crashed", NULL};

	for (size_t i = 0; fates[i]; i++)
		n += tally_of(tally, fates[i]);
	EXPECT_EQ(n, tally->n_inputs);
}
