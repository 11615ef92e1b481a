/*
 * Huffman tables (ITU T.81, annexes C and F), in the forms that the decoder reads fastest,
 * and a cache of them. Many files share the tables of their encoder, and building one costs
 * more than decoding a thumbnail, so tables outlive the picture.
 */
#ifndef PXP_JPEG_HUFFMAN_H
#define PXP_JPEG_HUFFMAN_H

#include "image/fast/jpeg_bits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jpg_table_class { JPG_DC, JPG_AC, N_JPG_TABLE_CLASSES };

enum {
	JPG_WINDOW_BITS = 12,
	JPG_N_WINDOWS = 1 << JPG_WINDOW_BITS,
	JPG_COUNTS = 16,
	JPG_MAX_SYMBOLS = 256,
	/* Runs that end a block leave every loop over its 64 coefficients. */
	JPG_RUN_END_OF_BLOCK = 128,
};

/* The code that a window begins with. */
struct jpg_code {
	uint8_t length; /* 0: longer than a window, or no code at all */
	uint8_t symbol;
};

/* The coefficient that a window begins with. */
struct jpg_value {
	int16_t value;
	uint8_t run;    /* of zeros before it; JPG_RUN_END_OF_BLOCK ends the block */
	uint8_t n_bits; /* code and additional bits; 0: they do not fit in a window */
};

/* The whole AC symbols, code and additional bits, that a window begins with. */
struct jpg_skip {
	uint8_t n_bits;
	/* By how many coefficients they advance. JPG_SKIP_END on top: an end of block is
	 * the last of them. JPG_SKIP_STOP: no whole symbol fits in a window. */
	uint8_t advance;
};
enum { JPG_SKIP_END = 64, JPG_SKIP_STOP = 127 };

struct jpg_huffman {
	/* The skips of every window. Built on first need, as are the values. */
	struct jpg_skip skip[JPG_N_WINDOWS];
	struct jpg_value value[JPG_N_WINDOWS];
	struct jpg_code code[JPG_N_WINDOWS];

	/* Codes of each length: below limit, shifted to 16 bits; the symbol of the first
	 * is symbols[first_symbol], its code first_code. */
	uint32_t limit[JPG_COUNTS + 1];
	uint16_t first_code[JPG_COUNTS + 1];
	uint16_t first_symbol[JPG_COUNTS + 1];
	uint8_t symbols[JPG_MAX_SYMBOLS];

	enum jpg_table_class class;
	bool has_skips, has_values;
	uint64_t last_used;
	size_t n_bytes;
	uint8_t bytes[JPG_COUNTS + JPG_MAX_SYMBOLS]; /* as DHT has them: the key */
};

/* What DHT says: 16 counts, then the symbols. The bytes are borrowed. */
struct jpg_table_bytes {
	const uint8_t *bytes; /* NULL: not defined */
	size_t n_bytes;
};

enum { JPG_CACHED_TABLES = 48 };

struct jpg_huffman_cache {
	struct jpg_huffman *tables[JPG_CACHED_TABLES];
	uint64_t clock;
	/* Tables used at this time or later are in use and are not evicted. */
	uint64_t in_use_since;
};

void jpg_huffman_cache_fini(struct jpg_huffman_cache *cache); /* of zeros too */

/* From here on the tables that the last scan used may be evicted. */
void jpg_huffman_begin_scan(struct jpg_huffman_cache *cache);

enum jpg_huffman_status {
	JPG_HUFFMAN_OK,
	JPG_HUFFMAN_BAD,       /* no code can have these counts and symbols */
	JPG_HUFFMAN_NO_MEMORY, /* an allocation failed */
};

/*
 * The table for these bytes, with values if asked for, and with skips if asked for (AC
 * only). It belongs to the cache and stays until the scan after this one begins. A scan may
 * use up to eight.
 */
enum jpg_huffman_status jpg_huffman_get(struct jpg_huffman_cache *cache,
                                        enum jpg_table_class class,
                                        struct jpg_table_bytes bytes, bool with_skips,
                                        bool with_values,
                                        const struct jpg_huffman **ret_table);

/* The code at the front of 16 bits that is longer than a window; length 0: no code. */
struct jpg_code jpg_huffman_long_code(const struct jpg_huffman *table, uint32_t bits);

/* DECODE (T.81, F.2.2.3) without taking it. 16 bits must be valid. */
static inline struct jpg_code jpg_huffman_peek(const struct jpg_huffman *table,
                                               const struct jpg_bits *bits)
{
	struct jpg_code code = table->code[jpg_bits_peek(bits, JPG_WINDOW_BITS)];

	if (__builtin_expect(code.length != 0, 1))
		return code;
	return jpg_huffman_long_code(table, jpg_bits_peek(bits, JPG_COUNTS));
}

#endif
