/* The table of engines in this build. A test program can replace this file by a table of its own,
 * because the file contains nothing else. */
#include "image/engine.h"

const struct engine *const engines[] = {
#ifdef PIXPOOL_VIPS
	&engine_fast,
	&engine_vips,
#endif
	&engine_stb,
	NULL,
};
