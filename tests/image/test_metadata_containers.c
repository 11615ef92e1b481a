/* Tests of reading and writing metadata blocks in image files, byte by byte and without a codec. */
#include "support/test.h"

#include "image/metadata/containers.h"
#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"
#include "metadata_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))
/* Like BYTES_OF(), but for the initialiser of a static table. */
#define LITERAL(text)                                                                    \
	{                                                                                \
		(const uint8_t *)(text), sizeof(text) - 1                                \
	}

static const char xmp_text[] = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">words</x:xmpmeta>";

/* The next functions make files without metadata. The structure of the files is that of real
 * encoders. Their pixels need not be valid, because no test decodes them. */

static struct block bare_jpeg(void)
{
	struct block file = {0};

	block_add(&file, BYTES_OF("\xff\xd8"
	                          "\xff\xdb\0\4\x11\x22"
	                          "\xff\xda\0\4\x33\x44scan\xff\xd9"));
	return file;
}

static void add_chunk(struct block *file, const char *type, struct bytes data)
{
	size_t begin = file->n + 4;

	block_add_number(file, data.n, 4, true);
	block_add_text(file, type);
	block_add(file, data);
	block_add_number(file, crc32(0, file->at + begin, (uInt)(file->n - begin)), 4,
	                 true);
}

static struct block bare_png(void)
{
	struct block file = {0};

	block_add(&file, BYTES_OF("\x89PNG\r\n\x1a\n"));
	add_chunk(&file, "IHDR", BYTES_OF("\0\0\0\1\0\0\0\1\x08\0\0\0\0"));
	add_chunk(&file, "IDAT", BYTES_OF("data"));
	add_chunk(&file, "IEND", (struct bytes){NULL, 0});
	return file;
}

/* A lossless WebP of 5 x 4 pixels with alpha. */
static struct block bare_webp(void)
{
	struct block file = {0};

	block_add(&file, BYTES_OF("RIFF\x12\0\0\0WEBPVP8L\5\0\0\0\x2f\4\xc0\0\x10\0"));
	return file;
}

/* A TIFF with one strip of one byte. It has a resolution, because encoders write one even if nobody
 * requested it. */
static struct block bare_tiff(void)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x0100, FIXTURE_SHORT, NULL, {1}, 1},
		{FIXTURE_MAIN, 0x0101, FIXTURE_SHORT, NULL, {1}, 1},
		{FIXTURE_MAIN, 0x0111, FIXTURE_LONG, NULL, {0}, 1},
		{FIXTURE_MAIN, 0x011a, FIXTURE_RATIONAL, NULL, {10, 1}, 0},
		{FIXTURE_MAIN, 0x011b, FIXTURE_RATIONAL, NULL, {10, 1}, 0},
		{FIXTURE_MAIN, 0x0128, FIXTURE_SHORT, NULL, {3}, 1},
	};

	return fixture_exif(false, fields, N_OF(fields));
}

/* A bare JXL codestream, which the metadata writer puts into boxes. */
static struct block bare_jxl(void)
{
	struct block file = {0};

	block_add(&file, BYTES_OF("\xff\x0a stream"));
	return file;
}

/* An AVIF with one item of 4 bytes after the "meta" box. */
static struct block bare_avif(void)
{
	struct block file = {0};

	block_add(&file, BYTES_OF("\0\0\0\x14"
	                          "ftypavif\0\0\0\0avif"
	                          "\0\0\0\x67"
	                          "meta\0\0\0\0"
	                          "\0\0\0\x0epitm\0\0\0\0\0\1"
	                          "\0\0\0\x1eiloc\0\0\0\0\x44\0\0\1"
	                          "\0\1\0\0\0\1\0\0\0\x83\0\0\0\4"
	                          "\0\0\0\x23iinf\0\0\0\0\0\1"
	                          "\0\0\0\x15infe\2\0\0\0\0\1\0\0"
	                          "av01\0"
	                          "\0\0\0\x0c"
	                          "free----"
	                          "\0\0\0\x0cmdatitem"));
	return file;
}

static const struct {
	enum image_format format;
	struct block (*make)(void);
	/* The metadata that the format cannot store, as bits of enum lost. */
	unsigned cannot;
} kinds[] = {
	{FORMAT_JPEG, bare_jpeg, 0},
	{FORMAT_PNG, bare_png, 0},
	{FORMAT_WEBP, bare_webp, LOST_IPTC | LOST_COMMENT},
	{FORMAT_TIFF, bare_tiff, LOST_COMMENT},
	{FORMAT_JXL, bare_jxl, LOST_IPTC | LOST_COMMENT},
	{FORMAT_AVIF, bare_avif, LOST_IPTC | LOST_COMMENT},
};

/* One metadata block of each class. */
static struct metadata all_blocks(void)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "Jane", {0}, 0}};
	struct metadata metadata = {.exif = fixture_exif(true, fields, 1)};

	block_add_text(&metadata.xmp, xmp_text);
	block_add(&metadata.iptc, BYTES_OF("\x1c\2\x78\0\5words"));
	block_add_text(&metadata.comment, "a comment");
	return metadata;
}

static struct block written(enum image_format format, struct bytes file,
                            const struct metadata *metadata, unsigned *lost)
{
	struct splice splice;
	struct block to;

	*lost = 0;
	REQUIRE(metadata_write(&splice, format, file, metadata, lost));
	to = fixture_spliced(&splice, file);
	splice_fini(&splice);
	return to;
}

