/* Replaces picture_metadata.c in a build without the metadata libraries: no metadata is read or
 * written. stb, the only engine of such a build, refuses a picture with metadata that must be
 * kept. */
#include "image/picture_metadata.h"

bool picture_metadata_open(struct metadata **ret_metadata, const struct source *source,
                           struct failure *ret_failure)
{
	(void)source;
	(void)ret_failure;
	*ret_metadata = NULL;
	return true;
}

void picture_metadata_close(struct metadata *metadata)
{
	(void)metadata;
}

unsigned picture_metadata_orientation(const struct metadata *metadata, unsigned otherwise)
{
	(void)metadata;
	return otherwise;
}

bool picture_metadata_write(const struct source *source, const struct recipe *recipe,
                            const struct output_facts *facts, int output,
                            struct picture_side *out, struct failure *ret_failure)
{
	(void)source;
	(void)recipe;
	(void)facts;
	(void)output;
	(void)out;
	(void)ret_failure;
	return true;
}
