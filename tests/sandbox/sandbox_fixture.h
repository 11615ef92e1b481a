/*
 * What the tests of the sandbox share: attacks, each made by a locked-down child process that has the
 * descriptors of a worker.
 */
#ifndef PXP_SANDBOX_FIXTURE_H
#define PXP_SANDBOX_FIXTURE_H

#include "sandbox/sandbox.h"

enum { KILLED = -1, ALLOWED = 0, MAX_DESCRIPTORS = 32 };

/* The descriptors of a worker. open_both() opens them in the test, for its children. */
extern int input, output;

void open_both(void);
void close_both(void);

/* Call run(data) in a child process. Returns the status of the child, as from waitpid(). */
int in_child(void (*run)(void *data), void *data);

/* Lock this process down. data is a struct sandbox_state, which is filled. */
void lock_down(void *data);

/* The state that run() leaves, in a child process, in the zeroed struct sandbox_state that it is given. */
struct sandbox_state state_after(void (*run)(void *data));

/* The layers that are in force in a locked-down process on this machine. */
struct sandbox_state state_here(void);
bool has(const struct sandbox_state *state, enum sandbox_layer layer);

/* Skip the test on a machine without seccomp. Prints which other layers are missing. */
void require_seccomp(void);

/* Map a page, as an attack does: 0, or -1 with errno. */
long map(int protection, int flags, int fd);

/* Make the attack with this number. Returns its errno, or ALLOWED; KILLED when there is no such attack. */
int attack(int number);

#endif
