/*
 * A fork server runs the pool's preload once, when the first worker is requested, and forks workers
 * from that state. Once the main process has the pid of a worker, the fork server reaps this worker
 * only when it is told to, or when the pool ends. So no pid is used again while the main process
 * may still send a signal to it.
 *
 * When its control socket closes or the main process ends, the fork server kills its workers, waits
 * for them and exits. It watches the pidfd of the main process too, because a child of the main
 * process may have a copy of the socket. If the fork server is killed, its workers die with it
 * (worker.c).
 */
#include "exec/process/fork_server.h"

#include "base/clock.h"
#include "base/fd.h"
#include "exec/process/signals.h"
#include "exec/process/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* The maximum time for killing and reaping orphans before the death of a worker is
	 * reported. */
	REAP_PATIENCE_MS = 100,
	/* The maximum time for killing and reaping orphans when the pool ends. */
	END_PATIENCE_MS = 1000,
	/* When a child has ended, the list of children is searched for dead orphans several times,
	 * but at most this number of times. */
	MAX_PASSES = 16,
};

struct fork_server {
	struct fork_server_frame pool;
	const void *init_bytes;
	int control;
	/* A descriptor of /dev/null for the workers. */
	int dev_null;
	/* A descriptor of the file in /proc that lists our child processes; -1: not open. */
	int children_list;
	bool is_loaded, has_failed;
	/* Whether some orphans were killed but could not be reaped yet. */
	bool has_unreaped_orphans;
	/* The error with which `prepare` or `preload` failed. Neither of them is called again. */
	struct broken_frame failure;
	/* The pids of the workers that were not reaped yet. 0 marks a free entry. */
	pid_t *children;
	size_t n_children;
};

static bool remember_child(struct fork_server *server, pid_t pid)
{
	pid_t *grown;

	for (size_t i = 0; i < server->n_children; i++) {
		if (server->children[i] == 0) {
			server->children[i] = pid;
			return true;
		}
	}
	grown = realloc(server->children, (server->n_children + 1) * sizeof(*grown));
	if (!grown)
		return false;
	server->children = grown;
	server->children[server->n_children++] = pid;
	return true;
}

static void forget_child(struct fork_server *server, pid_t pid)
{
	for (size_t i = 0; i < server->n_children; i++) {
		if (server->children[i] == pid)
			server->children[i] = 0;
	}
}

static void stop_listening_to_children(void)
{
	sigset_t children;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &children, NULL);
}

/* Send an answer that must arrive, because the main process waits for every answer. */
static void send_answer(const struct fork_server *server,
                        const struct process_frame *frame, const int *pidfd)
{
	channel_send_at_last(server->control, frame, sizeof(*frame), pidfd);
}

/* Call the functions `prepare` and `preload` of the pool. `prepare` may give up rights. It is
 * called first, so that `preload` loads libraries without these rights. */
static bool prepare_and_preload(struct fork_server *server, struct pxp_error *error)
{
	const struct fork_server_frame *pool = &server->pool;

	if (pool->prepare &&
	    pool->prepare(server->init_bytes, pool->n_init_bytes, error) != PXP_OK)
		return false;
	return !pool->preload || pool->preload(error) == PXP_OK;
}

static bool load(struct fork_server *server)
{
	struct broken_frame *failure = &server->failure;

	if (!server->is_loaded && !server->has_failed) {
		failure->kind = FRAME_UNLOADED;
		server->is_loaded = prepare_and_preload(server, &failure->error);
		server->has_failed = !server->is_loaded;
		/* The signal handling is set here because the preload may have changed it. Workers
		 * inherit it. */
		signals_reset_of_server();
		signals_listen_to_children();
	}
	if (server->has_failed)
		channel_send_at_last(server->control, failure, sizeof(*failure), NULL);
	return server->is_loaded;
}

static bool is_child(const struct fork_server *server, pid_t pid)
{
	for (size_t i = 0; pid > 0 && i < server->n_children; i++) {
		if (server->children[i] == pid)
			return true;
	}
	return false;
}

/* Call is_match() for each child that is not one of our workers, and count those for which it
 * returns true. The kernel lists children in /proc since Linux 3.5. Without that list, orphans in
 * other process groups are left alone. */
static unsigned count_orphans(const struct fork_server *server,
                              bool (*is_match)(const struct fork_server *server,
                                               pid_t pid))
{
	char text[4096];
	unsigned n = 0;
	off_t at = 0;
	pid_t pid = 0;
	ssize_t got;

	/* A space follows every number. If a read ends inside a number, the next read continues the
	 * number. */
	while ((got = pread(server->children_list, text, sizeof(text), at)) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			n += pid > 0 && !is_child(server, pid) && is_match(server, pid);
			pid = 0;
		}
		at += got;
	}
	return n;
}

