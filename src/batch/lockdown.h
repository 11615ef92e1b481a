/*
 * How the sandbox comes to the workers: as functions of their pool, which knows nothing of it.
 * Which layers a worker can have here is found out once, in a pool that has nothing else to do,
 * before any picture is looked at. Every worker of a batch then has the same layers, or its pool
 * is broken.
 *
 * The question has a pool of its own because the answer is needed before the real pool is
 * created: its fork server is told at its start which layers every worker must have, and whether
 * drawings may be left to workers that read fonts. The pool of the question loads no library.
 */
#ifndef PXP_LOCKDOWN_H
#define PXP_LOCKDOWN_H

#include "common/failure.h"
#include "sandbox/sandbox.h"

#include <pixpool/pixpool.h>

enum sandbox_mode {
	SANDBOX_AUTO, /* the layers that are available; the missing ones are reported */
	SANDBOX_REQUIRE, /* all layers; if one is missing, the batch does not begin */
	SANDBOX_OFF,
};

/* The orders for the workers of a pool. Plain bytes, for its init_bytes. Zero: no sandbox. */
struct lockdown {
	uint32_t is_on;
	/* A bit (1 << layer) for each layer that a worker must have in force. */
	uint32_t layers;
};

/*
 * Try which layers a worker can have here. Nothing is tried for SANDBOX_OFF.
 *
 * true   they are in *ret_state, and *ret_lockdown asks for the same.
 * false  the failure says why: with SANDBOX_REQUIRE also which layers are missing.
 */
bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure);

/* Whether a worker that may read some folders can be kept from all other files. True with
 * SANDBOX_OFF. */
bool lockdown_confines_files(const struct lockdown *lockdown);

/* In the prepare step of a pool, that is, in the process that its workers are forked from. */
void lockdown_prepare(const struct lockdown *lockdown);

/* In the lock-down step of its workers. readable: the folders that may be read all the same, NULL
 * at the end; NULL: none. */
enum pxp_status lockdown_finish(const char *const *readable, struct pxp_error *ret_error);

#endif
