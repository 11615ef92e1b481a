/* Filters all metadata blocks of a picture. Also converts points and sizes in metadata fields from
 * the input to the output. */
#include "image/metadata/metadata.h"

#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"
#include "image/metadata/xmp.h"

void metadata_fini(struct metadata *metadata)
{
	block_fini(&metadata->exif);
	block_fini(&metadata->xmp);
	block_fini(&metadata->xmp_extended);
	block_fini(&metadata->iptc);
	block_fini(&metadata->comment);
	block_fini(&metadata->png_text);
	*metadata = (struct metadata){0};
}

/* The steps that turn a stored picture upright, for each orientation. First x is counted from the
 * right if from_right is true, and y from the bottom if from_bottom is true. Then x and y are
 * exchanged if is_swapped is true. */
static const struct {
	bool from_right, from_bottom, is_swapped;
} turns[9] = {
	[2] = {true, false, false}, [3] = {true, true, false}, [4] = {false, true, false},
	[5] = {false, false, true}, [6] = {false, true, true}, [7] = {true, true, true},
	[8] = {true, false, true},
};

static unsigned orientation_of(const struct metadata_target *target)
{
	return target->orientation <= 8 ? target->orientation : 1;
}

struct part target_turn_size(const struct metadata_target *target, struct part size)
{
	if (turns[orientation_of(target)].is_swapped)
		return (struct part){size.y, size.x};
	return size;
}

struct part target_turn_point(const struct metadata_target *target, struct part point)
{
	unsigned orientation = orientation_of(target);

	if (turns[orientation].from_right)
		point.x = 1 - point.x;
	if (turns[orientation].from_bottom)
		point.y = 1 - point.y;
	return target_turn_size(target, point);
}

/* Remove from the mask `lost` the blocks of which the recipe keeps nothing. Such a block does not
 * count as lost, because the recipe asks to drop it. */
static unsigned true_losses(unsigned lost, unsigned keep)
{
	unsigned everywhere = KEEP_GPS | KEEP_COPYRIGHT;

	if (!(keep & (KEEP_EXIF | everywhere)))
		lost &= ~(unsigned)LOST_EXIF;
	if (!(keep & (KEEP_XMP | everywhere)))
		lost &= ~(unsigned)LOST_XMP;
	if (!(keep & (KEEP_IPTC | everywhere)))
		lost &= ~(unsigned)LOST_IPTC;
	if (keep != KEEP_ALL)
		lost &= ~(unsigned)LOST_COMMENT;
	return lost;
}

bool metadata_filter(struct metadata *ret_metadata, const struct metadata *from,
                     unsigned keep, const struct metadata_target *target)
{
	struct metadata to = {.density = from->density};
	unsigned lost = from->lost;
	bool is_done = true;

	if (from->exif.n > 0)
		is_done = exif_filter(&to.exif, block_bytes(&from->exif), keep, target,
		                      &lost);
	if (is_done && to.exif.n == 0 && (keep & KEEP_EXIF) &&
	    target->has_density_in_exif)
		is_done = exif_of_density(&to.exif, target);
	if (is_done && from->xmp.n > 0)
		is_done = xmp_filter(&to.xmp, block_bytes(&from->xmp),
		                     block_bytes(&from->xmp_extended), keep, target,
		                     &lost);
	if (is_done && from->iptc.n > 0)
		is_done = iptc_filter(&to.iptc, block_bytes(&from->iptc), keep, target,
		                      &lost);
	if (keep == KEEP_ALL) {
		block_add(&to.comment, block_bytes(&from->comment));
		block_add(&to.png_text, block_bytes(&from->png_text));
		is_done = is_done && !to.comment.has_failed && !to.png_text.has_failed;
	}
	to.lost = true_losses(lost, keep);
	if (!is_done)
		metadata_fini(&to);
	*ret_metadata = to;
	return is_done;
}
