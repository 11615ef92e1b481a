/*
 * Runs the program on one thread, so that its system calls have the same order in every run: the
 * linker puts the functions of this file in place of those of pthreads. A thread becomes a context
 * with a stack of its own, and another context continues only when the running one waits: for a
 * condition, for a thread, or in poll(). Pictures run at once, in the context that submits them,
 * and there is no zygote. Only pixpool-stepped is linked with this file. crash-points.sh kills that
 * program at its system calls, and error-points.sh makes them fail.
 *
 * If the environment has STEPPED_BARE, the output folder seems to be on a file system like vfat:
 * without user attributes, links, unnamed files and rename flags.
 */
#include "base/fd.h"

#include <pixpool/pixpool.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAX_CONTEXTS = 8, STACK_BYTES = 4 << 20 };

struct context {
	ucontext_t registers;
	void *(*run)(void *);
	void *data, *result;
	bool is_done;
};

/* The first context is that of main(). */
static struct context contexts[MAX_CONTEXTS];
static size_t n_contexts = 1, now;

/* The number of files that share a task must not depend on time. */
__attribute__((constructor)) static void share_tasks(void)
{
	setenv("SCRIPT_GROUP", "2", 0);
}

/* Switch to the next context that has not ended. */
static void yield(void)
{
	size_t before = now;
	int kept = errno;

	do
		now = (now + 1) % n_contexts;
	while (contexts[now].is_done);
	if (now != before)
		swapcontext(&contexts[before].registers, &contexts[now].registers);
	errno = kept;
}

static void run_context(void)
{
	struct context *context = &contexts[now];

	context->result = context->run(context->data);
	context->is_done = true;
	yield(); /* this call never returns */
}

int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *data);
int __wrap_pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *data)
{
	struct context *context = &contexts[n_contexts];
	void *stack = malloc(STACK_BYTES);

	(void)attributes;
	if (!stack || n_contexts == MAX_CONTEXTS || getcontext(&context->registers) != 0)
		abort();
	context->run = run;
	context->data = data;
	context->registers.uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_BYTES};
	context->registers.uc_link = NULL;
	makecontext(&context->registers, run_context, 0);
	*ret_thread = (pthread_t)n_contexts++;
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **ret_result);
int __wrap_pthread_join(pthread_t thread, void **ret_result)
{
	struct context *context = &contexts[thread];

	while (!context->is_done)
		yield();
	if (ret_result)
		*ret_result = context->result;
	return 0;
}

/* This function may return although no context has signalled the condition. POSIX allows that. */
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	(void)condition;
	pthread_mutex_unlock(mutex);
	yield();
	pthread_mutex_lock(mutex);
	return 0;
}

/* A timed wait ends after each other context has run until it waits. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
	(void)until;
	__wrap_pthread_cond_wait(condition, mutex);
	return ETIMEDOUT;
}

/* poll() returns after each other context has run until it waits, even without an event. */
int __real_poll(struct pollfd *events, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *events, nfds_t n, int timeout_ms);
int __wrap_poll(struct pollfd *events, nfds_t n, int timeout_ms)
{
	(void)timeout_ms;
	yield();
	return __real_poll(events, n, 0);
}

enum pxp_status __real_pxp_executor_create(const struct pxp_executor_options *options,
                                           struct pxp_executor **ret_executor,
                                           struct pxp_error *ret_error);
enum pxp_status __wrap_pxp_executor_create(const struct pxp_executor_options *options,
                                           struct pxp_executor **ret_executor,
                                           struct pxp_error *ret_error);
enum pxp_status __wrap_pxp_executor_create(const struct pxp_executor_options *options,
                                           struct pxp_executor **ret_executor,
                                           struct pxp_error *ret_error)
{
	const struct pxp_executor_options here = {
		.size = sizeof(here),
		.kind = PXP_INLINE,
		.init_bytes = options->init_bytes,
		.n_init_bytes = options->n_init_bytes,
		.initialise = options->initialise,
		.finalise = options->finalise,
	};

	return __real_pxp_executor_create(&here, ret_executor, ret_error);
}

enum pxp_status __wrap_pxp_zygote_start(struct pxp_error *ret_error);
enum pxp_status __wrap_pxp_zygote_start(struct pxp_error *ret_error)
{
	(void)ret_error;
	return PXP_OK;
}

void __wrap_pxp_zygote_stop(void);
void __wrap_pxp_zygote_stop(void)
{
}

/* ---- outputs of tasks, which the inline executor does not provide ---- */

static int output = -1; /* the memfd for the outputs of the last task; -1: none */

enum pxp_status __real_pxp_executor_submit(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           struct pxp_future **ret_future);
enum pxp_status __wrap_pxp_executor_submit(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           struct pxp_future **ret_future);
enum pxp_status __wrap_pxp_executor_submit(struct pxp_executor *executor,
                                           pxp_task_fn *run, const void *input,
                                           size_t n_input,
                                           const struct pxp_task_options *options,
                                           struct pxp_future **ret_future)
{
	const struct pxp_task_options here = {
		.size = sizeof(here),
		.descriptors = options->descriptors,
		.n_descriptors = options->n_descriptors,
		.keep_descriptors = options->keep_descriptors,
	};

	/* If the last task failed, its output is still open. */
	fd_close(&output);
	output = memfd_create("output", MFD_CLOEXEC);
	if (output < 0)
		return PXP_ENOMEM;
	return __real_pxp_executor_submit(executor, run, input, n_input, &here,
	                                  ret_future);
}

int __wrap_pxp_task_output(const struct pxp_task *task);
int __wrap_pxp_task_output(const struct pxp_task *task)
{
	(void)task;
	return output;
}

int __wrap_pxp_future_take_output(struct pxp_future *future);
int __wrap_pxp_future_take_output(struct pxp_future *future)
{
	int taken = output;

	(void)future;
	output = -1;
	return taken;
}

/* ---- a file system that lacks features ---- */

static bool is_bare(void)
{
	return getenv("STEPPED_BARE") != NULL;
}

static int refuse(int sys_errno)
{
	errno = sys_errno;
	return -1;
}

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...)
{
	const bool is_unnamed = (flags & O_TMPFILE) == O_TMPFILE;
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = (flags & O_CREAT) || is_unnamed ? va_arg(rest, mode_t) : 0;
	va_end(rest);
	return is_unnamed && is_bare() ? refuse(EOPNOTSUPP)
	                               : __real_openat(folder, name, flags, mode);
}

int __real_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
	return is_bare() ? refuse(ENOTSUP) : __real_fsetxattr(fd, name, value, n, flags);
}

int __real_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags)
{
	return is_bare() ? refuse(EPERM) : __real_linkat(from, old, to, name, flags);
}

int __real_renameat2(int from, const char *old, int to, const char *name, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *name, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
	return is_bare() ? refuse(EINVAL) : __real_renameat2(from, old, to, name, flags);
}

int __real_statfs(const char *path, struct statfs *ret_facts);
int __wrap_statfs(const char *path, struct statfs *ret_facts);
int __wrap_statfs(const char *path, struct statfs *ret_facts)
{
	int result = __real_statfs(path, ret_facts);

	if (is_bare())
		ret_facts->f_type = MSDOS_SUPER_MAGIC;
	return result;
}
