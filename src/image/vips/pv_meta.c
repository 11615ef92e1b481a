/*
 * What metadata stays on an image of libvips. By class, and what belongs to no class only
 * where all is kept. Never an embedded preview: EXIF's second directory, the maker's note
 * (which holds more of them, and offsets that no longer lead anywhere) and those among
 * Photoshop's resources, of which the IPTC one alone stays.
 */
#include "image/vips/engine_vips.h"

#include <string.h>

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* What savers need. */
static bool is_structure(const char *name)
{
	static const char *const names[] = {"loop", "delay", "page-height", "n-pages"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What only describes the file that was read. Savers believe it, though the samples are others
 * by now: with its "stonits" of 1, a float TIFF became a JXL without detail. */
static bool is_of_input(const char *name)
{
	static const char *const names[] = {"stonits", "bits-per-sample", "interlaced",
	                                    "jpeg-thumbnail-data",
	                                    VIPS_META_PHOTOSHOP_NAME};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return begins_with(name, "palette") || begins_with(name, "gif-palette");
}

/* What the numbers of an HDR mean. */
static bool is_of_light(const char *name)
{
	return begins_with(name, "rad-expos") || begins_with(name, "rad-colcor") ||
	       begins_with(name, "rad-prims");
}

static bool stays_exif(const char *name, unsigned keep, bool was_turned)
{
	if (begins_with(name, "exif-ifd1-") || strcmp(name, "exif-ifd2-MakerNote") == 0)
		return false;
	if (begins_with(name, "exif-ifd3-"))
		return keep & KEEP_GPS;
	if (strcmp(name, "exif-ifd0-Orientation") == 0)
		return (keep & KEEP_EXIF) && !was_turned;
	if (strcmp(name, VIPS_META_EXIF_NAME) == 0)
		return keep & (KEEP_EXIF | KEEP_GPS);
	return keep & KEEP_EXIF;
}

static bool stays(const char *name, const struct pv_job *job)
{
	unsigned keep = job->recipe->keep;
	bool was_turned = !job->recipe->no_rotate;

	if (is_structure(name))
		return true;
	if (begins_with(name, "rad-"))
		return job->is_light && is_of_light(name);
	if (begins_with(name, "exif-"))
		return stays_exif(name, keep, was_turned);
	if (strcmp(name, VIPS_META_ICC_NAME) == 0)
		return job->is_tagged ||
		       ((keep & KEEP_ICC) && job->profile != PROFILE_NONE &&
		        job->to->has_profile);
	if (strcmp(name, VIPS_META_XMP_NAME) == 0)
		return keep & KEEP_XMP;
	if (strcmp(name, VIPS_META_IPTC_NAME) == 0)
		return keep & KEEP_IPTC;
	if (strcmp(name, VIPS_META_ORIENTATION) == 0)
		return (keep & KEEP_EXIF) && !was_turned;
	return keep == KEEP_ALL && !is_of_input(name);
}

/* XMP may say the place too, in words of its own, and hold a preview. */
static void check_xmp(VipsImage *image, unsigned keep)
{
	const void *xmp;
	size_t n;

	if (!vips_image_get_typeof(image, VIPS_META_XMP_NAME) ||
	    vips_image_get_blob(image, VIPS_META_XMP_NAME, &xmp, &n))
		return;
	if ((!(keep & KEEP_GPS) && memmem(xmp, n, "GPS", 3)) ||
	    memmem(xmp, n, "xmpGImg", 7) || memmem(xmp, n, "Thumbnails", 10))
		vips_image_remove(image, VIPS_META_XMP_NAME);
}

/* The number of a tiff:Orientation at or behind *at, as an attribute or an element; NULL when
 * there are no more. */
static char *next_orientation(char *at, const char *end)
{
	static const char word[] = "tiff:Orientation";

	while ((at = memmem(at, (size_t)(end - at), word, strlen(word)))) {
		at += strlen(word);
		while (at < end && strchr(" \t\r\n=\"'>", *at))
			at++;
		if (at < end && *at >= '1' && *at <= '8')
			return at;
	}
	return NULL;
}

/* XMP that says how to turn what is turned now says that it is upright. */
static void set_xmp_upright(VipsImage *image)
{
	const void *xmp;
	char *ours, *end;
	size_t n;

	if (!vips_image_get_typeof(image, VIPS_META_XMP_NAME) ||
	    vips_image_get_blob(image, VIPS_META_XMP_NAME, &xmp, &n))
		return;
	ours = g_try_malloc(n + 1);
	if (!ours) {
		vips_image_remove(image, VIPS_META_XMP_NAME);
		return;
	}
	memcpy(ours, xmp, n);
	ours[n] = 0;
	end = ours + n;
	for (char *at = ours; (at = next_orientation(at, end)); at++)
		*at = '1';
	vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, ours, n);
	g_free(ours);
}

static uint32_t big_endian(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

/* Of Photoshop's resources only the IPTC record: "8BIM", number, a name, length, bytes, the
 * last two padded to an even length. */
static void keep_iptc_alone(VipsImage *image)
{
	enum { IPTC_NUMBER = 0x0404, HEAD_BYTES = 14 };
	static const char head[HEAD_BYTES] = "Photoshop 3.0";
	const uint8_t *bytes;
	const void *blob;
	size_t n, at = HEAD_BYTES, n_kept = HEAD_BYTES;
	uint8_t *kept;

	if (!vips_image_get_typeof(image, VIPS_META_IPTC_NAME) ||
	    vips_image_get_blob(image, VIPS_META_IPTC_NAME, &blob, &n))
		return;
	bytes = blob;
	if (n < HEAD_BYTES || memcmp(bytes, head, HEAD_BYTES) != 0)
		return; /* as TIFF has it: the record alone */

	kept = g_try_malloc(n + 1);
	if (!kept) {
		vips_image_remove(image, VIPS_META_IPTC_NAME);
		return;
	}
	memcpy(kept, head, HEAD_BYTES);
	while (n - at >= 12 && memcmp(bytes + at, "8BIM", 4) == 0) {
		size_t n_name = (bytes[at + 6] + 2u) & ~1u;
		size_t n_data, n_all;

		if (n_name + 10 > n - at)
			break;
		n_data = big_endian(bytes + at + 6 + n_name);
		n_all = 10 + n_name + n_data;
		if (n_data > n - at || n_all > n - at)
			break;
		n_all += n_all & 1 && n_all < n - at;
		if ((bytes[at + 4] << 8 | bytes[at + 5]) == IPTC_NUMBER) {
			memcpy(kept + n_kept, bytes + at, n_all);
			n_kept += n_all;
		}
		at += n_all;
	}
	if (n_kept > HEAD_BYTES)
		vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, kept, n_kept);
	else
		vips_image_remove(image, VIPS_META_IPTC_NAME);
	g_free(kept);
}

void pv_meta_filter(VipsImage *image, const struct pv_job *job)
{
	char **names = vips_image_get_fields(image);

	for (char **name = names; name && *name; name++) {
		/* The image's own header is among the names, and cannot be removed. */
		if (!stays(*name, job))
			vips_image_remove(image, *name);
	}
	g_strfreev(names);
	check_xmp(image, job->recipe->keep);
	if (!job->recipe->no_rotate)
		set_xmp_upright(image);
	keep_iptc_alone(image);
}
