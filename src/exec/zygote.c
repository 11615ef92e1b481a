/*
 * The zygote: forked in the first line of main, while there is one thread and so no lock
 * that a copy could find taken. It stays that simple for ever, and forks a nursery for
 * each process pool. It keeps no terminal and no descriptor but its control socket and the
 * main process's pidfd, so that nobody waits for an end of file because of it.
 *
 * What the main process forks without exec holds copies of the control sockets. So these are
 * shut down before they are closed, and an end of the main process is seen by its pidfd.
 */
#include "exec/zygote.h"

#include "base/fd.h"
#include "base/lock.h"
#include "exec/nursery.h"
#include "exec/protocol.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_DEPTH = 2,
	CONTROL = 3, /* the zygote's end, in the zygote */
};

_Static_assert(MAIN_PIDFD == CONTROL + 1, "they are what a zygote keeps open");

/* One per process. The lock makes a request and its answer one step. */
static struct {
	struct lock lock;
	pid_t pid;
	pid_t owner; /* who started it; in a child of that: the parent, to whom it belongs */
	int control;
	unsigned n_nurseries; /* that are not waited for */
	/* Of this process: 0; 1 in a worker; 2 in a worker of that one's pool. */
	unsigned depth;
} zygote = {.lock = {PTHREAD_MUTEX_INITIALIZER}, .control = -1};

static pid_t wait_for(pid_t pid, int *ret_status)
{
	pid_t got;

	do
		got = waitpid(pid, ret_status, 0);
	while (got < 0 && errno == EINTR);
	return got;
}

/* ---- in the zygote ---- */

/* Whatever our parent ignored or blocked (SIGCHLD among it, without which there is no wait
 * status) is as the kernel has it. */
static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Any of 0 to 4 may be closed, or be one of ours: go high before going low. False with errno. */
static bool leave_terminal(int control, int main_pidfd)
{
	int high_control = fcntl(control, F_DUPFD_CLOEXEC, 16);
	int high_pidfd = fcntl(main_pidfd, F_DUPFD_CLOEXEC, 16);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high_null = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, 16);

	setsid();
	prctl(PR_SET_NAME, "pxp-zygote");
	if (high_control < 0 || high_pidfd < 0 || high_null < 0)
		return false;
	for (int fd = 0; fd <= 2; fd++)
		dup2(high_null, fd);
	if (dup3(high_control, CONTROL, O_CLOEXEC) < 0 ||
	    dup3(high_pidfd, MAIN_PIDFD, O_CLOEXEC) < 0)
		return false;
	close_range(MAIN_PIDFD + 1, ~0U, 0);
	return true;
}

/* The main process waits for that. */
static void say_ready(int control, int sys_errno)
{
	const struct process_frame ready = {.kind = FRAME_ZYGOTE_READY,
	                                    .sys_errno = sys_errno};

	channel_send(control, &ready, sizeof(ready), NULL, 0, NULL, 0);
	if (sys_errno != 0)
		_exit(1);
}

static pid_t fork_nursery(const struct nursery_frame *request, const void *init_bytes,
                          int control)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(CONTROL);
		nursery_main(request, init_bytes, control);
	}
	return pid;
}

static void answer_request(void *buffer, struct frame *frame)
{
	struct nursery_frame request;
	struct process_frame answer = {0};

	if (frame->n >= sizeof(answer.kind))
		memcpy(&answer.kind, buffer, sizeof(answer.kind));
	if (answer.kind == FRAME_NURSERY && frame->n_descriptors == 1 &&
	    frame->n >= sizeof(request)) {
		memcpy(&request, buffer, sizeof(request));
		answer.pid = fork_nursery(&request, (char *)buffer + sizeof(request),
		                          frame->descriptors[0]);
		answer.sys_errno = errno;
		answer.kind = FRAME_NURSERY_STARTED;
	} else if (answer.kind == FRAME_WAIT && frame->n == sizeof(answer)) {
		memcpy(&answer, buffer, sizeof(answer));
		wait_for((pid_t)answer.pid, &answer.status);
		answer.kind = FRAME_ENDED;
	} else {
		answer = (struct process_frame){
			.kind = FRAME_REFUSED, .pid = -1, .sys_errno = EPROTO};
	}
	frame_close_descriptors(frame);
	channel_send(CONTROL, &answer, sizeof(answer), NULL, 0, NULL, 0);
}

