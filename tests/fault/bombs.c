/*
 * Writers of decompression bombs, one small writer for each format.
 */
#include "bombs.h"

#include "bomb_samples.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes ---- */

/* The number of bytes that put() allocates for a blob of n bytes: a power of two, so that appending
 * byte by byte takes linear time. Only put() may append to a blob that put() has allocated. */
static size_t room_for(size_t n)
{
	size_t room = 64;

	while (room <= n)
		room *= 2;
	return room;
}

static void put(struct blob *blob, const char *bytes, size_t n)
{
	if (!blob->bytes || room_for(blob->n + n) > room_for(blob->n))
		blob->bytes = realloc(blob->bytes, room_for(blob->n + n));
	REQUIRE(blob->bytes != NULL);
	if (n > 0)
		memcpy(blob->bytes + blob->n, bytes, n);
	blob->n += n;
}

#define PUT(blob, literal) put((blob), (literal), sizeof(literal) - 1)

/* Append the n low bytes of a number, in big-endian or little-endian order. */
static void put_big(struct blob *blob, uint64_t number, unsigned n)
{
	for (unsigned i = n; i-- > 0;)
		put(blob, (char[]){(char)(number >> 8 * i)}, 1);
}

static void put_little(struct blob *blob, uint64_t number, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put(blob, (char[]){(char)(number >> 8 * i)}, 1);
}

/* Append bits, the lowest first, as deflate and JPEG XL require. */
struct bits {
	struct blob *blob;
	uint32_t waiting;
	unsigned n;
};

static void put_bits(struct bits *bits, uint32_t number, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bits->waiting |= (number >> i & 1) << bits->n;
		if (++bits->n == 8) {
			put_little(bits->blob, bits->waiting, 1);
			bits->waiting = bits->n = 0;
		}
	}
}

static void end_bits(struct bits *bits)
{
	if (bits->n > 0)
		put_bits(bits, 0, 8 - bits->n);
}

/* ---- PNG ---- */

static void put_chunk(struct blob *blob, const char *type, const struct blob *body)
{
	size_t at = blob->n + 4;

	put_big(blob, body->n, 4);
	put(blob, type, 4);
	put(blob, (const char *)body->bytes, body->n);
	put_big(blob, png_crc(blob->bytes + at, blob->n - at), 4);
}

/* Append n equal bytes, compressed in zlib format. Each match has the maximum length: its 13 bits
 * stand for 258 bytes. */
static void put_zlib_of(struct blob *blob, uint8_t byte, uint64_t n)
{
	struct bits bits = {.blob = blob};
	uint32_t literal = 0x30U + byte, reversed = 0;
	uint64_t rest = n;
	uint64_t half = n % 2 ? (n + 1) / 2 % 65521 * (n % 65521)
	                      : n / 2 % 65521 * ((n + 1) % 65521);

	for (int i = 0; i < 8; i++)
		reversed |= (literal >> i & 1) << (7 - i);
	PUT(blob, "\x78\x9c");
	put_bits(&bits, 3, 3); /* the last block, with the fixed Huffman codes */
	for (; rest > 0 && (rest == n || rest < 258); rest--)
		put_bits(&bits, reversed, 8);
	for (; rest >= 258; rest -= 258)
		put_bits(&bits, 0xa3, 13); /* repeat the last byte 258 times */
	for (; rest > 0; rest--)
		put_bits(&bits, reversed, 8);
	put_bits(&bits, 0, 7);
	end_bits(&bits);
	put_big(blob, (n + half % 65521 * byte) % 65521, 2);
	put_big(blob, (1 + n % 65521 * byte) % 65521, 2);
}

static void put_header(struct blob *blob, uint32_t width, uint32_t height, unsigned depth,
                       unsigned colours)
{
	struct blob header = {0};

	PUT(blob, "\x89PNG\r\n\x1a\n");
	put_big(&header, width, 4);
	put_big(&header, height, 4);
	put_big(&header, depth, 1);
	put_big(&header, colours, 1);
	PUT(&header, "\0\0\0");
	put_chunk(blob, "IHDR", &header);
	blob_fini(&header);
}