static void expect_blocks(const struct block *file, enum image_format format,
                          const struct metadata *want, unsigned cannot)
{
	struct metadata got;
	struct bytes artist;

	REQUIRE(metadata_read(&got, format, block_bytes(file)));
	/* A TIFF may store the numbers of EXIF in another byte order, so only a text is
	 * compared. */
	artist = fixture_exif_value(block_bytes(&got.exif), FIXTURE_MAIN, 0x013b);
	EXPECT(bytes_equal(artist, BYTES_OF("Jane\0")), "%s", format_info(format)->name);
	EXPECT(bytes_equal(block_bytes(&got.xmp), block_bytes(&want->xmp)), "%s",
	       format_info(format)->name);
	if (!(cannot & LOST_IPTC))
		EXPECT(bytes_equal(block_bytes(&got.iptc), block_bytes(&want->iptc)));
	if (!(cannot & LOST_COMMENT))
		/* A PNG stores the comment as a text with a keyword. */
		EXPECT(fixture_holds(block_bytes(format == FORMAT_PNG ? &got.png_text
		                                                      : &got.comment),
		                     "a comment"),
		       "%s", format_info(format)->name);
	EXPECT_EQ(got.lost, 0);
	metadata_fini(&got);
}

TEST(metadata_containers, metadata_written_to_six_formats_can_be_read_back)
{
	struct metadata metadata = all_blocks();

	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct block file = kinds[i].make(), out, twice;
		unsigned lost;

		out = written(kinds[i].format, block_bytes(&file), &metadata, &lost);
		EXPECT_EQ(lost, kinds[i].cannot);
		expect_blocks(&out, kinds[i].format, &metadata, kinds[i].cannot);

		/* Write the metadata once more: it must replace the metadata in the file. */
		twice = written(kinds[i].format, block_bytes(&out), &metadata, &lost);
		expect_blocks(&twice, kinds[i].format, &metadata, kinds[i].cannot);
		block_fini(&twice);
		block_fini(&out);
		block_fini(&file);
	}
	metadata_fini(&metadata);
}

TEST(metadata_containers, writing_no_metadata_removes_metadata_added_by_the_encoder)
{
	struct metadata metadata = all_blocks(), none = {0};

	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct block file = kinds[i].make(), out, bare;
		struct metadata again;
		unsigned lost;

		out = written(kinds[i].format, block_bytes(&file), &metadata, &lost);
		bare = written(kinds[i].format, block_bytes(&out), &none, &lost);
		EXPECT_EQ(lost, 0);
		REQUIRE(metadata_read(&again, kinds[i].format, block_bytes(&bare)));
		EXPECT_EQ(again.exif.n + again.xmp.n + again.iptc.n + again.comment.n, 0);
		EXPECT(again.density.x == 0);
		block_fini(&bare);
		block_fini(&out);
		block_fini(&file);
	}
	metadata_fini(&metadata);
}

TEST(metadata_containers,
     a_file_that_is_not_of_the_named_format_gets_no_metadata_and_the_loss_is_reported)
{
	struct metadata metadata = all_blocks();

	for (size_t i = 0; i < N_OF(kinds); i++) {
		struct block out;
		unsigned lost;

		out = written(kinds[i].format, BYTES_OF("something else"), &metadata,
		              &lost);
		EXPECT(bytes_equal(block_bytes(&out), BYTES_OF("something else")));
		block_fini(&out);
		EXPECT_EQ(lost, LOST_EXIF | LOST_XMP | LOST_IPTC | LOST_COMMENT);
	}
	metadata_fini(&metadata);
}

TEST(metadata_containers, a_jpeg_starts_with_a_jfif_segment_unless_it_has_exif)
{
	struct metadata metadata = all_blocks(), none = {.density = {300, 150}};
	struct block file = bare_jpeg(), out;
	unsigned lost;

	out = written(FORMAT_JPEG, block_bytes(&file), &metadata, &lost);
	EXPECT(bytes_begin_with(bytes_after(block_bytes(&out), 6),
	                        BYTES_OF("Exif\0\0MM\0*")));
	EXPECT(!fixture_holds(block_bytes(&out), "JFIF"));
	block_fini(&out);

	out = written(FORMAT_JPEG, block_bytes(&file), &none, &lost);
	EXPECT(bytes_begin_with(
		block_bytes(&out),
		BYTES_OF(
			"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\1\x01\x2c\0\x96\0\0\xff\xdb")));
	block_fini(&out);

	/* A density of 0 means that the density is unknown. Then the file has no unit, and 1 x 1
	 * only means that pixels are square. */
	none.density = (struct density){0, 0};
	out = written(FORMAT_JPEG, block_bytes(&file), &none, &lost);
	EXPECT(bytes_begin_with(
		block_bytes(&out),
		BYTES_OF("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb")));
	block_fini(&out);
	block_fini(&file);
	metadata_fini(&metadata);
}

