/*
 * Scans of progressive files (ITU T.81, annex G): they bring bits of coefficients, which
 * are kept until the last scan. Of each block a mask says which of its 64 coefficients are
 * known not to be 0, so that a refinement scan finds its correction bits without looking at
 * the coefficients, of which a smaller scale keeps only a few.
 */
#include "image/fast/jpeg_plan.h"
#include "image/fast/jpeg_scan.h"

/* One DC scan, all its components. */
struct dc_block {
	int16_t *coefficient;
	size_t step; /* to the same block's in the next MCU */
	unsigned i;  /* of the scan's components */
};

struct dc_scan {
	const struct jpg_huffman *table[JPG_MAX_COMPONENTS];
	int16_t dc[JPG_MAX_COMPONENTS];
	unsigned ah, al;
};

static enum jpg_scan_status status_of_huffman(enum jpg_huffman_status status)
{
	switch (status) {
	case JPG_HUFFMAN_OK:
		return JPG_SCAN_OK;
	case JPG_HUFFMAN_BAD:
		return JPG_SCAN_BAD_TABLE;
	default:
		return JPG_SCAN_NO_MEMORY;
	}
}

static inline int16_t shifted(int value, unsigned al)
{
	return (int16_t)(value * (1 << al));
}

/* G.1.2.1. */
static inline bool read_dc_block(struct jpg_bits *bits, struct dc_scan *dc,
                                 struct dc_block *block)
{
	int16_t *coefficient = block->coefficient;

	block->coefficient += block->step;
	if (dc->ah) {
		jpg_bits_need(bits, 1);
		if (jpg_bits_take(bits, 1))
			*coefficient = (int16_t)(*coefficient | 1 << dc->al);
		return true;
	}
	if (!jpg_read_dc(bits, dc->table[block->i], &dc->dc[block->i]))
		return false;
	*coefficient = shifted(dc->dc[block->i], dc->al);
	return true;
}

static unsigned begin_dc_row(const struct jpg_scan_job *job, uint32_t y,
                             struct dc_block *blocks)
{
	bool is_interleaved = job->scan->n_components > 1;
	unsigned n = 0;

	for (unsigned i = 0; i < job->scan->n_components; i++) {
		const struct jpg_component *c = &job->component[job->scan->component[i]];
		unsigned h = is_interleaved ? c->h : 1, v = is_interleaved ? c->v : 1;

		for (unsigned j = 0; j < h * v; j++) {
			size_t row = (size_t)y * v + j / h;

			blocks[n++] = (struct dc_block){
				.coefficient = c->coefficients +
			                       (row * c->n_blocks_x + j % h) *
			                               c->places->n_kept,
				.step = (size_t)h * c->places->n_kept,
				.i = i,
			};
		}
	}
	return n;
}

static enum jpg_scan_status read_dc_row(struct jpg_entropy *entropy, uint32_t n_mcus,
                                        struct dc_scan *dc, struct dc_block *blocks,
                                        unsigned n_blocks)
{
	for (uint32_t x = 0; x < n_mcus; x++) {
		if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
			enum jpg_scan_status status = jpg_entropy_restart(entropy);

			if (status != JPG_SCAN_OK)
				return status;
			memset(dc->dc, 0, sizeof(dc->dc));
		}
		entropy->n_mcus_left--;
		for (unsigned i = 0; i < n_blocks; i++) {
			if (!read_dc_block(&entropy->bits, dc, &blocks[i]))
				return JPG_SCAN_BAD_CODE;
		}
	}
	return jpg_bits_ran_out(&entropy->bits) ? JPG_SCAN_RAN_OUT : JPG_SCAN_OK;
}

static enum jpg_scan_status read_dc_scan(const struct jpg_scan_job *job,
                                         struct jpg_entropy *entropy)
{
	struct dc_scan dc = {.ah = job->scan->ah, .al = job->scan->al};
	struct dc_block blocks[JPG_MCU_BLOCKS];
	uint32_t n_x, n_y;

	for (unsigned i = 0; i < job->scan->n_components && !dc.ah; i++) {
		enum jpg_huffman_status status = jpg_huffman_get(
			job->cache, JPG_DC, job->scan->dc[i], false, true, &dc.table[i]);

		if (status != JPG_HUFFMAN_OK)
			return status_of_huffman(status);
	}
	jpg_count_mcus(job, &n_x, &n_y);
	for (uint32_t y = 0; y < n_y; y++) {
		unsigned n_blocks = begin_dc_row(job, y, blocks);
		enum jpg_scan_status status = read_dc_row(entropy, n_x, &dc, blocks,
		                                          n_blocks);

		if (status != JPG_SCAN_OK)
			return status;
	}
	return JPG_SCAN_OK;
}

