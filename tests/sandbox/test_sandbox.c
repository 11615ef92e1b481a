/* What a process that was locked down can still do: each attack in a process of its own. */
#include "support/test.h"

#include "sandbox/sandbox.h"

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

enum { KILLED = -1, ALLOWED = 0, MAX_DESCRIPTORS = 32 };

static int input = -1, output = -1;

/* The descriptors that a worker has. */
static void open_both(void)
{
	input = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	output = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(input >= 0 && output >= 0 && write(output, "output", 6) == 6);
}

static void close_both(void)
{
	close(input);
	close(output);
}

static int in_child(void (*run)(void *data), void *data)
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

/* The state of this machine, in *data, which is shared. */
static void lock_down(void *data)
{
	struct sandbox_state *state = data;

	sandbox_drop_user(state);
	sandbox_lock_down(state, MAX_DESCRIPTORS);
}

static struct sandbox_state state_here(void)
{
	struct sandbox_state *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sandbox_state state;

	REQUIRE(shared != MAP_FAILED);
	EXPECT_EQ(in_child(lock_down, shared), 0);
	state = *shared;
	munmap(shared, sizeof(*shared));
	return state;
}

static bool has(const struct sandbox_state *state, enum sandbox_layer layer)
{
	return state->in_force & 1U << layer;
}

TEST(sandbox, a_layer_that_should_be_there_is_in_force_or_has_a_reason)
{
	struct sandbox_state state = state_here();
	char missing[512];

	EXPECT(sandbox_is_sound(&state));
	EXPECT_EQ(!!(state.wanted & 1U << SANDBOX_USER), geteuid() == 0);
	EXPECT(state.wanted & 1U << SANDBOX_LANDLOCK &&
	       state.wanted & 1U << SANDBOX_SECCOMP);
	for (int layer = 0; layer < N_SANDBOX_LAYERS; layer++) {
		if (state.wanted & 1U << layer)
			EXPECT(has(&state, (enum sandbox_layer)layer) !=
			       (state.reasons[layer][0] != 0));
	}
	EXPECT_EQ(state.uid, has(&state, SANDBOX_USER) ? SANDBOX_NOBODY : geteuid());
	EXPECT_EQ(state.landlock_abi > 0, has(&state, SANDBOX_LANDLOCK));
	sandbox_say_missing(&state, missing, sizeof(missing));
	EXPECT_EQ(missing[0] == 0, sandbox_is_whole(&state));
}

TEST(sandbox, a_state_that_makes_no_sense_is_not_believed)
{
	struct sandbox_state state = {.wanted = 6, .in_force = 6};

	EXPECT(sandbox_is_sound(&state));
	state.in_force = 1U << N_SANDBOX_LAYERS;
	EXPECT(!sandbox_is_sound(&state));
	state.in_force = 0;
	memset(state.reasons, 'x', sizeof(state.reasons));
	EXPECT(!sandbox_is_sound(&state));
}

/* ---- attacks ---- */

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

static long map(int protection, int flags, int fd)
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

/* errno of the attack with this number, or ALLOWED. */
static int attack(int number)
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
	/* What a decoder does. */
	case 0: got = read(input, &byte, 1); break;
	case 1: got = pread(input, &byte, 1, 0); break;
	case 2: got = pwrite(output, "x", 1, 0); break;
	case 3: got = lseek(output, 0, SEEK_END); break;
	case 4: got = start_thread(); break;
	case 5: got = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1); break;
	case 6: got = prctl(PR_SET_NAME, "worker"); break;
	/* What honest code may ask for, and does without. */
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
	/* What no decoder does. */
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

static void locked_attack(void *data)
{
	struct sandbox_state state;

	lock_down(&state);
	_exit(attack(*(const int *)data));
}

/* What the attack got: ALLOWED, an errno, or KILLED by SIGSYS. */
static int try_attack(int number)
{
	int status = in_child(locked_attack, &number);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	REQUIRE(WIFEXITED(status), "attack %d: status %x", number, (unsigned)status);
	return WEXITSTATUS(status);
}

static void require_whole(void)
{
	struct sandbox_state state = state_here();
	char missing[512];

	sandbox_say_missing(&state, missing, sizeof(missing));
	if (!sandbox_is_whole(&state))
		fprintf(stderr, "not in force here: %s\n", missing);
	if (!has(&state, SANDBOX_SECCOMP))
		SKIP("seccomp is not in force here");
}

TEST(sandbox, what_a_decoder_does_is_allowed)
{
	require_whole();
	open_both();
	for (int number = 0; number <= 6; number++)
		EXPECT_EQ(try_attack(number), ALLOWED);
	close_both();
}

TEST(sandbox, what_honest_code_may_ask_for_is_refused_with_an_error)
{
	require_whole();
	open_both();
	for (int number = 20; number <= 35; number++) {
		int got = try_attack(number);

		EXPECT(got == EPERM, "attack %d: %s", number,
		       got == KILLED    ? "killed"
		       : got == ALLOWED ? "allowed"
		                        : strerrorname_np(got));
	}
	EXPECT_EQ(try_attack(36), EMFILE);
	EXPECT_EQ(try_attack(37), ENOSYS);
	close_both();
}

TEST(sandbox, what_no_decoder_does_kills)
{
	require_whole();
	open_both();
	for (int number = 50; number <= 73; number++) {
		int got = try_attack(number);

		EXPECT(got == KILLED, "attack %d: %s", number,
		       got == ALLOWED ? "allowed" : strerrorname_np(got));
	}
	close_both();
}

static void kill_itself(void *data)
{
	struct sandbox_state state;

	lock_down(&state);
	signal(*(const int *)data, SIG_DFL);
	raise(*(const int *)data);
}

TEST(sandbox, a_crash_keeps_its_own_signal)
{
	int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int status = in_child(kill_itself, &numbers[i]);

		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
	}
}

/* Without seccomp, which would answer first. */
static void attack_dropped(void *data)
{
	struct sandbox_state state;

	sandbox_drop_user(&state);
	_exit(attack(*(const int *)data));
}

TEST(sandbox, who_was_root_cannot_open_what_is_roots)
{
	struct sandbox_state state = state_here();
	int number = 70, status;

	if (!has(&state, SANDBOX_USER))
		SKIP("no user is dropped here");
	status = in_child(attack_dropped, &number);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == EPERM);
}

/* The control: the same attacks without a sandbox go through or fail for reasons of their own. */
static void free_attack(void *data)
{
	_exit(attack(*(const int *)data));
}

TEST(sandbox, the_attacks_are_real_ones)
{
	static const int harmless[] = {20, 22, 23, 26, 27, 29, 30, 31,
	                               32, 36, 50, 52, 54, 55, 59};

	open_both();
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		int number = harmless[i], status = in_child(free_attack, &number);

		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == ALLOWED,
		       "attack %d: status %x", number, (unsigned)status);
	}
	close_both();
}
