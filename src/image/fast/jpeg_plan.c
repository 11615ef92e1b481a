/* Which scans of a progressive file a scaled picture needs. */
#include "image/fast/jpeg_plan.h"

#include <string.h>

const uint8_t jpg_natural_order[JPG_BLOCK_SIZE] = {
	0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

uint64_t jpg_used_coefficients(enum jpg_scale scale)
{
	unsigned side = JPG_BLOCK_SIDE >> scale;
	uint64_t used = 0;

	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		unsigned place = jpg_natural_order[k];

		if (place / JPG_BLOCK_SIDE < side && place % JPG_BLOCK_SIDE < side)
			used |= UINT64_C(1) << k;
	}
	return used;
}

/*
 * A coefficient whose lowest b bits are unknown was cut towards zero, and is wrong by less
 * than 2^b quantization steps. If all errors in that range were as likely, their mean
 * square would be (2^b steps)^2 / 3; real ones are mostly smaller, as most coefficients are
 * 0. The transform keeps energy, so that a block's 64 samples share the sum.
 */
double jpg_noise(const uint16_t quantization[JPG_BLOCK_SIZE],
                 const uint8_t known_bit[JPG_BLOCK_SIZE], uint64_t used)
{
	double sum = 0;

	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		double error = (double)quantization[k] * (1 << known_bit[k]);

		if (known_bit[k] && used >> k & 1)
			sum += error * error / 3;
	}
	return sum / JPG_BLOCK_SIZE;
}

/* From the last scan to the first, so that each decision knows what comes after it. */
struct component_plan {
	unsigned component;
	const uint16_t *quantization;
	uint64_t used;                     /* by the scale */
	uint64_t refined;                  /* by a later scan that is read */
	uint8_t known_bit[JPG_BLOCK_SIZE]; /* if the scans before are read */
	double noise_budget;
};

static bool fits_budget_without(const struct component_plan *plan,
                                const struct jpg_scan *scan)
{
	uint8_t known_bit[JPG_BLOCK_SIZE];

	memcpy(known_bit, plan->known_bit, sizeof(known_bit));
	memset(known_bit + scan->ss, scan->ah, scan->se - scan->ss + 1u);
	return jpg_noise(plan->quantization, known_bit, plan->used) <= plan->noise_budget;
}

static bool needs_scan(const struct component_plan *plan, const struct jpg_scan *scan)
{
	uint64_t band = jpg_band(scan->ss, scan->se);

	if (band & plan->refined)
		return true;
	if (!(band & plan->used))
		return false;
	return scan->ah == 0 || !fits_budget_without(plan, scan);
}

static void plan_component(struct jpg_file *file, struct component_plan *plan)
{
	for (size_t i = file->n_scans; i-- > 0;) {
		struct jpg_scan *scan = &file->scan[i];

		if (scan->ss == 0 || scan->component[0] != plan->component)
			continue;
		scan->is_skipped = !needs_scan(plan, scan);
		if (scan->ah && !scan->is_skipped)
			plan->refined |= jpg_band(scan->ss, scan->se);
		if (scan->ah && scan->is_skipped)
			memset(plan->known_bit + scan->ss, scan->ah,
			       scan->se - scan->ss + 1u);
	}
}

void jpg_plan_scans(struct jpg_file *file, const struct jpg_request *request)
{
	for (size_t i = 0; i < file->n_scans; i++)
		file->scan[i].is_skipped = false;
	if (!file->is_progressive || !file->has_end || request->reads_everything)
		return;
	for (unsigned i = 0; i < file->n_components; i++) {
		struct component_plan plan = {
			.component = i,
			.quantization = file->component[i].quantization,
			.used = jpg_used_coefficients(request->scale[i]),
			.noise_budget = request->noise_budget[i],
		};

		plan_component(file, &plan);
	}
}
