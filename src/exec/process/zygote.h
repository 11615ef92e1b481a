/* The interface by which the main process starts and ends fork servers through its zygote. */
#ifndef PXP_ZYGOTE_H
#define PXP_ZYGOTE_H

#include <pixpool/executor.h>
#include <sys/types.h>

/* The main process's handle of the fork server of one pool. */
struct fork_server_handle {
	/* The pid of the fork server, for messages and tests only: the number may belong to another
	 * process by now. */
	pid_t pid;
	int pidfd;
	/* The main process's end of the control socket, non-blocking; -1: closed. */
	int control;
};

/*
 * Have the zygote fork a fork server for a pool with these options.
 *
 * ret_fork_server  on success the fork server, which the caller must end with
 *                  zygote_end_fork_server(). Unchanged on failure.
 *
 * PXP_EINVAL  a function in the options does not exist in the processes of a pool.
 * PXP_ESTATE  this process has no running zygote.
 * PXP_ESYS    no socket, process or descriptor is available, or the zygote has died.
 *
 * May be called from any thread.
 */
enum pxp_status zygote_start_fork_server(const struct pxp_executor_options *options,
                                         struct fork_server_handle *ret_fork_server,
                                         struct pxp_error *ret_error);

/* End a fork server and its workers, wait until they have ended, and close the handle. May be
 * called from any thread. */
void zygote_end_fork_server(struct fork_server_handle *fork_server);

/* Whether a function exists at the same address in the processes of a pool. Returns false if the
 * module of the function was loaded after the zygote was forked. Returns true for generated code,
 * which belongs to no module. */
bool zygote_has_function(uintptr_t function);

#endif
