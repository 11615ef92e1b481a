/* The formats that the engines of this build read and write, as tried in workers. */
#include "batch/ask.h"
#include "batch/picture_task.h"

#include <string.h>

static enum pxp_status run_catalogue(struct pxp_task *task)
{
	struct catalogue catalogue;

	memset(&catalogue, 0, sizeof(catalogue));
	catalogue_fill(&catalogue);
	return pxp_task_return(task, &catalogue, sizeof(catalogue));
}

static bool ask_catalogue(const struct picture_guard *guard,
                          struct catalogue *ret_catalogue, struct failure *ret_failure)
{
	const struct picture_limits no_limits = {0};
	const struct pxp_executor_options options = picture_pool_options(1, 1, &no_limits,
	                                                                 guard);

	return ask_once(&options, run_catalogue, ret_catalogue, sizeof(*ret_catalogue),
	                ret_failure);
}

/* Only the workers that draw know about the formats that are drawn. */
static void take_drawn(struct catalogue *catalogue, const struct catalogue *drawers)
{
	for (uint32_t i = 0; i < catalogue->n_engines; i++) {
		for (int format = 0; format < N_FORMATS; format++) {
			if (format_info((enum image_format)format)->is_drawn)
				catalogue->engines[i].reads[format] =
					drawers->engines[i].reads[format];
		}
	}
}

bool picture_catalogue(const struct picture_guard *guard, struct catalogue *ret_catalogue,
                       struct failure *ret_failure)
{
	struct picture_guard to_draw;
	struct catalogue drawers;
	struct failure ignored;

	if (!ask_catalogue(guard, ret_catalogue, ret_failure))
		return false;
	if (guard->drawing != DRAWING_ELSEWHERE)
		return true;
	/* When no worker can draw, the answer is that drawings are not read. */
	to_draw = picture_guard_to_draw(guard);
	if (ask_catalogue(&to_draw, &drawers, &ignored))
		take_drawn(ret_catalogue, &drawers);
	return true;
}
