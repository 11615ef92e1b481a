/*
 * A gate is a pipe. Opening the gate closes its write end.
 */
#include "support/gate.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* The pipe orders the code before gate_open() and the code after gate_pass(), but
 * ThreadSanitizer does not know that. This counter tells it. */
static atomic_uint n_openings;

struct gate gate_create(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	return (struct gate){.wait_end = ends[0], .open_end = ends[1]};
}

void gate_open(struct gate *gate)
{
	/* Two threads may open the gate at the same time. */
	int open_end = __atomic_exchange_n(&gate->open_end, -1, __ATOMIC_ACQ_REL);

	atomic_fetch_add(&n_openings, 1);
	/* Closing the write end makes every reader see the end of file. */
	fd_close(&open_end);
}

void gate_destroy(struct gate *gate)
{
	gate_open(gate);
	fd_close(&gate->wait_end);
}

int gate_descriptor(const struct gate *gate)
{
	int fd = fcntl(gate->wait_end, F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		abort();
	return fd;
}

void gate_pass(int descriptor)
{
	char byte;

	while (read(descriptor, &byte, 1) < 0 && errno == EINTR)
		;
	(void)atomic_load(&n_openings);
}
