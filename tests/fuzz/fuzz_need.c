/*
 * The reader of picture headers in the main process: size, number of frames, and the memory that a
 * worker will need. The first byte of the input selects the name, by which TGA is recognised.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "image/header/need.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int input = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	input = memfd_create("input", MFD_CLOEXEC);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	const char *name = feed_byte(&feed) & 1 ? "a.tga" : "a";
	struct recipe recipe = {.format = FORMAT_JPEG};
	struct picture_facts facts;
	uint64_t need;

	CLAIM(ftruncate(input, 0) == 0 && lseek(input, 0, SEEK_SET) == 0 &&
	      fd_write_all(input, feed.at, feed.n));
	if (!need_look(input, feed.n, name, &facts))
		return 0;
	CLAIM((unsigned)facts.format < N_FORMATS);
	CLAIM(facts.size.width > 0 && facts.size.height > 0);
	CLAIM(facts.n_frames > 0);
	need = need_of(&facts, &recipe, feed.n, facts.n_frames);
	CLAIM(need > feed.n);
	recipe.geometry.width = recipe.geometry.height = 100;
	CLAIM(need_of(&facts, &recipe, feed.n, 1) > feed.n);
	return 0;
}