/* Append n_rows rows of n_row black bytes, whatever size the header claims. */
static void end_png(struct blob *blob, uint64_t n_row, uint64_t n_rows)
{
	struct blob data = {0}, none = {0};

	put_zlib_of(&data, 0, (1 + n_row) * n_rows);
	put_chunk(blob, "IDAT", &data);
	put_chunk(blob, "IEND", &none);
	blob_fini(&data);
}

static void make_png_that_lies(struct blob *blob)
{
	put_header(blob, 100000, 100000, 8, 2);
	end_png(blob, 300000, 5);
}

static void make_png_of_greatest_width(struct blob *blob)
{
	put_header(blob, 2147483647, 1, 8, 0);
	end_png(blob, 0, 0);
}

static void make_png_of_900_megapixels(struct blob *blob)
{
	put_header(blob, 30000, 30000, 1, 0);
	end_png(blob, 30000 / 8, 30000);
}

static void make_png_of_400_megapixels(struct blob *blob)
{
	put_header(blob, 20000, 20000, 8, 2);
	end_png(blob, 60000, 20000);
}

static void make_png_of_100_megapixels(struct blob *blob)
{
	put_header(blob, 10000, 10000, 1, 0);
	end_png(blob, 10000 / 8, 10000);
}

static void make_png_with_chunk(struct blob *blob, const char *type, const char *head,
                                size_t n_head)
{
	struct blob chunk = {0};

	put_header(blob, 8, 8, 8, 2);
	put(&chunk, head, n_head);
	put_zlib_of(&chunk, 'A', (uint64_t)200 << 20);
	put_chunk(blob, type, &chunk);
	blob_fini(&chunk);
	end_png(blob, 24, 8);
}

static void make_png_with_text_of_200_megabytes(struct blob *blob)
{
	make_png_with_chunk(blob, "zTXt", "Comment\0", 9);
}

static void make_png_with_profile_of_200_megabytes(struct blob *blob)
{
	make_png_with_chunk(blob, "iCCP", "p\0", 3);
}

static void make_png_of_60000_texts(struct blob *blob)
{
	struct blob chunk = {0};

	put_header(blob, 8, 8, 8, 2);
	for (int i = 0; i < 60000; i++) {
		char text[16];

		chunk.n = 0;
		put(&chunk, text, (size_t)snprintf(text, sizeof(text), "k%d", i));
		PUT(&chunk, "\0v");
		put_chunk(blob, "tEXt", &chunk);
	}
	blob_fini(&chunk);
	end_png(blob, 24, 8);
}

/* ---- JPEG ---- */

static void put_segment(struct blob *blob, uint8_t marker, const char *bytes, size_t n)
{
	put_big(blob, 0xff00U | marker, 2);
	put_big(blob, n + 2, 2);
	put(blob, bytes, n);
}

#define PUT_SEGMENT(blob, marker, literal)                                               \
	put_segment((blob), (marker), (literal), sizeof(literal) - 1)

/* Write a grey JPEG up to its first scan: one quantisation table, a DC code of one bit for 0, and
 * an AC code of one bit for the longest run of empty blocks. */
static void begin_jpeg(struct blob *blob, uint8_t process, unsigned width,
                       unsigned height)
{
	char table[65] = {0};
	char frame[] = {8,
	                (char)(height >> 8),
	                (char)height,
	                (char)(width >> 8),
	                (char)width,
	                1,
	                1,
	                0x11,
	                0};

	memset(table + 1, 1, 64);
	PUT(blob, "\xff\xd8");
	put_segment(blob, 0xdb, table, sizeof(table));
	put_segment(blob, process, frame, sizeof(frame));
	PUT_SEGMENT(blob, 0xc4, "\x00\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00");
	PUT_SEGMENT(blob, 0xc4, "\x10\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe0");
}

static void make_jpeg_that_lies(struct blob *blob)
{
	begin_jpeg(blob, 0xc0, 65500, 65500);
	PUT_SEGMENT(blob, 0xda, "\1\1\0\0\77\0");
	PUT(blob, "\0\0\0\0\xff\xd9");
}

