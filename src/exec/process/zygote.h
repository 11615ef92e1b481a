/* The zygote, as the main process sees it. */
#ifndef PXP_ZYGOTE_H
#define PXP_ZYGOTE_H

#include <pixpool/executor.h>
#include <sys/types.h>

/* The fork server of a pool. Its pid is good for nothing but a look: it may be another's by now. */
struct fork_server_handle {
	pid_t pid;
	int pidfd;
	int control; /* the main end of its control socket, non-blocking; -1: closed */
};

/*
 * Have a fork server forked for a pool of these options.
 *
 * ret_fork_server  to be given to zygote_end_fork_server(); left alone on failure.
 *
 * PXP_ESTATE  no zygote of this process runs.
 * PXP_ESYS    no socket, process or descriptor to be had, or the zygote is gone.
 */
enum pxp_status zygote_start_fork_server(const struct pxp_executor_options *options,
                                         struct fork_server_handle *ret_fork_server,
                                         struct pxp_error *ret_error);

/* Have it end with its workers, and wait for that. */
void zygote_end_fork_server(struct fork_server_handle *fork_server);

#endif
