/*
 * Detects the format of a file by its first bytes. For a few formats, the suffix of its name counts
 * too. The bytes are untrusted: every offset is checked before a byte is read.
 */
#include "recipe/format.h"

#include <string.h>
#include <strings.h>

struct bytes {
	const uint8_t *at;
	size_t n;
};

static bool has_at(struct bytes b, size_t offset, const char *magic, size_t n_magic)
{
	return offset <= b.n && b.n - offset >= n_magic &&
	       memcmp(b.at + offset, magic, n_magic) == 0;
}

/* Whether the bytes at offset are equal to a string literal. The literal may contain zeros. */
#define HAS(b, offset, literal) has_at((b), (offset), (literal), sizeof(literal) - 1)

static const struct magic {
	enum image_format format;
	uint8_t n;
	char bytes[13];
} magics[] = {
	{FORMAT_JPEG, 3, "\xff\xd8\xff"},
	{FORMAT_PNG, 8, "\x89PNG\r\n\x1a\n"},
	{FORMAT_GIF, 6, "GIF87a"},
	{FORMAT_GIF, 6, "GIF89a"},
	{FORMAT_JXL, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
	{FORMAT_JXL, 2, "\xff\x0a"},
	{FORMAT_JP2, 12, "\0\0\0\x0cjP  \r\n\x87\n"},
	{FORMAT_JP2, 4, "\xff\x4f\xff\x51"},
	{FORMAT_PDF, 5, "%PDF-"},
	{FORMAT_PSD, 4, "8BPS"},
	{FORMAT_HDR, 11, "#?RADIANCE\n"},
	{FORMAT_HDR, 7, "#?RGBE\n"},
	{FORMAT_EXR, 4, "\x76\x2f\x31\x01"},
	{FORMAT_PAM, 3, "P7\n"},
	{FORMAT_RAW, 8, "FUJIFILM"}, /* RAF (Fujifilm) */
	{FORMAT_RAW, 4, "IIRO"},     /* ORF (Olympus) */
	{FORMAT_RAW, 4, "IIRS"},
	{FORMAT_RAW, 4, "MMOR"},
	{FORMAT_RAW, 4, "IIU\0"},             /* RW2 (Panasonic) */
	{FORMAT_RAW, 4, "\0MRM"},             /* MRW (Minolta) */
	{FORMAT_RAW, 4, "FOVb"},              /* X3F (Sigma) */
	{FORMAT_RAW, 10, "II\x1a\0\0\0HEAP"}, /* CRW (Canon) */
};

/* HEIC and AVIF pictures (ISO 14496-12) start with the box "ftyp", as videos of phones do. The
 * major brand in this box tells the format. But the major brands mif1 and msf1 mean only "a
 * picture"; in this case the compatible brands tell the format. */
static enum image_format format_of_ftyp(struct bytes b)
{
	static const char heic[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx"};
	bool is_picture;

	if (HAS(b, 8, "crx "))
		return FORMAT_RAW;
	if (HAS(b, 8, "avif") || HAS(b, 8, "avis"))
		return FORMAT_AVIF;
	for (size_t i = 0; i < sizeof(heic) / sizeof(heic[0]); i++) {
		if (has_at(b, 8, heic[i], 4))
			return FORMAT_HEIC;
	}
	is_picture = HAS(b, 8, "mif1") || HAS(b, 8, "msf1");
	if (!is_picture)
		return FORMAT_NONE;

	size_t n_box = (size_t)b.at[2] << 8 | b.at[3];

	if (b.at[0] || b.at[1] || n_box > b.n)
		n_box = b.n;
	for (size_t at = 16; at + 4 <= n_box; at += 4) {
		if (HAS(b, at, "avif") || HAS(b, at, "avis"))
			return FORMAT_AVIF;
	}
	return FORMAT_HEIC;
}

/* A reader of TIFF numbers in the byte order of the file. Numbers past the end are 0. */
struct tiff {
	struct bytes b;
	bool is_big_endian;
};

static uint32_t tiff_number(const struct tiff *tiff, size_t offset, unsigned n)
{
	uint32_t number = 0;

	if (offset > tiff->b.n || tiff->b.n - offset < n)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned place = tiff->is_big_endian ? n - 1 - i : i;

		number |= (uint32_t)tiff->b.at[offset + i] << (8 * place);
	}
	return number;
}

/*
 * Whether the first directory of a TIFF is that of a camera RAW file. Such a directory has a small
 * preview, and a sub-directory has the data of the sensor. A DNG is recognised by a tag of its own.
 * Other RAW files are recognised if they have all of three signs: a reduced first picture,
 * sub-directories, and the name of a camera maker.
 */
static bool is_raw_directory(const struct tiff *tiff)
{
	enum { NEW_SUBFILE_TYPE = 254, MAKE = 271, SUB_IFDS = 330, DNG_VERSION = 50706 };
	size_t at = tiff_number(tiff, 4, 4);
	uint32_t n_entries = tiff_number(tiff, at, 2);
	bool is_reduced = false, has_maker = false, has_sub = false;

	for (uint32_t i = 0; i < n_entries && i < 512; i++) {
		size_t entry = at + 2 + (size_t)i * 12;

		switch (tiff_number(tiff, entry, 2)) {
		case DNG_VERSION:
			return true;
		case NEW_SUBFILE_TYPE:
			is_reduced = tiff_number(tiff, entry + 8, 4) & 1;
			break;
		case MAKE:
			has_maker = true;
			break;
		case SUB_IFDS:
			has_sub = true;
			break;
		default:
			break;
		}
	}
	return is_reduced && has_maker && has_sub;
}

static enum image_format format_of_tiff(struct bytes b, const char *name)
{
	bool is_classic = HAS(b, 0, "II*\0") || HAS(b, 0, "MM\0*");
	struct tiff tiff = {b, b.n > 0 && b.at[0] == 'M'};

	if (!is_classic && !HAS(b, 0, "II+\0") && !HAS(b, 0, "MM\0+"))
		return FORMAT_NONE;
	if (HAS(b, 8, "CR") || format_of_name(name) == FORMAT_RAW)
		return FORMAT_RAW;
	return is_classic && is_raw_directory(&tiff) ? FORMAT_RAW : FORMAT_TIFF;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether a word is at offset. `step` is the distance of two letters: 1 byte in UTF-8, 2 bytes in
 * UTF-16. */
static bool says(struct bytes b, size_t offset, size_t step, const char *word)
{
	for (; *word; word++, offset += step) {
		if (offset >= b.n || b.at[offset] != (uint8_t)*word)
			return false;
	}
	return true;
}

/* Whether a file is an SVG. An SVG begins with the element "svg", or with something that XML allows
 * before this element. If the element is not near the beginning, or the file is compressed, the
 * suffix of the name decides. */
static bool is_svg(struct bytes b, const char *name)
{
	bool is_little = HAS(b, 0, "\xff\xfe"), is_big = HAS(b, 0, "\xfe\xff");
	size_t step = is_little || is_big ? 2 : 1;
	size_t at = is_little ? 2 : is_big || HAS(b, 0, "\xef\xbb\xbf") ? 3 : 0;
	size_t end = b.n < 1000 * step ? b.n : 1000 * step;

	while (at < end && is_space(b.at[at]))
		at += step;
	if (says(b, at, step, "<svg"))
		return true;
	if (HAS(b, 0, "\x1f\x8b\x08"))
		return format_of_name(name) == FORMAT_SVG;
	if (!says(b, at, step, "<?xml") && !says(b, at, step, "<!--") &&
	    !says(b, at, step, "<!DOCTYPE svg"))
		return false;
	for (; at < end; at += step) {
		if (says(b, at, step, "<svg"))
			return true;
	}
	return format_of_name(name) == FORMAT_SVG;
}

/* Whether the signature of a PDF is in the first 1024 bytes. As in other PDF readers, any bytes may
 * precede it. */
static bool is_late_pdf(struct bytes b)
{
	size_t n = b.n < 1024 ? b.n : 1024;

	return memmem(b.at, n, "%PDF-", 5) != NULL;
}

/* Whether a file is a BMP. Its header must have one of the common lengths. OS/2 also allows other
 * even lengths, from 16 to 64 bytes. A header with such a length must state that the number of
 * planes is 1. */
static bool is_bmp(struct bytes b)
{
	enum { LENGTH_AT = 14, PLANES_AT = 26, OS2_LEAST = 16, OS2_MOST = 64 };
	static const uint8_t header_sizes[] = {12, 40, 52, 56, 64, 108, 124};
	unsigned length;

	if (!HAS(b, 0, "BM") || b.n < 18 || b.at[15] || b.at[16] || b.at[17])
		return false;
	length = b.at[LENGTH_AT];
	return memchr(header_sizes, (int)length, sizeof(header_sizes)) != NULL ||
	       (length >= OS2_LEAST && length <= OS2_MOST && length % 2 == 0 &&
	        HAS(b, PLANES_AT, "\1\0"));
}

/* Whether a file is a PNM. A number or a comment must follow the magic bytes. Without this check,
 * libvips would read a text such as "P1 ..." as a picture of one pixel. */
static bool is_pnm(struct bytes b)
{
	size_t at = 2;

	if (b.n < 3 || b.at[0] != 'P' || !memchr("123456Ff", b.at[1], 8))
		return false;
	while (at < b.n && is_space(b.at[at]))
		at++;
	return at < b.n &&
	       (b.at[at] == '#' || (at > 2 && b.at[at] >= '0' && b.at[at] <= '9'));
}

static bool is_ico(struct bytes b)
{
	return (HAS(b, 0, "\0\0\1\0") || HAS(b, 0, "\0\0\2\0")) && b.n >= 22 &&
	       b.at[4] > 0 && b.at[5] == 0 && b.at[9] == 0;
}

static bool is_tga(struct bytes b, const char *name)
{
	if (format_of_name(name) != FORMAT_TGA || b.n < 18 || b.at[1] > 1)
		return false;

	/* the kind of pixels, without bit 3, which means run-length coding */
	uint8_t kind = b.at[2] & 0xf7;
	uint8_t depth = b.at[16];

	return kind >= 1 && kind <= 3 && (kind == 1) == (b.at[1] == 1) &&
	       (b.at[12] || b.at[13]) && (b.at[14] || b.at[15]) &&
	       (depth == 8 || depth == 15 || depth == 16 || depth == 24 || depth == 32);
}

enum image_format format_of_bytes(const uint8_t *bytes, size_t n, const char *name)
{
	struct bytes b = {bytes, n};
	enum image_format format = format_of_tiff(b, name);

	if (format != FORMAT_NONE)
		return format;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		if (has_at(b, 0, magics[i].bytes, magics[i].n))
			return magics[i].format;
	}
	if (HAS(b, 0, "RIFF") && HAS(b, 8, "WEBP"))
		return FORMAT_WEBP;
	if (HAS(b, 4, "ftyp"))
		return format_of_ftyp(b);
	if (is_bmp(b))
		return FORMAT_BMP;
	if (is_pnm(b))
		return FORMAT_PNM;
	if (is_ico(b))
		return FORMAT_ICO;
	if (is_svg(b, name))
		return FORMAT_SVG;
	if (is_late_pdf(b))
		return FORMAT_PDF;
	return is_tga(b, name) ? FORMAT_TGA : FORMAT_NONE;
}
