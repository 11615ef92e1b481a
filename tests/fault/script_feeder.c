/*
 * Gates of the feeder, for tests. A gate is a FIFO in the current folder: the feeder waits until the
 * test has opened and closed it for writing. Without a FIFO the feeder does not wait.
 *
 *   submit.gate  after the feeder has submitted a shared task, before the batch knows the task
 *
 * This file is linked with --wrap=pools_submit.
 */
#include "batch/picture_workers.h"

#include <fcntl.h>
#include <unistd.h>

enum pxp_status __real_pools_submit(struct pools *pools,
                                    const struct picture_request *requests, size_t n,
                                    struct pxp_future **ret_task);
enum pxp_status __wrap_pools_submit(struct pools *pools,
                                    const struct picture_request *requests, size_t n,
                                    struct pxp_future **ret_task);

/* A gate is passed only once. */
static void wait_at(const char *gate)
{
	int fd = open(gate, O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return;
	while (read(fd, &byte, 1) > 0)
		;
	close(fd);
	unlink(gate);
}

enum pxp_status __wrap_pools_submit(struct pools *pools,
                                    const struct picture_request *requests, size_t n,
                                    struct pxp_future **ret_task)
{
	enum pxp_status status = __real_pools_submit(pools, requests, n, ret_task);

	if (n > 1)
		wait_at("submit.gate");
	return status;
}
