/*
 * Fuzz target: stamps, which anybody who can write to an output can forge. A stamp with a wrong
 * checksum is refused. A stamp that was decoded encodes to the same bytes. The exception is a stamp
 * of version 1, which has no root: it is encoded as version 2, with the root 0. This target
 * corrects the checksum, so that the fuzzer reaches the code behind the check of the checksum.
 */
#include "fuzz.h"

#include "store/stamp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	unsigned char encoded[STAMP_MAX_BYTES];
	uint8_t *whole = malloc(n + 8);
	struct input_hash sum;
	struct stamp stamp;

	memcpy(whole, bytes, n);
	input_hash_of_bytes(whole, n, &sum);
	memcpy(whole + n, sum.bytes, 8);
	if (stamp_decode(whole, n + 8, &stamp)) {
		const size_t n_root = whole[3] == 1 ? 8 : 0;

		CLAIM(stamp_encode(&stamp, encoded) == n + n_root + 8);
		CLAIM(n_root > 0 || memcmp(encoded, whole, n + 8) == 0);
		CLAIM(n_root == 0 || memcmp(encoded + 4, whole + 4, n - 4) == 0);
	}
	whole[n + 7] ^= 1;
	CLAIM(!stamp_decode(whole, n + 8, &stamp));
	free(whole);
	return 0;
}
