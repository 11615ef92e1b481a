/* Fuzz target: the reader of the transformations of a HEIC or AVIF. Its functions are static, so
 * this file includes their source file. libheif itself is not called. */
#include "fuzz.h"

#include "image/heif/heif_read.c"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct size sizes[] = {{1, 1}, {64, 48}, {65535, 1}};
	uint8_t *copy = fuzz_copy(bytes, n);
	struct transformations transformations;
	struct failure failure = {0};
	bool is_read = read_transformations(&transformations, (struct bytes){copy, n}, 1,
	                                    &failure);

	CLAIM(is_read == (failure.class == FAIL_NONE));
	CLAIM(transformations.orientation >= 1 && transformations.orientation <= 8);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct area area;

		if (!transformations.cut.size.width ||
		    !place_cut(&transformations.cut, sizes[i], &area))
			continue;
		CLAIM(area.size.width > 0 && area.size.height > 0);
		CLAIM((uint64_t)area.x + area.size.width <= sizes[i].width);
		CLAIM((uint64_t)area.y + area.size.height <= sizes[i].height);
	}
	free(copy);
	return 0;
}
