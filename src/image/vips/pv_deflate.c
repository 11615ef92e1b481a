/* Decompresses PNG profiles that libvips does not find. Also checks the compressed pixels of a
 * TIFF, because libtiff does not read every checksum. */
#include "image/vips/engine_vips.h"

#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image/memory_estimate.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>

/* Decompress n bytes of zlib data into the buffer `room`. Returns the number of decompressed bytes,
 * or 0 if the data is damaged or does not fit. */
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

/* ---- TIFF ---- */

/* The state of a check that decompresses strips. The decompressed bytes are not used. Two budgets
 * bound the time that a hostile file can take. When a budget is used up, strips are no longer
 * checked. */
struct strip_check {
	struct inflate_state state;
	uint8_t dropped[64 << 10];
	/* The directory of the last strip, and the number of bytes that may still be decompressed
	 * for this directory. */
	uint32_t directory;
	uint64_t n_output;
	/* The number of compressed bytes that may still be read, for all directories together. This
	 * budget is needed because strips can overlap, and because compressed bytes may produce no
	 * output. */
	uint64_t n_input;
};

/* Set the budget for the directory of a strip. A pixel has at most 16 bytes, and all tiles together
 * have less than four times strip->n_pixels pixels. */
static void start_directory(struct strip_check *check, const struct tiff_strip *strip)
{
	enum { MOST_PIXEL_BYTES = 64 };

	check->directory = strip->directory;
	check->n_output = memory_product(strip->n_pixels, MOST_PIXEL_BYTES) +
	                  sizeof(check->dropped);
}

/* Check a strip or tile. Returns false if it is damaged. Returns true if it ends early, because
 * libtiff itself notices missing pixels. */
static bool strip_is_right(void *data, const struct tiff_strip *strip)
{
	struct strip_check *check = data;
	struct inflate_state *state = &check->state;
	uint64_t n_in = strip->n < check->n_input ? strip->n : check->n_input;
	uint32_t n_done;
	int result;

	if (strip->directory != check->directory)
		start_directory(check, strip);
	if (check->n_output == 0 || check->n_input == 0)
		return true;
	if (n_in > UINT32_MAX)
		n_in = UINT32_MAX;
	isal_inflate_init(state);
	state->crc_flag = ISAL_ZLIB;
	state->next_in = (uint8_t *)strip->bytes;
	state->avail_in = (uint32_t)n_in;
	do {
		state->next_out = check->dropped;
		state->avail_out = sizeof(check->dropped);
		result = isal_inflate(state);
		if (result == ISAL_INVALID_BLOCK || result == ISAL_INVALID_SYMBOL ||
		    result == ISAL_INVALID_LOOKBACK || result == ISAL_INCORRECT_CHECKSUM)
			return false;
		n_done = (uint32_t)sizeof(check->dropped) - state->avail_out;
		check->n_output -= n_done < check->n_output ? n_done : check->n_output;
	} while (result == ISAL_DECOMP_OK && n_done > 0 && check->n_output > 0 &&
	         state->block_state != ISAL_BLOCK_FINISH);
	check->n_input -= n_in - state->avail_in;
	return true;
}

bool pv_prove_strips(struct source *source, uint32_t n_directories,
                     struct failure *ret_failure)
{
	const struct pv_state *state = source->state;
	struct strip_check *check;
	bool is_right;

	if (source->format != FORMAT_TIFF)
		return true;
	check = malloc(sizeof(*check));
	if (!check)
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	check->directory = UINT32_MAX; /* no strip has been checked yet */
	check->n_output = 0;
	/* The budget is twice the length of the file, because some files use one tile several
	 * times. */
	check->n_input = memory_product(source->n_bytes, 2);
	is_right = tiff_visit_deflated(
		source->bytes, source->n_bytes,
		(struct tiff_range){state->first_page, n_directories}, strip_is_right,
		check);
	free(check);
	source->is_damaged |= !is_right;
	return is_right || source->reading->fail_on == FAIL_ON_NONE ||
	       source->reading->fail_on == FAIL_ON_TRUNCATED ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: compressed pixels are damaged");
}
