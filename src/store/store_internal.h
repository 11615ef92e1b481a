/* The inside of a store, shared by the files of this room and by its tests. */
#ifndef PXP_STORE_INTERNAL_H
#define PXP_STORE_INTERNAL_H

#include "base/lock.h"

#include <stdbool.h>
#include <sys/types.h>

/* What a system or a place may lack; there is a way around each. /proc is looked for
 * once, the others show when they are called; a test may set any. */
enum {
	WITHOUT_OPENAT2 = 1,
	WITHOUT_TMPFILE = 2,
	WITHOUT_PROC = 4,
	WITHOUT_NOREPLACE = 8, /* renameat2() */
};

struct store {
	int root; /* O_PATH, as every folder here: it need not be readable */
	dev_t dev;
	ino_t ino;
	unsigned without; /* set before any other thread can look */

	struct lock lock; /* guards the two below */
	char *last_path; /* the sub-folder used last: outputs of one folder come together */
	int last_fd;     /* -1: none */
};

/* Why an output was not published. */
struct stop {
	const char *stage; /* what could not be done, after "cannot" */
	int sys_errno;
	bool in_root; /* it was the output folder itself that refused */
};

/* Note it, from errno. Always -1. */
int stop_at(struct stop *stop, const char *stage, bool in_root);

#endif
