/*
 * The container PNG. EXIF is in the chunk eXIf, XMP in iTXt. ImageMagick and GraphicsMagick write
 * EXIF, XMP and IPTC as hexadecimal text ("Raw profile type exif"). Such texts are read too, and
 * IPTC is written as such a text. Chunks before and after the pixels are read.
 */
#include "image/metadata/containers.h"

#include "common/utf8.h"
#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#define ZLIB_CONST /* makes next_in, the input of inflate(), const */
#include <zlib.h>

enum {
	HEAD_BYTES = 8,
	CHUNK_BYTES = 12,
	/* The maximum number of texts with metadata that are read. The limit is small, because each
	 * text may decompress to METADATA_MAX_BYTES. */
	MAX_PROFILES = 8
};

#define XMP_KEYWORD "XML:com.adobe.xmp"
#define RAW_KEYWORD "Raw profile type "

static const double inches_in_metre = 1 / 0.0254;

struct chunk {
	struct bytes all, type, data;
};

static bool next_chunk(struct bytes file, size_t *at, struct chunk *ret_chunk)
{
	struct bytes head = bytes_part(file, *at, CHUNK_BYTES);
	size_t n = bytes_be32(head, 0);

	if (head.n == 0 || n > file.n)
		return false;
	ret_chunk->all = bytes_part(file, *at, CHUNK_BYTES + n);
	ret_chunk->type = bytes_part(head, 4, 4);
	ret_chunk->data = bytes_part(file, *at + 8, n);
	*at += CHUNK_BYTES + n;
	return ret_chunk->all.n > 0;
}

static bool is_type(const struct chunk *chunk, const char *type)
{
	return memcmp(chunk->type.at, type, 4) == 0;
}

/*
 * ---- text ----
 */

/* Decompress a text. The result is empty if the bytes are damaged, or if more than
 * METADATA_MAX_BYTES come out. If memory ran out, sets to->has_failed. */
static void inflate_text(struct block *to, struct bytes deflated)
{
	z_stream stream = {.next_in = deflated.at, .avail_in = (uInt)deflated.n};
	int status;

	if (deflated.n >= UINT32_MAX)
		return;
	status = inflateInit(&stream);
	to->has_failed |= status == Z_MEM_ERROR;
	if (status != Z_OK)
		return;
	while (status == Z_OK && to->n < METADATA_MAX_BYTES) {
		enum { STEP = 32 << 10 };
		uint8_t *room = block_extend(to, STEP);

		if (!room)
			break;
		stream.next_out = room;
		stream.avail_out = STEP;
		status = inflate(&stream, Z_NO_FLUSH);
		to->n -= stream.avail_out;
	}
	to->has_failed |= status == Z_MEM_ERROR;
	inflateEnd(&stream);
	if (status != Z_STREAM_END)
		to->n = 0;
}

/* Take the bytes up to the next zero byte. *rest becomes the bytes after the zero byte. */
static struct bytes take_string(struct bytes *rest)
{
	const uint8_t *end = rest->n > 0 ? memchr(rest->at, 0, rest->n) : NULL;
	struct bytes string = *rest;

	if (end)
		string.n = (size_t)(end - rest->at);
	*rest = bytes_after(*rest, end ? string.n + 1 : rest->n);
	return string;
}

struct text {
	struct bytes keyword;
	struct block value;
};

static bool read_text(const struct chunk *chunk, struct text *ret_text)
{
	struct bytes rest = chunk->data;
	bool is_deflated = is_type(chunk, "zTXt");

	*ret_text = (struct text){.keyword = take_string(&rest)};
	if (is_type(chunk, "iTXt")) {
		is_deflated = bytes_number(rest, 0, 1, true) == 1;
		rest = bytes_after(rest, 2);
		take_string(&rest); /* skip the language */
		take_string(&rest); /* skip the translated keyword */
	} else if (is_deflated) {
		/* Skip the byte for the compression method, which is always zlib. */
		rest = bytes_after(rest, 1);
	}
	if (is_deflated)
		inflate_text(&ret_text->value, rest);
	else
		block_add(&ret_text->value, rest);
	return !ret_text->value.has_failed;
}

static int hex_digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, tolower(c)) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* Decode the text of a raw profile. The text consists of a line break, the name of the profile, a
 * line break, the length of the profile, and its bytes as hexadecimal digits. */
static void decode_raw_profile(struct block *to, struct bytes text)
{
	size_t at = 1, n = 0;
	int high = -1;

	while (at < text.n && text.at[at] != '\n')
		at++;
	while (at < text.n && isspace(text.at[at]))
		at++;
	for (; at < text.n && isdigit(text.at[at]) && n <= METADATA_MAX_BYTES; at++)
		n = n * 10 + (size_t)(text.at[at] - '0');
	for (; at < text.n && to->n < n; at++) {
		int digit = hex_digit(text.at[at]);

		if (digit < 0)
			continue;
		if (high >= 0)
			block_add_number(to, (uint64_t)(high << 4 | digit), 1, true);
		high = high >= 0 ? -1 : digit;
	}
}

