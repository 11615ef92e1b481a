/* What the engines of this build do, as workers find it. */
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

static enum pxp_status ask_catalogue(const struct picture_guard *guard,
                                     struct catalogue *ret_catalogue,
                                     struct pxp_error *ret_error)
{
	const struct picture_limits none = {0};
	struct pxp_executor *pool;
	enum pxp_status status = picture_pool_create(1, 1, &none, guard, &pool,
	                                             ret_error);

	if (status == PXP_OK)
		status = ask_once(pool, run_catalogue, ret_catalogue,
		                  sizeof(*ret_catalogue), ret_error);
	return status;
}

/* What is drawn, as those say who draw. */
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

enum pxp_status picture_catalogue(const struct picture_guard *guard,
                                  struct catalogue *ret_catalogue,
                                  struct pxp_error *ret_error)
{
	enum pxp_status status = ask_catalogue(guard, ret_catalogue, ret_error);

	if (status == PXP_OK && guard->drawing == DRAWING_ELSEWHERE) {
		const struct picture_guard to_draw = picture_guard_to_draw(guard);
		struct catalogue drawers;
		struct pxp_error why_not;

		/* When nobody can draw, nothing is drawn: that is an answer. */
		if (ask_catalogue(&to_draw, &drawers, &why_not) == PXP_OK)
			take_drawn(ret_catalogue, &drawers);
	}
	return status;
}
