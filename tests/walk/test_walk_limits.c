/*
 * Tests of walks at their limits: trees deeper than descriptors and paths allow, many files, and
 * trees that change or fail while they are read. Changes are made between two calls of walk_next(),
 * or by functions that replace system calls, so their moment is exact.
 */
#include "listing.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "walk/walk.h"
#include "walk/walk_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The walk calls this function instead of openat(). If folder_to_swap is set, that folder is
 * replaced by a FIFO just before it is opened. Opening a FIFO for reading waits for a writer. */
static const char *folder_to_swap;

int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);

int __wrap_openat(int folder, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	if (folder_to_swap && strcmp(path, folder_to_swap) == 0) {
		folder_to_swap = NULL;
		REQUIRE(rmdir(path) == 0 && mkfifo(path, 0600) == 0);
	}
	return __real_openat(folder, path, flags, mode);
}

static struct walk *walk_of(const char *input)
{
	static const char *inputs[1];
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk *walk;

	inputs[0] = input;
	walk = walk_open(&options);
	REQUIRE(walk != NULL);
	return walk;
}

static const char *next_line(struct walk *walk)
{
	struct walk_item item;

	walk_next(walk, &item);
	return listing_line(&item);
}

/* Make a chain of n_levels folders: `name`, and below it d/d/d/... Each of them has a file and a
 * folder "side" with a file. "side" sorts after "d". */
static void make_chain(const char *name, int n_levels)
{
	int at = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < n_levels; i++) {
		int below;

		REQUIRE(mkdirat(at, i == 0 ? name : "d", 0777) == 0);
		below = openat(at, i == 0 ? name : "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		REQUIRE(below >= 0);
		fd_close(&at);
		at = below;
		REQUIRE(mknodat(at, "a.jpg", S_IFREG | 0666, 0) == 0);
		REQUIRE(mkdirat(at, "side", 0777) == 0);
		REQUIRE(mknodat(at, "side/b.jpg", S_IFREG | 0666, 0) == 0);
	}
	fd_close(&at);
}

TEST(walk_limits, a_tree_of_5000_levels_is_walked_completely_with_few_descriptors)
{
	enum { N_LEVELS = 5000 };
	struct walk *walk = walk_of("top");
	struct walk_item item;
	struct stat st;
	size_t longest = 0;
	int n_files = 0, n_opened = 0, n_others = 0, n_before, most = 0;

	scratch_enter("/dev/shm");
	make_chain("top", N_LEVELS);
	n_before = scratch_n_open();
	while (walk_next(walk, &item) != WALK_END) {
		int fd = item.kind == WALK_FILE ? walk_open_file(&item, &st) : -1;
		size_t n = strlen(item.path);

		n_files += item.kind == WALK_FILE;
		n_others += item.kind != WALK_FILE;
		n_opened += fd >= 0;
		fd_close(&fd);
		longest = n > longest ? n : longest;
		if (n_files % 50 == 0 && scratch_n_open() - n_before > most)
			most = scratch_n_open() - n_before;
	}
	walk_close(walk);
	EXPECT_EQ(n_files, 2 * N_LEVELS);
	EXPECT_EQ(n_opened, 2 * N_LEVELS);
	EXPECT_EQ(n_others, 0);
	EXPECT(longest > 2 * PATH_MAX);
	EXPECT(most > 0 && most <= LEVELS_OPEN + 2, "%d descriptors", most);
	EXPECT_EQ(scratch_n_open(), n_before);
	scratch_leave();
}

TEST(walk_limits, closing_a_walk_early_leaves_no_descriptor_open)
{
	struct walk *walk = walk_of("top");
	int n_before;

	scratch_enter(NULL);
	make_chain("top", 40);
	n_before = scratch_n_open();
	for (int i = 0; i < 30; i++)
		next_line(walk);
	EXPECT(scratch_n_open() > n_before);
	walk_close(walk);
	EXPECT_EQ(scratch_n_open(), n_before);
	scratch_leave();
}

static long resident_bytes(void)
{
	long total, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	REQUIRE(statm != NULL);
	REQUIRE(fscanf(statm, "%ld %ld", &total, &resident) == 2);
	fclose(statm);
	return resident * sysconf(_SC_PAGESIZE);
}

