/*
 * A library for LD_PRELOAD that makes one or more calls of a function fail. Only calls from the
 * program's own code fail; calls from its libraries do not.
 *
 *   FAULT=CALL:NTH:TIMES:ERRNO:main|others    TIMES calls fail, beginning with call number NTH;
 *                                             TIMES 0: this call and all later calls
 *   FAULT_LOG=FILE                            gets one byte for each call that failed
 *
 * "main" is the process that was started. "others" are its descendants. Each of them counts its own
 * calls, beginning with the count of the process that forked it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct {
	char call[32], where[8];
	unsigned nth, times;
	int sys_errno;
	const char *log;
	pid_t main;
	uintptr_t begin, end; /* the address range of the program's code */
	atomic_uint n;
} fault;

static int note_program(struct dl_phdr_info *info, size_t n, void *data)
{
	(void)n;
	(void)data;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
			continue;
		fault.begin = info->dlpi_addr + part->p_vaddr;
		fault.end = fault.begin + part->p_memsz;
	}
	/* The first object is the program. The result 1 ends the iteration before the libraries. */
	return 1;
}

__attribute__((constructor)) static void prepare(void)
{
	const char *words = getenv("FAULT");

	fault.log = getenv("FAULT_LOG");
	if (!words || sscanf(words, "%31[^:]:%u:%u:%d:%7s", fault.call, &fault.nth,
	                     &fault.times, &fault.sys_errno, fault.where) != 5)
		return;
	dl_iterate_phdr(note_program, NULL);
	fault.main = getpid();
}

static bool fails(const char *call, const void *caller)
{
	unsigned n;

	if ((uintptr_t)caller < fault.begin || (uintptr_t)caller >= fault.end ||
	    strcmp(call, fault.call) != 0 ||
	    (getpid() == fault.main) != (strcmp(fault.where, "main") == 0))
		return false;
	n = atomic_fetch_add(&fault.n, 1) + 1;
	if (n < fault.nth || (fault.times > 0 && n >= fault.nth + fault.times))
		return false;

	long log = syscall(SYS_openat, AT_FDCWD, fault.log, O_WRONLY | O_CREAT | O_APPEND,
	                   0666);

	syscall(SYS_write, log, "x", 1);
	syscall(SYS_close, log);
	errno = fault.sys_errno;
	return true;
}

#define CALLER __builtin_return_address(0)

/* The function of this name that the program would call without this library. The pointer has the
 * type of the function. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The hooks of malloc(), calloc() and realloc() do not use NEXT(), because dlsym() may call them. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *old, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void *realloc(void *old, size_t n);

void *malloc(size_t n)
{
	return fails("malloc", CALLER) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails("malloc", CALLER) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
	return fails("malloc", CALLER) ? NULL : __libc_realloc(old, n);
}

char *strdup(const char *s)
{
	return fails("malloc", CALLER) ? NULL : NEXT(strdup)(s);
}

/* Define the hook of a function that returns -1 when it fails. */
#define FAILING(type, name, parameters, arguments)                                       \
	type name parameters                                                             \
	{                                                                                \
		return fails(#name, CALLER) ? (type)-1 : NEXT(name) arguments;           \
	}

int mkdir(const char *path, mode_t mode);
int mkdirat(int folder, const char *path, mode_t mode);
ssize_t sendfile(int to, int from, off_t *offset, size_t n);
int memfd_create(const char *name, unsigned flags);
int eventfd(unsigned count, int flags);
int epoll_create1(int flags);

FAILING(int, mkdir, (const char *path, mode_t mode), (path, mode))
FAILING(int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
FAILING(int, linkat, (int from, const char *old, int to, const char *new, int flags),
        (from, old, to, new, flags))
FAILING(int, renameat, (int from, const char *old, int to, const char *new),
        (from, old, to, new))
FAILING(ssize_t, sendfile, (int to, int from, off_t *offset, size_t n),
        (to, from, offset, n))
FAILING(int, futimens, (int fd, const struct timespec *times), (fd, times))
FAILING(ssize_t, pread, (int fd, void *bytes, size_t n, off_t at), (fd, bytes, n, at))
FAILING(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n))
FAILING(ssize_t, getdents64, (int fd, void *bytes, size_t n), (fd, bytes, n))
FAILING(pid_t, fork, (void), ())
FAILING(int, pipe2, (int *ends, int flags), (ends, flags))
FAILING(int, memfd_create, (const char *name, unsigned flags), (name, flags))
FAILING(int, socketpair, (int domain, int type, int protocol, int *ends),
        (domain, type, protocol, ends))
FAILING(int, eventfd, (unsigned count, int flags), (count, flags))
FAILING(int, epoll_create1, (int flags), (flags))

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*run)(void *), void *data)
{
	return fails("pthread_create", CALLER)
	               ? fault.sys_errno
	               : NEXT(pthread_create)(thread, attributes, run, data);
}

/* The calls of open() that create a file are counted separately, as "create". */
static const char *kind_of(int flags)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? "create" : "open";
}

/* The hook of clock_gettime() does not fail: it makes the wall clock jump by a day, forward and
 * back. */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	int result = NEXT(clock_gettime)(clock, ret_time);

	if (clock == CLOCK_REALTIME && fails("clock_gettime", CALLER))
		ret_time->tv_sec += atomic_load(&fault.n) % 2 ? 86400 : -86400;
	return result;
}

int open(const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = va_arg(rest, mode_t);
	va_end(rest);
	return fails(kind_of(flags), CALLER) ? -1 : NEXT(open)(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	va_list rest;
	mode_t mode;

	va_start(rest, flags);
	mode = va_arg(rest, mode_t);
	va_end(rest);
	return fails(kind_of(flags), CALLER) ? -1
	                                     : NEXT(openat)(folder, path, flags, mode);
}
