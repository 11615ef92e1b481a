/*
 * Reads the bits of an entropy-coded segment. The most significant bit of a byte is read first
 * (ITU-T T.81, F.2.2.5).
 *
 * The segment's bytes have already been unstuffed, so that eight bytes can be loaded at once. After
 * the end of the segment all bits are 0. The caller does not check for the end at every bit: it
 * calls jpg_bits_ran_out() after a block or a row of blocks.
 */
#ifndef PXP_JPEG_BITS_H
#define PXP_JPEG_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct jpg_bits {
	const uint8_t *at; /* the next byte to load */
	const uint8_t *end;
	uint64_t window; /* the next bits; the first of them is the most significant */
	unsigned n;      /* the number of valid bits in the window */
	/* Number of zero bytes that were loaded after the segment's last byte. */
	size_t n_past_end;
};

static inline void jpg_bits_init(struct jpg_bits *bits, const uint8_t *bytes, size_t n)
{
	*bits = (struct jpg_bits){.at = bytes, .end = bytes + n};
}

/* Load bytes until 56 or more bits are valid. */
static inline void jpg_bits_refill(struct jpg_bits *bits)
{
	if (__builtin_expect(bits->end - bits->at >= 8, 1)) {
		uint64_t next;
		unsigned n_bytes = (63 - bits->n) >> 3;

		memcpy(&next, bits->at, sizeof(next));
		/* If only a part of a byte fits into the window, bits->n does not count this part.
		 * The next refill loads the same bits into the same position again. */
		bits->window |= be64toh(next) >> bits->n;
		bits->at += n_bytes;
		bits->n += n_bytes * 8;
		return;
	}
	while (bits->n <= 56) {
		if (bits->at < bits->end)
			bits->window |= (uint64_t)*bits->at++ << (56 - bits->n);
		else
			bits->n_past_end++;
		bits->n += 8;
	}
}

/* Load bytes, if necessary, so that at least n_bits are valid. n_bits is at most 56. */
static inline void jpg_bits_need(struct jpg_bits *bits, unsigned n_bits)
{
	if (bits->n < n_bits)
		jpg_bits_refill(bits);
}

/* Get the next n_bits (1 to 32) without consuming them. At least n_bits must be loaded: see
 * jpg_bits_need(). */
static inline uint32_t jpg_bits_peek(const struct jpg_bits *bits, unsigned n_bits)
{
	return (uint32_t)(bits->window >> (64 - n_bits));
}

static inline void jpg_bits_drop(struct jpg_bits *bits, unsigned n_bits)
{
	bits->window <<= n_bits;
	bits->n -= n_bits;
}

static inline uint32_t jpg_bits_take(struct jpg_bits *bits, unsigned n_bits)
{
	uint32_t value = jpg_bits_peek(bits, n_bits);

	jpg_bits_drop(bits, n_bits);
	return value;
}

/* Convert the additional bits after a Huffman code to the number that they mean (the procedure
 * EXTEND in T.81, figure F.12). n_bits is 1 to 15. */
static inline int jpg_extend(uint32_t bits, unsigned n_bits)
{
	int value = (int)bits;

	return value < 1 << (n_bits - 1) ? value - (1 << n_bits) + 1 : value;
}

/* Whether the caller has consumed more bits than the segment has. */
static inline bool jpg_bits_ran_out(const struct jpg_bits *bits)
{
	return bits->n_past_end * 8 > bits->n;
}

/* Whether at least one whole byte of the segment was not consumed. Call this only if
 * jpg_bits_ran_out() is false. */
static inline bool jpg_bits_are_left(const struct jpg_bits *bits)
{
	size_t n_left = (size_t)(bits->end - bits->at) * 8 + bits->n -
	                bits->n_past_end * 8;

	return n_left >= 8;
}

#endif