TEST(metadata_containers, pixel_density_is_the_same_in_jpeg_and_png_and_never_invented)
{
	static const struct density densities[] = {{0, 0}, {72, 72}, {300, 150}};

	for (size_t k = 0; k < N_OF(densities); k++) {
		for (size_t i = 0; i < 2; i++) {
			struct metadata metadata = {.density = densities[k]}, again;
			struct block file = kinds[i].make(), out;
			unsigned lost;

			out = written(kinds[i].format, block_bytes(&file), &metadata,
			              &lost);
			REQUIRE(metadata_read(&again, kinds[i].format,
			                      block_bytes(&out)));
			EXPECT(again.density.x > densities[k].x - 0.02 &&
			       again.density.x < densities[k].x + 0.02);
			EXPECT(again.density.y > densities[k].y - 0.02 &&
			       again.density.y < densities[k].y + 0.02);
			block_fini(&out);
			block_fini(&file);
		}
	}
}

TEST(metadata_containers,
     jfif_density_is_read_if_per_inch_or_centimetre_and_ignored_without_a_unit)
{
	static const struct {
		struct bytes segment;
		double x;
	} segments[] = {
		{LITERAL("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\2\0\x64\0\x64\0\0\xff\xd9"),
	         254},
		{LITERAL("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\2\0\1\0\0\xff\xd9"), 0}};

	for (size_t i = 0; i < N_OF(segments); i++) {
		struct metadata metadata;

		REQUIRE(metadata_read(&metadata, FORMAT_JPEG, segments[i].segment));
		EXPECT(metadata.density.x == segments[i].x);
		metadata_fini(&metadata);
	}
}

TEST(metadata_containers, a_cmyk_jpeg_with_an_adobe_segment_gets_no_jfif_segment)
{
	struct metadata none = {0};
	struct block out;
	unsigned lost;

	out = written(FORMAT_JPEG,
	              BYTES_OF("\xff\xd8\xff\xee\0\x0e"
	                       "Adobe\0\x64\0\0\0\0\2\xff\xda\0\2\xff\xd9"),
	              &none, &lost);
	EXPECT(!fixture_holds(block_bytes(&out), "JFIF"));
	EXPECT(fixture_holds(block_bytes(&out), "Adobe"));
	block_fini(&out);
}

TEST(metadata_containers, xmp_larger_than_one_jpeg_segment_is_written_and_read_back)
{
	static const size_t sizes[] = {1000, 61000, 65400, 65502, 65503, 70000, 200000};

	for (size_t i = 0; i < N_OF(sizes); i++) {
		static const char head[] =
			"<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/"
			"22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/"
			"elements/1.1/\"><dc:title>first</dc:title><dc:source>";
		static const char tail[] =
			"</dc:source></rdf:Description></rdf:RDF></x:xmpmeta>";
		struct metadata_target target = fixture_target();
		struct metadata metadata = {0}, again, kept;
		struct block file = bare_jpeg(), out;
		size_t n = sizes[i] - strlen(head) - strlen(tail);
		unsigned lost;

		block_add_text(&metadata.xmp, head);
		memset(block_extend(&metadata.xmp, n), 'y', n);
		block_add_text(&metadata.xmp, tail);
		REQUIRE(metadata.xmp.n == sizes[i]);
		out = written(FORMAT_JPEG, block_bytes(&file), &metadata, &lost);
		EXPECT_EQ(lost, 0);
		REQUIRE(metadata_read(&again, FORMAT_JPEG, block_bytes(&out)));
		EXPECT((again.xmp_extended.n > 0) == (sizes[i] > 65502), "%zu", sizes[i]);
		REQUIRE(metadata_filter(&kept, &again, KEEP_XMP, &target));
		EXPECT_EQ(kept.lost, 0);
		EXPECT(kept.xmp.n > n && fixture_holds(block_bytes(&kept.xmp),
		                                       "<dc:title>first</dc:title>"),
		       "%zu", sizes[i]);
		metadata_fini(&kept);
		metadata_fini(&again);
		metadata_fini(&metadata);
		block_fini(&out);
		block_fini(&file);
	}
}

TEST(metadata_containers, an_incomplete_extended_xmp_part_is_reported_lost)
{
	static const char main_packet[] =
		"\xff\xd8\xff\xe1\0\x70http://ns.adobe.com/xap/1.0/\0"
		"<x note='HasExtendedXMP 0123456789ABCDEF0123456789ABCDEF'/>"
		"                      ";
	static const char extension[] =
		"\xff\xe1\0\x50http://ns.adobe.com/xmp/extension/\0"
		"0123456789ABCDEF0123456789ABCDEF\0\0\0\5\0\0\0\0<y";

	for (int i = 0; i < 2; i++) {
		struct metadata metadata;
		struct block file = {0};

		block_add(&file, BYTES_OF(main_packet));
		if (i)
			block_add(&file, BYTES_OF(extension));
		REQUIRE(metadata_read(&metadata, FORMAT_JPEG, block_bytes(&file)));
		EXPECT_EQ(metadata.lost, LOST_XMP);
		EXPECT_EQ(metadata.xmp_extended.n, 0);
		metadata_fini(&metadata);
		block_fini(&file);
	}
}

TEST(metadata_containers, iptc_split_over_two_jpeg_segments_is_joined)
{
	struct metadata metadata = {0}, again;
	struct block file = bare_jpeg(), out;
	unsigned lost;

	block_add(&metadata.iptc, BYTES_OF("\x1c\2\x78\x80\4\0\1\x11\x70"));
	memset(block_extend(&metadata.iptc, 70000), 'z', 70000);
	out = written(FORMAT_JPEG, block_bytes(&file), &metadata, &lost);
	EXPECT_EQ(lost, 0);
	REQUIRE(metadata_read(&again, FORMAT_JPEG, block_bytes(&out)));
	EXPECT(bytes_equal(block_bytes(&again.iptc), block_bytes(&metadata.iptc)));
	metadata_fini(&again);
	metadata_fini(&metadata);
	block_fini(&out);
	block_fini(&file);
}

