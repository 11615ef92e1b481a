/* A source of inputs for a map, the task that obeys these inputs, and files through which a test
 * controls and observes the task, which may run in a worker process. */
#ifndef PXP_TEST_ITEMS_H
#define PXP_TEST_ITEMS_H

#include <pixpool/pixpool.h>

/*
 * A source of texts, one for each item: the texts of a list that ends with NULL, or, without a list, the
 * n_numbers numbers from 0. If fails_with is set, the source then fails with that status.
 */
struct source {
	const char *const *texts;
	size_t n_numbers;
	enum pxp_status fails_with;
	size_t n_pulled;
	char text[32];
};

pxp_input_fn source_next;

/*
 * An input is one letter and its argument:
 *
 *   NUMBER   its square
 *   f TEXT   fails with code 7
 *   r CODE   returns that as its status
 *   k        its worker dies of SIGKILL
 *   x CODE   its worker exits
 *   o PATH   as k, if it can remove that file; else "again"
 *   g PATH   waits until that door is open, then "through"
 *   c PATH   appends one byte to that file, then "counted"
 *   s MS     takes that long, then "slow"
 *   b N      N bytes
 *   a        "aligned", if its input is aligned
 */
pxp_task_fn task_item;

/* A door is a locked file: tasks wait at the door until the test opens it. The file is in the
 * scratch folder. */
struct door {
	/* The input of a task that waits at the door. */
	char item[4096];
	int lock;
};

void door_shut(struct door *door, const char *name);
void door_open(struct door *door); /* a door that is open may be opened again */

/* An input of one letter and the absolute path of name. The text is static and valid for the next
 * 15 calls. */
const char *item_with_path(char letter, const char *name);

/* The size of a file in bytes; 0 if it does not exist. */
size_t size_of(const char *name);

#endif
