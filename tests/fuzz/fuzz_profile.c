/* Fuzz target: the reader of colour profiles, which decides whether a profile is sRGB and which
 * colour space it has. */
#include "fuzz.h"

#include "image/header/profile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = fuzz_copy(bytes, n);
	bool is_srgb = profile_is_srgb(copy, n);

	CLAIM(!is_srgb || profile_has_space(copy, n, "RGB ") ||
	      profile_has_space(copy, n, "GRAY"));
	CLAIM(!(profile_has_space(copy, n, "GRAY") &&
	        profile_has_space(copy, n, "CMYK")));
	CLAIM(!profile_can_be_output(copy, n) || profile_has_space(copy, n, "RGB "));
	CLAIM(profile_hash(copy, n) != 0);
	free(copy);
	return 0;
}