/* One AC scan: its band, and how many blocks from here on have nothing more in it. */
struct ac_scan {
	const struct jpg_huffman *table;
	const uint8_t *place;
	unsigned n_kept;
	unsigned ss, se, al;
	uint32_t eob_run;
};

/* EOBn (G.1.2.2): the band ends here in 2^n blocks and as many as the next n bits say. */
static inline uint32_t read_eob_run(struct jpg_bits *bits, unsigned n)
{
	return (UINT32_C(1) << n) + (n ? jpg_bits_take(bits, n) : 0);
}

static inline void store(const struct ac_scan *scan, int16_t *block, unsigned k,
                         int value)
{
	unsigned place = scan->place[k];

	if (place < scan->n_kept)
		block[place] = (int16_t)value;
}

/* Figure G.3, without the runs that begin in other blocks. */
static inline bool read_ac_first_block(struct jpg_bits *bits, struct ac_scan *scan,
                                       int16_t *block, uint64_t *nonzero)
{
	uint64_t found = 0;
	unsigned k = scan->ss;

	while (k <= scan->se) {
		struct jpg_value value;
		struct jpg_code code;
		unsigned size, run;

		jpg_bits_need(bits, 32);
		value = scan->table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
		if (__builtin_expect(value.n_bits != 0, 1)) {
			jpg_bits_drop(bits, value.n_bits);
			k += value.run;
			if (value.value) {
				store(scan, block, k, shifted(value.value, scan->al));
				found |= UINT64_C(1) << (k & 63);
			}
			k++;
			continue;
		}
		code = jpg_huffman_peek(scan->table, bits);
		size = code.symbol & 15u;
		run = code.symbol >> 4;
		if (!code.length)
			return false;
		jpg_bits_drop(bits, code.length);
		if (size == 0 && run != 15) {
			scan->eob_run = read_eob_run(bits, run) - 1;
			break;
		}
		k += run;
		if (size) {
			int ac = jpg_extend(jpg_bits_take(bits, size), size);

			store(scan, block, k, shifted(ac, scan->al));
			found |= UINT64_C(1) << (k & 63);
		}
		k++;
	}
	*nonzero |= found;
	return k <= scan->se + 1 || k > JPG_RUN_END_OF_BLOCK;
}

/* Correction bits (G.1.2.3) for the coefficients in history: a set bit moves one away from
 * 0 by 2^al. */
static inline void correct(struct jpg_bits *bits, const struct ac_scan *scan,
                           int16_t *block, uint64_t history)
{
	int16_t unwanted = 0; /* takes what the scale has no place for */

	while (history) {
		unsigned n = (unsigned)__builtin_popcountll(history);
		unsigned n_here = n > 32 ? 32 : n;
		uint32_t corrections;

		jpg_bits_need(bits, n_here);
		corrections = jpg_bits_take(bits, n_here);
		if (!corrections && n == n_here)
			return;
		for (unsigned i = n_here; i-- > 0; history &= history - 1) {
			unsigned place = scan->place[__builtin_ctzll(history)];
			int16_t *coefficient = place < scan->n_kept ? &block[place]
			                                            : &unwanted;
			/* Without a branch: which bits are set is close to random. */
			int mask = -(int)(corrections >> i & 1);
			int sign = *coefficient >> 15;
			int step = (((1 << scan->al) ^ sign) - sign) & mask;

			*coefficient = (int16_t)(*coefficient + step);
		}
	}
}

/* The coefficient that the (run + 1)-th 0 of the history from k on stands for; se + 1 when
 * there are fewer. */
static inline unsigned skip_zeros(const struct ac_scan *scan, uint64_t history,
                                  unsigned k, unsigned run)
{
	uint64_t zeros = ~history & jpg_band(k, scan->se);

	for (unsigned i = 0; i < run && zeros; i++)
		zeros &= zeros - 1;
	return zeros ? (unsigned)__builtin_ctzll(zeros) : scan->se + 1;
}

