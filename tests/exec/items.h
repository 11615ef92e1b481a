/* A source of inputs for a map, the task that obeys these inputs, and files through which a test
 * controls and observes the task, which may run in a worker process. */
#ifndef PXP_TEST_ITEMS_H
#define PXP_TEST_ITEMS_H

#include <pixpool/pixpool.h>

/*
 * A source of texts, one text for each item. If `texts` is set, it is a list that ends with NULL,
 * and the source gives its texts. Otherwise the source gives the numbers from 0 to n_numbers - 1.
 * If fails_with is set, the source then fails with that status.
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
 * A task whose input is a number, or a letter that is directly followed by its argument. It does
 * this:
 *
 *   NUMBER   return the square of the number
 *   f TEXT   fail with code 7 and this text
 *   r CODE   return CODE as the status
 *   k        kill the worker with SIGKILL
 *   x CODE   exit the worker with this status
 *   o PATH   remove this file and kill the worker; if there is no such file, return "again"
 *   g PATH   wait until the door of this path is open, then return "through"
 *   c PATH   append one byte to this file, then return "counted"
 *   s MS     use the CPU for MS milliseconds, then return "slow"
 *   b N      return N bytes
 *   a        return "aligned" if the input is aligned for any type, "crooked" if not
 */
pxp_task_fn task_item;

/* A door is a locked file at which tasks wait until the test opens the door. The file is in the
 * scratch folder. */
struct door {
	/* The input with which task_item() waits until the door is open. */
	char item[4096];
	int lock;
};

void door_shut(struct door *door, const char *name);
void door_open(struct door *door); /* nothing happens if the door is open already */

/* Make an input from a letter and the absolute path of the file `name`. The text is static, and
 * valid for the next 15 calls. */
const char *item_with_path(char letter, const char *name);

/* The size of a file in bytes; 0 if it does not exist. */
size_t size_of(const char *name);

#endif
