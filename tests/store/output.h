/* What the tests of the store share: a store for each way to publish, content, and the number of
 * names in a folder. */
#ifndef PXP_OUTPUT_H
#define PXP_OUTPUT_H

#include "store/store.h"

#include <stddef.h>

/* The ways to publish: with everything that the system can do, and without some of it. */
enum { N_WAYS = 7 };

/* Open the store of the folder "out", and make it publish in one of the ways. */
struct store *store_with_way(int way);

/* A memfd of n bytes, all of them c. The caller closes it. */
int content_of(char c, size_t n);

/* Publish text. last_failure is filled. */
enum store_result publish_text(struct store *store, const char *relative,
                               const char *text, enum overwrite overwrite);
extern struct failure last_failure;

/* Whether last_failure ends with the text of this errno. */
bool failed_by(int sys_errno);

/* The number of names in a folder, hidden ones included; -1: there is no such folder. */
int n_names(const char *folder);

#endif