/* Add a segment with resources of Photoshop, or with a part of them. */
static void add_resources(struct block *jpeg, struct bytes resources)
{
	block_add(jpeg, BYTES_OF("\xff\xed"));
	block_add_number(jpeg, 2 + 14 + resources.n, 2, true);
	block_add(jpeg, BYTES_OF("Photoshop 3.0\0"));
	block_add(jpeg, resources);
}

/* A resource of another kind fills 16 MiB. */
TEST(metadata_containers, iptc_after_16_mib_of_photoshop_resources_is_reported_lost)
{
	enum { STEP = 60000, N_STEPS = 2 + METADATA_MAX_BYTES / STEP };
	static const uint8_t zeros[STEP];
	const struct bytes iptc = BYTES_OF("8BIM\4\4\0\0\0\0\0\x06\x1c\2\x78\0\1x");

	for (int is_first = 0; is_first < 2; is_first++) {
		struct block file = {0}, head = {0};
		struct metadata metadata;

		block_add(&file, BYTES_OF("\xff\xd8"));
		if (is_first)
			add_resources(&file, iptc);
		block_add(&head, BYTES_OF("8BIM\4\x0c\0\0"));
		block_add_number(&head, (uint64_t)STEP * N_STEPS, 4, true);
		add_resources(&file, block_bytes(&head));
		for (int i = 0; i < N_STEPS; i++)
			add_resources(&file, (struct bytes){zeros, STEP});
		add_resources(&file, iptc);
		REQUIRE(metadata_read(&metadata, FORMAT_JPEG, block_bytes(&file)));
		EXPECT_EQ(metadata.iptc.n, is_first ? 6 : 0);
		EXPECT_EQ(metadata.lost, is_first ? 0 : LOST_IPTC);
		metadata_fini(&metadata);
		block_fini(&head);
		block_fini(&file);
	}
}

TEST(metadata_containers,
     exif_that_is_too_long_for_jpeg_is_lost_and_other_metadata_is_kept)
{
	struct metadata metadata = {0};
	struct block file = bare_jpeg(), out;
	unsigned lost;

	memset(block_extend(&metadata.exif, 65528), 'z', 65528);
	block_add_text(&metadata.xmp, xmp_text);
	out = written(FORMAT_JPEG, block_bytes(&file), &metadata, &lost);
	EXPECT_EQ(lost, LOST_EXIF);
	EXPECT(fixture_holds(block_bytes(&out), "JFIF") &&
	       fixture_holds(block_bytes(&out), xmp_text));
	block_fini(&out);
	block_fini(&file);
	metadata_fini(&metadata);
}

TEST(metadata_containers, gain_maps_and_videos_appended_to_a_jpeg_are_reported_lost)
{
	static const struct {
		struct bytes file;
		unsigned lost;
	} files[] = {
		{LITERAL("\xff\xd8\xff\xe2\0\x20urn:iso:std:iso:ts:21496:-1\0\0\0\xff\xd9"),
	         LOST_GAINMAP},
		{LITERAL("\xff\xd8\xff\xe2\0\6MPF\0\xff\xd9urn:com:apple:photo:2020:aux:hdrgainmap"),
	         LOST_GAINMAP},
		{LITERAL("\xff\xd8\xff\xe2\0\6MPF\0\xff\xd9 a preview"), 0},
		{LITERAL("\xff\xd8\xff\xe2\0\6MPF\0\xff\xd9http://ns.apple.com/depthData/1.0/"),
	         LOST_DEPTH},
		{LITERAL("\xff\xd8\xff\xd9MotionPhoto_Data....SEFT"), LOST_VIDEO},
	};

	for (size_t i = 0; i < N_OF(files); i++) {
		struct metadata metadata;

		REQUIRE(metadata_read(&metadata, FORMAT_JPEG, files[i].file));
		EXPECT_EQ(metadata.lost, files[i].lost);
		metadata_fini(&metadata);
	}
}

TEST(metadata_containers, gain_maps_and_depth_maps_of_a_heif_are_reported_lost)
{
	static const struct {
		struct bytes type;
		unsigned lost;
	} files[] = {
		{LITERAL("urn:mpeg:hevc:2015:auxid:1\0"), 0},
		{LITERAL("urn:mpeg:hevc:2015:auxid:2\0"), LOST_DEPTH},
		{LITERAL("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"), 0},
		{LITERAL("urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0"), LOST_DEPTH},
		{LITERAL("urn:com:apple:photo:2020:aux:hdrgainmap\0"), LOST_GAINMAP},
	};

	for (size_t i = 0; i < N_OF(files); i++) {
		enum { META_AT = 20 };
		struct block bare = bare_avif(), file = {0};
		size_t n_meta = bytes_be32(block_bytes(&bare), META_AT);
		struct metadata metadata;

		/* Add the box "auxC", which holds the type of the auxiliary picture, at the end of
		 * the box "meta". */
		block_add(&file, bytes_part(block_bytes(&bare), 0, META_AT + n_meta));
		block_add_number(&file, 8 + files[i].type.n, 4, true);
		block_add_text(&file, "auxC");
		block_add(&file, files[i].type);
		block_set_number(&file, META_AT, n_meta + 8 + files[i].type.n, 4, true);
		REQUIRE(metadata_read(&metadata, FORMAT_HEIC, block_bytes(&file)));
		EXPECT_EQ(metadata.lost, files[i].lost);
		metadata_fini(&metadata);
		block_fini(&file);
		block_fini(&bare);
	}
}

