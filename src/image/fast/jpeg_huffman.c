/* Huffman tables of JPEG: built from DHT, kept between pictures. */
#include "image/fast/jpeg_huffman.h"

#include <stdlib.h>

/* The end-of-block and sixteen-zeros symbols of AC tables (T.81, F.1.2.2.1). */
enum { SYMBOL_EOB = 0x00, SYMBOL_ZRL = 0xf0, SYMBOL_SIZE = 0x0f };

void jpg_huffman_cache_fini(struct jpg_huffman_cache *cache)
{
	for (size_t i = 0; i < JPG_CACHED_TABLES; i++)
		free(cache->tables[i]);
	*cache = (struct jpg_huffman_cache){0};
}

void jpg_huffman_begin_scan(struct jpg_huffman_cache *cache)
{
	cache->in_use_since = ++cache->clock;
}

static void fill_windows(struct jpg_huffman *table, uint32_t code, unsigned length,
                         uint8_t symbol)
{
	unsigned shift = JPG_WINDOW_BITS - length;

	for (uint32_t window = code << shift; window < (code + 1) << shift; window++)
		table->code[window] = (struct jpg_code){(uint8_t)length, symbol};
}

/* Figures C.1 to C.3: codes of one length are consecutive numbers, and the first of the
 * next length is twice the number after the last. False if a length has more codes than
 * there are numbers. */
static bool build_codes(struct jpg_huffman *table)
{
	const uint8_t *counts = table->bytes;
	uint32_t code = 0;
	unsigned symbol = 0;

	for (unsigned length = 1; length <= JPG_COUNTS; length++) {
		table->first_code[length] = (uint16_t)code;
		table->first_symbol[length] = (uint16_t)symbol;
		for (unsigned i = 0; i < counts[length - 1]; i++, code++, symbol++) {
			if (code >= UINT32_C(1) << length)
				return false;
			if (length <= JPG_WINDOW_BITS)
				fill_windows(table, code, length, table->symbols[symbol]);
		}
		table->limit[length] = code << (JPG_COUNTS - length);
		code <<= 1;
	}
	return true;
}

/* T.81, B.2.4.2; an additional-bits field beyond 15 bits does not exist. */
static bool has_sound_symbols(const struct jpg_huffman *table, size_t n_symbols)
{
	if (table->class == JPG_AC)
		return true;
	for (size_t i = 0; i < n_symbols; i++) {
		if (table->symbols[i] > SYMBOL_SIZE)
			return false;
	}
	return true;
}

static bool build(struct jpg_huffman *table, enum jpg_table_class class,
                  struct jpg_table_bytes bytes)
{
	memset(table, 0, sizeof(*table));
	table->class = class;
	table->n_bytes = bytes.n_bytes;
	memcpy(table->bytes, bytes.bytes, bytes.n_bytes);
	memcpy(table->symbols, bytes.bytes + JPG_COUNTS, bytes.n_bytes - JPG_COUNTS);
	return has_sound_symbols(table, bytes.n_bytes - JPG_COUNTS) && build_codes(table);
}

struct jpg_code jpg_huffman_long_code(const struct jpg_huffman *table, uint32_t bits)
{
	for (unsigned length = JPG_WINDOW_BITS + 1; length <= JPG_COUNTS; length++) {
		if (bits < table->limit[length]) {
			unsigned i = (bits >> (JPG_COUNTS - length)) -
			             table->first_code[length] +
			             table->first_symbol[length];

			return (struct jpg_code){(uint8_t)length,
			                         table->symbols[i & 255]};
		}
	}
	return (struct jpg_code){0};
}

/* All whole symbols of a window, up to an end of block or the 64th coefficient. */
static struct jpg_skip skip_of_window(const struct jpg_huffman *table, unsigned window)
{
	unsigned n_bits = 0, advance = 0;

