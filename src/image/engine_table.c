/* The table of engines in this build. The file contains nothing else, so that a test program can
 * have a table of its own. */
#include "image/engine.h"

const struct engine *const engines[] = {
#ifdef PIXPOOL_VIPS
	&engine_fast,
	&engine_vips,
#endif
	&engine_stb,
	NULL,
};