/* Wait for a request; false when the main process is gone. */
static bool await_request(void)
{
	struct pollfd both[] = {{.fd = CONTROL, .events = POLLIN},
	                        {.fd = MAIN_PIDFD, .events = POLLIN}};

	while (poll(both, 2, -1) < 0 && errno == EINTR)
		;
	return both[1].revents == 0;
}

_Noreturn static void zygote_main(int control, int main_pidfd)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	reset_signals();
	if (!leave_terminal(control, main_pidfd))
		say_ready(control, errno);
	say_ready(CONTROL, 0);
	while (await_request() &&
	       channel_receive(CONTROL, buffer, &frame) == RECEIVED_FRAME)
		answer_request(buffer, &frame);

	/* The main process is gone or done; its nurseries see it as well, and end. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	_exit(0);
}

/* ---- in the main process ---- */

void zygote_enter_worker(void)
{
	zygote.depth++;
}

static bool has_one_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;

	if (!tasks)
		return true; /* no /proc: the caller's word is all there is */
	for (struct dirent *entry; (entry = readdir(tasks));)
		n += entry->d_name[0] != '.';
	closedir(tasks);
	return n <= 1;
}

/* In a child of who started it: the lock may have been held by a thread that is not here. */
static void leave_to_parent(void)
{
	fd_close(&zygote.control);
	lock_init(&zygote.lock);
	zygote.n_nurseries = 0;
}

static bool is_ours(void)
{
	return zygote.owner == getpid();
}

/* Closing it is no end while a child of ours holds a copy. */
void zygote_close_control(int *control)
{
	if (*control >= 0)
		(void)shutdown(*control, SHUT_RDWR);
	fd_close(control);
}

static void end_zygote(void)
{
	zygote_close_control(&zygote.control);
	wait_for(zygote.pid, NULL);
}

/* 0, or why it could not start. */
static int await_ready(int control)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct process_frame ready;
	struct frame frame;

	if (channel_receive(control, buffer, &frame) != RECEIVED_FRAME)
		return ECHILD;
	memcpy(&ready, buffer, sizeof(ready));
	return ready.sys_errno;
}

/* Fork it. It watches the pidfd that we have of ourselves: it could open one too late. */
static bool fork_zygote(void)
{
	int main_pidfd = pidfd_open(getpid(), 0), ends[2] = {-1, -1}, sys_errno;
	pid_t pid = -1;

	if (main_pidfd >= 0 && channel_pair(ends))
		pid = fork();
	if (pid == 0)
		zygote_main(ends[1], main_pidfd);
	fd_close(&ends[1]);
	fd_close(&main_pidfd);
	if (pid < 0) {
		fd_close(&ends[0]);
		return false;
	}
	zygote.pid = pid;
	zygote.owner = getpid();
	zygote.control = ends[0];
	sys_errno = await_ready(zygote.control);
	if (sys_errno != 0)
		end_zygote();
	errno = sys_errno;
	return sys_errno == 0;
}

/* It was killed, by somebody else: nobody holds the other end of its socket. */
static bool has_died(void)
{
	struct pollfd control = {.fd = zygote.control};

	return poll(&control, 1, 0) > 0;
}

enum pxp_status pxp_zygote_start(struct pxp_error *ret_error)
{
	if (!is_ours())
		leave_to_parent();
	if (zygote.control >= 0 && !has_died())
		return PXP_OK;
	if (zygote.depth >= MAX_DEPTH)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "process pools are nested more than %d deep", MAX_DEPTH);
	if (!has_one_thread() || zygote.n_nurseries > 0)
		return pxp_fail(ret_error, PXP_ESTATE,
		                "the zygote must start before the process has threads");
	if (zygote.control >= 0)
		end_zygote();
	if (!fork_zygote())
		return pxp_fail_errno(ret_error, "start of the zygote");
	return PXP_OK;
}

