/*
 * What a test leaves behind: threads, descendant processes (orphans become our children),
 * descriptors and mappings of shared memory. test_begin() counts them, and test_end() fails a
 * test that leaves more than it found.
 */
#ifndef PXP_RESIDUE_H
#define PXP_RESIDUE_H

#include <stdbool.h>
#include <sys/types.h>

struct residue {
	int n_threads, n_processes, n_descriptors, n_mappings;
};

/* Count what exists at this instant. Zombie children of this process do not count. */
struct residue residue_now(void);

/* The number of open descriptors of a process; -1: we are not allowed to know it. */
int residue_n_descriptors(pid_t pid);

/* Whether no count is larger than before. Waits for up to ten seconds, because a joined thread and
 * a reaped process can be visible for a moment longer. If a count grew, prints all counts. */
bool residue_is_none(const struct residue *before);

/* From now on, residue_is_none() waits for this time instead of ten seconds. */
void residue_set_patience(int ms);

/* Turn off the check for all tests of this program. Call this in a program whose libraries keep
 * threads of their own. */
void residue_ignore(void);

/* Call residue_begin() before every test, and residue_end() after it. residue_end() returns whether
 * the test left nothing behind. After residue_ignore() it always returns true. */
void residue_begin(void);
bool residue_end(void);

#endif