TEST(metadata_containers, a_png_gets_one_exif_chunk_before_its_pixels)
{
	struct metadata metadata = all_blocks();
	struct block file = bare_png(), out;
	size_t exif_at, pixels_at;
	unsigned lost;

	out = written(FORMAT_PNG, block_bytes(&file), &metadata, &lost);
	exif_at = bytes_find(block_bytes(&out), BYTES_OF("eXIfMM\0*"), 0);
	pixels_at = bytes_find(block_bytes(&out), BYTES_OF("IDAT"), 0);
	EXPECT(exif_at < pixels_at && pixels_at < out.n);
	EXPECT_EQ(bytes_find(block_bytes(&out), BYTES_OF("eXIf"), exif_at + 1), out.n);
	block_fini(&out);
	block_fini(&file);
	metadata_fini(&metadata);
}

static struct block png_with(const char *type, struct bytes data)
{
	struct block file = bare_png();

	/* The new chunk is between the pixels and the chunk IEND. */
	file.n -= 12;
	add_chunk(&file, type, data);
	add_chunk(&file, "IEND", (struct bytes){NULL, 0});
	return file;
}

TEST(metadata_containers, exif_after_the_pixels_of_a_png_is_read)
{
	struct block file = png_with("eXIf", BYTES_OF("MM\0*\0\0\0\x08"));
	struct metadata metadata;

	REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
	EXPECT(bytes_equal(block_bytes(&metadata.exif), BYTES_OF("MM\0*\0\0\0\x08")));
	metadata_fini(&metadata);
	block_fini(&file);
}

TEST(metadata_containers, exif_xmp_and_iptc_in_png_text_chunks_are_read)
{
	static const struct {
		struct bytes text;
		bool is_deflated;
		struct bytes exif, xmp, iptc;
	} texts[] = {
		{LITERAL("Raw profile type exif\0\nexif\n      14\n457869660000\n4d4d002a00000008\n"),
	         false,
	         LITERAL("MM\0*\0\0\0\x08"),
	         {NULL, 0},
	         {NULL, 0}},
		{LITERAL("Raw profile type APP1\0\ngeneric profile\n      14\n4578696600004D4D002A00000008\n"),
	         true,
	         LITERAL("MM\0*\0\0\0\x08"),
	         {NULL, 0},
	         {NULL, 0}},
		{LITERAL("Raw profile type xmp\0\nxmp\n       4\n3c782f3e\n"),
	         true,
	         {NULL, 0},
	         LITERAL("<x/>"),
	         {NULL, 0}},
		{LITERAL("Raw profile type iptc\0\niptc\n      6\n1c0278000161\n"),
	         false,
	         {NULL, 0},
	         {NULL, 0},
	         LITERAL("\x1c\2\x78\0\1\x61")},
	};

	for (size_t i = 0; i < N_OF(texts); i++) {
		struct bytes text = texts[i].text;
		size_t n_keyword = strlen((const char *)text.at) + 1;
		struct block data = {0}, file;
		struct metadata metadata;

		block_add(&data, bytes_part(text, 0, n_keyword));
		if (texts[i].is_deflated) {
			uint8_t deflated[500];
			uLongf n = sizeof(deflated);

			REQUIRE(compress(deflated, &n, text.at + n_keyword,
			                 (uLong)(text.n - n_keyword)) == Z_OK);
			block_add_number(&data, 0, 1, true);
			block_add(&data, (struct bytes){deflated, n});
		} else {
			block_add(&data, bytes_after(text, n_keyword));
		}
		file = png_with(texts[i].is_deflated ? "zTXt" : "tEXt",
		                block_bytes(&data));
		REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
		EXPECT(bytes_equal(block_bytes(&metadata.exif), texts[i].exif), "%zu", i);
		EXPECT(bytes_equal(block_bytes(&metadata.xmp), texts[i].xmp), "%zu", i);
		EXPECT(bytes_equal(block_bytes(&metadata.iptc), texts[i].iptc), "%zu", i);
		EXPECT_EQ(metadata.png_text.n, 0);
		metadata_fini(&metadata);
		block_fini(&file);
		block_fini(&data);
	}
}

TEST(metadata_containers, a_damaged_raw_profile_of_a_png_is_reported_lost)
{
	static const struct {
		const char *type;
		struct bytes data;
		unsigned lost;
	} texts[] = {
		{"zTXt", LITERAL("Raw profile type exif\0\0damaged"), LOST_EXIF},
		{"zTXt", LITERAL("Raw profile type APP1\0\0damaged"), LOST_EXIF},
		{"zTXt", LITERAL("Raw profile type iptc\0\0damaged"), LOST_IPTC},
		{"zTXt", LITERAL("Raw profile type 8bim\0\0damaged"), LOST_IPTC},
		{"zTXt", LITERAL("Raw profile type xmp\0\0damaged"), LOST_XMP},
		{"zTXt", LITERAL("Raw profile type icc\0\0damaged"), 0},
		{"tEXt", LITERAL("Raw profile type exif\0no digits"), LOST_EXIF},
	};

	for (size_t i = 0; i < N_OF(texts); i++) {
		struct block file = png_with(texts[i].type, texts[i].data);
		struct metadata metadata;

		REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
		EXPECT_EQ(metadata.lost, texts[i].lost);
		EXPECT_EQ(metadata.exif.n + metadata.xmp.n + metadata.iptc.n, 0);
		metadata_fini(&metadata);
		block_fini(&file);
	}
}