static void make_progressive_jpeg_that_lies(struct blob *blob)
{
	begin_jpeg(blob, 0xc2, 65500, 65500);
	PUT_SEGMENT(blob, 0xda, "\1\1\0\0\0\0");
	PUT(blob, "\0\0\0\0\xff\xd9");
}

static void make_progressive_jpeg_of_900_megapixels(struct blob *blob)
{
	static const char zeros[4096];

	begin_jpeg(blob, 0xc2, 30000, 30000);
	PUT_SEGMENT(blob, 0xda, "\1\1\0\0\0\0");
	for (int i = 0; i < 3750 * 3750 / 8 / (int)sizeof(zeros) + 1; i++)
		put(blob, zeros, sizeof(zeros));
	PUT(blob, "\xff\xd9");
}

/* A JPEG of 64 megapixels. After its first scan it has 5000 scans of 127 bytes. Each scan covers
 * all pixels. */
void bomb_of_scans(struct blob *blob)
{
	static const char zeros[1000 * 1000 / 8];

	begin_jpeg(blob, 0xc2, 8000, 8000);
	PUT_SEGMENT(blob, 0xda, "\1\1\0\0\0\0");
	put(blob, zeros, sizeof(zeros));
	for (int scan = 0; scan < 5000; scan++) {
		/* 62 runs of 2^14 empty blocks cover slightly more than a million blocks. Each run
		 * takes 15 bits. */
		PUT_SEGMENT(blob, 0xda, "\1\1\0\1\77\0");
		put(blob, zeros, 62 * 15 / 8 + 1);
	}
	PUT(blob, "\xff\xd9");
}

/* ---- GIF ---- */

/* Make a GIF with a large canvas. Each frame is as large as the canvas, but has almost no pixel
 * data. If the frames were smaller, libnsgif would take the large canvas for a mistake and use the
 * size of the first frame. */
static void make_gif(struct blob *blob, unsigned side, unsigned n_frames)
{
	PUT(blob, "GIF89a");
	put_little(blob, side, 2);
	put_little(blob, side, 2);
	PUT(blob, "\x80\0\0\0\0\0\xff\xff\xff");
	for (unsigned i = 0; i < n_frames; i++) {
		PUT(blob, "\x21\xf9\4\0\1\0\0\0\x2c\0\0\0\0");
		put_little(blob, side, 2);
		put_little(blob, side, 2);
		PUT(blob, "\0\2\2\x44\1\0");
	}
	PUT(blob, ";");
}

static void make_gif_of_greatest_canvas(struct blob *blob)
{
	make_gif(blob, 65535, 1);
}

static void make_gif_of_2000_wide_frames(struct blob *blob)
{
	make_gif(blob, 10000, 2000);
}

static void make_gif_of_60000_frames(struct blob *blob)
{
	make_gif(blob, 1, 60000);
}

/* ---- TIFF ---- */

static void make_tiff(struct blob *blob, uint32_t side, uint32_t next)
{
	const uint32_t entries[][4] = {
		{256, 4, 1, side}, {257, 4, 1, side}, {258, 3, 1, 8},
		{259, 3, 1, 5},    {262, 3, 1, 1},    {273, 4, 1, 8},
		{277, 3, 1, 1},    {278, 4, 1, side}, {279, 4, 1, 16},
	};

	PUT(blob, "II*\0\x18\0\0\0\x80\x0b\x60\x50\x22\x0c\x0c\x85\1\0\0\0\0\0\0\0");
	put_little(blob, 9, 2);
	for (size_t i = 0; i < 9; i++) {
		put_little(blob, entries[i][0], 2);
		put_little(blob, entries[i][1], 2);
		put_little(blob, entries[i][2], 4);
		put_little(blob, entries[i][3], 4);
	}
	put_little(blob, next, 4);
}

static void make_tiff_of_a_million_squared(struct blob *blob)
{
	make_tiff(blob, 1000000, 0);
}

static void make_tiff_of_60000_squared(struct blob *blob)
{
	make_tiff(blob, 60000, 0);
}

static void make_tiff_whose_directories_loop(struct blob *blob)
{
	make_tiff(blob, 100, 24);
}

