/*
 * How the sandbox comes to the workers: as functions of their pool, which knows nothing of
 * it. What a worker here has in force is found out once, in a pool that has nothing else to
 * do, before any picture is looked at; each worker of a batch has the same, or is none.
 */
#ifndef PXP_LOCKDOWN_H
#define PXP_LOCKDOWN_H

#include "sandbox/sandbox.h"

#include <pixpool/pixpool.h>

enum sandbox_mode {
	SANDBOX_AUTO,    /* what can be had; what cannot is said */
	SANDBOX_REQUIRE, /* all of it, or the batch does not begin */
	SANDBOX_OFF,
};

/* What a pool's workers are told, in its init_bytes. Zero: no sandbox. */
struct lockdown {
	uint32_t is_on;
	uint32_t layers;      /* that a worker has to have in force */
	uint32_t reads_fonts; /* it may open what picture_font_folders() names */
};

/*
 * Try which layers can be had in a worker here. Nothing is tried for SANDBOX_OFF.
 *
 * PXP_OK      they stand in *ret_state, and *ret_lockdown asks for the same.
 * PXP_ETASK   SANDBOX_REQUIRE, and there is one missing: the error says which and why.
 * else as of the executor.
 */
enum pxp_status lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                             struct sandbox_state *ret_state,
                             struct pxp_error *ret_error);

/* For the options of a pool whose init_bytes begin with a struct lockdown. */
enum pxp_status lockdown_prepare(const void *bytes, size_t n,
                                 struct pxp_error *ret_error);
enum pxp_status lockdown_finish(struct pxp_error *ret_error);

#endif