/* Kill a process and its group, since a task may have started other processes. Returns false if the
 * fork server may not signal the process, because the process belongs to another user now. Then the
 * process lives on. */
static bool kill_group(pid_t pid)
{
	kill(-pid, SIGKILL);
	return kill(pid, SIGKILL) == 0;
}

/* Kill an orphan, except if it is in the process group of a living worker. Such an orphan may
 * belong to the task that runs now, and is killed later together with the group. */
static bool kill_orphan(const struct fork_server *server, pid_t pid)
{
	return !is_child(server, getpgid(pid)) && kill_group(pid);
}

static bool has_ended(const struct fork_server *server, pid_t pid)
{
	(void)server;
	return waitpid(pid, NULL, WNOHANG) == pid;
}

/* Reap the orphans that have ended by themselves. Otherwise these processes would remain as zombies
 * until the worker that started them dies. Workers are not reaped here. One pass may not be enough
 * for a long list. But the number of passes is limited, since a process could start others without
 * end. */
static void reap_orphans(const struct fork_server *server)
{
	for (int i = 0; i < MAX_PASSES && count_orphans(server, has_ended) > 0; i++)
		;
}

/* Wait until a child ends, but at most a millisecond. */
static void wait_a_moment(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};
	sigset_t none;

	sigemptyset(&none);
	ppoll(NULL, 0, &ms, &none);
}

/* Kill and reap the processes that tasks have left behind, even in groups and sessions of their
 * own. Such processes become our children (PR_SET_CHILD_SUBREAPER). When one of them ends, its own
 * children become ours, so the search is repeated. All are killed before any is waited for, because
 * a dead process cannot be reaped while another one traces it, and the tracer may be one of them.
 * Processes that are left after ms milliseconds are killed and reaped when the next child ends. */
static void end_orphans(struct fork_server *server, int64_t ms)
{
	int64_t until_ns = clock_deadline_ns(clock_now_ns(), ms);

	for (;;) {
		unsigned n_ended;

		server->has_unreaped_orphans = count_orphans(server, kill_orphan) > 0;
		n_ended = count_orphans(server, has_ended);
		if (!server->has_unreaped_orphans || clock_now_ns() >= until_ns)
			return;
		if (n_ended == 0)
			wait_a_moment();
	}
}

static void on_child_end(struct fork_server *server)
{
	if (server->has_unreaped_orphans)
		end_orphans(server, 1);
	else
		reap_orphans(server);
}

/* Reap a worker that is dead or dying. A process that the worker's task left behind may trace the
 * worker and so prevent reaping. So orphans are killed during the wait. */
static void wait_for_worker(struct fork_server *server, pid_t pid, int *ret_status,
                            struct rusage *ret_usage)
{
	while (wait4(pid, ret_status, WNOHANG, ret_usage) == 0) {
		end_orphans(server, 0);
		wait_a_moment();
	}
}

static pid_t fork_worker(struct fork_server *server, struct frame *frame)
{
	struct worker_start start = {
		.pool = &server->pool,
		.init_bytes = server->init_bytes,
		.parent = getpid(),
		.null = server->dev_null,
		.socket = frame->descriptors[0],
		.log = frame->descriptors[1],
		.shared = frame->descriptors[2],
	};
	pid_t pid = fork();

	if (pid == 0) {
		stop_listening_to_children();
		signals_set_of_worker(server->pool.survive_signals);
		worker_main(&start);
	}
	if (pid > 0) {
		/* The worker calls setpgid() for itself, too. It does not matter which of the two
		 * calls comes first. */
		setpgid(pid, pid);
		if (!remember_child(server, pid)) {
			kill_group(pid);
			wait_for_worker(server, pid, NULL, NULL);
			errno = ENOMEM;
			return -1;
		}
	}
	return pid;
}

static void spawn(struct fork_server *server, struct process_frame *request,
                  struct frame *frame)
{
	int pidfd = -1;

	if (!load(server))
		return;
	/* If some descriptors of the request were lost, no worker is forked and EMFILE is
	 * reported. */
	errno = EMFILE;
	request->pid = frame->n_descriptors == 3 ? fork_worker(server, frame) : -1;
	request->sys_errno = errno;
	if (request->pid > 0) {
		pidfd = pidfd_open((pid_t)request->pid, 0);
		request->sys_errno = errno;
		if (pidfd < 0) {
			kill_group((pid_t)request->pid);
			wait_for_worker(server, (pid_t)request->pid, NULL, NULL);
			forget_child(server, (pid_t)request->pid);
		}
	}
	request->kind = pidfd >= 0 ? FRAME_SPAWNED : FRAME_NOT_SPAWNED;
	send_answer(server, request, pidfd >= 0 ? &pidfd : NULL);
	fd_close(&pidfd);
}