/* ---- WebP ---- */

/* An animation with a large canvas and one frame of one pixel. */
static void make_webp(struct blob *blob)
{
	enum { SIDE = 20000 };
	static const char pixel[] =
		"VP8L\r\0\0\0\x2f\0\0\0\x10\7\x10\x11\x11\x88\x88\xfe\7\0";

	PUT(blob, "RIFF");
	put_little(blob, 4 + 18 + 14 + 8 + 16 + sizeof(pixel) - 1, 4);
	PUT(blob, "WEBPVP8X\n\0\0\0\2\0\0\0");
	put_little(blob, SIDE - 1, 3);
	put_little(blob, SIDE - 1, 3);
	PUT(blob, "ANIM\6\0\0\0\0\0\0\0\0\0");
	PUT(blob, "ANMF");
	put_little(blob, 16 + sizeof(pixel) - 1, 4);
	PUT(blob, "\0\0\0\0\0\0\0\0\0\0\0\0\x64\0\0\0");
	put(blob, pixel, sizeof(pixel) - 1);
}

/* ---- JPEG XL, JPEG 2000, HEIF ---- */

static void make_jxl(struct blob *blob)
{
	struct bits bits = {.blob = blob};

	PUT(blob, "\xff\x0a");
	/* The image is larger than the short form of the header allows. */
	put_bits(&bits, 0, 1);
	put_bits(&bits, 3, 2); /* the height has 30 bits */
	put_bits(&bits, 1000000 - 1, 30);
	put_bits(&bits, 1, 3); /* the width equals the height */
	put_bits(&bits, 1, 1); /* all other fields have their defaults */
	put_bits(&bits, 1, 1);
	end_bits(&bits);
	for (int i = 0; i < 64; i++)
		PUT(blob, "\0");
}

static void make_jp2(struct blob *blob)
{
	PUT(blob, "\xff\x4f\xff\x51\0\x29\0\0");
	for (int i = 0; i < 2; i++) {
		/* the size of the picture, then the size of a tile */
		put_big(blob, 1000000, 4);
		put_big(blob, 1000000, 4);
		put_big(blob, 0, 8);
	}
	PUT(blob, "\0\1\7\1\1");
	PUT(blob, "\xff\x52\0\x0c\0\0\0\1\0\1\4\4\0\1");
	PUT(blob, "\xff\x5c\0\4\x40\x40");
	PUT(blob, "\xff\x90\0\x0a\0\0\0\0\0\x0e\0\1\xff\x93\xff\xd9");
}

#ifdef PIXPOOL_VIPS
/* A complete HEIF of 8 x 8 pixels, all of whose image items claim 65535 x 65535 pixels. */
static void make_heif(struct blob *blob, const uint8_t *sample, size_t n)
{
	uint8_t *size;

	put(blob, (const char *)sample, n);
	size = blob->bytes;
	while ((size = memmem(size, (size_t)(blob->bytes + blob->n - size), "ispe", 4))) {
		memcpy(size + 8, "\0\0\xff\xff\0\0\xff\xff", 8);
		size += 16;
	}
}

static void make_avif(struct blob *blob)
{
	make_heif(blob, sample_avif, sizeof(sample_avif));
}

static void make_heic(struct blob *blob)
{
	make_heif(blob, sample_heic, sizeof(sample_heic));
}
#endif

/* ---- formats that are little more than a header, or text ---- */

static void make_pnm(struct blob *blob)
{
	PUT(blob, "P6\n100000 100000\n255\nxyz");
}

static void make_pnm_of_a_long_row(struct blob *blob)
{
	PUT(blob, "P5\n999999999 1\n255\nxyz");
}

static void make_hdr(struct blob *blob)
{
	PUT(blob, "#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 100000 +X 100000\nxyz");
}

static void make_bmp(struct blob *blob)
{
	PUT(blob, "BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0");
	put_little(blob, 100000, 4);
	put_little(blob, 100000, 4);
	PUT(blob, "\1\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0xyz");
}

static void make_tga(struct blob *blob)
{
	PUT(blob, "\0\0\2\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x18\0xyz");
}

