/* Functions that the tests of the store share: a store for each way to publish, content, and the
 * number of names in a folder. */
#ifndef PXP_OUTPUT_H
#define PXP_OUTPUT_H

#include "store/store.h"

#include <stddef.h>

/* The ways to publish an output: with everything that the system supports, and without parts of
 * it. */
enum { N_WAYS = 7 };

/* Open the store of the folder "out", and make it publish in the way with this index. */
struct store *store_with_way(int way);

/* Create a memfd of n bytes, all of which are c. The caller closes it. */
int content_of(char c, size_t n);

/* Publish a text. Fills in last_failure. */
enum store_result publish_text(struct store *store, const char *relative,
                               const char *text, enum overwrite overwrite);
extern struct failure last_failure;

/* Whether the text of last_failure ends with the description of this errno. */
bool failed_by(int sys_errno);

/* How many names a folder has, hidden ones included; -1: the folder does not exist. */
int n_names(const char *folder);

#endif
