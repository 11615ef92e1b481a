/* The attacks, by number: system calls that decoders need, system calls that they can do without,
 * and system calls that no decoder makes. */
#include "sandbox_fixture.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int input = -1, output = -1;

void open_both(void)
{
	input = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	output = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(input >= 0 && output >= 0 && write(output, "output", 6) == 6);
}

void close_both(void)
{
	close(input);
	close(output);
}

int in_child(void (*run)(void *data), void *data)
{
	int status = 0;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		run(data);
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return status;
}

void lock_down(void *data)
{
	struct sandbox_state *state = data;

	sandbox_drop_user(state);
	sandbox_lock_down(state, MAX_DESCRIPTORS, NULL);
}

struct sandbox_state state_after(void (*run)(void *data))
{
	struct sandbox_state *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sandbox_state state;

	REQUIRE(shared != MAP_FAILED);
	EXPECT_EQ(in_child(run, shared), 0);
	state = *shared;
	munmap(shared, sizeof(*shared));
	return state;
}

struct sandbox_state state_here(void)
{
	return state_after(lock_down);
}

bool has(const struct sandbox_state *state, enum sandbox_layer layer)
{
	return state->in_force & 1U << layer;
}

static void *idle(void *data)
{
	return data;
}

static long start_thread(void)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, idle, NULL);

	errno = error;
	return error ? -1 : pthread_join(thread, NULL);
}

long map(int protection, int flags, int fd)
{
	return mmap(NULL, 4096, protection, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static long make_code_of_data(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	                  -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long open_many(void)
{
	for (int i = 0; i < MAX_DESCRIPTORS; i++) {
		if (dup(input) < 0)
			return -1;
	}
	return 0;
}

int attack(int number)
{
	char *const argv[] = {"/bin/true", NULL};
	const struct rlimit none = {0, 0};
	const int any = AF_UNSPEC;
	struct stat stat_of;
	char byte;
	int flags = 0;
	long got = 0;

	errno = 0;
	/* clang-format off */
	switch (number) {
	/* System calls that decoders need. */
	case 0: got = read(input, &byte, 1); break;
	case 1: got = pread(input, &byte, 1, 0); break;
	case 2: got = pwrite(output, "x", 1, 0); break;
	case 3: got = lseek(output, 0, SEEK_END); break;
	case 4: got = start_thread(); break;
	case 5: got = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1); break;
	case 6: got = prctl(PR_SET_NAME, "worker"); break;
	/* System calls that valid code may try and can do without. */
	case 20: got = open("/", O_RDONLY); break;
	case 21: got = open("made", O_RDWR | O_CREAT, 0600); break;
	case 22: got = stat("/", &stat_of); break;
	case 23: got = ftruncate(output, 1); break;
	case 24: got = ioctl(input, FS_IOC_GETFLAGS, &flags); break;
	case 25: got = setrlimit(RLIMIT_CORE, &none); break;
	case 26: got = map(PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1); break;
	case 27: got = map(PROT_READ, MAP_SHARED, output); break;
	case 28: got = make_code_of_data(); break;
	case 29: got = prctl(PR_SET_PDEATHSIG, 0); break;
	case 30: got = prctl(PR_SET_DUMPABLE, 1); break;
	case 31: got = flock(input, LOCK_EX); break;
	case 32: got = memfd_create("more", 0); break;
	case 33: got = syscall(SYS_seccomp, 0, 0, 0); break;
	case 34: got = syscall(999999); break;
	case 35: got = fcntl(output, F_ADD_SEALS, F_SEAL_WRITE); break;
	case 36: got = open_many(); break;
	case 37: got = syscall(SYS_clone3, NULL, 0); break;
	/* System calls that no decoder makes. */
	case 50: got = execve("/bin/true", argv, NULL); break;
	case 51: got = syscall(SYS_execveat, output, "", argv, NULL, AT_EMPTY_PATH); break;
	case 52: got = fork(); break;
	case 53: got = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); break;
	case 54: got = socket(AF_INET, SOCK_STREAM, 0); break;
	case 55: got = socket(AF_UNIX, SOCK_STREAM, 0); break;
	case 56: got = connect(input, (const struct sockaddr *)&any, sizeof(any)); break;
	case 57: got = bind(input, (const struct sockaddr *)&any, sizeof(any)); break;
	case 58: got = kill(getppid(), 0); break;
	case 59: got = kill(0, 0); break;
	case 60: got = kill(-1, 0); break;
	case 61: got = syscall(SYS_tgkill, 1, 1, 0); break;
	case 62: got = syscall(SYS_ptrace, 0, 0, 0, 0); break;
	case 63: got = fchmod(input, 0600); break;
	case 64: got = fchown(input, 1, 1); break;
	case 65: got = futimens(input, NULL); break;
	case 66: got = syscall(SYS_mount, "a", "b", "c", 0, NULL); break;
	case 67: got = syscall(SYS_bpf, 0, NULL, 0); break;
	case 68: got = syscall(SYS_io_uring_setup, 1, NULL); break;
	case 69: got = unshare(CLONE_NEWUSER); break;
	case 70: got = setuid(0); break;
	case 71: got = syscall(SYS_rename, "a", "b"); break;
	case 72: got = syscall(SYS_userfaultfd, 0); break;
	case 73: got = syscall(SYS_open_by_handle_at, -1, NULL, 0); break;
	default: return KILLED;
	}
	/* clang-format on */
	return got < 0 ? errno : ALLOWED;
}

void require_seccomp(void)
{
	struct sandbox_state state = state_here();
	char missing[512];

	sandbox_say_missing(&state, missing, sizeof(missing));
	if (!sandbox_is_whole(&state))
		fprintf(stderr, "not in force here: %s\n", missing);
	if (!has(&state, SANDBOX_SECCOMP))
		SKIP("seccomp is not in force here");
}