static void make_psd(struct blob *blob)
{
	PUT(blob, "8BPS\0\1\0\0\0\0\0\0\0\3");
	put_big(blob, 100000, 4);
	put_big(blob, 100000, 4);
	PUT(blob, "\0\x08\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0xyz");
}

static void make_svg_of_greatest_canvas(struct blob *blob)
{
	PUT(blob, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100000\" "
	          "height=\"100000\"><rect width=\"100%\" height=\"100%\"/></svg>");
}

/* Each entity expands to ten of the previous one: 10^10 letters in all. */
static void make_svg_of_entities(struct blob *blob)
{
	PUT(blob, "<?xml version=\"1.0\"?><!DOCTYPE s [<!ENTITY a \"aaaaaaaaaa\">");
	for (char c = 'b'; c <= 'j'; c++) {
		PUT(blob, "<!ENTITY ");
		put(blob, &c, 1);
		PUT(blob, " \"");
		for (int i = 0; i < 10; i++) {
			PUT(blob, "&");
			put(blob, (char[]){(char)(c - 1)}, 1);
			PUT(blob, ";");
		}
		PUT(blob, "\">");
	}
	PUT(blob,
	    "]><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\">"
	    "<text>&j;</text></svg>");
}

/* A drawing that refers to another file. The picture must not show the content of that file. */
static void make_svg_of_another_file(struct blob *blob)
{
	PUT(blob, "<?xml version=\"1.0\"?><!DOCTYPE s [<!ENTITY x SYSTEM "
	          "\"file:///etc/passwd\">]><svg xmlns=\"http://www.w3.org/2000/svg\" "
	          "width=\"10\" height=\"10\"><text>&x;</text></svg>");
}

static void make_pdf(struct blob *blob)
{
	PUT(blob,
	    "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
	    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 1000000 1000000]>>endobj\n"
	    "trailer<</Root 1 0 R>>\n%%EOF\n");
}

/* Each group draws the previous one ten times: 10^10 squares in all. */
static void make_svg_of_references(struct blob *blob)
{
	PUT(blob, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
	          "xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"10\" "
	          "height=\"10\"><defs><rect id=\"a\" width=\"9\" height=\"9\"/>");
	for (char c = 'b'; c <= 'k'; c++) {
		PUT(blob, "<g id=\"");
		put(blob, &c, 1);
		PUT(blob, "\">");
		for (int i = 0; i < 10; i++) {
			PUT(blob, "<use xlink:href=\"#");
			put(blob, (char[]){(char)(c - 1)}, 1);
			PUT(blob, "\"/>");
		}
		PUT(blob, "</g>");
	}
	PUT(blob, "</defs><use xlink:href=\"#k\"/></svg>");
}

/* Elements nested so deep that recursion would overflow the stack. */
static void make_svg_of_a_million_groups(struct blob *blob)
{
	PUT(blob,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\">");
	for (int i = 0; i < 1000000; i++)
		PUT(blob, "<g>");
}

/* A blur with a radius of a million pixels, and noise with a thousand octaves. */
static void make_svg_of_filters(struct blob *blob)
{
	PUT(blob,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"4000\" height=\"4000\">"
	    "<filter id=\"f\" x=\"-9\" y=\"-9\" width=\"99\" height=\"99\">"
	    "<feTurbulence numOctaves=\"1000\" baseFrequency=\"9\"/>"
	    "<feMorphology radius=\"9999\"/>"
	    "<feGaussianBlur stdDeviation=\"1000000\"/></filter>"
	    "<rect width=\"4000\" height=\"4000\" filter=\"url(#f)\"/></svg>");
}

static void make_pdf_whose_pages_loop(struct blob *blob)
{
	PUT(blob, "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	          "2 0 obj<</Type/Pages/Parent 2 0 R/Kids[2 0 R 2 0 R]/Count 9>>endobj\n"
	          "trailer<</Root 1 0 R>>\n%%EOF\n");
}