TEST(metadata_containers, compressed_xmp_in_a_png_is_read)
{
	uint8_t deflated[500];
	uLongf n = sizeof(deflated);
	struct block data = {0}, file;
	struct metadata metadata;

	REQUIRE(compress(deflated, &n, (const Bytef *)xmp_text, sizeof(xmp_text) - 1) ==
	        Z_OK);
	block_add(&data, BYTES_OF("XML:com.adobe.xmp\0\1\0en\0\0"));
	block_add(&data, (struct bytes){deflated, n});
	file = png_with("iTXt", block_bytes(&data));
	REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
	EXPECT(bytes_equal(block_bytes(&metadata.xmp), BYTES_OF(xmp_text)));
	metadata_fini(&metadata);
	block_fini(&file);
	block_fini(&data);
}

TEST(metadata_containers, a_metadata_block_that_is_too_large_is_reported_lost)
{
	struct block data = {0}, file;
	struct metadata metadata;

	memset(block_extend(&data, METADATA_MAX_BYTES + 1), 'x', METADATA_MAX_BYTES + 1);
	file = png_with("eXIf", block_bytes(&data));
	REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
	EXPECT_EQ(metadata.exif.n, 0);
	EXPECT_EQ(metadata.lost, LOST_EXIF);
	metadata_fini(&metadata);
	block_fini(&file);
	block_fini(&data);
}

TEST(metadata_containers, a_gif_comment_that_is_too_large_is_reported_lost)
{
	struct block file = {0};
	struct metadata metadata;
	uint8_t piece[256];

	memset(piece, 'x', sizeof(piece));
	piece[0] = 255;
	block_add(&file, BYTES_OF("GIF89a\1\0\1\0\0\0\0!\xfe"));
	while (file.n <= METADATA_MAX_BYTES / 255 * 256 + 512)
		block_add(&file, (struct bytes){piece, sizeof(piece)});
	block_add(&file, BYTES_OF("\0!\xfe\5after\0;"));
	REQUIRE(metadata_read(&metadata, FORMAT_GIF, block_bytes(&file)));
	EXPECT_EQ(metadata.lost, LOST_COMMENT);
	/* The next comment is read. */
	EXPECT(bytes_equal(block_bytes(&metadata.comment), BYTES_OF("after")));
	metadata_fini(&metadata);
	block_fini(&file);
}

TEST(metadata_containers, exif_of_a_heif_that_is_too_large_is_reported_lost)
{
	enum { META_BYTES = 12 + 34 + 36 };
	struct block file = {0};
	struct metadata metadata;

	block_add_number(&file, META_BYTES, 4, true);
	block_add(&file, BYTES_OF("meta\0\0\0\0"));
	block_add(&file, BYTES_OF("\0\0\0\x22iinf\0\0\0\0\0\1"
	                          "\0\0\0\x14infe\2\0\0\0\0\1\0\0Exif"));
	/* The location of item 1: one piece, which follows this box. */
	block_add(&file, BYTES_OF("\0\0\0\x24iloc\1\0\0\0\x44\0\0\1"
	                          "\0\1\0\0\0\0\0\1"));
	block_add_number(&file, META_BYTES, 4, true);
	block_add_number(&file, METADATA_MAX_BYTES + 1, 4, true);
	block_add_number(&file, 0, 4, true);
	REQUIRE(file.n == META_BYTES);
	memset(block_extend(&file, METADATA_MAX_BYTES + 1), 0, METADATA_MAX_BYTES + 1);
	REQUIRE(metadata_read(&metadata, FORMAT_HEIC, block_bytes(&file)));
	EXPECT_EQ(metadata.exif.n, 0);
	EXPECT_EQ(metadata.lost, LOST_EXIF);
	metadata_fini(&metadata);
	block_fini(&file);
}

TEST(metadata_containers, png_text_is_kept_in_png_outputs_and_lost_in_other_formats)
{
	struct block file = png_with("tEXt", BYTES_OF("Title\0A title")),
		     jpeg = bare_jpeg(), out;
	struct metadata metadata;
	unsigned lost;

	REQUIRE(metadata_read(&metadata, FORMAT_PNG, block_bytes(&file)));
	out = written(FORMAT_PNG, block_bytes(&file), &metadata, &lost);
	EXPECT_EQ(lost, 0);
	EXPECT(fixture_holds(block_bytes(&out), "A title"));
	block_fini(&out);
	out = written(FORMAT_JPEG, block_bytes(&jpeg), &metadata, &lost);
	EXPECT_EQ(lost, LOST_COMMENT);
	block_fini(&out);
	metadata_fini(&metadata);
	block_fini(&jpeg);
	block_fini(&file);
}

