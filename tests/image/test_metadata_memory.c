/*
 * In each round, one allocation fails while metadata is read or written. Either the call must fail,
 * or its result must be the same as without a failure. It must not report a loss. The linker
 * replaces the functions that allocate (--wrap). zlib and brotli get functions that count, because
 * the linker does not reach into shared libraries.
 */
#include "support/failing_allocation.h"
#include "support/test.h"

#include "metadata_fixture.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void *zlib_allocate(void *data, uInt n, uInt size)
{
	(void)data;
	return calloc(n, size);
}

static void *brotli_allocate(void *data, size_t n)
{
	(void)data;
	return malloc(n);
}

static void release(void *data, void *at)
{
	(void)data;
	free(at);
}

int __real_inflateInit_(z_streamp stream, const char *version, int n);
int __wrap_inflateInit_(z_streamp stream, const char *version, int n);
int __wrap_inflateInit_(z_streamp stream, const char *version, int n)
{
	stream->zalloc = zlib_allocate;
	stream->zfree = release;
	return __real_inflateInit_(stream, version, n);
}

BrotliDecoderState *__real_BrotliDecoderCreateInstance(brotli_alloc_func allocate,
                                                       brotli_free_func free_memory,
                                                       void *data);
BrotliDecoderState *__wrap_BrotliDecoderCreateInstance(brotli_alloc_func allocate,
                                                       brotli_free_func free_memory,
                                                       void *data);
BrotliDecoderState *__wrap_BrotliDecoderCreateInstance(brotli_alloc_func allocate,
                                                       brotli_free_func free_memory,
                                                       void *data)
{
	(void)allocate;
	(void)free_memory;
	return __real_BrotliDecoderCreateInstance(brotli_allocate, release, data);
}

/* End the round in which the allocation number nth was to fail. Returns whether it did. nth: at
 * least 1. */
static bool disarm(unsigned nth)
{
	return allocation_disarm() >= nth;
}

/* Read a file that contains only EXIF, until a round passes in which nothing fails. */
static void expect_sound_reading(enum image_format format, struct bytes file,
                                 struct bytes exif)
{
	bool has_hit = true;

	for (unsigned nth = 1; has_hit; nth++) {
		struct metadata metadata;
		bool is_done;

		allocation_arm(nth);
		is_done = metadata_read(&metadata, format, file);
		has_hit = disarm(nth);
		EXPECT(is_done || has_hit);
		EXPECT(!is_done || bytes_equal(block_bytes(&metadata.exif), exif),
		       "allocation %u: no EXIF", nth);
		EXPECT(!is_done || metadata.lost == 0, "allocation %u: lost %#x", nth,
		       metadata.lost);
		metadata_fini(&metadata);
	}
}

TEST(metadata_memory, a_failed_allocation_while_a_png_is_read_loses_no_metadata)
{
	const struct bytes text = BYTES_OF("\nexif\n       8\n4d4d002a00000008\n");
	struct block data = {0}, file = {0};
	uint8_t deflated[500];
	uLongf n = sizeof(deflated);

	REQUIRE(compress(deflated, &n, text.at, text.n) == Z_OK);
	block_add(&data, BYTES_OF("Raw profile type exif\0\0"));
	block_add(&data, (struct bytes){deflated, n});
	block_add(&file, BYTES_OF("\x89PNG\r\n\x1a\n"));
	block_add_number(&file, data.n, 4, true);
	block_add_text(&file, "zTXt");
	block_add(&file, block_bytes(&data));
	block_add_number(&file, 0, 4, true); /* the checksum, which is not checked */
	expect_sound_reading(FORMAT_PNG, block_bytes(&file), BYTES_OF("MM\0*\0\0\0\x08"));
	block_fini(&file);
	block_fini(&data);
}

TEST(metadata_memory, a_failed_allocation_while_a_jxl_is_read_loses_no_metadata)
{
	/* Compressed with brotli: four zeros, then MM, 0, 42, 0, 0, 0, 8. */
	static const char file[] =
		"\0\0\0\x0cJXL \r\n\x87\n"
		"\0\0\0\x1b"
		"brobExif"
		"\x1b\x0b\x00\x00\xa4\x01\x9a\x54\x10\x86\x40\x01\x08\xe5\x18";

	expect_sound_reading(FORMAT_JXL, BYTES_OF(file), BYTES_OF("MM\0*\0\0\0\x08"));
}

/* XMP that is longer than one segment of a JPEG is split. It has an attribute and an element, which
 * both move to the second part. */
static struct block long_xmp(void)
{
	enum { N_TEXT = 66000 };
	struct block xmp = {0};

	block_add_text(&xmp,
	               "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf="
	               "\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description "
	               "rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
	               "dc:format=\"");
	memset(block_extend(&xmp, N_TEXT), 'x', N_TEXT);
	block_add_text(&xmp, "\"><dc:title>first</dc:title><dc:source>");
	memset(block_extend(&xmp, N_TEXT), 'y', N_TEXT);
	block_add_text(&xmp, "</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>");
	return xmp;
}

TEST(metadata_memory, a_failed_allocation_while_long_xmp_is_split_does_not_lose_it)
{
	const struct bytes file = BYTES_OF("\xff\xd8\xff\xda\0\4\x33\x44scan\xff\xd9");
	struct metadata metadata = {.xmp = long_xmp()};
	struct splice whole;
	unsigned lost = 0;
	bool has_hit = true;

	REQUIRE(metadata_write(&whole, FORMAT_JPEG, file, &metadata, &lost));
	EXPECT_EQ(lost, 0);
	EXPECT(fixture_holds(block_bytes(&whole.head),
	                     "http://ns.adobe.com/xmp/extension/"));
	for (unsigned nth = 1; has_hit; nth++) {
		struct splice splice;
		bool is_done;

		lost = 0;
		allocation_arm(nth);
		is_done = metadata_write(&splice, FORMAT_JPEG, file, &metadata, &lost);
		has_hit = disarm(nth);
		EXPECT(is_done || has_hit);
		EXPECT(!is_done || bytes_equal(block_bytes(&splice.head),
		                               block_bytes(&whole.head)),
		       "allocation %u: the output differs", nth);
		EXPECT_EQ(lost, 0);
		splice_fini(&splice);
	}
	splice_fini(&whole);
	metadata_fini(&metadata);
}