static void make_pdf_that_shows_itself(struct blob *blob)
{
	PUT(blob,
	    "%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
	    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R"
	    "/Resources<</XObject<</X 5 0 R>>>>>>endobj\n"
	    "4 0 obj<</Length 11>>stream\n/X Do /X Do\nendstream endobj\n"
	    "5 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 11"
	    "/Resources<</XObject<</X 5 0 R>>>>>>stream\n/X Do /X Do\nendstream endobj\n"
	    "trailer<</Root 1 0 R>>\n%%EOF\n");
}

/* 33 bytes on which the format detection of libvips 8.14.1 never ends. Our own format detection
 * must refuse them. */
static void make_stray_gzip(struct blob *blob)
{
	PUT(blob,
	    "\x1f\x8b\x08\0\0\0\0\0\0\3\xcb\x48\xcd\xc9\xc9\7\0\x86\xa6\x10\x36\5\0\0\0"
	    "junkjunk");
}

const struct bomb bombs[] = {
	{"lies.png", "png", "too-big", make_png_that_lies},
	{"wide.png", "png", "too-big bad-image", make_png_of_greatest_width},
	{"900mp.png", "png", "too-big", make_png_of_900_megapixels},
	{"400mp.png", "png", "too-big", make_png_of_400_megapixels},
	{"100mp.png", "png", "ok memory", make_png_of_100_megapixels},
	{"ztxt.png", "png", "ok bad-image memory", make_png_with_text_of_200_megabytes},
	{"iccp.png", "png", "ok bad-image memory unsupported",
         make_png_with_profile_of_200_megabytes},
	{"texts.png", "png", "ok bad-image", make_png_of_60000_texts},
	{"lies.jpg", "jpeg", "too-big", make_jpeg_that_lies},
	{"lies-progressive.jpg", "jpeg", "too-big", make_progressive_jpeg_that_lies},
	{"900mp-progressive.jpg", "jpeg", "too-big",
         make_progressive_jpeg_of_900_megapixels},
	{"canvas.gif", "gif", "too-big", make_gif_of_greatest_canvas},
	{"frames.gif", "gif", "ok bad-image memory too-big",
         make_gif_of_2000_wide_frames},
	{"frames60000.gif", "gif", "ok", make_gif_of_60000_frames},
	{"million.tif", "tiff", "too-big bad-image", make_tiff_of_a_million_squared},
	{"60000.tif", "tiff", "too-big", make_tiff_of_60000_squared},
	{"loop.tif", "tiff", "bad-image ok", make_tiff_whose_directories_loop},
	{"canvas.webp", "webp", "too-big bad-image", make_webp},
	{"million.jxl", "jxl", "too-big bad-image", make_jxl},
	{"million.j2k", "jp2", "too-big bad-image", make_jp2},
#ifdef PIXPOOL_VIPS
	{"lies.avif", "avif", "too-big bad-image", make_avif},
	{"lies.heic", "heic", "too-big bad-image", make_heic},
#endif
	{"lies.ppm", "pnm", "too-big", make_pnm},
	{"row.pgm", "pnm", "too-big", make_pnm_of_a_long_row},
	{"lies.hdr", "hdr", "too-big", make_hdr},
	{"lies.bmp", "bmp", "too-big", make_bmp},
	{"lies.tga", "tga", "too-big", make_tga},
	{"lies.psd", "psd", "too-big", make_psd},
	{"canvas.svg", "svg", "ok", make_svg_of_greatest_canvas},
	{"entities.svg", "svg", "bad-image", make_svg_of_entities},
	{"file.svg", "svg", "bad-image ok", make_svg_of_another_file},
	{"references.svg", "svg", "bad-image timeout", make_svg_of_references},
	{"groups.svg", "svg", "bad-image", make_svg_of_a_million_groups},
	{"filters.svg", "svg", "ok bad-image memory timeout", make_svg_of_filters},
	{"page.pdf", "pdf", "ok", make_pdf},
	{"pages.pdf", "pdf", "bad-image", make_pdf_whose_pages_loop},
	{"itself.pdf", "pdf", "ok bad-image", make_pdf_that_shows_itself},
	{"gzip.svg", "svg", "bad-image", make_stray_gzip},
	{"gzip.jpg", "none", "bad-image", make_stray_gzip},
	{NULL, NULL, NULL, NULL},
};
