/* The engines are asked in the order of the table: for the picture, then for each output. */
#include "image/engine_plan.h"

/* Keep the first reason: it comes from the preferred engine. */
static void keep_reason(struct failure *kept, const struct failure *reason)
{
	if (kept->class == FAIL_NONE)
		*kept = *reason;
}

static bool find_decoder(struct engine_plan *plan, struct source *source,
                         engine_may_open_fn *may_open, void *data,
                         struct failure *ret_failure)
{
	/* An engine of a test program may still accept bytes of an unknown format. */
	bool may_read = source->format == FORMAT_NONE || engine_trusts(source->format);
	struct failure reasons = {0};

	for (const struct engine *const *engine = engines; may_read && *engine;
	     engine++) {
		struct failure reason = {0};

		if (!engine_is_wanted(*engine, source->reading))
			continue;
		if (!may_open(data, *engine, ret_failure))
			return false;
		switch ((*engine)->claim_source(source, &reason)) {
		case CLAIM_CAN:
			plan->decoder = *engine;
			return true;
		case CLAIM_FAILED:
			plan->decoder = *engine;
			*ret_failure = reason;
			return false;
		case CLAIM_CANNOT:
			keep_reason(&reasons, &reason);
			break;
		}
	}
	if (reasons.class == FAIL_NONE)
		return engine_unsupported(source, ret_failure);
	*ret_failure = reasons;
	return false;
}

static const struct engine *find_deriver(const struct engine *decoder,
                                         const struct source *source,
                                         const struct recipe *recipe,
                                         struct failure *ret_failure)
{
	struct failure reasons = {0};

	for (const struct engine *const *engine = engines; *engine; engine++) {
		bool is_lent = *engine != decoder;
		struct failure reason = {0};

		if (!engine_is_wanted(*engine, recipe) ||
		    (is_lent && !decoder->lend_pixels))
			continue;
		switch ((*engine)->claim_output(source, is_lent, recipe, &reason)) {
		case CLAIM_CAN:
			return *engine;
		case CLAIM_FAILED:
			*ret_failure = reason;
			return NULL;
		case CLAIM_CANNOT:
			keep_reason(&reasons, &reason);
			break;
		}
	}
	*ret_failure = reasons;
	return NULL;
}

/* The deriver itself, or the first engine that writes the format. */
static const struct engine *find_encoder(const struct engine *deriver,
                                         const struct recipe *recipe,
                                         struct failure *ret_failure)
{
	const struct engine *encoder = deriver->writes(recipe->format)
	                                       ? deriver
	                                       : engine_that_writes(recipe->format,
	                                                            recipe);

	if (!encoder && recipe->engine[0])
		failure_set(ret_failure, FAIL_UNSUPPORTED,
		            "encode: %s cannot be written by the engine %s",
		            format_info(recipe->format)->name, recipe->engine);
	else if (!encoder)
		failure_set(ret_failure, FAIL_UNSUPPORTED,
		            "encode: %s cannot be written by this build",
		            format_info(recipe->format)->name);
	return encoder;
}

static bool plan_output(struct planned_output *ret_output, const struct engine *decoder,
                        const struct source *source, const struct recipe *recipe,
                        struct failure *ret_failure)
{
	ret_output->deriver = find_deriver(decoder, source, recipe, ret_failure);
	if (ret_output->deriver)
		ret_output->encoder = find_encoder(ret_output->deriver, recipe,
		                                   ret_failure);
	return ret_output->deriver && ret_output->encoder;
}

bool engine_plan_make(struct engine_plan *ret_plan, struct source *source,
                      engine_may_open_fn *may_open, void *data,
                      struct failure *ret_failure)
{
	*ret_plan = (struct engine_plan){0};
	if (!find_decoder(ret_plan, source, may_open, data, ret_failure))
		return false;
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!plan_output(&ret_plan->outputs[i], ret_plan->decoder, source,
		                 source->variants[i].recipe, ret_failure)) {
			ret_plan->decoder->close(source);
			ret_plan->decoder = NULL;
			return false;
		}
	}
	return true;
}
