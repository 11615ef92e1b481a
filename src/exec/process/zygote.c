/*
 * The zygote is forked in the first line of main, while there is one thread, so that no lock can be
 * held by a thread that does not exist in the copy. It stays single-threaded, and forks a fork
 * server for each process pool. It keeps no terminal. Its only descriptors are /dev/null, its
 * control socket and the pidfd of the main process. So no process waits for an end of file because
 * of the zygote.
 *
 * Children of the main process that do not exec have copies of the control sockets. So sockets are
 * shut down before they are closed, and processes notice a death by a pidfd: the zygote and the
 * fork servers watch the main process, and a pool watches its fork server.
 *
 * Tasks may have the same user as these processes, and may stop them. While the main process waits
 * for one of them, it sends that process SIGCONT once a second, and SIGKILL after a minute.
 */
#include "exec/process/zygote.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock.h"
#include "exec/process/fork_server.h"
#include "exec/process/protocol.h"
#include "exec/process/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_DEPTH = 2,
	/* The number of the descriptor that is the zygote's end of the control socket. */
	CONTROL = 3,
	/* While this code waits for a process, it sends the process SIGCONT at this interval. */
	CONTINUE_MS = 1000,
	/* How long this code waits for a process before it kills the process. */
	PATIENCE_MS = 60 * 1000,
	/* The approximate time that the zygote takes to reap a fork server. */
	REAP_NS = 50 * 1000,
	/* How long fork servers may take to end after the main process has ended. */
	END_MS = 10 * 1000,
};

_Static_assert(MAIN_PIDFD == CONTROL + 1,
               "no descriptor may lie between CONTROL and MAIN_PIDFD");

/* The handle of the zygote: one per process. A thread holds the lock from its request to the zygote
 * until it has the answer. */
static struct {
	struct lock lock;
	pid_t pid;
	/* The process that started the zygote. A child of that process has a copy of this struct,
	 * and must not use the zygote. */
	pid_t owner;
	int control;
	ino_t control_inode;
	/* How many fork servers have not ended. */
	unsigned n_fork_servers;
	/* The depth of nested pools: 0 in the program, 1 in the processes of its pools, 2 in the
	 * processes of a pool that a worker has created. */
	unsigned depth;
} zygote = {.lock = {PTHREAD_MUTEX_INITIALIZER}, .control = -1};

/* ---- which functions exist in the zygote ---- */

enum { MAX_MODULES = 256 };

/* The start addresses of the modules that were loaded when the zygote was forked. If `n` is more
 * than MAX_MODULES, some modules are missing here, and zygote_has_function() always returns
 * true. */
static struct {
	uintptr_t begins[MAX_MODULES];
	unsigned n;
} modules;

/* The first loaded address of a module. */
static uintptr_t begin_of(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			return info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
	}
	return 0;
}

static int note_module(struct dl_phdr_info *info, size_t n, void *data)
{
	(void)n;
	(void)data;
	if (modules.n < MAX_MODULES)
		modules.begins[modules.n] = begin_of(info);
	modules.n++;
	return 0;
}

struct search {
	uintptr_t address;
	/* The start address of the module that contains `address`; 0: no module contains it. */
	uintptr_t begin;
};

static int find_module(struct dl_phdr_info *info, size_t n, void *data)
{
	struct search *search = data;

	(void)n;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD &&
		    search->address - (info->dlpi_addr + part->p_vaddr) < part->p_memsz)
			search->begin = begin_of(info);
	}
	return search->begin != 0;
}

bool zygote_has_function(uintptr_t function)
{
	/* A cache: the last function for which a search was successful. */
	static _Atomic uintptr_t known;
	struct search search = {.address = function};

	if (function == 0 || known == search.address || modules.n > MAX_MODULES)
		return true;
	dl_iterate_phdr(find_module, &search);
	for (unsigned i = 0; i < modules.n && search.begin != 0; i++) {
		if (modules.begins[i] == search.begin)
			search.begin = 0;
	}
	if (search.begin != 0)
		return false;
	known = search.address;
	return true;
}

