/*
 * The containers JPEG XL (ISO 18181-2) and JPEG 2000. EXIF and XMP are in boxes. A bare JPEG XL
 * codestream has no boxes, so it is put into a file of boxes.
 */
#include "image/metadata/containers.h"

#include "image/metadata/boxes.h"
#include "image/metadata/exif.h"

#include <brotli/decode.h>

static const uint8_t jxl_signature[] = "\0\0\0\x0cJXL \r\n\x87\n"
				       "\0\0\0\x14"
				       "ftypjxl \0\0\0\0jxl ";

enum { SIGNATURE_BYTES = sizeof(jxl_signature) - 1 };

static void take_exif(struct metadata *metadata, struct bytes data)
{
	if (metadata->exif.n == 0)
		metadata_take(metadata, &metadata->exif,
		              bytes_after(bytes_after(data, 4), bytes_be32(data, 0)));
}

static bool is_out_of_memory(const BrotliDecoderState *state)
{
	BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state);

	return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
	       code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

/* Decompress the bytes. Returns false if they are damaged, or if more than METADATA_MAX_BYTES come
 * out. If memory ran out, sets to->has_failed. */
static bool unpack(struct block *to, struct bytes packed)
{
	enum { STEP = 32 << 10 };
	BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;

	if (!state) {
		to->has_failed = true;
		return false;
	}
	while (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT &&
	       to->n < METADATA_MAX_BYTES) {
		uint8_t *room = block_extend(to, STEP);
		size_t n_room = STEP;

		if (!room)
			break;
		result = BrotliDecoderDecompressStream(state, &packed.n, &packed.at,
		                                       &n_room, &room, NULL);
		to->n -= n_room;
	}
	to->has_failed |= is_out_of_memory(state);
	BrotliDecoderDestroyInstance(state);
	return result == BROTLI_DECODER_RESULT_SUCCESS;
}

/* Take a compressed box. Its data begins with the type of the box that was compressed. */
static void take_packed(struct metadata *metadata, struct bytes data)
{
	bool is_exif = bytes_begin_with(data, BYTES_OF("Exif"));
	bool is_xmp = bytes_begin_with(data, BYTES_OF("xml "));
	struct block unpacked = {0};

	if (!is_exif && !is_xmp)
		return;
	if (!unpack(&unpacked, bytes_after(data, 4)))
		metadata->lost |= is_exif ? LOST_EXIF : LOST_XMP;
	else if (is_exif)
		take_exif(metadata, block_bytes(&unpacked));
	else if (metadata->xmp.n == 0)
		metadata_take(metadata, &metadata->xmp, block_bytes(&unpacked));
	metadata->exif.has_failed |= unpacked.has_failed;
	block_fini(&unpacked);
}

static void read_jxl(struct metadata *metadata, struct bytes file)
{
	enum { MAX_PACKED = 8 };
	size_t n_packed = 0;
	struct box box;

	for (size_t at = 0; box_next(file, &at, &box);) {
		if (box_is(&box, "Exif"))
			take_exif(metadata, box.data);
		else if (box_is(&box, "xml ") && metadata->xmp.n == 0)
			metadata_take(metadata, &metadata->xmp, box.data);
		else if (box_is(&box, "brob") && n_packed++ < MAX_PACKED)
			take_packed(metadata, box.data);
		else if (box_is(&box, "jhgm"))
			metadata->lost |= LOST_GAINMAP;
	}
	metadata->density = exif_density(block_bytes(&metadata->exif));
}

static void add_box(struct block *to, const char *type, struct bytes head,
                    struct bytes data)
{
	block_add_number(to, 8 + head.n + data.n, 4, true);
	block_add_text(to, type);
	block_add(to, head);
	block_add(to, data);
}

/* Set splice->until to the offset of the first metadata box, or to the end of the file. Returns
 * false if a box of another type follows a metadata box, or if a box is incomplete or does not
 * state its length. */
static bool find_end(struct splice *splice, struct bytes file)
{
	struct box box;

	splice->until = file.n;
	for (size_t at = 0, begin = 0; box_next(file, &at, &box); begin = at) {
		bool is_of_ours = box_is(&box, "Exif") || box_is(&box, "xml ") ||
		                  box_is(&box, "brob");

		if (is_of_ours && splice->until == file.n)
			splice->until = begin;
		else if (!is_of_ours && splice->until < file.n)
			return false;
	}
	return boxes_are_whole(file);
}

static bool write_jxl(struct splice *splice, struct bytes file,
                      const struct metadata *metadata, unsigned *lost)
{
	const struct bytes signature = {jxl_signature, SIGNATURE_BYTES};
	bool is_bare = bytes_begin_with(file, BYTES_OF("\xff\x0a"));

	*lost |= metadata->iptc.n > 0 ? LOST_IPTC : 0U;
	*lost |= metadata->comment.n + metadata->png_text.n > 0 ? LOST_COMMENT : 0U;
	if (is_bare && metadata->exif.n == 0 && metadata->xmp.n == 0)
		return true; /* the file needs no change */
	if (file.n > UINT32_MAX / 2 || (!is_bare && !find_end(splice, file)))
		return false;
	if (is_bare) {
		block_add(&splice->head, signature);
		block_add_number(&splice->head, 8 + file.n, 4, true);
		block_add_text(&splice->head, "jxlc");
	}
	if (metadata->exif.n > 0)
		add_box(&splice->tail, "Exif", BYTES_OF("\0\0\0\0"),
		        block_bytes(&metadata->exif));
	if (metadata->xmp.n > 0)
		add_box(&splice->tail, "xml ", (struct bytes){NULL, 0},
		        block_bytes(&metadata->xmp));
	return true;
}

static void read_jp2(struct metadata *metadata, struct bytes file)
{
	static const uint8_t of_exif[] = "JpgTiffExif->JP2";
	static const uint8_t of_xmp[] =
		"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";
	static const uint8_t of_iptc[] =
		"\x33\xc7\xa4\xd2\xb8\x1d\x47\x23\xa0\xba\xf1\xa3\xe0\x97\xad\x38";
	enum { ID_BYTES = 16 };
	struct box box;

	for (size_t at = 0; box_next(file, &at, &box);) {
		struct bytes data = bytes_after(box.data, ID_BYTES);

		if (!box_is(&box, "uuid"))
			continue;
		if (bytes_begin_with(box.data, (struct bytes){of_exif, ID_BYTES}) &&
		    metadata->exif.n == 0)
			metadata_take(metadata, &metadata->exif, data);
		else if (bytes_begin_with(box.data, (struct bytes){of_xmp, ID_BYTES}) &&
		         metadata->xmp.n == 0)
			metadata_take(metadata, &metadata->xmp, data);
		else if (bytes_begin_with(box.data, (struct bytes){of_iptc, ID_BYTES}) &&
		         metadata->iptc.n == 0)
			metadata_take(metadata, &metadata->iptc, data);
	}
}

const struct container container_jxl = {.read = read_jxl, .write = write_jxl};

const struct container container_jp2 = {.read = read_jp2};
