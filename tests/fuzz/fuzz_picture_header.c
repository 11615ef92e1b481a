/*
 * Fuzz target: the reader of picture headers in the main process, which finds size, number of
 * frames, and the memory that a worker will need. The first byte of the input selects the file
 * name, by which TGA is recognised.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "image/memory_estimate.h"

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

/* The first engine estimates memory only for the formats that it reads, the second engine for all
 * formats. */
static const struct engine *reader_of(enum image_format format)
{
	return engines[0]->reads(format) || !engines[1] ? engines[0] : engines[1];
}

static uint64_t estimate(const struct picture_header *header, const struct recipe *recipe,
                         size_t n, uint64_t n_frames)
{
	const struct picture_variant variant = {.recipe = recipe};

	return memory_estimate(reader_of(header->format), engines[0], header, &variant, 1,
	                       n, n_frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	const char *name = feed_byte(&feed) & 1 ? "a.tga" : "a";
	struct recipe recipe = {.format = FORMAT_JPEG};
	struct picture_header header;
	uint64_t n_bytes;

	CLAIM(ftruncate(input, 0) == 0 && lseek(input, 0, SEEK_SET) == 0 &&
	      fd_write_all(input, feed.at, feed.n));
	if (!picture_header_read(input, feed.n, name, &header))
		return 0;
	CLAIM((unsigned)header.format < N_FORMATS);
	CLAIM(header.size.width > 0 && header.size.height > 0);
	CLAIM(header.n_frames > 0);
	n_bytes = estimate(&header, &recipe, feed.n, header.n_frames);
	CLAIM(n_bytes > feed.n);
	recipe.geometry.width = recipe.geometry.height = 100;
	CLAIM(estimate(&header, &recipe, feed.n, 1) > feed.n);
	return 0;
}
