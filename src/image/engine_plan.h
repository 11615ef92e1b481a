/* The plan of the work on a picture: which engine does which part. */
#ifndef PXP_ENGINE_PLAN_H
#define PXP_ENGINE_PLAN_H

#include "image/engine.h"

struct engine_plan {
	/* The engine that has the source open. After a failure: the engine that failed on the
	 * header, or NULL. */
	const struct engine *decoder;
	struct planned_output {
		const struct engine *deriver;
		const struct engine *encoder;
	} outputs[PICTURE_MAX_VARIANTS];
};

/* Called before an engine opens the picture. False with a failure: it must not. */
typedef bool engine_may_open_fn(void *data, const struct engine *engine,
                                struct failure *ret_failure);

/*
 * Ask the engines. On success the source is open, and the decoder must close it. False with a
 * failure when no engine takes the picture or one of its outputs; then it is closed.
 */
bool engine_plan_make(struct engine_plan *ret_plan, struct source *source,
                      engine_may_open_fn *may_open, void *data,
                      struct failure *ret_failure);

#endif