/* ---- in the zygote ---- */

/* Give the zygote its descriptors: /dev/null as 0 to 2, `control` as CONTROL, and `main_pidfd` as
 * MAIN_PIDFD. The arguments may have any of these numbers themselves, so they are first duplicated
 * to higher numbers. All other descriptors are closed. Returns false with errno. */
static bool leave_terminal(int control, int main_pidfd, int null)
{
	int high_control = fcntl(control, F_DUPFD_CLOEXEC, MAIN_PIDFD + 1);
	int high_pidfd = fcntl(main_pidfd, F_DUPFD_CLOEXEC, MAIN_PIDFD + 1);
	int high_null = fcntl(null, F_DUPFD_CLOEXEC, MAIN_PIDFD + 1);

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

/* The main process waits for every answer. If an answer cannot be sent, the zygote exits: the main
 * process then sees the closed channel. */
static void send_answer(int control, const struct process_frame *answer,
                        const int *descriptor)
{
	if (!channel_send_at_last(control, answer, sizeof(*answer), descriptor))
		_exit(1);
}

static void send_ready(int control, int sys_errno)
{
	const struct process_frame ready = {.kind = FRAME_ZYGOTE_READY,
	                                    .sys_errno = sys_errno};

	send_answer(control, &ready, NULL);
	if (sys_errno != 0)
		_exit(1);
}

static pid_t fork_fork_server(const struct fork_server_frame *request,
                              const void *init_bytes, int control)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(CONTROL);
		signals_reset_of_server();
		zygote.depth++;
		fork_server_main(request, init_bytes, control);
	}
	return pid;
}

static void start_fork_server(const struct fork_server_frame *request,
                              const void *init_bytes, int control)
{
	struct process_frame answer = {.kind = FRAME_FORK_SERVER_STARTED};
	pid_t pid = fork_fork_server(request, init_bytes, control);
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;

	answer.pid = pid;
	answer.sys_errno = pidfd < 0 ? errno : 0;
	if (pid > 0 && pidfd < 0)
		kill(pid, SIGKILL);
	send_answer(CONTROL, &answer, pidfd >= 0 ? &pidfd : NULL);
	fd_close(&pidfd);
}

static void answer_request(void *buffer, struct frame *frame)
{
	const struct process_frame refused = {.kind = FRAME_REFUSED, .sys_errno = EPROTO};
	struct fork_server_frame request = {0};

	if (frame->n >= sizeof(request))
		memcpy(&request, buffer, sizeof(request));
	if (request.kind == FRAME_FORK_SERVER && frame->n_descriptors == 1)
		start_fork_server(&request, (char *)buffer + sizeof(request),
		                  frame->descriptors[0]);
	else
		send_answer(CONTROL, &refused, NULL);
	frame_close_descriptors(frame);
}

