/*
 * A gate is a pipe at which tasks wait until the test opens the gate. Each task gets a descriptor
 * of the read end. Once a gate is open, it stays open.
 */
#ifndef PXP_GATE_H
#define PXP_GATE_H

#include <stdbool.h>

struct gate {
	int wait_end, open_end;
};

struct gate gate_create(void);
void gate_open(struct gate *gate); /* opens the gate; may be called more than once */
void gate_destroy(struct gate *gate);

/* Make a new descriptor of the gate, which can be moved into a task. */
int gate_descriptor(const struct gate *gate);

/* A task calls this to wait until the gate is open. */
void gate_pass(int descriptor);

#endif