/* Send a signal to a worker for the main process. The main process requests this if it may not send
 * the signal itself: it is root without CAP_KILL, and the workers run as another user. */
static void pass_signal(const struct fork_server *server,
                        const struct process_frame *request)
{
	for (size_t i = 0; i < server->n_children; i++) {
		if (request->pid > 0 && server->children[i] == request->pid) {
			kill((pid_t)request->pid, request->status);
			kill(-(pid_t)request->pid, request->status);
		}
	}
}

/* Reap a worker whose pidfd has told the main process that the worker is dead or dying. */
static void reap(struct fork_server *server, struct process_frame *request)
{
	pid_t pid = (pid_t)request->pid;

	/* Processes that the worker started are killed with it. No other process can have the pid
	 * of the worker until the worker is waited for. */
	kill_group(pid);
	wait_for_worker(server, pid, &request->status, &request->usage);
	forget_child(server, pid);
	end_orphans(server, REAP_PATIENCE_MS);
	request->kind = FRAME_REAPED;
	send_answer(server, request, NULL);
}

/* Set the memory limit of a worker. Only the soft limit changes, so that it can be raised again.
 * The fork server is permitted to change the limit because it has the same user as the worker. A
 * main process that is root without CAP_SYS_RESOURCE is not permitted to do it. */
static void limit(struct fork_server *server, struct process_frame *request)
{
	pid_t pid = (pid_t)request->pid;
	struct rlimit limits;

	errno = ESRCH;
	request->sys_errno = 0;
	if (pxp_memory_is_limited()) {
		bool is_set = is_child(server, pid) &&
		              prlimit(pid, RLIMIT_DATA, NULL, &limits) == 0;

		if (is_set) {
			limits.rlim_cur = limits.rlim_max;
			if (request->limit > 0 && request->limit < limits.rlim_max)
				limits.rlim_cur = request->limit;
			is_set = prlimit(pid, RLIMIT_DATA, &limits, NULL) == 0;
		}
		request->sys_errno = is_set ? 0 : errno;
	}
	request->kind = FRAME_LIMITED;
	send_answer(server, request, NULL);
}

/* Wait for a request, and reap orphans during the wait. Returns false if the main process has
 * ended. */
static bool await_request(struct fork_server *server)
{
	struct pollfd both[] = {{.fd = server->control, .events = POLLIN},
	                        {.fd = MAIN_PIDFD, .events = POLLIN}};
	sigset_t none;

	sigemptyset(&none);
	while (ppoll(both, 2, NULL, &none) < 0 && errno == EINTR)
		on_child_end(server);
	return both[1].revents == 0;
}

/* Open files by path. This is done before the function `prepare` is called, which may change the
 * root folder. The descriptors 0 to 2 are in use in the zygote, so these files get higher numbers,
 * and stay open if the function `preload` closes 0 to 2. */
static void open_files(struct fork_server *server)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	server->children_list = open(path, O_RDONLY | O_CLOEXEC);
	server->dev_null = open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* Kill and reap all workers. All are killed before any is waited for, since one may trace
 * another. */
static void end_all(struct fork_server *server)
{
	for (size_t i = 0; i < server->n_children; i++) {
		if (server->children[i] > 0)
			kill_group(server->children[i]);
	}
	for (size_t i = 0; i < server->n_children; i++) {
		if (server->children[i] > 0)
			wait_for_worker(server, server->children[i], NULL, NULL);
		server->children[i] = 0;
	}
	end_orphans(server, END_PATIENCE_MS);
}

_Noreturn void fork_server_main(const struct fork_server_frame *pool,
                                const void *init_bytes, int control)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct fork_server server = {
		.pool = *pool, .init_bytes = init_bytes, .control = control};
	struct process_frame request;
	struct frame frame;

	prctl(PR_SET_NAME, "pxp-fork-server");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	open_files(&server);
	while (await_request(&server) &&
	       channel_receive(control, buffer, &frame) == RECEIVED_FRAME) {
		memcpy(&request, buffer, sizeof(request));
		if (frame.n != sizeof(request))
			request.kind = 0;
		if (request.kind == FRAME_SPAWN)
			spawn(&server, &request, &frame);
		else if (request.kind == FRAME_LIMIT)
			limit(&server, &request);
		else if (request.kind == FRAME_SIGNAL)
			pass_signal(&server, &request);
		else if (request.kind == FRAME_REAP)
			reap(&server, &request);
		frame_close_descriptors(&frame);
	}

	end_all(&server);
	free(server.children);
	_exit(0);
}
