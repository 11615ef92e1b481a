/*
 * A gate holds tasks where a test wants them: a pipe whose read end goes with the task.
 * Opening it lets all pass, now and later.
 */
#ifndef PXP_GATE_H
#define PXP_GATE_H

#include <stdbool.h>

struct gate {
	int wait_end, open_end;
};

struct gate gate_create(void);
void gate_open(struct gate *gate); /* again is fine */
void gate_destroy(struct gate *gate);

/* A fresh descriptor of the gate, to be moved into a task. */
int gate_descriptor(const struct gate *gate);

/* In the task: wait at the gate. */
void gate_pass(int descriptor);

#endif
