/*
 * The metadata that stay on an image of libvips for its savers: the profile, and the fields that
 * an animation and an HDR need. EXIF, XMP, IPTC and comments do not go through libvips, which
 * rewrites text and invents fields: picture_metadata.c puts them into the encoded file.
 */
#include "image/vips/engine_vips.h"

#include <string.h>

static bool begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The savers of animations need these fields. */
static bool is_of_frames(const char *name)
{
	static const char *const names[] = {"loop", "delay", "page-height", "n-pages"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Fields that say how the numbers of an HDR are scaled. */
static bool is_of_light(const char *name)
{
	return begins_with(name, "rad-expos") || begins_with(name, "rad-colcor") ||
	       begins_with(name, "rad-prims");
}

static bool stays(const char *name, const struct pv_job *job)
{
	if (is_of_frames(name))
		return true;
	if (is_of_light(name))
		return job->is_light;
	if (strcmp(name, VIPS_META_ICC_NAME) == 0)
		return job->is_tagged ||
		       ((job->recipe->keep & KEEP_ICC) && job->profile != PROFILE_NONE &&
		        job->to->has_profile);
	return false;
}

void pv_meta_filter(VipsImage *image, const struct pv_job *job)
{
	char **names = vips_image_get_fields(image);

	for (char **name = names; name && *name; name++) {
		/* The header of the image is among the names, and cannot be removed. */
		if (!stays(*name, job))
			vips_image_remove(image, *name);
	}
	g_strfreev(names);
}