TEST(metadata_containers,
     a_webp_with_metadata_gets_an_extended_header_with_flags_and_size)
{
	struct metadata metadata = all_blocks();
	struct block file = bare_webp(), out;
	struct bytes bytes;
	unsigned lost;

	out = written(FORMAT_WEBP, block_bytes(&file), &metadata, &lost);
	bytes = block_bytes(&out);
	EXPECT_EQ(bytes_le32(bytes, 4) + 8, out.n);
	EXPECT(bytes_begin_with(bytes_after(bytes, 12),
	                        BYTES_OF("VP8X\x0a\0\0\0\x1c\0\0\0\4\0\0\3\0\0VP8L\5")));
	/* The EXIF in the file starts with the TIFF header, without the prefix used in JPEG. */
	EXPECT(fixture_holds(bytes, "EXIF") &&
	       bytes_find(bytes, BYTES_OF("MM\0*"), 0) ==
	               bytes_find(bytes, BYTES_OF("EXIF"), 0) + 8);
	block_fini(&out);
	block_fini(&file);
	metadata_fini(&metadata);
}

TEST(metadata_containers, webp_exif_with_the_prefix_used_in_jpeg_is_read)
{
	static const char file[] =
		"RIFF\x1a\0\0\0WEBPEXIF\x0e\0\0\0Exif\0\0MM\0*\0\0\0\x08";
	struct metadata metadata;

	REQUIRE(metadata_read(&metadata, FORMAT_WEBP, BYTES_OF(file)));
	EXPECT(bytes_equal(block_bytes(&metadata.exif), BYTES_OF("MM\0*\0\0\0\x08")));
	metadata_fini(&metadata);
}

TEST(metadata_containers, exif_and_iptc_of_a_tiff_are_read_without_its_layout_fields)
{
	static const struct fixture_field fields[] = {
		{FIXTURE_MAIN, 0x0100, FIXTURE_SHORT, NULL, {64}, 1},
		{FIXTURE_MAIN, 0x0111, FIXTURE_LONG, NULL, {8}, 1},
		{FIXTURE_MAIN, 0x0112, FIXTURE_SHORT, NULL, {1}, 1},
		{FIXTURE_MAIN, 0x011a, FIXTURE_RATIONAL, NULL, {300, 1}, 0},
		{FIXTURE_MAIN, 0x011b, FIXTURE_RATIONAL, NULL, {300, 1}, 0},
		{FIXTURE_MAIN, 0x83bb, FIXTURE_UNDEFINED, "\x1c\2\x78\1\1w", {0}, 0},
		{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "Jane", {0}, 0},
		{FIXTURE_EXIF, 0x9003, FIXTURE_ASCII, "2024:05:06 07:08:09", {0}, 0},
	};

	for (size_t n = 5; n <= N_OF(fields); n += 3) {
		struct block file = fixture_exif(n == 5, fields, n);
		struct metadata metadata;

		REQUIRE(metadata_read(&metadata, FORMAT_TIFF, block_bytes(&file)));
		EXPECT(metadata.density.x == 300 && metadata.density.y == 300);
		EXPECT((metadata.exif.n > 0) == (n > 5));
		EXPECT((metadata.iptc.n > 0) == (n > 5));
		EXPECT_EQ(fixture_exif_number(block_bytes(&metadata.exif), FIXTURE_MAIN,
		                              0x0100),
		          -1);
		EXPECT_EQ(fixture_exif_value(block_bytes(&metadata.exif), FIXTURE_EXIF,
		                             0x9003)
		                  .n,
		          n > 5 ? 20 : 0);
		metadata_fini(&metadata);
		block_fini(&file);
	}
}

TEST(metadata_containers,
     a_tiff_output_gets_the_pixel_density_if_known_and_otherwise_no_resolution_unit)
{
	struct metadata metadata = {.density = {300, 150}};
	struct block file = bare_tiff(), out;
	unsigned lost;

	out = written(FORMAT_TIFF, block_bytes(&file), &metadata, &lost);
	EXPECT_EQ(fixture_exif_number(block_bytes(&out), FIXTURE_MAIN, 0x011a), 300);
	EXPECT_EQ(fixture_exif_number(block_bytes(&out), FIXTURE_MAIN, 0x011b), 150);
	EXPECT_EQ(fixture_exif_number(block_bytes(&out), FIXTURE_MAIN, 0x0128), 2);
	block_fini(&out);
	metadata.density = (struct density){0, 0};
	out = written(FORMAT_TIFF, block_bytes(&file), &metadata, &lost);
	EXPECT_EQ(fixture_exif_number(block_bytes(&out), FIXTURE_MAIN, 0x0128), 1);
	EXPECT_EQ(fixture_exif_number(block_bytes(&out), FIXTURE_MAIN, 0x0111), 0);
	block_fini(&out);
	block_fini(&file);
}

TEST(metadata_containers, item_offsets_of_an_avif_are_adjusted_when_metadata_is_inserted)
{
	struct metadata metadata = all_blocks();
	struct block file = bare_avif(), out;
	size_t places_at, item_at;
	struct bytes bytes;
	unsigned lost;

	out = written(FORMAT_AVIF, block_bytes(&file), &metadata, &lost);
	bytes = block_bytes(&out);
	places_at = bytes_find(bytes, BYTES_OF("iloc"), 0);
	item_at = bytes_find(bytes, BYTES_OF("mdatitem"), 0) + 4;
	EXPECT_EQ(bytes_be16(bytes, places_at + 10), 3);
	EXPECT_EQ(bytes_be32(bytes, places_at + 18), item_at);
	block_fini(&out);
	block_fini(&file);
	metadata_fini(&metadata);
}