static void make_folders_of_files(int n_folders, int n_files)
{
	char name[64];

	scratch_folder("photos");
	for (int i = 0; i < n_folders; i++) {
		snprintf(name, sizeof(name), "photos/folder_%03d", i);
		scratch_folder(name);
		for (int k = 0; k < n_files; k++) {
			snprintf(name, sizeof(name), "photos/folder_%03d/IMG_%07d.jpg", i,
			         k);
			REQUIRE(mknod(name, S_IFREG | 0666, 0) == 0);
		}
	}
}

/* A plan of such a tree may take 8 MB (test_plan.c). So its walk must take much less. */
TEST(walk_limits, a_hundred_thousand_files_in_a_hundred_folders_take_less_than_a_megabyte)
{
	struct walk_item item;
	struct walk *walk;
	long before, most = 0;
	int n_files = 0;

	scratch_enter("/dev/shm");
	make_folders_of_files(100, 1000);
	before = resident_bytes();
	walk = walk_of("photos");
	while (walk_next(walk, &item) == WALK_FILE) {
		if (++n_files % 500 == 0 && resident_bytes() - before > most)
			most = resident_bytes() - before;
	}
	walk_close(walk);
	EXPECT_EQ(n_files, 100000);
#ifdef PIXPOOL_SANITIZE
	scratch_skip("the megabyte", "a sanitizer keeps freed memory");
#else
	EXPECT(most < 1 << 20, "%ld bytes", most);
#endif
	scratch_leave();
}

TEST(walk_limits, a_folder_removed_before_the_walk_reaches_it_is_skipped)
{
	struct walk *walk = walk_of("photos");

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/b");
	scratch_folder("photos/c");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/c/d.jpg", "");
	EXPECT_STR(next_line(walk), "file photos/a.jpg (a.jpg)\n");
	REQUIRE(rmdir("photos/b") == 0);
	EXPECT_STR(next_line(walk), "file photos/c/d.jpg (c/d.jpg)\n");
	EXPECT_STR(next_line(walk), listing_line(&(struct walk_item){.kind = WALK_END}));
	walk_close(walk);
	scratch_leave();
}

TEST(walk_limits, a_walk_continues_after_the_folder_that_it_reads_is_removed)
{
	struct walk *walk = walk_of("photos");
	struct walk_item item;
	struct stat st;

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/b");
	scratch_folder("photos/c");
	scratch_file("photos/b/1.jpg", "");
	scratch_file("photos/b/2.jpg", "");
	scratch_file("photos/c/3.jpg", "");
	EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	REQUIRE(unlink("photos/b/1.jpg") == 0);
	REQUIRE(unlink("photos/b/2.jpg") == 0);
	REQUIRE(rmdir("photos/b") == 0);
	EXPECT(walk_open_file(&item, &st) == -1 && errno == ENOENT);
	EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	EXPECT(walk_open_file(&item, &st) == -1 && errno == ENOENT);
	EXPECT_STR(next_line(walk), "file photos/c/3.jpg (c/3.jpg)\n");
	walk_close(walk);
	scratch_leave();
}

TEST(walk_limits, a_folder_replaced_by_a_symbolic_link_is_not_followed)
{
	struct walk *walk = walk_of("photos");

	scratch_enter(NULL);
	scratch_folder("secret");
	scratch_file("secret/s.jpg", "");
	scratch_folder("photos");
	scratch_folder("photos/b");
	scratch_file("photos/a.jpg", "");
	EXPECT_STR(next_line(walk), "file photos/a.jpg (a.jpg)\n");
	REQUIRE(rmdir("photos/b") == 0);
	scratch_link("photos/b", "../secret");
	EXPECT_STR(next_line(walk), "other photos/b (b)\n");
	EXPECT_STR(next_line(walk), listing_line(&(struct walk_item){.kind = WALK_END}));
	walk_close(walk);
	scratch_leave();
}

/* The tree has 40 levels. When the walk has reached the bottom, it has closed the folders in the
 * middle. Then the test replaces "top/d" by another folder. The walk still finds the remaining
 * files of the open folders, which are the INPUT and the deepest folders. The walk
 * reports an error for each closed folder. */
