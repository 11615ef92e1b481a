/* Tests of the reader of the header of an AV1 stream in a HEIF file, and of the boxes that lead to
 * this header. The files are made by hand, without a codec. */
#include "support/test.h"

#include "image/metadata/heif_properties.h"

#include <string.h>
#include <sys/mman.h>

/* Begin a box of length 0, which extends to the end of the file. Returns its offset. */
static size_t begin_box(struct block *to, const char *type)
{
	size_t begin = to->n;

	block_add_number(to, 0, 4, true);
	block_add_text(to, type);
	return begin;
}

static void end_box(struct block *to, size_t begin)
{
	block_set_number(to, begin, to->n - begin, 4, true);
}

/* The header of an AV1 stream, as a sequence of bits. */
struct header {
	struct block block;
	size_t n_bits;
};

/* Add the n lowest bits of a number. */
static void add_bits(struct header *to, unsigned number, unsigned n)
{
	for (; n > 0; n--, to->n_bits++) {
		if (to->n_bits % 8 == 0)
			block_add_number(&to->block, 0, 1, true);
		if (number >> (n - 1) & 1)
			to->block.at[to->block.n - 1] |= (uint8_t)(0x80 >>
			                                           to->n_bits % 8);
	}
}

/* Make the beginning of a header. It ends before the last number of the timing, which has a
 * variable length. */
static struct header header_before_number(void)
{
	struct header header = {0};

	add_bits(&header, 0, 3 + 1 + 1); /* profile 0, no still picture, full header */
	add_bits(&header, 1, 1);         /* timing follows */
	add_bits(&header, 1, 32);
	add_bits(&header, 1, 32);
	add_bits(&header, 1, 1); /* all pictures have the same duration */
	return header;
}

/* Begin the box "av1C" with an OBU, a unit of AV1, that extends to the end of the box. */
static size_t begin_config(struct block *to)
{
	enum { SEQUENCE_HEADER = 1 };
	size_t begin = begin_box(to, "av1C");

	block_add_number(to, 0, 4, true);
	block_add_number(to, SEQUENCE_HEADER << 3, 1, true);
	return begin;
}

/* A number of variable length begins with at most 31 zero bits. Pages past the first 64 KiB cannot
 * be read, so the test crashes if the reader looks for the end of the zero bits. */
