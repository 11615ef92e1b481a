/*
 * Tests of the check for leftovers: every test here leaves something of one kind behind and does
 * nothing else wrong, and CTest expects each of them to fail.
 */
#include "support/residue.h"
#include "support/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

TEST(residue, a_descriptor_left_open_fails_the_test)
{
	residue_set_patience(50);
	EXPECT(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

TEST(residue, a_process_left_running_fails_the_test)
{
	residue_set_patience(50);
	if (fork() == 0) {
		/* CTest waits until no process has the test's output open, so this process closes
		 * it. */
		close_range(0, 2, 0);
		alarm(10);
		pause();
	}
}

static void *wait_for_ever(void *data)
{
	pause();
	return data;
}

TEST(residue, a_thread_left_running_fails_the_test)
{
	pthread_t thread;

	residue_set_patience(50);
	EXPECT(pthread_create(&thread, NULL, wait_for_ever, NULL) == 0);
}

TEST(residue, shared_memory_left_mapped_fails_the_test)
{
	int fd = memfd_create("left", MFD_CLOEXEC);

	residue_set_patience(50);
	EXPECT(ftruncate(fd, 4096) == 0);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
}
