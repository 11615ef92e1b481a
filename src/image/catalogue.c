/* Fills in the catalogue of formats by asking each engine about each format. */
#include "image/catalogue.h"

#include "image/engine.h"

#include <stdio.h>
#include <string.h>

/* Whether an engine reads a format. With --untrusted, only common formats are read. A drawing
 * engine reads SVG or PDF only if it can also draw the text in such pictures. */
static bool reads(const struct engine *engine, enum image_format format)
{
	struct failure failure = {0};

	return engine_trusts(format) && engine->reads(format) &&
	       (!format_info(format)->is_drawn || engine->draws(format, &failure));
}

void catalogue_fill(struct catalogue *ret_catalogue)
{
	memset(ret_catalogue, 0, sizeof(*ret_catalogue));
	for (size_t i = 0; engines[i] && i < CATALOGUE_ENGINES_MAX; i++) {
		struct catalogue_engine *row = &ret_catalogue->engines[i];

		snprintf(row->name, sizeof(row->name), "%s", engines[i]->name);
		engines[i]->version(row->version, sizeof(row->version));
		for (int format = FORMAT_NONE + 1; format < N_FORMATS; format++) {
			row->reads[format] = reads(engines[i], (enum image_format)format);
			row->writes[format] = engines[i]->writes(
				(enum image_format)format);
		}
		ret_catalogue->n_engines++;
	}
}
