/*
 * What the tests of the sandbox share: attacks, each made by a child process that has the
 * descriptors of a worker, and functions that lock such a child process down.
 */
#ifndef PXP_SANDBOX_FIXTURE_H
#define PXP_SANDBOX_FIXTURE_H

#include "sandbox/sandbox.h"

enum { KILLED = -1, ALLOWED = 0, MAX_DESCRIPTORS = 32 };

/* The descriptors that a worker has. open_both() opens them in the test, for its children. */
extern int input, output;

void open_both(void);
void close_both(void);

/* Call run(data) in a child process. Returns the status of the child, as from waitpid(). */
int in_child(void (*run)(void *data), void *data);

/* Lock this process down. `data` points to a struct sandbox_state, which is filled in. */
void lock_down(void *data);

/* Call run() in a child process with a zeroed struct sandbox_state. Returns the state that run()
 * has filled in. */
struct sandbox_state state_after(void (*run)(void *data));

/* Lock a child process down. Returns its sandbox state, which tells the layers that are in force on
 * this machine. */
struct sandbox_state state_here(void);
bool has(const struct sandbox_state *state, enum sandbox_layer layer);

/* Skip the test on a machine without seccomp. Prints which layers are missing. */
void require_seccomp(void);

/* Map a page of memory, as an attack does. Returns 0, or -1 with errno. */
long map(int protection, int flags, int fd);

/* Make the attack with this number. Returns ALLOWED if its system call succeeds, and otherwise the
 * errno. Returns KILLED if no attack has this number. */
int attack(int number);

#endif
