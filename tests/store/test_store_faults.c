/*
 * Tests of failing file systems, and of several threads that publish the same name. A name must
 * show complete content or nothing, no temporary file may be left, and a fault of the output folder
 * must be distinguished from a fault of a single output.
 */
#include "output.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "store/store.h"
#include "store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BIG = 1 << 20, N_THREADS = 4 };

/* RLIMIT_FSIZE makes writing fail halfway. */
TEST(store_faults, an_output_whose_writing_fails_halfway_leaves_no_file)
{
	struct rlimit whole, half;
	int content = content_of('x', BIG);

	scratch_enter(NULL);
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &whole) == 0);
	half = (struct rlimit){.rlim_cur = BIG / 2, .rlim_max = whole.rlim_max};
	for (int way = 0; way < N_WAYS; way++) {
		struct store *store = store_with_way(way);

		for (int i = 0; i < 2; i++) {
			REQUIRE(setrlimit(RLIMIT_FSIZE, &half) == 0);
			EXPECT_EQ(store_publish(
					  store, "a.jpg",
					  &(struct store_content){content, 0, BIG, NULL},
					  i == 0 ? OVERWRITE_OWN : OVERWRITE_ALWAYS,
					  &last_failure),
			          STORE_FAILED);
			REQUIRE(setrlimit(RLIMIT_FSIZE, &whole) == 0);
			EXPECT(failed_by(EFBIG));
			EXPECT_EQ(last_failure.class, FAIL_IO);
			EXPECT_STR(last_failure.text,
			           "publish: cannot write the output: File too large");
		}
		EXPECT_EQ(n_names("out"), 0);
		store_close(store);
	}
	fd_close(&content);
	scratch_leave();
}

/* Mount a small file system at "out". Returns false and prints a reason where that is not
 * allowed. */