/* Take a raw profile. Its first bytes decide whether it is EXIF, XMP or IPTC. Its name does not
 * decide, because files have wrong names. */
static void take_raw_profile(struct metadata *metadata, struct bytes profile)
{
	struct bytes exif_head = BYTES_OF("Exif\0\0");
	struct bytes xmp_head = BYTES_OF("http://ns.adobe.com/xap/1.0/\0");
	struct bytes photoshop_head = BYTES_OF("Photoshop 3.0\0");

	if (bytes_begin_with(profile, exif_head))
		profile = bytes_after(profile, exif_head.n);
	if (bytes_begin_with(profile, photoshop_head))
		profile = bytes_after(profile, photoshop_head.n);
	if (bytes_begin_with(profile, BYTES_OF("MM\0*")) ||
	    bytes_begin_with(profile, BYTES_OF("II*\0")))
		metadata_take(metadata, &metadata->exif, profile);
	else if (bytes_begin_with(profile, xmp_head))
		metadata_take(metadata, &metadata->xmp, bytes_after(profile, xmp_head.n));
	else if (bytes_begin_with(profile, BYTES_OF("<")))
		metadata_take(metadata, &metadata->xmp, profile);
	else if (bytes_begin_with(profile, BYTES_OF("8BIM")))
		metadata_take(metadata, &metadata->iptc,
		              photoshop_resource(profile, PHOTOSHOP_IPTC));
	else if (bytes_begin_with(profile, BYTES_OF("\x1c")))
		metadata_take(metadata, &metadata->iptc, profile);
}

static bool is_text(const struct chunk *chunk)
{
	return is_type(chunk, "tEXt") || is_type(chunk, "zTXt") || is_type(chunk, "iTXt");
}

static bool is_metadata_keyword(struct bytes data)
{
	return bytes_begin_with(data, BYTES_OF(XMP_KEYWORD "\0")) ||
	       bytes_begin_with(data, BYTES_OF(RAW_KEYWORD));
}

/* What is lost, as a bit of enum lost, if the raw profile with this keyword cannot be read. */
static unsigned loss_of_raw_profile(struct bytes keyword)
{
	struct bytes name = bytes_after(keyword, sizeof(RAW_KEYWORD) - 1);

	if (bytes_equal(name, BYTES_OF("exif")) || bytes_equal(name, BYTES_OF("APP1")))
		return LOST_EXIF;
	if (bytes_equal(name, BYTES_OF("iptc")) || bytes_equal(name, BYTES_OF("8bim")))
		return LOST_IPTC;
	return bytes_equal(name, BYTES_OF("xmp")) ? LOST_XMP : 0U;
}

static void take_profile(struct metadata *metadata, const struct chunk *chunk)
{
	struct block profile = {0};
	struct text text;

	if (!read_text(chunk, &text)) {
		metadata->xmp.has_failed = true;
	} else if (bytes_equal(text.keyword, BYTES_OF(XMP_KEYWORD))) {
		metadata_take(metadata, &metadata->xmp, block_bytes(&text.value));
		metadata->lost |= text.value.n == 0 ? LOST_XMP : 0U;
	} else {
		decode_raw_profile(&profile, block_bytes(&text.value));
		take_raw_profile(metadata, block_bytes(&profile));
		metadata->xmp.has_failed |= profile.has_failed;
		if (profile.n == 0)
			metadata->lost |= loss_of_raw_profile(text.keyword);
	}
	block_fini(&profile);
	block_fini(&text.value);
}

static void take_density(struct metadata *metadata, struct bytes data)
{
	enum { METRE = 1 };
	double x = bytes_be32(data, 0), y = bytes_be32(data, 4);

	if (data.n == 9 && data.at[8] == METRE && x > 0 && y > 0)
		metadata->density = (struct density){x / inches_in_metre,
		                                     y / inches_in_metre};
}

static void read_png(struct metadata *metadata, struct bytes file)
{
	struct bytes exif_head = BYTES_OF("Exif\0\0");
	size_t at = HEAD_BYTES, n_profiles = 0;
	struct chunk chunk;

	while (next_chunk(file, &at, &chunk) && !is_type(&chunk, "IEND")) {
		struct bytes data = chunk.data;

		if (is_type(&chunk, "eXIf")) {
			if (bytes_begin_with(data, exif_head))
				data = bytes_after(data, exif_head.n);
			/* The chunk eXIf takes precedence over EXIF in a text chunk. */
			block_fini(&metadata->exif);
			metadata_take(metadata, &metadata->exif, data);
		} else if (is_type(&chunk, "pHYs")) {
			take_density(metadata, data);
		} else if (is_text(&chunk) && !is_metadata_keyword(data)) {
			metadata_take_more(metadata, &metadata->png_text, chunk.all);
		} else if (is_text(&chunk) && n_profiles++ < MAX_PROFILES) {
			take_profile(metadata, &chunk);
		}
	}
	if (!(metadata->density.x > 0))
		metadata->density = exif_density(block_bytes(&metadata->exif));
}

