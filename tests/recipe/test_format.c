/* Tests of format detection by file name and by first bytes, and of the table of formats. */
#include "support/test.h"

#include "recipe/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(literal) (literal), sizeof(literal) - 1

static const struct beginning {
	enum image_format format;
	const char *name;
	size_t n_magic; /* in fewer bytes this format is not recognised */
	const char *bytes;
	size_t n;
} beginnings[] = {
	{FORMAT_JPEG, "x", 3, BYTES("\xff\xd8\xff\xe0\0\x10JFIF")},
	{FORMAT_PNG, "x", 8, BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR")},
	{FORMAT_WEBP, "x", 12, BYTES("RIFF\x10\0\0\0WEBPVP8 ")},
	{FORMAT_GIF, "x", 6, BYTES("GIF89a\1\0\1\0")},
	{FORMAT_GIF, "x", 6, BYTES("GIF87a\1\0\1\0")},
	{FORMAT_TIFF, "x", 4, BYTES("II*\0\x08\0\0\0")},
	{FORMAT_TIFF, "x", 4, BYTES("MM\0*\0\0\0\x08")},
	{FORMAT_TIFF, "x", 4, BYTES("II+\0\x08\0\0\0")},
	{FORMAT_HEIC, "x", 12,
         BYTES("\0\0\0\x18"
               "ftypheic\0\0\0\0mif1heic")},
	{FORMAT_HEIC, "x", 12,
         BYTES("\0\0\0\x18"
               "ftypmif1\0\0\0\0mif1heic")},
	{FORMAT_AVIF, "x", 12,
         BYTES("\0\0\0\x1c"
               "ftypavif\0\0\0\0avifmif1miaf")},
	{FORMAT_AVIF, "x", 24,
         BYTES("\0\0\0\x1c"
               "ftypmif1\0\0\0\0mif1avifmiaf")},
	{FORMAT_JXL, "x", 2, BYTES("\xff\x0a\xfa\x3f")},
	{FORMAT_JXL, "x", 12, BYTES("\0\0\0\x0cJXL \r\n\x87\n")},
	{FORMAT_JP2, "x", 12, BYTES("\0\0\0\x0cjP  \r\n\x87\n")},
	{FORMAT_JP2, "x", 4, BYTES("\xff\x4f\xff\x51\0\x29")},
	{FORMAT_SVG, "x", 4, BYTES("<svg xmlns='http://www.w3.org/2000/svg'/>")},
	{FORMAT_SVG, "x", 48,
         BYTES("\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a comment --><svg/>")},
	{FORMAT_SVG, "x.svgz", 3, BYTES("\x1f\x8b\x08\0\0\0\0\0")},
	{FORMAT_SVG, "x.svg", 3, BYTES("\x1f\x8b\x08\0\0\0\0\0")},
	{FORMAT_SVG, "a.svg", 5, BYTES("<?xml version=\"1.0\" encoding=\"UT")},
	{FORMAT_SVG, "x", 9, BYTES("\xff\xfe<\0s\0v\0g\0>\0")},
	{FORMAT_SVG, "x", 18, BYTES("\xfe\xff\0<\0!\0-\0-\0<\0s\0v\0g")},
	{FORMAT_PDF, "x", 5, BYTES("%PDF-1.4\n")},
	{FORMAT_PDF, "x", 46,
         BYTES("\r\n<html>mail: a letter with a form</html>%PDF-1.4\n")},
	{FORMAT_PNM, "x", 4, BYTES("P6\n1 1 255\n")},
	{FORMAT_PNM, "x", 4, BYTES("Pf\n1 1 -1\n")},
	{FORMAT_BMP, "x", 18, BYTES("BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0")},
	{FORMAT_TGA, "x.TGA", 18, BYTES("\0\0\2\0\0\0\0\0\0\0\0\0\1\0\1\0\x18\0\0\0\0")},
	{FORMAT_PSD, "x", 4, BYTES("8BPS\0\1\0\0")},
	{FORMAT_HDR, "x", 11, BYTES("#?RADIANCE\nFORMAT=")},
	{FORMAT_HDR, "x", 7, BYTES("#?RGBE\nFORMAT=")},
	{FORMAT_EXR, "x", 4, BYTES("\x76\x2f\x31\x01\2\0\0\0")},
	{FORMAT_ICO, "x", 22,
         BYTES("\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0\0")},
	{FORMAT_PAM, "x", 3, BYTES("P7\nWIDTH 1\n")},
	{FORMAT_RAW, "x", 10, BYTES("II*\0\x10\0\0\0CR\2\0")},
	{FORMAT_RAW, "a.NEF", 4, BYTES("MM\0*\0\0\0\x08")},
	{FORMAT_RAW, "x", 12,
         BYTES("\0\0\0\x18"
               "ftypcrx \0\0\0\1crx isom")},
	{FORMAT_RAW, "x", 8, BYTES("FUJIFILMCCD-RAW 0201")},
	{FORMAT_RAW, "x", 4, BYTES("IIRO\x08\0\0\0")},
	{FORMAT_RAW, "x", 4, BYTES("IIU\0\x18\0\0\0")},
	{FORMAT_NONE, "x", 0,
         BYTES("\0\0\0\x18"
               "ftypmp42\0\0\0\0isommp42")},
	{FORMAT_NONE, "x", 0,
         BYTES("\0\0\0\x14"
               "ftypqt  \0\0\2\0qt  ")},
	{FORMAT_NONE, "x.tga", 0, BYTES("\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\x18\0")},
	{FORMAT_NONE, "x.tga", 0, BYTES("a text that calls itself a picture")},
	{FORMAT_NONE, "x", 0, BYTES("\x1f\x8b\x08\0\0\0\0\0")},
	{FORMAT_NONE, "x.jpg", 0, BYTES("<html><svg></svg></html>")},
	{FORMAT_NONE, "x.svg", 0, BYTES("\xff\xfeh\0e\0l\0l\0o\0")},
	{FORMAT_NONE, "x.jpg", 0, BYTES("BMW is a maker of cars")},
	{FORMAT_NONE, "x.ppm", 0, BYTES("P6 of the essay")},
	{FORMAT_NONE, "x.ppm", 0, BYTES("P65 1 255\n")},
	/* gzip data of "hello", then more bytes: the format detection of libvips 8.14.1 never ends
	 * on this file */
	{FORMAT_NONE, "x.jpg", 0,
         BYTES("\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0junkjunk")},
};

enum { N_BEGINNINGS = sizeof(beginnings) / sizeof(beginnings[0]) };

/* Detect the format of a copy of exactly n bytes, so that a sanitizer notices reads past the
 * end. */
static enum image_format gate(const char *bytes, size_t n, const char *name)
{
	uint8_t *exact = malloc(n ? n : 1);
	enum image_format format;

	memcpy(exact, bytes, n);
	format = format_of_bytes(exact, n, name);
	free(exact);
	return format;
}

TEST(sniff, every_format_is_recognised_by_its_first_bytes)
{
	for (size_t i = 0; i < N_BEGINNINGS; i++) {
		const struct beginning *b = &beginnings[i];
		enum image_format format = gate(b->bytes, b->n, b->name);

		EXPECT(format == b->format, "row %zu is %s, expected %s", i,
		       format_info(format)->name, format_info(b->format)->name);
	}
}

TEST(sniff, an_incomplete_signature_is_not_recognised)
{
	for (size_t i = 0; i < N_BEGINNINGS; i++) {
		const struct beginning *b = &beginnings[i];

		for (size_t n = 0; n < b->n_magic; n++) {
			enum image_format format = gate(b->bytes, n, b->name);

			/* An AVIF file whose first brand is mif1 counts as HEIC until the brand
			 * avif is read. A camera RAW file that is a TIFF counts as TIFF until the
			 * mark of the camera maker is read. */
			EXPECT(format == FORMAT_NONE ||
			               (b->format == FORMAT_AVIF &&
			                format == FORMAT_HEIC) ||
			               (b->format == FORMAT_RAW && format == FORMAT_TIFF),
			       "row %zu cut to %zu bytes is %s", i, n,
			       format_info(format)->name);
		}
		EXPECT_EQ(gate(b->bytes, b->n_magic, b->name), b->format);
	}
}

TEST(sniff, the_gzip_test_file_on_which_libvips_hangs_has_33_bytes)
{
	EXPECT_EQ(beginnings[N_BEGINNINGS - 1].n, 33);
}

/* Write a TIFF file that consists of its header and a directory of entries {tag, value}; each value
 * is a LONG. Returns the number of bytes. */
static size_t make_tiff(uint8_t *bytes, bool is_big_endian, const uint32_t (*entries)[2],
                        unsigned n_entries)
{
	size_t n = 0;
	struct {
		uint32_t number;
		unsigned n;
	} parts[3 + 4 * 8];
	unsigned n_parts = 0;

	memcpy(bytes, is_big_endian ? "MM\0*" : "II*\0", 4);
	n = 4;
	parts[n_parts].number = 8, parts[n_parts++].n = 4;
	parts[n_parts].number = n_entries, parts[n_parts++].n = 2;
	for (unsigned i = 0; i < n_entries; i++) {
		parts[n_parts].number = entries[i][0], parts[n_parts++].n = 2;
		parts[n_parts].number = 4, parts[n_parts++].n = 2;
		parts[n_parts].number = 1, parts[n_parts++].n = 4;
		parts[n_parts].number = entries[i][1], parts[n_parts++].n = 4;
	}
	for (unsigned p = 0; p < n_parts; p++) {
		for (unsigned i = 0; i < parts[p].n; i++) {
			unsigned place = is_big_endian ? parts[p].n - 1 - i : i;

			bytes[n++] = (uint8_t)(parts[p].number >> (8 * place));
		}
	}
	return n;
}

TEST(sniff, a_raw_file_without_its_suffix_is_recognised_by_its_tiff_directory)
{
	static const uint32_t dng[][2] = {{254, 1}, {50706, 0x01040000}};
	static const uint32_t nef[][2] = {{254, 1}, {271, 100}, {330, 200}};
	static const uint32_t photo[][2] = {{254, 0}, {271, 100}, {330, 200}};
	static const uint32_t pyramid[][2] = {{254, 0}, {330, 200}};
	uint8_t bytes[256];

	for (int is_big = 0; is_big <= 1; is_big++) {
		size_t n = make_tiff(bytes, is_big, dng, 2);

		EXPECT_EQ(gate((char *)bytes, n, "x.tif"), FORMAT_RAW);
		EXPECT_EQ(gate((char *)bytes, FORMAT_SNIFF_BYTES, "x.dng"), FORMAT_RAW);
		n = make_tiff(bytes, is_big, nef, 3);
		EXPECT_EQ(gate((char *)bytes, n, "x.tif"), FORMAT_RAW);
		n = make_tiff(bytes, is_big, photo, 3);
		EXPECT_EQ(gate((char *)bytes, n, "x.tif"), FORMAT_TIFF);
		n = make_tiff(bytes, is_big, pyramid, 2);
		EXPECT_EQ(gate((char *)bytes, n, "x.tif"), FORMAT_TIFF);
		for (size_t cut = 4; cut < n; cut++)
			EXPECT_EQ(gate((char *)bytes, cut, "x.tif"), FORMAT_TIFF);
	}
}

TEST(sniff, detection_never_reads_past_the_end_of_the_file)
{
	uint8_t bytes[64];
	unsigned seed = 1;

	for (int round = 0; round < 20000; round++) {
		const struct beginning *b = &beginnings[(unsigned)round % N_BEGINNINGS];
		size_t n = (size_t)rand_r(&seed) % (sizeof(bytes) + 1);

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		memcpy(bytes, b->bytes, b->n < 16 ? b->n : 16);
		EXPECT(gate((char *)bytes, n, b->name) < N_FORMATS);
	}
}

TEST(format, the_format_of_a_file_name_follows_its_suffix)
{
	EXPECT_EQ(format_of_name("a/b.JPG"), FORMAT_JPEG);
	EXPECT_EQ(format_of_name("b.tar.tiff"), FORMAT_TIFF);
	EXPECT_EQ(format_of_name("c.heif"), FORMAT_HEIC);
	EXPECT_EQ(format_of_name(".jpg"), FORMAT_NONE);
	EXPECT_EQ(format_of_name("jpg"), FORMAT_NONE);
	EXPECT_EQ(format_of_name("a.txt"), FORMAT_NONE);
	EXPECT_EQ(format_of_name("a."), FORMAT_NONE);
}

TEST(format, a_format_can_be_given_by_name_or_by_suffix)
{
	EXPECT_EQ(format_of_word("jpg"), FORMAT_JPEG);
	EXPECT_EQ(format_of_word("jpeg"), FORMAT_JPEG);
	EXPECT_EQ(format_of_word("WebP"), FORMAT_WEBP);
	EXPECT_EQ(format_of_word("same"), FORMAT_NONE);
	EXPECT_EQ(format_of_word(""), FORMAT_NONE);
	EXPECT_EQ(format_of_word("unknown"), FORMAT_NONE);
}

TEST(format, every_row_of_the_format_table_is_complete_and_found_by_its_name)
{
	for (int i = 0; i < N_FORMATS; i++) {
		enum image_format format = (enum image_format)i;
		const struct format_info *info = format_info(format);
		char name[32];

		REQUIRE(info->name && info->extension && info->suffixes);
		if (format == FORMAT_NONE || format == FORMAT_RAW)
			continue;
		EXPECT_EQ(format_of_word(info->name), format);
		EXPECT_EQ(format_of_word(info->extension), format);
		for (const char *const *suffix = info->suffixes; *suffix; suffix++) {
			snprintf(name, sizeof(name), "x.%s", *suffix);
			EXPECT_EQ(format_of_name(name), format);
		}
	}
	EXPECT_EQ(format_info(FORMAT_HEIC)->same_as, FORMAT_JPEG);
	EXPECT_EQ(format_info(FORMAT_PSD)->same_as, FORMAT_PNG);
	EXPECT_STR(format_info((enum image_format)1000)->name, "unknown");
}
