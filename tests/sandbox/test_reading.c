/* Tests of a process that may read some folders, like a worker that draws with fonts: it can read
 * these folders and no others. */
#include "sandbox_fixture.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *readable[] = {"/usr/share", "/not/there", NULL};

/* Make the attack with this number. Returns ALLOWED if its system call succeeds, and otherwise the
 * errno. Landlock refuses the attacks from 100 to 199, and seccomp the attacks from 200 on. */
static int attack_by_reader(int number)
{
	struct stat stat_of;
	char list[512];
	long got = 0;
	int fd;

	errno = 0;
	/* clang-format off */
	switch (number) {
	/* Attacks below 100 are calls that reading a font needs. They are allowed. */
	case 80: got = open("/usr/share/doc", O_RDONLY | O_DIRECTORY | O_CLOEXEC); break;
	case 81: fd = open("/usr/share/doc", O_RDONLY | O_DIRECTORY);
		 got = syscall(SYS_getdents64, fd, list, sizeof(list)); break;
	case 82: got = open("/usr/share/common-licenses/GPL-2", O_RDONLY); break;
	case 83: got = stat("/usr/share/doc", &stat_of); break;
	case 84: got = access("/usr/share/doc", R_OK); break;
	case 85: got = map(PROT_READ, MAP_PRIVATE, input); break;
	case 86: got = fcntl(input, F_SETFD, FD_CLOEXEC); break;
	/* The attacks with the numbers 100 to 199 open files outside the readable folders. */
	case 100: got = open("/etc/passwd", O_RDONLY); break;
	case 101: got = open("/", O_RDONLY | O_DIRECTORY); break;
	case 102: got = open("/usr", O_RDONLY | O_DIRECTORY); break;
	case 103: got = open("/usr/share/../../etc/passwd", O_RDONLY); break;
	case 104: got = open("/proc/self/environ", O_RDONLY); break;
	case 105: got = open("/usr/bin/env", O_RDONLY); break;
	/* The attacks with numbers from 200 on are calls that reading a font does not need. */
	case 200: got = open("/usr/share/common-licenses/GPL-2", O_WRONLY); break;
	case 201: got = open("/usr/share/common-licenses/GPL-2", O_RDWR); break;
	case 202: got = open("/usr/share/made", O_RDONLY | O_CREAT, 0600); break;
	case 203: got = open("/usr/share/common-licenses/GPL-2", O_RDONLY | O_TRUNC); break;
	case 204: got = open("/usr/share", O_RDWR | O_TMPFILE, 0600); break;
	case 205: got = open("/etc/passwd", O_PATH); break;
	case 206: got = map(PROT_READ | PROT_EXEC, MAP_PRIVATE, input); break;
	case 207: got = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, input); break;
	case 208: got = map(PROT_READ, MAP_SHARED, input); break;
	case 209: got = fcntl(input, F_SETFL, O_APPEND); break;
	case 210: got = fcntl(input, F_DUPFD, 9); break;
	case 211: got = syscall(SYS_openat2, AT_FDCWD, "/usr/share", NULL, 0); break;
	default: return KILLED;
	}
	/* clang-format on */
	return got < 0 ? errno : ALLOWED;
}

static void locked_reader(void *data)
{
	struct sandbox_state state;

	sandbox_drop_user(&state);
	sandbox_lock_down(&state, MAX_DESCRIPTORS, readable);
	_exit(attack_by_reader(*(const int *)data));
}

static void expect_of_reader(int first, int last, int want)
{
	for (int number = first; number <= last; number++) {
		int status = in_child(locked_reader, &number);

		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == want,
		       "attack %d: status %x", number, (unsigned)status);
	}
}

static void require_landlock(void)
{
	struct sandbox_state state;

	require_seccomp();
	state = state_here();
	if (!has(&state, SANDBOX_LANDLOCK))
		SKIP("Landlock is not in force here");
}

TEST(reading, a_readable_folder_gives_access_only_to_the_files_below_this_folder)
{
	require_landlock();
	open_both();
	expect_of_reader(80, 86, ALLOWED);
	expect_of_reader(100, 105, EACCES);
	close_both();
}

TEST(reading, files_in_a_readable_folder_can_only_be_read)
{
	require_landlock();
	open_both();
	expect_of_reader(200, 211, EPERM);
	close_both();
}

/* Lock this process down with a readable folder, and make the attack whose number `data` points
 * to. */
static void locked_attack_by_reader(void *data)
{
	struct sandbox_state state;

	sandbox_drop_user(&state);
	sandbox_lock_down(&state, MAX_DESCRIPTORS, readable);
	_exit(attack(*(const int *)data));
}

TEST(reading,
     a_worker_that_may_read_a_folder_is_killed_for_system_calls_that_no_decoder_makes)
{
	require_landlock();
	open_both();
	for (int number = 50; number <= 73; number++) {
		int status = in_child(locked_attack_by_reader, &number);

		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		       "attack %d: status %x", number, (unsigned)status);
	}
	close_both();
}

static void free_attack_by_reader(void *data)
{
	_exit(attack_by_reader(*(const int *)data));
}

/* The attacks that change nothing succeed without a sandbox. So the sandbox has refused them in the
 * tests above. */
TEST(reading, harmless_attacks_by_a_reader_succeed_without_a_sandbox)
{
	static const int harmless[] = {100, 101, 102, 103, 104, 105,
	                               205, 206, 207, 208, 210};

	open_both();
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		int number = harmless[i],
		    status = in_child(free_attack_by_reader, &number);

		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == ALLOWED,
		       "attack %d: status %x", number, (unsigned)status);
	}
	close_both();
}