TEST(heif_stream, a_number_with_too_many_zero_bits_is_not_read_to_its_end)
{
	enum { N_FILE = 1 << 20, N_READABLE = 1 << 16 };
	struct header header = header_before_number();
	uint8_t *pages = mmap(NULL, N_FILE, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct block file = {0};
	struct heif_stream stream;
	size_t ipma;

	REQUIRE(pages != MAP_FAILED);
	begin_box(&file, "meta");
	block_add_number(&file, 0, 4, true);
	begin_box(&file, "iprp");
	ipma = begin_box(&file, "ipma");
	block_add(&file, BYTES_OF("\0\0\0\0\0\0\0\1\0\1\1\1"));
	end_box(&file, ipma);
	begin_box(&file, "ipco");
	begin_config(&file);
	block_add(&file, block_bytes(&header.block));
	memcpy(pages, file.at, file.n);
	REQUIRE(mprotect(pages + N_READABLE, N_FILE - N_READABLE, PROT_NONE) == 0);
	EXPECT(!heif_read_stream((struct bytes){pages, N_FILE}, 1, &stream));
	munmap(pages, N_FILE);
	block_fini(&file);
	block_fini(&header.block);
}

/* How often the readers of HEIF called box_next(). */
static size_t n_steps;

bool __real_box_next(struct bytes boxes, size_t *at, struct box *ret_box);
bool __wrap_box_next(struct bytes boxes, size_t *at, struct box *ret_box);

bool __wrap_box_next(struct bytes boxes, size_t *at, struct box *ret_box)
{
	n_steps++;
	return __real_box_next(boxes, at, ret_box);
}

/* An item names the same property 255 times. This property is the last of 1,000 boxes. */
TEST(heif_stream, a_property_that_an_item_names_255_times_is_searched_for_only_once)
{
	enum { N_BOXES = 1000, N_INDICES = 255 };
	struct block file = {0};
	struct heif_stream stream;
	size_t ipco;

	begin_box(&file, "meta");
	block_add_number(&file, 0, 4, true);
	begin_box(&file, "iprp");
	ipco = begin_box(&file, "ipco");
	for (int i = 0; i < N_BOXES; i++)
		end_box(&file, begin_box(&file, "free"));
	end_box(&file, ipco);
	begin_box(&file, "ipma");
	block_add_number(&file, 1, 4, true); /* an index has two bytes */
	block_add_number(&file, 1, 4, true); /* one item */
	block_add_number(&file, 1, 2, true);
	block_add_number(&file, N_INDICES, 1, true);
	for (int i = 0; i < N_INDICES; i++)
		block_add_number(&file, N_BOXES, 2, true);
	n_steps = 0;
	EXPECT(!heif_read_stream(block_bytes(&file), 1, &stream));
	EXPECT(n_steps > 0 && n_steps / N_BOXES < 2, "%zu steps", n_steps);
	block_fini(&file);
}

/* Add the box "av1C" with the header of a picture of 64 x 48 pixels that has these primaries. */
static void add_config(struct block *to, unsigned primaries)
{
	enum { HAS_LENGTH = 2 };
	struct header header = {0};
	size_t begin;

	add_bits(&header, 0, 3);
	add_bits(&header, 3, 2);  /* a still picture, with a reduced header */
	add_bits(&header, 0, 5);  /* the level */
	add_bits(&header, 5, 4);  /* number of bits of the width, minus 1 */
	add_bits(&header, 5, 4);  /* number of bits of the height, minus 1 */
	add_bits(&header, 63, 6); /* the width, minus 1 */
	add_bits(&header, 47, 6); /* the height, minus 1 */
	add_bits(&header, 0, 6);  /* none of the six coding tools is used */
	add_bits(&header, 1, 3);  /* 8 bits, not grey, with code points */
	add_bits(&header, primaries, 8);
	add_bits(&header, 13, 8); /* the transfer */
	add_bits(&header, 1, 8);  /* the matrix */
	add_bits(&header, 1, 1);  /* full range */
	begin = begin_config(to);
	to->at[to->n - 1] |= HAS_LENGTH;
	block_add_number(to, header.block.n, 1, true);
	block_add(to, block_bytes(&header.block));
	end_box(to, begin);
	block_fini(&header.block);
}

/* Make a file of n items, each with a header of its own. The header of the item with the number
 * ids[0] says that its colours have the primaries with the code 1, that of the item ids[1] has the
 * code 2, and so on. The box "ipma" claims `n_counted` entries. */
static struct block file_of_items(const unsigned *ids, size_t n, unsigned n_counted)
{
	struct block file = {0};
	size_t ipco, ipma;

	begin_box(&file, "meta");
	block_add_number(&file, 0, 4, true);
	begin_box(&file, "iprp");
	ipco = begin_box(&file, "ipco");
	for (unsigned i = 1; i <= n; i++)
		add_config(&file, i);
	end_box(&file, ipco);
	ipma = begin_box(&file, "ipma");
	block_add_number(&file, 0, 4, true);
	block_add_number(&file, n_counted, 4, true);
	for (size_t i = 0; i < n; i++) {
		block_add_number(&file, ids[i], 2, true);
		block_add_number(&file, 1, 1, true);
		block_add_number(&file, i + 1, 1, true);
	}
	end_box(&file, ipma);
	return file;
}

TEST(heif_stream, items_beyond_the_entry_count_are_ignored)
{
	static const unsigned ids[] = {7, 8, 9};
	struct block file = file_of_items(ids, 3, 2);
	struct heif_properties properties;
	struct heif_item_properties item;
	struct heif_stream stream = {0};
	size_t at = 0;

	REQUIRE(heif_find_properties(block_bytes(&file), &properties));
	EXPECT(heif_next_item(&properties, &at, &item) && item.id == 7);
	EXPECT(heif_next_item(&properties, &at, &item) && item.id == 8);
	EXPECT(!heif_next_item(&properties, &at, &item));
	EXPECT(heif_read_stream(block_bytes(&file), 8, &stream));
	EXPECT(stream.has_colours && stream.primaries == 2 && stream.transfer == 13);
	EXPECT(stream.width == 64 && stream.height == 48);
	block_fini(&file);
}

/* Make a file with the items 1 (a grid), 2 (a thumbnail), 3 and 4 (tiles). The grid has no header
 * of its own, and its first tile is item `source`. References have numbers of two bytes in version
 * 0, and of four bytes in version 1. */
static struct block file_of_grid(unsigned version, unsigned source)
{
	static const unsigned ids[] = {2, 3, 4};
	struct block items = file_of_items(ids, 3, 3), file = {0};
	size_t iref, reference, n_head = 8 + 4;
	unsigned n_id = version == 0 ? 2 : 4;

	block_add(&file, bytes_part(block_bytes(&items), 0, n_head));
	iref = begin_box(&file, "iref");
	block_add_number(&file, version, 1, true);
	block_add_number(&file, 0, 3, true);
	reference = begin_box(&file, "thmb");
	block_add_number(&file, 2, n_id, true);
	block_add_number(&file, 1, 2, true);
	block_add_number(&file, 1, n_id, true);
	end_box(&file, reference);
	reference = begin_box(&file, "dimg");
	block_add_number(&file, 1, n_id, true);
	block_add_number(&file, 2, 2, true);
	block_add_number(&file, source, n_id, true);
	block_add_number(&file, 3, n_id, true);
	end_box(&file, reference);
	end_box(&file, iref);
	block_add(&file, bytes_after(block_bytes(&items), n_head));
	block_fini(&items);
	return file;
}

/* The primaries are 1 for the thumbnail, 2 for item 3, and 3 for item 4. */
TEST(heif_stream, a_grid_has_the_colours_of_its_first_tile)
{
	for (unsigned version = 0; version < 2; version++) {
		for (unsigned source = 3; source < 5; source++) {
			struct block file = file_of_grid(version, source);
			struct heif_stream stream = {0};

			EXPECT(heif_read_stream(block_bytes(&file), 1, &stream));
			EXPECT(stream.primaries == source - 1, "version %u: %u", version,
			       stream.primaries);
			block_fini(&file);
		}
	}
}

TEST(heif_stream, a_grid_that_is_its_own_tile_has_no_stream)
{
	struct block file = file_of_grid(0, 1);
	struct heif_stream stream;

	EXPECT(!heif_read_stream(block_bytes(&file), 1, &stream));
	block_fini(&file);
}

TEST(heif_stream, a_picture_without_a_header_or_tiles_gets_no_colours_from_another_item)
{
	static const unsigned ids[] = {2};
	struct block file = file_of_items(ids, 1, 1);
	struct heif_stream stream;

	EXPECT(!heif_read_stream(block_bytes(&file), 1, &stream));
	block_fini(&file);
}