enum pxp_status pxp_zygote_stop(void)
{
	enum pxp_status status = PXP_OK;

	if (!is_ours())
		return PXP_OK;
	lock_acquire(&zygote.lock);
	if (zygote.n_nurseries > 0) {
		status = PXP_ESTATE;
	} else if (zygote.control >= 0) {
		end_zygote();
	}
	lock_release(&zygote.lock);
	return status;
}

/* Ask, and wait for an answer of that kind, with the lock held. */
static bool ask(const void *head, size_t n_head, const void *body, size_t n_body,
                const int *descriptor, enum frame_kind kind,
                struct process_frame *ret_answer)
{
	_Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	if (!channel_send(zygote.control, head, n_head, body, n_body, descriptor,
	                  descriptor ? 1 : 0) ||
	    channel_receive(zygote.control, buffer, &frame) != RECEIVED_FRAME ||
	    frame.n != sizeof(*ret_answer))
		return false;
	memcpy(ret_answer, buffer, sizeof(*ret_answer));
	return ret_answer->kind == kind;
}

/* It is counted with its start in one step: else the zygote could be stopped between. */
static enum pxp_status ask_for_nursery(const struct nursery_frame *request,
                                       const void *init_bytes, int control,
                                       pid_t *ret_pid, struct pxp_error *ret_error)
{
	struct process_frame answer = {.pid = -1, .sys_errno = ECHILD};
	enum pxp_status status = PXP_OK;

	lock_acquire(&zygote.lock);
	if (zygote.control < 0) {
		status = pxp_fail(
			ret_error, PXP_ESTATE,
			"pxp_zygote_start() must be called before a process pool");
	} else if (!ask(request, sizeof(*request), init_bytes, request->n_init_bytes,
	                &control, FRAME_NURSERY_STARTED, &answer) ||
	           answer.pid < 0) {
		errno = answer.sys_errno;
		status = pxp_fail_errno(ret_error, "fork of a process pool's nursery");
	} else {
		zygote.n_nurseries++;
	}
	lock_release(&zygote.lock);
	*ret_pid = (pid_t)answer.pid;
	return status;
}

enum pxp_status zygote_start_nursery(const struct pxp_executor_options *options,
                                     pid_t *ret_pid, int *ret_control,
                                     struct pxp_error *ret_error)
{
	struct nursery_frame request = {
		.kind = FRAME_NURSERY,
		.n_init_bytes = (uint32_t)options->n_init_bytes,
		.prepare = options->prepare,
		.preload = options->preload,
		.initialise = options->initialise,
		.finalise = options->finalise,
		.lock_down = options->lock_down,
		.memory_allowance = options->memory_allowance,
		.max_output = options->max_output,
	};
	enum pxp_status status;
	int ends[2];

	if (!is_ours())
		return pxp_fail(ret_error, PXP_ESTATE,
		                "this process has not called pxp_zygote_start()");
	if (!channel_pair(ends))
		return pxp_fail_errno(ret_error, "socketpair for a process pool");
	if (!channel_set_nonblocking(ends[0]))
		status = pxp_fail_errno(ret_error, "socket of a process pool");
	else
		status = ask_for_nursery(&request, options->init_bytes, ends[1], ret_pid,
		                         ret_error);
	close(ends[1]);
	if (status == PXP_OK)
		*ret_control = ends[0];
	else
		close(ends[0]);
	return status;
}

/* Wait here until it has ended, and then ask for it to be reaped: meanwhile the zygote is
 * free for other pools. */
void zygote_wait_nursery(pid_t pid)
{
	struct process_frame request = {.kind = FRAME_WAIT, .pid = pid}, answer;
	struct pollfd ended = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	while (ended.fd >= 0 && poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	fd_close(&ended.fd);
	lock_acquire(&zygote.lock);
	ask(&request, sizeof(request), NULL, 0, NULL, FRAME_ENDED, &answer);
	zygote.n_nurseries--;
	lock_release(&zygote.lock);
}
