/* The zygote, as the main process sees it. */
#ifndef PXP_ZYGOTE_H
#define PXP_ZYGOTE_H

#include <pixpool/executor.h>
#include <sys/types.h>

/*
 * Have a nursery forked for a pool of these options.
 *
 * ret_control  the main end of its control socket, non-blocking; yours to give to
 *              zygote_close_control(), which ends the nursery and its workers.
 *
 * PXP_ESTATE  no zygote of this process runs.   PXP_EINVAL  n_init_bytes is over 32 KiB.
 * PXP_ESYS    no socket or process to be had, or the zygote is gone.
 */
enum pxp_status zygote_start_nursery(const struct pxp_executor_options *options,
                                     pid_t *ret_pid, int *ret_control,
                                     struct pxp_error *ret_error);

/* In a worker: it is one level deeper than the program. */
void zygote_enter_worker(void);

/* Close it, and make it -1, so that the other side sees the end although a process that was
 * forked from this one may have a copy. */
void zygote_close_control(int *control);

/* Wait until a nursery, whose control socket is closed, has ended. */
void zygote_wait_nursery(pid_t pid);

#endif
