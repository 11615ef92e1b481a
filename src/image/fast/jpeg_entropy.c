/* The entropy-coded segments of a scan: byte stuffing and restart markers undone. */
#include "image/fast/jpeg_plan.h"
#include "image/fast/jpeg_scan.h"

#include <string.h>

enum { MARKER_RST0 = 0xd0, N_RESTARTS = 8, LOAD_ROOM = 8 };

void jpg_places_init(struct jpg_places *ret_places, enum jpg_scale scale)
{
	unsigned side = JPG_BLOCK_SIDE >> scale;

	*ret_places = (struct jpg_places){.n_kept = side * side,
	                                  .used = jpg_used_coefficients(scale)};
	memset(ret_places->place, (int)ret_places->n_kept, sizeof(ret_places->place));
	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		unsigned y = jpg_natural_order[k] / JPG_BLOCK_SIDE;
		unsigned x = jpg_natural_order[k] % JPG_BLOCK_SIDE;

		if (x < side && y < side) {
			ret_places->place[k] = (uint8_t)(y * side + x);
			ret_places->last = k;
		}
	}
}

/* Unstuff (F.1.2.3) up to a restart marker or the end, and stop in front of it. */
static void begin_segment(struct jpg_entropy *entropy)
{
	const uint8_t *at = entropy->at, *end = entropy->end;
	uint8_t *out = entropy->unstuffed;

	while (at < end) {
		const uint8_t *ff = memchr(at, 0xff, (size_t)(end - at));
		size_t n = (size_t)((ff ? ff : end) - at);

		memcpy(out, at, n);
		out += n;
		at += n;
		if (!ff)
			break;
		if (end - at < 2) {
			at = end; /* half of a marker, where the file was cut off */
			break;
		}
		if (at[1] == 0) {
			*out++ = 0xff;
			at += 2;
		} else if (at[1] == 0xff) {
			at++; /* a fill byte in front of a marker */
		} else {
			break;
		}
	}
	entropy->at = at;
	jpg_bits_init(&entropy->bits, entropy->unstuffed,
	              (size_t)(out - entropy->unstuffed));
	entropy->n_mcus_left = entropy->restart_interval ? entropy->restart_interval
	                                                 : UINT32_MAX;
}

enum jpg_scan_status jpg_entropy_begin(struct jpg_entropy *ret_entropy,
                                       const struct jpg_scan *scan,
                                       struct workspace *buffer)
{
	uint8_t *unstuffed = workspace_reserve(buffer, scan->n_bytes + LOAD_ROOM);

	if (!unstuffed)
		return JPG_SCAN_NO_MEMORY;
	*ret_entropy = (struct jpg_entropy){
		.restart_interval = scan->restart_interval,
		.at = scan->bytes,
		.end = scan->bytes + scan->n_bytes,
		.unstuffed = unstuffed,
	};
	begin_segment(ret_entropy);
	return JPG_SCAN_OK;
}

static enum jpg_scan_status end_segment(const struct jpg_entropy *entropy)
{
	if (jpg_bits_ran_out(&entropy->bits))
		return JPG_SCAN_RAN_OUT;
	if (jpg_bits_are_left(&entropy->bits))
		return JPG_SCAN_LEFT_OVER;
	return JPG_SCAN_OK;
}

enum jpg_scan_status jpg_entropy_restart(struct jpg_entropy *entropy)
{
	enum jpg_scan_status status = end_segment(entropy);

	if (status != JPG_SCAN_OK)
		return status;
	if (entropy->end - entropy->at < 2)
		return JPG_SCAN_RAN_OUT;
	if (entropy->at[1] != MARKER_RST0 + entropy->next_restart)
		return JPG_SCAN_BAD_RESTART;
	entropy->next_restart = (entropy->next_restart + 1) % N_RESTARTS;
	entropy->at += 2;
	begin_segment(entropy);
	return JPG_SCAN_OK;
}

enum jpg_scan_status jpg_entropy_end(const struct jpg_entropy *entropy)
{
	enum jpg_scan_status status = end_segment(entropy);

	if (status == JPG_SCAN_OK && entropy->at != entropy->end)
		return JPG_SCAN_BAD_RESTART;
	return status;
}

void jpg_count_mcus(const struct jpg_scan_job *job, uint32_t *ret_x, uint32_t *ret_y)
{
	const struct jpg_component *component = &job->component[job->scan->component[0]];

	if (job->scan->n_components == 1) {
		*ret_x = component->n_own_blocks_x;
		*ret_y = component->n_own_blocks_y;
		return;
	}
	*ret_x = component->n_blocks_x / component->h;
	*ret_y = component->n_blocks_y / component->v;
}