static void reap_fork_servers(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Wait for a request. Returns false if the main process has ended. */
static bool await_request(void)
{
	struct pollfd both[] = {{.fd = CONTROL, .events = POLLIN},
	                        {.fd = MAIN_PIDFD, .events = POLLIN}};
	sigset_t none;

	sigemptyset(&none);
	while (ppoll(both, 2, NULL, &none) < 0 && errno == EINTR)
		reap_fork_servers();
	return both[1].revents == 0;
}

/* End the fork servers, because the main process has ended or has stopped the zygote. Most fork
 * servers end by themselves, but one that is stopped or busy with its preload does not. The fork
 * servers are in our process group. */
static void end_fork_servers(void)
{
	int64_t end_ns = clock_deadline_ns(clock_now_ns(), END_MS);
	pid_t got = 0;

	kill(0, SIGCONT);
	while ((got = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_now_ns() < end_ns)
		poll(NULL, 0, got == 0 ? 10 : 0);
	if (got >= 0)
		kill(0, SIGKILL);
}

_Noreturn static void zygote_main(int control, int main_pidfd, int null)
{
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct frame frame;

	signals_reset_of_server();
	if (!leave_terminal(control, main_pidfd, null))
		send_ready(control, errno);
	/* When the main process ends, the kernel sends SIGCONT to this process, so that it
	 * continues and ends even if it is stopped. */
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	signals_listen_to_children();
	send_ready(CONTROL, 0);
	while (await_request() &&
	       channel_receive(CONTROL, buffer, &frame) == RECEIVED_FRAME)
		answer_request(buffer, &frame);
	end_fork_servers();
	_exit(0);
}

/* ---- in the main process ---- */

static bool has_one_thread(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = 0;

	if (!tasks)
		/* Without /proc the number of threads cannot be checked. */
		return true;
	for (struct dirent *entry; (entry = readdir(tasks));)
		n += entry->d_name[0] != '.';
	closedir(tasks);
	return n <= 1;
}

static ino_t inode_of(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

/* Called in a child of the process that started the zygote. The lock may be held by a thread that
 * does not exist in this process, so it is made anew. The socket is closed only if its inode shows
 * that its descriptor number was not given to another file. */
static void disown_zygote(void)
{
	if (zygote.control >= 0 && inode_of(zygote.control) == zygote.control_inode)
		close(zygote.control);
	zygote.control = -1;
	lock_init(&zygote.lock);
	zygote.n_fork_servers = 0;
}

static bool is_owner(void)
{
	return zygote.owner == getpid();
}

/* Send a signal to the child process with the pid `child`, which was not waited for. If `child` is
 * -1, send the signal to the process of `pidfd`. */
static bool send_to(pid_t child, int pidfd, int number)
{
	return (child > 0 ? kill(child, number)
	                  : pidfd_send_signal(pidfd, number, NULL, 0)) == 0;
}

/* Wait until a process makes fd readable. Once a second the process is sent SIGCONT, and after
 * PATIENCE_MS it is killed. Returns false if fd did not become readable even then. */
static bool await_readable(int fd, pid_t child, int pidfd)
{
	int64_t end_ns = clock_deadline_ns(clock_now_ns(), PATIENCE_MS);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	while (clock_now_ns() < end_ns) {
		if (poll(&wait, 1, CONTINUE_MS) > 0)
			return true;
		send_to(child, pidfd, SIGCONT);
	}
	return send_to(child, pidfd, SIGKILL) && poll(&wait, 1, PATIENCE_MS) > 0;
}

/* End the zygote by closing the sending side of the socket. When the zygote has ended, our end of
 * the socket becomes readable. */
static void end_zygote(void)
{
	pid_t got;

	(void)shutdown(zygote.control, SHUT_WR);
	await_readable(zygote.control, zygote.pid, -1);
	channel_close(&zygote.control);
	do
		got = waitpid(zygote.pid, NULL, 0);
	while (got < 0 && errno == EINTR);
}

/* Wait for the zygote's start. Returns 0, or the errno with which it failed. */
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

/* Fork the zygote. The zygote watches a pidfd of this process. The pidfd is opened before the fork,
 * because this process could end before the zygote has opened one. */
static bool fork_zygote(int null)
{
	int main_pidfd = pidfd_open(getpid(), 0), ends[2] = {-1, -1}, sys_errno;
	pid_t pid = -1;

	if (main_pidfd >= 0 && channel_pair(ends))
		pid = fork();
	if (pid == 0)
		zygote_main(ends[1], main_pidfd, null);
	fd_close(&ends[1]);
	fd_close(&main_pidfd);
	if (pid < 0) {
		fd_close(&ends[0]);
		return false;
	}
	zygote.pid = pid;
	zygote.owner = getpid();
	zygote.control = ends[0];
	zygote.control_inode = inode_of(ends[0]);
	sys_errno = await_ready(zygote.control);
	if (sys_errno != 0)
		end_zygote();
	errno = sys_errno;
	return sys_errno == 0;
}

/* Whether the zygote has died without a request to end: its end of the socket is closed. */
static bool has_died(void)
{
	struct pollfd control = {.fd = zygote.control};

	return poll(&control, 1, 0) > 0;
}

/* Start the zygote unless it runs. Called with the lock held. */
static enum pxp_status start_zygote(struct pxp_error *ret_error)
{
	bool is_started;
	int null;

	if (zygote.control >= 0 && !has_died())
		return PXP_OK;
	if (zygote.depth >= MAX_DEPTH)
		return pxp_fail(ret_error, PXP_EINVAL,
		                "process pools are nested more than %d deep", MAX_DEPTH);
	if (zygote.n_fork_servers > 0)
		return pxp_fail(
			ret_error, PXP_ESTATE,
			"the zygote has died, and can be started again only after all "
			"process pools are destroyed");
	if (!has_one_thread())
		return pxp_fail(ret_error, PXP_ESTATE,
		                "the zygote must start before the process has threads");
	if (zygote.control >= 0)
		end_zygote();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return pxp_fail_errno(ret_error, "cannot open /dev/null for the zygote");
	modules.n = 0;
	dl_iterate_phdr(note_module, NULL);
	is_started = fork_zygote(null);
	fd_close(&null);
	if (!is_started)
		return pxp_fail_errno(ret_error, "cannot start the zygote");
	return PXP_OK;
}

enum pxp_status pxp_zygote_start(struct pxp_error *ret_error)
{
	enum pxp_status status;

	if (!is_owner())
		disown_zygote();
	lock_acquire(&zygote.lock);
	status = start_zygote(ret_error);
	lock_release(&zygote.lock);
	return status;
}

enum pxp_status pxp_zygote_stop(void)
{
	enum pxp_status status = PXP_OK;

	if (!is_owner())
		return PXP_OK;
	lock_acquire(&zygote.lock);
	if (zygote.n_fork_servers > 0) {
		status = PXP_ESTATE;
	} else if (zygote.control >= 0) {
		end_zygote();
	}
	lock_release(&zygote.lock);
	return status;
}

/* Request a fork server, with the lock held. Returns its pidfd, or -1 with errno. */
static int request_fork_server(const struct fork_server_frame *request,
                               const void *init_bytes, int control, pid_t *ret_pid)
{
	/* The buffer is static, because the stack may be small. */
	static _Alignas(16) char buffer[FRAME_MAX_BYTES];
	struct process_frame answer;
	struct frame frame;

	if (!channel_send(zygote.control, request, sizeof(*request), init_bytes,
	                  request->n_init_bytes, &control, 1))
		return -1;
	/* If the zygote does not answer in time, close the channel: a late answer would be taken
	 * for the answer to the next request. */
	if (!await_readable(zygote.control, zygote.pid, -1))
		channel_close(&zygote.control);
	errno = ECHILD;
	if (zygote.control < 0 ||
	    channel_receive(zygote.control, buffer, &frame) != RECEIVED_FRAME)
		return -1;
	memcpy(&answer, buffer, sizeof(answer));
	*ret_pid = (pid_t)answer.pid;
	errno = answer.sys_errno != 0 ? answer.sys_errno : EMFILE;
	return frame.n_descriptors == 1 ? fd_keep_above_standard(frame.descriptors[0])
	                                : -1;
}

/* Start a fork server and count it while the lock is held. Otherwise the zygote could be stopped
 * between the two steps. */
static enum pxp_status lock_and_request(const struct fork_server_frame *request,
                                        const void *init_bytes, int control,
                                        struct fork_server_handle *fork_server,
                                        struct pxp_error *ret_error)
{
	enum pxp_status status = PXP_OK;

	lock_acquire(&zygote.lock);
	if (zygote.control < 0) {
		status = pxp_fail(
			ret_error, PXP_ESTATE,
			"cannot create a process pool: call pxp_zygote_start() first");
	} else {
		fork_server->pidfd = request_fork_server(request, init_bytes, control,
		                                         &fork_server->pid);
		if (fork_server->pidfd < 0)
			status = pxp_fail_errno(
				ret_error,
				"cannot fork the fork server of a process pool");
		else
			zygote.n_fork_servers++;
	}
	lock_release(&zygote.lock);
	return status;
}

static bool has_functions(const struct pxp_executor_options *options)
{
	return zygote_has_function((uintptr_t)options->prepare) &&
	       zygote_has_function((uintptr_t)options->preload) &&
	       zygote_has_function((uintptr_t)options->initialise) &&
	       zygote_has_function((uintptr_t)options->finalise) &&
	       zygote_has_function((uintptr_t)options->lock_down);
}

enum pxp_status zygote_start_fork_server(const struct pxp_executor_options *options,
                                         struct fork_server_handle *ret_fork_server,
                                         struct pxp_error *ret_error)
{
	struct fork_server_frame request = {
		.kind = FRAME_FORK_SERVER,
		.n_init_bytes = (uint32_t)options->n_init_bytes,
		.prepare = options->prepare,
		.preload = options->preload,
		.initialise = options->initialise,
		.finalise = options->finalise,
		.lock_down = options->lock_down,
		.memory_allowance = options->memory_allowance,
		.max_output = options->max_output,
		.survive_signals = options->survive_signals,
	};
	struct fork_server_handle fork_server;
	enum pxp_status status;
	int ends[2];

	if (!is_owner())
		return pxp_fail(ret_error, PXP_ESTATE,
		                "this process has not called pxp_zygote_start()");
	if (!has_functions(options))
		return pxp_fail(
			ret_error, PXP_EINVAL,
			"a function in the options is in a module that was loaded "
			"after pxp_zygote_start()");
	if (!channel_pair(ends))
		return pxp_fail_errno(
			ret_error, "cannot create the control socket of a process pool");
	if (!channel_set_nonblocking(ends[0]))
		status = pxp_fail_errno(
			ret_error, "cannot create the control socket of a process pool");
	else
		status = lock_and_request(&request, options->init_bytes, ends[1],
		                          &fork_server, ret_error);
	close(ends[1]);
	fork_server.control = ends[0];
	if (status == PXP_OK)
		*ret_fork_server = fork_server;
	else
		channel_close(&ends[0]);
	return status;
}

/* Whether the zygote still has to reap the process of `pidfd`. Returns false if the zygote has
 * died. */
static bool is_zombie(int pidfd)
{
	bool is_there = pidfd_send_signal(pidfd, 0, NULL, 0) == 0 || errno != ESRCH;

	lock_acquire(&zygote.lock);
	is_there &= zygote.control >= 0 && !has_died();
	lock_release(&zygote.lock);
	return is_there;
}

/* Wait until the zygote has reaped a fork server that has ended. Normally the zygote does this at
 * once, so the wait has a short limit. */
static void await_reaped(int pidfd)
{
	int64_t end_ns = clock_deadline_ns(clock_now_ns(), CONTINUE_MS);
	const struct timespec moment = clock_timespec(REAP_NS);

	while (is_zombie(pidfd) && clock_now_ns() < end_ns)
		nanosleep(&moment, NULL);
}

void zygote_end_fork_server(struct fork_server_handle *fork_server)
{
	channel_close(&fork_server->control);
	await_readable(fork_server->pidfd, -1, fork_server->pidfd);
	await_reaped(fork_server->pidfd);
	fd_close(&fork_server->pidfd);
	lock_acquire(&zygote.lock);
	zygote.n_fork_servers--;
	lock_release(&zygote.lock);
}