/* Figure G.7. */
static inline bool read_ac_refinement_block(struct jpg_bits *bits, struct ac_scan *scan,
                                            int16_t *block, uint64_t *nonzero)
{
	uint64_t history = *nonzero, found = 0;
	unsigned k = scan->ss;

	while (scan->eob_run == 0 && k <= scan->se) {
		struct jpg_code code;
		unsigned run, to;
		int value = 0;

		jpg_bits_need(bits, 32);
		code = jpg_huffman_peek(scan->table, bits);
		run = code.symbol >> 4;
		if (!code.length || (code.symbol & 15) > 1)
			return false;
		jpg_bits_drop(bits, code.length);
		if ((code.symbol & 15) == 0 && run != 15) {
			scan->eob_run = read_eob_run(bits, run);
			break;
		}
		if ((code.symbol & 15) == 1)
			value = jpg_bits_take(bits, 1) ? 1 << scan->al : -(1 << scan->al);
		to = skip_zeros(scan, history, k, run);
		if (to > scan->se && value)
			return false;
		if (to > k)
			correct(bits, scan, block, history & jpg_band(k, to - 1));
		if (value) {
			store(scan, block, to, value);
			found |= UINT64_C(1) << to;
		}
		k = to + 1;
	}
	if (scan->eob_run) {
		if (k <= scan->se)
			correct(bits, scan, block, history & jpg_band(k, scan->se));
		scan->eob_run--;
	}
	*nonzero = history | found;
	return true;
}

static inline bool read_ac_block(struct jpg_bits *bits, struct ac_scan *scan,
                                 bool is_refinement, int16_t *block, uint64_t *nonzero)
{
	if (is_refinement)
		return read_ac_refinement_block(bits, scan, block, nonzero);
	if (scan->eob_run) {
		scan->eob_run--;
		return true;
	}
	return read_ac_first_block(bits, scan, block, nonzero);
}

static enum jpg_scan_status restart_ac(struct jpg_entropy *entropy, struct ac_scan *scan)
{
	/* A run of blocks does not go on behind a restart marker. */
	if (scan->eob_run)
		return JPG_SCAN_BAD_CODE;
	return jpg_entropy_restart(entropy);
}

static enum jpg_scan_status read_ac_scan(const struct jpg_scan_job *job,
                                         struct jpg_entropy *entropy)
{
	const struct jpg_component *c = &job->component[job->scan->component[0]];
	bool is_refinement = job->scan->ah != 0;
	struct ac_scan scan = {
		.place = c->places->place,
		.n_kept = c->places->n_kept,
		.ss = job->scan->ss,
		.se = job->scan->se,
		.al = job->scan->al,
	};
	enum jpg_huffman_status status = jpg_huffman_get(
		job->cache, JPG_AC, job->scan->ac[0], false, !is_refinement, &scan.table);

	if (status != JPG_HUFFMAN_OK)
		return status_of_huffman(status);
	for (uint32_t y = 0; y < c->n_own_blocks_y; y++) {
		size_t row = (size_t)y * c->n_blocks_x;
		int16_t *block = c->coefficients + row * c->places->n_kept;
		uint64_t *nonzero = c->nonzero + row;

		for (uint32_t x = 0; x < c->n_own_blocks_x; x++) {
			if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
				enum jpg_scan_status restarted = restart_ac(entropy,
				                                            &scan);

				if (restarted != JPG_SCAN_OK)
					return restarted;
			}
			entropy->n_mcus_left--;
			if (!read_ac_block(&entropy->bits, &scan, is_refinement, block,
			                   nonzero))
				return JPG_SCAN_BAD_CODE;
			block += c->places->n_kept;
			nonzero++;
		}
		if (jpg_bits_ran_out(&entropy->bits))
			return JPG_SCAN_RAN_OUT;
	}
	return scan.eob_run ? JPG_SCAN_BAD_CODE : JPG_SCAN_OK;
}

enum jpg_scan_status jpg_read_progressive_scan(const struct jpg_scan_job *job)
{
	struct jpg_entropy entropy;
	enum jpg_scan_status status = jpg_entropy_begin(&entropy, job->scan, job->buffer);

	if (status != JPG_SCAN_OK)
		return status;
	jpg_huffman_begin_scan(job->cache);
	status = job->scan->ss ? read_ac_scan(job, &entropy)
	                       : read_dc_scan(job, &entropy);
	if (status == JPG_SCAN_BAD_CODE && jpg_bits_ran_out(&entropy.bits))
		return JPG_SCAN_RAN_OUT;
	return status == JPG_SCAN_OK ? jpg_entropy_end(&entropy) : status;
}
