/*
 * What a test leaves behind: threads, processes below this one (of any depth; orphans come
 * to us), descriptors and mappings of shared memory. test_begin() notes what there is, and
 * test_end() fails a test that leaves more.
 */
#ifndef PXP_RESIDUE_H
#define PXP_RESIDUE_H

#include <stdbool.h>
#include <sys/types.h>

struct residue {
	int n_threads, n_processes, n_descriptors, n_mappings;
};

/* As it is at this instant. A zombie that only we could reap is gone. */
struct residue residue_now(void);

/* How many descriptors a process has open; -1 when it may not be looked into. */
int residue_n_descriptors(pid_t pid);

/* Whether nothing is there that was not there before; waits for up to ten seconds, as a
 * thread that was joined, or a process that was reaped, is still to be seen for a moment.
 * Says on standard error what is left. */
bool residue_is_none(const struct residue *before);

/* For a program whose libraries keep threads of their own: its tests are not held to it. */
void residue_ignore(void);

/* Around every test. */
void residue_begin(void);
bool residue_end(void);

#endif
