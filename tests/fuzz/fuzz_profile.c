/* A colour profile, as a picture brings it: is it sRGB, and does it fit the pixels? */
#include "fuzz.h"

#include "image/profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = fuzz_copy(bytes, n);
	bool is_srgb = profile_is_srgb(copy, n);

	for (unsigned n_bands = 1; n_bands <= 4; n_bands++) {
		bool fits = profile_fits(copy, n, n_bands);

		CLAIM(!is_srgb || fits == (n_bands >= 3));
	}
	free(copy);
	return 0;
}
