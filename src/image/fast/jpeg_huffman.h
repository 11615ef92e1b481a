/*
 * Huffman tables (ITU-T T.81, annexes C and F) in the forms that can be read fastest, and a cache
 * of them. Many files share the tables of their encoder, and building one takes longer than
 * decoding a thumbnail, so tables are kept between pictures.
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
	/* The run of an end-of-block symbol exceeds every loop over the 64 coefficients. */
	JPG_RUN_END_OF_BLOCK = 128,
};

/* The code at the beginning of a window of bits. */
struct jpg_code {
	uint8_t length; /* 0: the code is longer than a window, or invalid */
	uint8_t symbol;
};

/* The coefficient at the beginning of a window of bits. */
struct jpg_value {
	int16_t value;
	uint8_t run; /* run of zeros before it; JPG_RUN_END_OF_BLOCK ends the block */
	/* Length of code and additional bits; 0: they do not fit in a window. */
	uint8_t n_bits;
};

/* The complete AC symbols, code and additional bits, at the beginning of a window. */
struct jpg_skip {
	uint8_t n_bits;
	/* The number of coefficients by which they advance. JPG_SKIP_END is set on top if the last
	 * symbol is an end of block. JPG_SKIP_STOP: no complete symbol fits in a window. */
	uint8_t advance;
};
enum { JPG_SKIP_END = 64, JPG_SKIP_STOP = 127 };

struct jpg_huffman {
	/* The skips for every window. Built on first need, like the values. */
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
	/* The bytes of the DHT segment, which are the key. */
	uint8_t bytes[JPG_COUNTS + JPG_MAX_SYMBOLS];
};

/* The contents of a DHT segment: 16 counts, then the symbols. The bytes are borrowed. */
struct jpg_table_bytes {
	const uint8_t *bytes; /* NULL: the table is not defined */
	size_t n_bytes;
};

enum { JPG_CACHED_TABLES = 48 };

struct jpg_huffman_cache {
	struct jpg_huffman *tables[JPG_CACHED_TABLES];
	uint64_t clock;
	/* Tables used at this time or later are in use and are not evicted. */
	uint64_t in_use_since;
};

/* Free the memory of a cache, which may be all zeros. */
void jpg_huffman_cache_fini(struct jpg_huffman_cache *cache);

/* Begin a scan: from now on the tables that the last scan used may be evicted. */
void jpg_huffman_begin_scan(struct jpg_huffman_cache *cache);

enum jpg_huffman_status {
	JPG_HUFFMAN_OK,
	JPG_HUFFMAN_BAD,       /* the counts and symbols are not valid for any code */
	JPG_HUFFMAN_NO_MEMORY, /* an allocation failed */
};

/*
 * Get the table for these bytes, with values and with skips (AC only) if requested. It belongs to
 * the cache and is kept until the scan after this one begins. A scan may use up to eight.
 */
enum jpg_huffman_status jpg_huffman_get(struct jpg_huffman_cache *cache,
                                        enum jpg_table_class class,
                                        struct jpg_table_bytes bytes, bool with_skips,
                                        bool with_values,
                                        const struct jpg_huffman **ret_table);

/* Find the code at the front of 16 bits that is longer than a window; its length is 0 if no code
 * matches. */
struct jpg_code jpg_huffman_long_code(const struct jpg_huffman *table, uint32_t bits);

/* The procedure DECODE (T.81, F.2.2.3), without consuming the bits. 16 bits must be valid. */
static inline struct jpg_code jpg_huffman_peek(const struct jpg_huffman *table,
                                               const struct jpg_bits *bits)
{
	struct jpg_code code = table->code[jpg_bits_peek(bits, JPG_WINDOW_BITS)];

	if (__builtin_expect(code.length != 0, 1))
		return code;
	return jpg_huffman_long_code(table, jpg_bits_peek(bits, JPG_COUNTS));
}

#endif
