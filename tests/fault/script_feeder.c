/*
 * Gates of the main thread and the feeder, for tests. A gate is a FIFO in the current folder: the
 * thread waits until the test has opened the FIFO for writing and closed it. Without a FIFO the
 * thread does not wait.
 *
 *   planned.gate  after the main thread has accepted the plan, before the feeder feeds any file
 *   submit.gate   after the feeder has submitted a shared task, before the batch knows the task
 *   open.gate     when the feeder opens an input called lack.png; this call then fails with EMFILE
 *
 * The linker option --wrap=NAME makes the program call __wrap_NAME of this file instead of NAME.
 */
#include "batch/picture_pools.h"
#include "report/report.h"
#include "walk/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum pxp_status __real_pools_submit(struct pools *pools,
                                    const struct picture_request *requests, size_t n,
                                    struct pxp_future **ret_task);
enum pxp_status __wrap_pools_submit(struct pools *pools,
                                    const struct picture_request *requests, size_t n,
                                    struct pxp_future **ret_task);
void __real_report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes);
void __wrap_report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes);
int __real_walk_open_file(const struct walk_item *item, struct stat *ret_stat);
int __wrap_walk_open_file(const struct walk_item *item, struct stat *ret_stat);

/* Wait until the test opens the gate, then remove the gate. Returns whether the gate existed. */
static bool wait_at(const char *gate)
{
	int fd = open(gate, O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return false;
	while (read(fd, &byte, 1) > 0)
		;
	close(fd);
	unlink(gate);
	return true;
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

void __wrap_report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes)
{
	wait_at("planned.gate");
	__real_report_planned(report, n_images, n_bytes);
}

int __wrap_walk_open_file(const struct walk_item *item, struct stat *ret_stat)
{
	if (strcmp(item->name, "lack.png") == 0 && wait_at("open.gate")) {
		errno = EMFILE;
		return -1;
	}
	return __real_walk_open_file(item, ret_stat);
}
