/*
 * The sandbox of the workers. They set it up through functions of their pool, which does not know
 * about sandboxes.
 *
 * Before any picture is processed, one worker in a separate pool finds out which layers of the
 * sandbox are available here. Every worker of the batch must then have at least these layers;
 * otherwise its pool is broken. The separate pool, which loads no library, is needed because the
 * answer must be known before the real pool is created: the fork server of the real pool is told at
 * its start which layers every worker must have, and whether drawings may be left to workers that
 * read fonts.
 */
#ifndef PXP_BATCH_LOCKDOWN_H
#define PXP_BATCH_LOCKDOWN_H

#include "common/failure.h"
#include "sandbox/sandbox.h"

#include <pixpool/pixpool.h>

enum sandbox_mode {
	/* Use the layers of the sandbox that are available, and report the missing ones. */
	SANDBOX_AUTO,
	/* Use all layers of the sandbox. If one is missing, the batch does not start. */
	SANDBOX_REQUIRE,
	SANDBOX_OFF,
};

/* The sandbox settings for the workers of a pool. The struct has no pointers, because it is a part
 * of the pool's init_bytes. All zeros: no sandbox. */
struct lockdown {
	uint32_t is_on;
	/* A bit (1 << layer) for each layer that a worker must have in force. */
	uint32_t layers;
};

/*
 * Find out which layers of the sandbox are available to workers here. With SANDBOX_OFF nothing is
 * tried.
 *
 * true   *ret_state has the available layers, and *ret_lockdown requests these layers.
 * false  *ret_failure has the reason: no worker answered or, with SANDBOX_REQUIRE, layers are
 *        missing. Then it names the missing layers.
 */
bool lockdown_try(enum sandbox_mode mode, struct lockdown *ret_lockdown,
                  struct sandbox_state *ret_state, struct failure *ret_failure);

/* A part of the pool's prepare function: it runs in the fork server. */
void lockdown_prepare(const struct lockdown *lockdown);

/* A part of the lock-down function of workers. readable: a list, ended by NULL, of the folders
 * below which files may still be read. If readable is NULL, no file may be read. */
enum pxp_status lockdown_finish(const char *const *readable, struct pxp_error *ret_error);

/* Whether a worker that needs some folders may be started: the sandbox keeps it from all other
 * files, or the user turned the sandbox off. */
bool lockdown_confines_files(const struct lockdown *lockdown);

#endif