TEST(walk_limits, a_parent_folder_replaced_during_the_walk_is_an_error)
{
	enum { N_LEVELS = 40 };
	struct walk *walk = walk_of("top");
	struct walk_item item;
	int n_errors = 0, n_side = 0;

	scratch_enter(NULL);
	make_chain("top", N_LEVELS);
	for (int i = 0; i < N_LEVELS; i++)
		EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	REQUIRE(rename("top/d", "elsewhere") == 0);
	scratch_folder("top/d");
	scratch_file("top/d/side", "");

	while (walk_next(walk, &item) != WALK_END) {
		n_side += item.kind == WALK_FILE;
		n_errors += item.kind == WALK_ERROR && item.sys_errno == ESTALE;
		if (n_errors == 1 && item.kind == WALK_ERROR)
			EXPECT_EQ(strlen(item.relative), 2 * (N_LEVELS - 1 - n_side) - 1);
	}
	EXPECT_STR(item.path ? item.path : "", "");
	EXPECT_EQ(n_side + n_errors, N_LEVELS);
	EXPECT(n_side >= LEVELS_OPEN);
	walk_close(walk);
	scratch_leave();
}

/* The functions below replace getdents64(). */

static ssize_t read_then_fail(int folder, void *buffer, size_t n)
{
	ssize_t got = getdents64(folder, buffer, n);

	if (got != 0)
		return got;
	errno = EIO;
	return -1;
}

static ssize_t read_untyped(int folder, void *buffer, size_t n)
{
	ssize_t got = getdents64(folder, buffer, n);
	struct dirent64 *entry;

	for (ssize_t at = 0; at < got; at += entry->d_reclen) {
		entry = (void *)((char *)buffer + at);
		entry->d_type = DT_UNKNOWN;
		if (strcmp(entry->d_name, "gone.jpg") == 0)
			unlinkat(folder, entry->d_name, 0);
	}
	return got;
}

static ssize_t read_twice(int folder, void *buffer, size_t n)
{
	static int n_calls;
	ssize_t got = getdents64(folder, buffer, n);

	if (got == 0 && n_calls++ == 0) {
		lseek(folder, 0, SEEK_SET);
		got = getdents64(folder, buffer, n);
	}
	return got;
}

static void make_small_tree(void)
{
	scratch_folder("photos");
	scratch_folder("photos/sub");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/sub/b.jpg", "");
	scratch_link("photos/link", "sub");
}

#define SMALL_TREE                                                                       \
	"file photos/a.jpg (a.jpg)\n"                                                    \
	"other photos/link (link)\n"                                                     \
	"file photos/sub/b.jpg (sub/b.jpg)\n"

TEST(walk_limits, a_read_error_of_a_folder_is_reported_after_the_files_read_so_far)
{
	scratch_enter(NULL);
	make_small_tree();
	walk_getdents = read_then_fail;
	EXPECT_STR(listing("photos", NULL), SMALL_TREE "error 5 photos/sub (sub)\n"
	                                               "named error 5 photos (photos)\n");
	scratch_leave();
}

TEST(walk_limits, the_type_of_an_entry_is_queried_if_the_folder_does_not_provide_it)
{
	scratch_enter(NULL);
	make_small_tree();
	scratch_file("photos/gone.jpg", "");
	walk_getdents = read_untyped;
	EXPECT_STR(listing("photos", NULL), SMALL_TREE);
	scratch_leave();
}

TEST(walk_limits, a_name_that_the_folder_lists_twice_is_returned_once)
{
	scratch_enter(NULL);
	make_small_tree();
	walk_getdents = read_twice;
	EXPECT_STR(listing("photos", NULL), SMALL_TREE);
	scratch_leave();
}

TEST(walk_limits, an_input_folder_replaced_by_a_fifo_is_an_error_and_does_not_block)
{
	struct walk_item item;
	struct walk *walk;

	scratch_enter(NULL);
	scratch_folder("in");
	walk = walk_of("in");
	folder_to_swap = "in";
	alarm(10);
	EXPECT_EQ(walk_next(walk, &item), WALK_ERROR);
	alarm(0);
	EXPECT(folder_to_swap == NULL);
	EXPECT_EQ(item.sys_errno, ENOTDIR);
	EXPECT(item.is_named);
	EXPECT_EQ(walk_next(walk, &item), WALK_END);
	walk_close(walk);
	scratch_leave();
}
