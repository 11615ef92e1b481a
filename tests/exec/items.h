/* Inputs for a map, the task that obeys them, and what the test sees of it through files:
 * for a worker process there is nothing else. */
#ifndef PXP_TEST_ITEMS_H
#define PXP_TEST_ITEMS_H

#include <pixpool/pixpool.h>

/*
 * A source of texts, one an item: those of a list that ends with NULL, or, without a list,
 * the numbers from 0, n_numbers of them. It fails with that status at its end if fails_with
 * is set.
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
 * What an input says: one letter, and behind it what belongs to it.
 *
 *   NUMBER   its square
 *   f TEXT   fails with code 7
 *   r CODE   returns that as its status
 *   k        its worker dies of SIGKILL
 *   x CODE   its worker exits
 *   o PATH   the same as k, if it can remove that file; else "again"
 *   g PATH   waits at that door, then "through"
 *   c PATH   writes one more byte to that file, then "counted"
 *   s MS     takes so long, then "slow"
 *   b N      N bytes
 *   a        "aligned", if its input is
 */
pxp_task_fn task_item;

/* A file that tasks wait for as long as it is shut. In the scratch folder, by an absolute
 * path. */
struct door {
	char item[4096]; /* the input that waits for it */
	int lock;
};

void door_shut(struct door *door, const char *name);
void door_open(struct door *door); /* again is fine */

/* An input that is one letter and the absolute path of name; static, until the next but 15. */
const char *item_with_path(char letter, const char *name);

/* How many bytes a file has; 0 when it is not there. */
size_t size_of(const char *name);

#endif
