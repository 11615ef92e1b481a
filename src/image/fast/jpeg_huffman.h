/*
 * Huffman tables (ITU-T T.81, annexes C and F) in forms that are fast to look up, and a cache of
 * such tables. Tables are kept between pictures, because many files have the tables of the same
 * encoder, and building a table takes longer than decoding a thumbnail.
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
	/* The run that stands for an end of block. It is so large that it ends a loop over the 64
	 * coefficients. */
	JPG_RUN_END_OF_BLOCK = 128,
};

/* The Huffman code at the beginning of a window. A window is the next JPG_WINDOW_BITS bits. */
struct jpg_code {
	/* Number of bits of the code. 0: the code is longer than a window, or invalid. */
	uint8_t length;
	uint8_t symbol;
};

/* The value at the beginning of a window of bits: an AC coefficient, or a DC difference. */
struct jpg_value {
	int16_t value;
	/* the number of zero coefficients before the value, or JPG_RUN_END_OF_BLOCK */
	uint8_t run;
	/* Number of bits of the code and its additional bits. 0: together they do not fit in a
	 * window, or the code is invalid or an end-of-band run. */
	uint8_t n_bits;
};

/* The AC symbols that a window contains completely. A symbol is a code and its additional bits. */
struct jpg_skip {
	uint8_t n_bits;
	/* How many coefficients the symbols of the window stand for. If the last symbol is an end
	 * of block, JPG_SKIP_END is added. JPG_SKIP_STOP: the window contains no complete
	 * symbol. */
	uint8_t advance;
};
enum { JPG_SKIP_END = 64, JPG_SKIP_STOP = 127 };

struct jpg_huffman {
	/* Arrays with an element for every possible window. `skip` and `value` are built when they
	 * are first requested. */
	struct jpg_skip skip[JPG_N_WINDOWS];
	struct jpg_value value[JPG_N_WINDOWS];
	struct jpg_code code[JPG_N_WINDOWS];

	/* The index of these arrays is the length of a code. limit: all codes of this length,
	 * shifted left to 16 bits, are below this number. first_code: the first code of this
	 * length; its symbol is symbols[first_symbol]. */
	uint32_t limit[JPG_COUNTS + 1];
	uint16_t first_code[JPG_COUNTS + 1];
	uint16_t first_symbol[JPG_COUNTS + 1];
	uint8_t symbols[JPG_MAX_SYMBOLS];

	enum jpg_table_class class;
	bool has_skips, has_values;
	uint64_t last_used;
	size_t n_bytes;
	/* The bytes of the DHT segment, by which the cache finds the table. */
	uint8_t bytes[JPG_COUNTS + JPG_MAX_SYMBOLS];
};

/* A Huffman table in the form of a DHT segment: 16 counts, then the symbols. The bytes are
 * borrowed. */
struct jpg_table_bytes {
	const uint8_t *bytes; /* NULL: the table is not defined */
	size_t n_bytes;
};

enum { JPG_CACHED_TABLES = 48 };

struct jpg_huffman_cache {
	struct jpg_huffman *tables[JPG_CACHED_TABLES];
	uint64_t clock;
	/* The value of `clock` when the current scan began. Tables that were used since then are
	 * not evicted. */
	uint64_t in_use_since;
};

/* Free the memory of a cache. A cache that is all zeros is allowed. */
void jpg_huffman_cache_fini(struct jpg_huffman_cache *cache);

/* Begin a scan. From now on the tables of earlier scans may be evicted. */
void jpg_huffman_begin_scan(struct jpg_huffman_cache *cache);

enum jpg_huffman_status {
	JPG_HUFFMAN_OK,
	JPG_HUFFMAN_BAD,       /* the counts and symbols do not describe a Huffman code */
	JPG_HUFFMAN_NO_MEMORY, /* an allocation failed */
};

/*
 * Get the table that `bytes` define. with_skips: also build the array `skip`, which is for AC
 * tables only. with_values: also build the array `value`. The table belongs to the cache and is
 * valid until the next scan begins. A scan may use up to eight tables.
 */
enum jpg_huffman_status jpg_huffman_get(struct jpg_huffman_cache *cache,
                                        enum jpg_table_class class,
                                        struct jpg_table_bytes bytes, bool with_skips,
                                        bool with_values,
                                        const struct jpg_huffman **ret_table);

/* Find a code that is longer than a window. `bits` are the next 16 bits, which begin with the code.
 * If no code matches, the length of the result is 0. */
struct jpg_code jpg_huffman_long_code(const struct jpg_huffman *table, uint32_t bits);

/* Find the next code (the procedure DECODE in T.81, F.2.2.3) without consuming its bits. At least
 * 16 bits must be valid. */
static inline struct jpg_code jpg_huffman_peek(const struct jpg_huffman *table,
                                               const struct jpg_bits *bits)
{
	struct jpg_code code = table->code[jpg_bits_peek(bits, JPG_WINDOW_BITS)];

	if (__builtin_expect(code.length != 0, 1))
		return code;
	return jpg_huffman_long_code(table, jpg_bits_peek(bits, JPG_COUNTS));
}

#endif