static bool mount_small(void)
{
	scratch_folder("out");
	if (unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", "out", "tmpfs", 0, "size=256k,nr_inodes=16") == 0)
		return true;
	scratch_skip("an output folder that is full or read-only",
	             strerrordesc_np(errno));
	return false;
}

static void expect_place(struct store *store, const char *relative, size_t n,
                         int sys_errno)
{
	int content = content_of('x', n);

	EXPECT_EQ(store_publish(store, relative,
	                        &(struct store_content){content, 0, n, NULL},
	                        OVERWRITE_OWN, &last_failure),
	          STORE_PLACE_FAILED);
	EXPECT(failed_by(sys_errno));
	EXPECT_EQ(last_failure.class, FAIL_IO);
	fd_close(&content);
}

TEST(store_faults, a_full_disk_ends_the_batch_and_keeps_existing_files)
{
	scratch_enter(NULL);
	for (int way = 0; way < N_WAYS && (way > 0 || mount_small()); way++) {
		struct store *store = store_with_way(way);

		expect_place(store, "big.jpg", BIG, ENOSPC);
		EXPECT_STR(last_failure.text,
		           "publish: cannot write the output: No space left on device");
		EXPECT_EQ(n_names("out"), 0);
		EXPECT_EQ(publish_text(store, "a.jpg", "old", OVERWRITE_OWN), STORE_DONE);
		expect_place(store, "sub/big.jpg", BIG, ENOSPC);
		EXPECT_EQ(n_names("out/sub"), 0);
		EXPECT_STR(scratch_text("out/a.jpg"), "old");
		REQUIRE(unlink("out/a.jpg") == 0 && rmdir("out/sub") == 0);
		store_close(store);
	}
	umount("out");
	scratch_leave();
}

TEST(store_faults, a_file_system_that_is_read_only_or_out_of_inodes_ends_the_batch)
{
	char name[32];

	scratch_enter(NULL);
	for (int way = 0; way < N_WAYS && (way > 0 || mount_small()); way++) {
		struct store *store = store_with_way(way);

		for (int i = 0; i < 16; i++) {
			snprintf(name, sizeof(name), "out/%d", i);
			close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		}
		expect_place(store, "a.jpg", 1, ENOSPC);
		expect_place(store, "sub/a.jpg", 1, ENOSPC);
		for (int i = 0; i < 16; i++) {
			snprintf(name, sizeof(name), "out/%d", i);
			unlink(name);
		}
		REQUIRE(mount(NULL, "out", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
		expect_place(store, "a.jpg", 1, EROFS);
		expect_place(store, "sub/a.jpg", 1, EROFS);
		REQUIRE(mount(NULL, "out", NULL, MS_REMOUNT, NULL) == 0);
		EXPECT_EQ(n_names("out"), 0);
		store_close(store);
	}
	umount("out");
	scratch_leave();
}

static bool tells_where_permission_lacks(void)
{
	bool as_said = true;

	for (int way = 0; way < N_WAYS; way++) {
		struct store *store = store_with_way(way);

		as_said &= publish_text(store, "open/a.jpg", "x", OVERWRITE_ALWAYS) ==
		           STORE_DONE;
		as_said &= publish_text(store, "open/a.jpg", "y", OVERWRITE_ALWAYS) ==
		           STORE_DONE;
		as_said &= publish_text(store, "open/new.jpg", "x", OVERWRITE_OWN) ==
		           STORE_DONE;
		as_said &= unlink("out/open/new.jpg") == 0 && n_names("out/open") == 1;

		as_said &= publish_text(store, "a.jpg", "x", OVERWRITE_OWN) ==
		           STORE_PLACE_FAILED;
		as_said &= failed_by(EACCES) && last_failure.class == FAIL_PERMISSION;
		as_said &= publish_text(store, "new/a.jpg", "x", OVERWRITE_OWN) ==
		           STORE_PLACE_FAILED;
		as_said &= publish_text(store, "closed/a.jpg", "x", OVERWRITE_OWN) ==
		           STORE_FAILED;
		as_said &= failed_by(EACCES) && last_failure.class == FAIL_PERMISSION;
		as_said &= publish_text(store, "closed/b/a.jpg", "x", OVERWRITE_OWN) ==
		           STORE_FAILED;
		store_close(store);
	}
	return as_said;
}

TEST(store_faults, missing_permission_ends_the_batch_only_for_the_output_folder_itself)
{
	scratch_enter(NULL);
	scratch_folder("out");
	scratch_folder("out/open");
	scratch_folder("out/closed");
	REQUIRE(chmod("out/open", 0777) == 0);
	REQUIRE(chmod("out/closed", 0555) == 0);
	REQUIRE(chmod("out", 0555) == 0);
	EXPECT(scratch_as_nobody(tells_where_permission_lacks));
	REQUIRE(chmod("out", 0755) == 0);
	REQUIRE(chmod("out/closed", 0755) == 0);
	scratch_leave();
}

static bool drives_a_dropbox(void)
{
	struct store *store = store_with_way(0);
	bool done = publish_text(store, "a.jpg", "x", OVERWRITE_OWN) == STORE_DONE;

	store_close(store);
	return done;
}

TEST(store_faults, an_output_folder_that_is_writable_need_not_be_readable)
{
	scratch_enter(NULL);
	scratch_folder("out");
	REQUIRE(chmod("out", 0333) == 0);
	EXPECT(scratch_as_nobody(drives_a_dropbox));
	REQUIRE(chmod("out", 0755) == 0);
	scratch_leave();
}

/* --- several threads --- */

static struct {
	struct store *store;
	pthread_barrier_t start;
	enum overwrite overwrite;
	int n_rounds;
	atomic_int n_done, n_refused, n_running;
} race;

static void *publish_rounds(void *data)
{
	char c = *(const char *)data, name[32];
	int content = content_of(c, 100000);
	struct failure failure;

	for (int i = 0; i < race.n_rounds; i++) {
		enum store_result result;

		snprintf(name, sizeof(name), "round_%d/a.jpg", i % 10);
		if (race.overwrite != OVERWRITE_ALWAYS)
			snprintf(name, sizeof(name), "round_%d/%d.jpg", i % 10, i);
		pthread_barrier_wait(&race.start);
		result = store_publish(race.store, name,
		                       &(struct store_content){content, 0, 100000, NULL},
		                       race.overwrite, &failure);
		race.n_done += result == STORE_DONE;
		race.n_refused += result == STORE_FAILED && failure.class == FAIL_EXISTS;
	}
	fd_close(&content);
	race.n_running--;
	return NULL;
}

static void start_race(int way, enum overwrite overwrite, int n_rounds,
                       pthread_t *threads)
{
	static const char letters[N_THREADS] = "abcd";

	race.store = store_with_way(way);
	race.overwrite = overwrite;
	race.n_rounds = n_rounds;
	race.n_done = race.n_refused = 0;
	race.n_running = N_THREADS;
	REQUIRE(pthread_barrier_init(&race.start, NULL, N_THREADS) == 0);
	for (int i = 0; i < N_THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, publish_rounds,
		                       (void *)&letters[i]) == 0);
}

static void end_race(pthread_t *threads)
{
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&race.start);
	store_close(race.store);
}

TEST(store_faults, exactly_one_of_four_threads_can_publish_a_name)
{
	enum { N_ROUNDS = 40 };
	pthread_t threads[N_THREADS];

	for (int way = 0; way < N_WAYS; way++) {
		scratch_enter(NULL);
		start_race(way, OVERWRITE_OWN, N_ROUNDS, threads);
		end_race(threads);
		EXPECT_EQ(race.n_done, N_ROUNDS);
		EXPECT_EQ(race.n_refused, N_ROUNDS * (N_THREADS - 1));
		EXPECT_EQ(n_names("out"), 10);
		EXPECT_EQ(n_names("out/round_3"), N_ROUNDS / 10);
		scratch_leave();
	}
}

/* Whether the file does not exist, or has the complete content of one publisher. */
static bool is_whole(const char *path)
{
	static char bytes[100001];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT;
	n = fd_pread_full(fd, bytes, sizeof(bytes), 0);
	fd_close(&fd);
	return n == 100000 && memcmp(bytes, bytes + 1, 99999) == 0;
}

TEST(store_faults, a_reader_sees_one_complete_file_while_writers_replace_the_file)
{
	pthread_t threads[N_THREADS];

	for (int way = 0; way < N_WAYS; way++) {
		int n_torn = 0;

		scratch_enter(NULL);
		start_race(way, OVERWRITE_ALWAYS, 40, threads);
		do {
			for (int i = 0; i < 10; i++) {
				char path[32];

				snprintf(path, sizeof(path), "out/round_%d/a.jpg", i);
				n_torn += !is_whole(path);
			}
		} while (race.n_running > 0);
		end_race(threads);
		EXPECT_EQ(n_torn, 0);
		EXPECT_EQ(race.n_done, 40 * N_THREADS);
		EXPECT_EQ(n_names("out/round_7"), 1);
		scratch_leave();
	}
}