	while (advance < JPG_SKIP_END) {
		struct jpg_code code =
			table->code[(window << n_bits) & (JPG_N_WINDOWS - 1)];
		unsigned size = code.symbol & SYMBOL_SIZE;

		if (!code.length || n_bits + code.length + size > JPG_WINDOW_BITS)
			break;
		if (size == 0 && code.symbol != SYMBOL_ZRL) {
			n_bits += code.length;
			return (struct jpg_skip){(uint8_t)n_bits,
			                         (uint8_t)(JPG_SKIP_END + advance)};
		}
		if (advance + (code.symbol >> 4) + 1u >= JPG_SKIP_END)
			break;
		n_bits += code.length + size;
		advance += (code.symbol >> 4) + 1u;
	}
	if (n_bits == 0)
		return (struct jpg_skip){0, JPG_SKIP_STOP};
	return (struct jpg_skip){(uint8_t)n_bits, (uint8_t)advance};
}

static struct jpg_value value_of_window(const struct jpg_huffman *table, unsigned window)
{
	struct jpg_code code = table->code[window];
	unsigned size = code.symbol & SYMBOL_SIZE;
	unsigned n_bits = code.length + size;
	struct jpg_value value = {0};

	if (!code.length || n_bits > JPG_WINDOW_BITS)
		return value;
	if (size) {
		uint32_t additional = (window >> (JPG_WINDOW_BITS - n_bits)) &
		                      ((UINT32_C(1) << size) - 1);

		value.value = (int16_t)jpg_extend(additional, size);
		value.run = code.symbol >> 4;
	} else if (table->class == JPG_AC && code.symbol == SYMBOL_EOB) {
		value.run = JPG_RUN_END_OF_BLOCK;
	} else if (table->class == JPG_AC && code.symbol == SYMBOL_ZRL) {
		value.run = 15;
	} else if (table->class == JPG_AC) {
		return value; /* a longer end-of-band run of a progressive scan */
	}
	value.n_bits = (uint8_t)n_bits;
	return value;
}

static void build_forms(struct jpg_huffman *table, bool with_skips, bool with_values)
{
	if (with_skips && !table->has_skips) {
		for (unsigned window = 0; window < JPG_N_WINDOWS; window++)
			table->skip[window] = skip_of_window(table, window);
		table->has_skips = true;
	}
	if (with_values && !table->has_values) {
		for (unsigned window = 0; window < JPG_N_WINDOWS; window++)
			table->value[window] = value_of_window(table, window);
		table->has_values = true;
	}
}

static bool is_table_of(const struct jpg_huffman *table, enum jpg_table_class class,
                        struct jpg_table_bytes bytes)
{
	return table->n_bytes == bytes.n_bytes && table->class == class &&
	       memcmp(table->bytes, bytes.bytes, bytes.n_bytes) == 0;
}

/* Where to put a new table: an empty place, or the one whose table was used longest ago.
 * NULL when all are in use, which is more than one scan can do. */
static struct jpg_huffman **place_for_new(struct jpg_huffman_cache *cache)
{
	struct jpg_huffman **oldest = NULL;

	for (size_t i = 0; i < JPG_CACHED_TABLES; i++) {
		struct jpg_huffman **place = &cache->tables[i];

		if (!*place)
			return place;
		if ((*place)->last_used >= cache->in_use_since)
			continue;
		if (!oldest || (*place)->last_used < (*oldest)->last_used)
			oldest = place;
	}
	return oldest;
}

enum jpg_huffman_status jpg_huffman_get(struct jpg_huffman_cache *cache,
                                        enum jpg_table_class class,
                                        struct jpg_table_bytes bytes, bool with_skips,
                                        bool with_values,
                                        const struct jpg_huffman **ret_table)
{
	struct jpg_huffman *table = NULL, **place;

	for (size_t i = 0; i < JPG_CACHED_TABLES && cache->tables[i] && !table; i++) {
		if (is_table_of(cache->tables[i], class, bytes))
			table = cache->tables[i];
	}
	if (!table) {
		place = place_for_new(cache);
		if (!place)
			return JPG_HUFFMAN_NO_MEMORY;
		if (!*place)
			*place = malloc(sizeof(**place));
		table = *place;
		if (!table)
			return JPG_HUFFMAN_NO_MEMORY;
		if (!build(table, class, bytes)) {
			table->n_bytes = 0; /* matches nothing, and is evicted first */
			table->last_used = 0;
			return JPG_HUFFMAN_BAD;
		}
	}
	table->last_used = ++cache->clock;
	build_forms(table, with_skips, with_values);
	*ret_table = table;
	return JPG_HUFFMAN_OK;
}
