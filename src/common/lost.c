/* The names of metadata and features that an output can lose. */
#include "common/lost.h"

#include <stddef.h>

void lost_words(unsigned lost, const char *ret_words[N_LOST + 1])
{
	static const char *const words[N_LOST] = {
		"alpha", "pages",   "animation", "gainmap", "hdr",  "video",
		"depth", "profile", "exif",      "xmp",     "iptc", "comment",
	};
	size_t n = 0;

	for (unsigned i = 0; i < N_LOST; i++) {
		if (lost & 1U << i)
			ret_words[n++] = words[i];
	}
	ret_words[n] = NULL;
}