/*
 * ---- writing ----
 */

static void add_chunk(struct block *to, const char *type, struct bytes head,
                      struct bytes data)
{
	size_t begin = to->n + 4;

	block_add_number(to, head.n + data.n, 4, true);
	block_add_text(to, type);
	block_add(to, head);
	block_add(to, data);
	if (!to->has_failed)
		block_add_number(to, crc32_z(0, to->at + begin, to->n - begin), 4, true);
}

static void add_density(struct block *to, const struct density *density)
{
	double x = density->x * inches_in_metre, y = density->y * inches_in_metre;
	struct block data = {0};

	if (!(x >= 1 && x <= INT32_MAX && y >= 1 && y <= INT32_MAX))
		return;
	block_add_number(&data, (uint64_t)llround(x), 4, true);
	block_add_number(&data, (uint64_t)llround(y), 4, true);
	block_add_number(&data, 1, 1, true); /* the unit is the metre */
	add_chunk(to, "pHYs", block_bytes(&data), (struct bytes){NULL, 0});
	to->has_failed |= data.has_failed;
	block_fini(&data);
}

/* Write IPTC in ImageMagick's way: a Photoshop resource as hexadecimal text. */
static void add_iptc(struct block *to, struct bytes iptc)
{
	static const char digits[] = "0123456789abcdef";
	struct block resource = {0}, text = {0};
	char length[32];

	iptc_add_as_resource(&resource, iptc);
	snprintf(length, sizeof(length), "\niptc\n%8zu", resource.n);
	block_add_text(&text, length);
	for (size_t i = 0; i < resource.n; i++) {
		const char pair[] = {digits[resource.at[i] >> 4],
		                     digits[resource.at[i] & 15], 0};

		if (i % 36 == 0)
			block_add_text(&text, "\n");
		block_add_text(&text, pair);
	}
	block_add_text(&text, "\n");
	add_chunk(to, "tEXt", BYTES_OF(RAW_KEYWORD "iptc\0"), block_bytes(&text));
	to->has_failed |= resource.has_failed || text.has_failed;
	block_fini(&resource);
	block_fini(&text);
}

/* Whether a text is UTF-8 and not only ASCII. */
static bool is_wide_utf8(struct bytes text)
{
	bool is_ascii = true;
	size_t n;

	for (; text.n > 0; text = bytes_after(text, n)) {
		n = utf8_length((const char *)text.at, text.n);
		if (n == 0)
			return false;
		is_ascii &= n == 1;
	}
	return !is_ascii;
}

/* Write a comment that comes from a file of another format. Such a file does not tell the encoding
 * of the comment. A comment in UTF-8 is written in iTXt. Any other comment is assumed to be
 * Latin-1, which is the encoding of tEXt. */
static void add_comment(struct block *to, struct bytes comment)
{
	/* PNG text cannot contain a zero byte. */
	struct bytes text = take_string(&comment);

	if (is_wide_utf8(text))
		add_chunk(to, "iTXt", BYTES_OF("Comment\0\0\0\0\0"), text);
	else
		add_chunk(to, "tEXt", BYTES_OF("Comment\0"), text);
}

static void add_blocks(struct block *to, const struct metadata *metadata)
{
	add_density(to, &metadata->density);
	if (metadata->exif.n > 0)
		add_chunk(to, "eXIf", (struct bytes){NULL, 0},
		          block_bytes(&metadata->exif));
	if (metadata->xmp.n > 0)
		add_chunk(to, "iTXt", BYTES_OF(XMP_KEYWORD "\0\0\0\0\0"),
		          block_bytes(&metadata->xmp));
	if (metadata->iptc.n > 0)
		add_iptc(to, block_bytes(&metadata->iptc));
	if (metadata->comment.n > 0)
		add_comment(to, block_bytes(&metadata->comment));
	block_add(to, block_bytes(&metadata->png_text));
}

static bool is_of_ours(const struct chunk *chunk)
{
	return is_text(chunk) || is_type(chunk, "eXIf") || is_type(chunk, "pHYs");
}

static bool write_png(struct splice *splice, struct bytes file,
                      const struct metadata *metadata, unsigned *lost)
{
	size_t at = HEAD_BYTES;
	struct chunk chunk;

	(void)lost;
	if (!bytes_begin_with(file, BYTES_OF("\x89PNG\r\n\x1a\n")))
		return false;
	block_add(&splice->head, bytes_part(file, 0, HEAD_BYTES));
	for (; next_chunk(file, &at, &chunk); splice->from = at) {
		if (is_type(&chunk, "IDAT")) {
			add_blocks(&splice->head, metadata);
			return true;
		}
		if (!is_of_ours(&chunk))
			block_add(&splice->head, chunk.all);
	}
	return false;
}

const struct container container_png = {.read = read_png, .write = write_png};
