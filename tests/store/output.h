/* What the tests of the store share: a store in each of the ways that a place may force
 * on it, content to publish, and what is left in a folder. */
#ifndef PXP_OUTPUT_H
#define PXP_OUTPUT_H

#include "store/store.h"

#include <stddef.h>

/* Ways to publish: plain, and with each thing missing that there is a way around. */
enum { N_WAYS = 7 };

/* The store of the folder "out", opened and made to go a way. Failure ends the test. */
struct store *store_with_way(int way);

/* A memfd of n bytes, all of them c, as the caller's. */
int content_of(char c, size_t n);

/* Publish text. last_failure is filled. */
enum store_result publish_text(struct store *store, const char *relative,
                               const char *text, enum overwrite overwrite);
extern struct failure last_failure;

/* Whether last_failure ends with the text of this errno. */
bool failed_by(int sys_errno);

/* How many names a folder has, hidden ones too. -1: there is no such folder. */
int n_names(const char *folder);

#endif
