/* Decompresses parts of files that libvips does not give us, with the checksum at their end. */
#include "image/vips/engine_vips.h"

#include "image/header/profile.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

/* Decompress n bytes of zlib data into room. Returns the number of bytes, or 0 if the data is damaged or
 * does not fit. */
static size_t inflate_into(uint8_t *room, uint32_t n_room, const uint8_t *bytes, size_t n)
{
	struct inflate_state state;

	if (n > UINT32_MAX)
		return 0;
	isal_inflate_init(&state);
	state.crc_flag = ISAL_ZLIB;
	state.next_in = (uint8_t *)bytes;
	state.avail_in = (uint32_t)n;
	state.next_out = room;
	state.avail_out = n_room;
	if (isal_inflate(&state) != ISAL_DECOMP_OK ||
	    state.block_state != ISAL_BLOCK_FINISH)
		return 0;
	return n_room - state.avail_out;
}

bool pv_inflate_profile(struct pv_state *state, const uint8_t *bytes, size_t n)
{
	uint8_t *room = malloc(PROFILE_MAX_BYTES), *fitted;

	if (!room)
		return false;
	state->n_profile = inflate_into(room, PROFILE_MAX_BYTES, bytes, n);
	fitted = state->n_profile > 0 ? realloc(room, state->n_profile) : NULL;
	state->profile = fitted ? fitted : room;
	if (state->n_profile == 0) {
		free(room);
		state->profile = NULL;
	}
	return true;
}
