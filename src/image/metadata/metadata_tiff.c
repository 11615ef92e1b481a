/*
 * TIFF: EXIF are fields of the first directory and of those that it points to; XMP and IPTC
 * are fields of it, IPTC also one of Photoshop's resources. The other pages' own are not read.
 */
#include "image/metadata/containers.h"

#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"

enum { HEAD_BYTES = 8 };

enum { TAG_XMP = 0x02bc, TAG_IPTC = 0x83bb, TAG_PHOTOSHOP = 0x8649 };

/* Some writers turned the bytes of IPTC as if they were numbers of 4 bytes. */
static void take_iptc(struct metadata *metadata, struct bytes iptc)
{
	bool is_turned = iptc.n >= 4 && iptc.at[0] != 0x1c && iptc.at[3] == 0x1c;

	if (!is_turned) {
		metadata_take(metadata, &metadata->iptc, iptc);
		return;
	}
	for (size_t at = 0; at + 4 <= iptc.n; at += 4)
		block_add_number(&metadata->iptc, bytes_le32(iptc, at), 4, true);
}

static void read_tiff(struct metadata *metadata, struct bytes file)
{
	struct bytes iptc = exif_main_value(file, TAG_IPTC);

	if (!exif_of_tiff(&metadata->exif, file, &metadata->lost))
		metadata->exif.has_failed = true;
	metadata_take(metadata, &metadata->xmp, exif_main_value(file, TAG_XMP));
	if (iptc.n == 0)
		iptc = photoshop_resource(exif_main_value(file, TAG_PHOTOSHOP),
		                          PHOTOSHOP_IPTC);
	take_iptc(metadata, iptc);
	metadata->density = exif_density(file);
}

static bool write_tiff(struct splice *splice, struct bytes file,
                       const struct metadata *metadata, unsigned *lost)
{
	if (metadata->comment.n > 0 || metadata->png_text.n > 0)
		*lost |= LOST_COMMENT;
	block_add(&splice->head, bytes_part(file, 0, HEAD_BYTES));
	splice->from = HEAD_BYTES;
	return exif_add_to_tiff(&splice->tail, file, metadata) &&
	       exif_point_to(&splice->head, file.n + (file.n & 1));
}

const struct container container_tiff = {.read = read_tiff, .write = write_tiff};
