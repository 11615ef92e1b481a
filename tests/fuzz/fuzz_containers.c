/*
 * Fuzz target: read metadata from an untrusted file, and insert metadata into the same bytes, as if
 * one of our encoders had written them. A metadata block that is read back must be unchanged.
 */
#include "fuzz.h"

#include "image/metadata/containers.h"

#include <stdlib.h>

/* EXIF that was inserted is read back, or is reported as lost. */
static void check_write(enum image_format format, struct bytes file,
                        const struct metadata *metadata)
{
	struct splice splice;
	struct block to = {0};
	struct metadata again;
	unsigned lost = 0;

	CLAIM(metadata_write(&splice, format, file, metadata, &lost));
	CLAIM(splice.from <= splice.until && splice.until <= file.n);
	block_add(&to, block_bytes(&splice.head));
	block_add(&to, bytes_part(file, splice.from, splice.until - splice.from));
	block_add(&to, block_bytes(&splice.tail));
	CLAIM(metadata_read(&again, format, block_bytes(&to)));
	/* For a TIFF the bytes of EXIF are not compared, because a TIFF stores the numbers of EXIF
	 * in the byte order of the TIFF. */
	if (metadata->exif.n > 0 && !(lost & LOST_EXIF) && format != FORMAT_TIFF)
		CLAIM(bytes_equal(block_bytes(&again.exif),
		                  block_bytes(&metadata->exif)));
	metadata_fini(&again);
	block_fini(&to);
	splice_fini(&splice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	enum image_format format = (enum image_format)(feed_byte(&feed) % N_FORMATS);
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	struct bytes file = {copy, feed.n};
	struct metadata metadata, kept;
	const struct metadata_target target = {.width = 2,
	                                       .height = 2,
	                                       .from_width = 4,
	                                       .from_height = 4,
	                                       .orientation = 1};

	CLAIM(metadata_read(&metadata, format, file));
	CLAIM(metadata.density.x >= 0 && metadata.density.y >= 0);
	CLAIM(metadata_filter(&kept, &metadata, KEEP_ALL, &target));
	check_write(format, file, &kept);
	metadata_fini(&kept);
	metadata_fini(&metadata);
	free(copy);
	return 0;
}