TEST(metadata_containers, brotli_compressed_boxes_of_a_jxl_are_read)
{
	/* Compressed with brotli: four zeros, then MM, 0, 42, 0, 0, 0, 8. */
	static const char file[] =
		"\0\0\0\x0cJXL \r\n\x87\n"
		"\0\0\0\x1b"
		"brobExif"
		"\x1b\x0b\x00\x00\xa4\x01\x9a\x54\x10\x86\x40\x01\x08\xe5\x18";
	static const char damaged[] = "\0\0\0\x0cJXL \r\n\x87\n"
				      "\0\0\0\x10"
				      "brobxml \xff\xff\xff\xff";
	struct metadata metadata;

	REQUIRE(metadata_read(&metadata, FORMAT_JXL, BYTES_OF(file)));
	EXPECT(bytes_equal(block_bytes(&metadata.exif), BYTES_OF("MM\0*\0\0\0\x08")));
	EXPECT_EQ(metadata.lost, 0);
	metadata_fini(&metadata);
	REQUIRE(metadata_read(&metadata, FORMAT_JXL, BYTES_OF(damaged)));
	EXPECT_EQ(metadata.lost, LOST_XMP);
	metadata_fini(&metadata);
}

/* Neither JPEG nor GIF tells the encoding of a comment. In PNG, tEXt is Latin-1 and iTXt is
 * UTF-8. */
TEST(metadata_containers, a_comment_becomes_png_text_in_the_encoding_of_the_comment)
{
	static const struct {
		const char *comment, *chunk;
	} comments[] = {
		{"plain", "tEXtComment"},
		{"caf\xc3\xa9", "iTXtComment"},
		{"\xf0\x9f\x98\x80", "iTXtComment"},
		{"caf\xe9", "tEXtComment"},
		{"\xe9t\xe9", "tEXtComment"},
		{"\xc3\xa9 caf\xe9", "tEXtComment"},
		{"\xc0\xaf", "tEXtComment"},         /* an overlong encoding */
		{"\xe0\x80\xaf", "tEXtComment"},     /* an overlong encoding */
		{"\xed\xa0\x80", "tEXtComment"},     /* a surrogate */
		{"\xf4\x90\x80\x80", "tEXtComment"}, /* above U+10FFFF */
		{"\xf0\x9f\x98", "tEXtComment"},     /* truncated */
	};

	for (size_t i = 0; i < sizeof(comments) / sizeof(comments[0]); i++) {
		struct metadata metadata = {0};
		struct block file = bare_png(), to;
		unsigned lost;

		block_add_text(&metadata.comment, comments[i].comment);
		to = written(FORMAT_PNG, block_bytes(&file), &metadata, &lost);
		EXPECT(fixture_holds(block_bytes(&to), comments[i].chunk), "comment %zu",
		       i);
		EXPECT(fixture_holds(block_bytes(&to), comments[i].comment));
		EXPECT_EQ(lost, 0);
		block_fini(&to);
		block_fini(&file);
		metadata_fini(&metadata);
	}
}

TEST(metadata_containers, comments_and_xmp_of_a_gif_are_read)
{
	struct block file = {0};
	struct metadata metadata;

	block_add(&file, BYTES_OF("GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
	                          "\x21\xfe\2hi\1!\0"
	                          "\x21\xff\x0bXMP DataXMP<x/>\1"));
	for (int i = 255; i >= 0; i--)
		block_add_number(&file, (uint64_t)i, 1, true);
	block_add(&file, BYTES_OF("\0\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;"));
	REQUIRE(metadata_read(&metadata, FORMAT_GIF, block_bytes(&file)));
	EXPECT(bytes_equal(block_bytes(&metadata.comment), BYTES_OF("hi!")));
	EXPECT(bytes_equal(block_bytes(&metadata.xmp), BYTES_OF("<x/>")));
	metadata_fini(&metadata);
	block_fini(&file);
}

TEST(metadata_containers, metadata_resources_of_a_psd_are_read)
{
	struct block resources = {0}, file = {0};
	struct metadata metadata;

	block_add(&resources, BYTES_OF("8BIM\4\x24\0\0\0\0\0\4<x/>"
	                               "8BIM\4\x22\0\0\0\0\0\x08MM\0*\0\0\0\x08"));
	iptc_add_as_resource(&resources, BYTES_OF("\x1c\2\x78\0\1w"));
	block_add(&file,
	          BYTES_OF("8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\1\0\0\0\1\0\x08\0\3\0\0\0\0"));
	block_add_number(&file, resources.n, 4, true);
	block_add(&file, block_bytes(&resources));
	REQUIRE(metadata_read(&metadata, FORMAT_PSD, block_bytes(&file)));
	EXPECT(bytes_equal(block_bytes(&metadata.exif), BYTES_OF("MM\0*\0\0\0\x08")));
	EXPECT(bytes_equal(block_bytes(&metadata.xmp), BYTES_OF("<x/>")));
	EXPECT(bytes_equal(block_bytes(&metadata.iptc), BYTES_OF("\x1c\2\x78\0\1w")));
	metadata_fini(&metadata);
	block_fini(&file);
	block_fini(&resources);
}
