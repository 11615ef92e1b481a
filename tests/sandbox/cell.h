/* A process of its own for each attack, locked down, with the descriptors that a worker has. */
#ifndef PXP_CELL_H
#define PXP_CELL_H

#include "sandbox/sandbox.h"

enum { KILLED = -1, ALLOWED = 0, MAX_DESCRIPTORS = 32 };

extern int input, output;

void open_both(void);
void close_both(void);

/* The status of a child that runs this, as waitpid() tells it. */
int in_child(void (*run)(void *data), void *data);

/* Of this process from here on; *data is a struct sandbox_state. */
void lock_down(void *data);

/* What a process of this machine has in force. */
struct sandbox_state state_here(void);
bool has(const struct sandbox_state *state, enum sandbox_layer layer);

/* Skips the test where it is not; says what else is missing. */
void require_seccomp(void);

/* Map a page. */
long map(int protection, int flags, int fd);

/* errno of the attack with this number, or ALLOWED; KILLED for one that there is not. */
int attack(int number);

#endif
