#include "support/gate.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct gate gate_create(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		abort();
	return (struct gate){.wait_end = ends[0], .open_end = ends[1]};
}

void gate_open(struct gate *gate)
{
	fd_close(&gate->open_end); /* the end of file is what everybody sees */
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
}
