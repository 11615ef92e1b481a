/* Tests of the store with each way to publish: where an output is written, which files it replaces,
 * and which outputs are refused. */
#include "output.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Run claims() for each way to publish. Each call has a new folder as its current directory. */
static void by_every_way(void (*claims)(int way))
{
	scratch_enter(NULL);
	for (int way = 0; way < N_WAYS; way++) {
		char folder[32];

		snprintf(folder, sizeof(folder), "way_%d", way);
		scratch_folder(folder);
		REQUIRE(chdir(folder) == 0);
		claims(way);
		REQUIRE(chdir("..") == 0);
	}
	scratch_leave();
}

TEST(store, the_output_folder_is_created_with_its_parents)
{
	dev_t dev;
	ino_t ino;
	struct stat st;
	struct store *store;

	scratch_enter(NULL);
	store = store_open("a//b/./c/");
	REQUIRE(store != NULL);
	REQUIRE(stat("a/b/c", &st) == 0);
	store_identity(store, &dev, &ino);
	EXPECT(dev == st.st_dev && ino == st.st_ino);
	store_close(store);

	scratch_link("to_c", "a/b/c");
	store = store_open("to_c");
	EXPECT(store != NULL, "a link to a folder is a folder as well");
	store_close(store);
	scratch_leave();
}

TEST(store, the_failure_to_open_or_create_a_folder_gives_the_reason)
{
	scratch_enter(NULL);
	scratch_file("file", "");
	EXPECT(store_open("file") == NULL && errno == ENOTDIR);
	EXPECT(store_open("file/sub") == NULL && errno == ENOTDIR);
	EXPECT(store_open("") == NULL && errno == ENOENT);
	store_close(NULL);
	scratch_leave();
}

static void appears_whole(int way)
{
	struct store *store = store_with_way(way);
	struct stat st;
	int content = content_of('x', 1000000);
	mode_t umask_before = umask(027);

	EXPECT(!store_has(store, "a.jpg"));
	EXPECT_EQ(publish_text(store, "a.jpg", "picture", OVERWRITE_OWN), STORE_DONE);
	EXPECT_EQ(last_failure.class, FAIL_NONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "picture");
	EXPECT(store_has(store, "a.jpg"));
	REQUIRE(stat("out/a.jpg", &st) == 0);
	EXPECT_EQ(st.st_mode, S_IFREG | 0640);
	EXPECT_EQ(st.st_nlink, 1);

	/* The content may be longer than the output. The file position of the content does not
	 * move. */
	EXPECT_EQ(store_publish(store, "b.jpg",
	                        &(struct store_content){content, 0, 999999, NULL},
	                        OVERWRITE_OWN, &last_failure),
	          STORE_DONE);
	REQUIRE(stat("out/b.jpg", &st) == 0);
	EXPECT_EQ(st.st_size, 999999);
	EXPECT_EQ(lseek(content, 0, SEEK_CUR), 1000000);
	EXPECT_EQ(n_names("out"), 2);
	umask(umask_before);
	fd_close(&content);
	store_close(store);
}

TEST(store, an_output_appears_complete_and_its_mode_follows_the_umask)
{
	by_every_way(appears_whole);
}

static void makes_sub_folders(int way)
{
	struct store *store = store_with_way(way);
	int n_before;

	EXPECT(!store_has(store, "a/b/1.jpg"));
	EXPECT_EQ(n_names("out"), 0);
	EXPECT_EQ(publish_text(store, "a/b/1.jpg", "1", OVERWRITE_OWN), STORE_DONE);
	n_before = scratch_n_open();
	EXPECT_EQ(publish_text(store, "a/b/2.jpg", "2", OVERWRITE_OWN), STORE_DONE);
	EXPECT_EQ(publish_text(store, "a/3.jpg", "3", OVERWRITE_OWN), STORE_DONE);
	EXPECT_EQ(publish_text(store, "\xff\n/-4", "4", OVERWRITE_OWN), STORE_DONE);
	EXPECT_EQ(publish_text(store, "...", "5", OVERWRITE_OWN), STORE_DONE);
	EXPECT_EQ(scratch_n_open(), n_before);
	EXPECT_STR(scratch_text("out/a/b/1.jpg"), "1");
	EXPECT_STR(scratch_text("out/a/b/2.jpg"), "2");
	EXPECT_STR(scratch_text("out/a/3.jpg"), "3");
	EXPECT_STR(scratch_text("out/\xff\n/-4"), "4");
	EXPECT(store_has(store, "a/b/1.jpg"));
	EXPECT(store_has(store, "a/b"));
	store_close(store);
}

TEST(store, sub_folders_are_created_as_needed)
{
	by_every_way(makes_sub_folders);
}

static void own_and_skip_keep_what_is_there(int way)
{
	struct store *store = store_with_way(way);

	scratch_file("out/a.jpg", "old");
	EXPECT_EQ(publish_text(store, "a.jpg", "new", OVERWRITE_OWN), STORE_FAILED);
	EXPECT_EQ(last_failure.class, FAIL_EXISTS);
	EXPECT_STR(last_failure.text, "publish: a file with the name of the output "
	                              "exists");
	EXPECT_EQ(publish_text(store, "a.jpg", "new", OVERWRITE_SKIP), STORE_SKIPPED);
	EXPECT_EQ(last_failure.class, FAIL_NONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "old");
	EXPECT_EQ(publish_text(store, "b.jpg", "new", OVERWRITE_SKIP), STORE_DONE);
	EXPECT_EQ(n_names("out"), 2);
	store_close(store);
}

TEST(store, an_output_that_exists_fails_by_default_and_is_skipped_in_overwrite_mode_skip)
{
	by_every_way(own_and_skip_keep_what_is_there);
}

static void always_replaces(int way)
{
	struct store *store = store_with_way(way);

	scratch_file("out/a.jpg", "old");
	REQUIRE(link("out/a.jpg", "another_name") == 0);
	EXPECT_EQ(publish_text(store, "a.jpg", "new", OVERWRITE_ALWAYS), STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "new");
	EXPECT_STR(scratch_text("another_name"), "old");
	EXPECT_EQ(publish_text(store, "b.jpg", "new", OVERWRITE_ALWAYS), STORE_DONE);

	scratch_folder("out/folder.jpg");
	EXPECT_EQ(publish_text(store, "folder.jpg", "new", OVERWRITE_ALWAYS),
	          STORE_FAILED);
	EXPECT_EQ(last_failure.class, FAIL_EXISTS);
	EXPECT_STR(last_failure.text, "publish: a folder with the name of the output "
	                              "exists");
	EXPECT_EQ(n_names("out"), 3);
	store_close(store);
}

TEST(store, an_existing_file_is_replaced_in_overwrite_mode_always_but_a_folder_is_not)
{
	by_every_way(always_replaces);
}

static void goes_through_no_link(int way)
{
	struct store *store = store_with_way(way);
	const char *const names[] = {"to_secret/a.jpg", "to_nothing/a.jpg",
	                             "sub/up/a.jpg", "file/a.jpg", "sub/magic/a.jpg"};

	scratch_folder("secret");
	scratch_file("secret/s", "secret");
	scratch_folder("out/sub");
	scratch_file("out/file", "");
	scratch_link("out/link.jpg", "../secret/s");
	scratch_link("out/dangling.jpg", "../secret/new");
	scratch_link("out/to_secret", "../secret");
	scratch_link("out/to_nothing", "../nothing");
	scratch_link("out/sub/up", "..");
	scratch_link("out/sub/magic", "/proc/self/cwd");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_EQ(publish_text(store, names[i], "x", OVERWRITE_ALWAYS),
		          STORE_FAILED);
		EXPECT_EQ(last_failure.class, FAIL_EXISTS);
		EXPECT_STR(last_failure.text,
		           "publish: cannot open the folder of the output: a file or a "
		           "link has the name of the folder");
		EXPECT(!store_has(store, names[i]));
	}
	EXPECT_EQ(publish_text(store, "link.jpg", "x", OVERWRITE_OWN), STORE_FAILED);
	EXPECT_EQ(last_failure.class, FAIL_EXISTS);
	EXPECT_EQ(publish_text(store, "dangling.jpg", "x", OVERWRITE_OWN), STORE_FAILED);
	EXPECT_EQ(last_failure.class, FAIL_EXISTS);
	EXPECT(store_has(store, "dangling.jpg"));

	/* The link is replaced, not the file that it leads to. */
	EXPECT_EQ(publish_text(store, "link.jpg", "x", OVERWRITE_ALWAYS), STORE_DONE);
	EXPECT_STR(scratch_text("out/link.jpg"), "x");
	EXPECT_STR(scratch_text("secret/s"), "secret");
	EXPECT_EQ(n_names("secret"), 1);
	EXPECT_EQ(n_names("."), 2);
	store_close(store);
}

TEST(store, a_symbolic_link_planted_in_the_output_folder_is_never_followed)
{
	by_every_way(goes_through_no_link);
}

static void refuses_names(int way)
{
	struct store *store = store_with_way(way);
	const char *const names[] = {"",     ".",  "..",   "/etc/x", "../x",  "a/../x",
	                             "a/..", "a/", "a//b", "./x",    "a/./x", "/"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_EQ(publish_text(store, names[i], "x", OVERWRITE_ALWAYS),
		          STORE_FAILED);
		EXPECT_EQ(last_failure.class, FAIL_INTERNAL);
		EXPECT(!store_has(store, names[i]));
	}
	EXPECT_EQ(n_names("out"), 0);
	EXPECT_EQ(n_names("."), 1);
	store_close(store);
}

TEST(store, an_output_name_that_leads_out_of_the_folder_is_an_internal_error)
{
	by_every_way(refuses_names);
}

static bool says_that_the_name_is_too_long(void)
{
	return strstr(last_failure.text, "longer than the file system allows") != NULL;
}

static void fails_alone(int way)
{
	struct store *store = store_with_way(way);
	char name[300];
	int content = content_of('x', 10);

	memset(name, 'n', 256);
	name[256] = 0;
	EXPECT_EQ(publish_text(store, name, "x", OVERWRITE_OWN), STORE_FAILED);
	EXPECT(says_that_the_name_is_too_long());
	EXPECT_EQ(last_failure.class, FAIL_IO);
	EXPECT_EQ(publish_text(store, name, "x", OVERWRITE_ALWAYS), STORE_FAILED);
	memcpy(name + 256, "/a.jpg", sizeof("/a.jpg"));
	EXPECT_EQ(publish_text(store, name, "x", OVERWRITE_OWN), STORE_FAILED);
	EXPECT(says_that_the_name_is_too_long());

	EXPECT_EQ(store_publish(store, "a.jpg",
	                        &(struct store_content){content, 0, 11, NULL},
	                        OVERWRITE_OWN, &last_failure),
	          STORE_FAILED);
	EXPECT_EQ(last_failure.class, FAIL_INTERNAL);
	EXPECT_STR(last_failure.text,
	           "publish: cannot write the output: the output is shorter than the "
	           "worker announced");
	EXPECT_EQ(n_names("out"), 0);
	fd_close(&content);
	store_close(store);
}

TEST(store, an_output_fails_alone_if_its_name_is_too_long_or_its_content_is_too_short)
{
	by_every_way(fails_alone);
}

static void makes_again(int way)
{
	struct store *store = store_with_way(way);

	EXPECT_EQ(publish_text(store, "a/b/1.jpg", "1", OVERWRITE_OWN), STORE_DONE);
	REQUIRE(unlink("out/a/b/1.jpg") == 0);
	REQUIRE(rmdir("out/a/b") == 0);
	REQUIRE(rmdir("out/a") == 0);
	EXPECT_EQ(publish_text(store, "a/b/2.jpg", "2", OVERWRITE_OWN), STORE_DONE);
	EXPECT_STR(scratch_text("out/a/b/2.jpg"), "2");

	REQUIRE(rename("out", "moved") == 0);
	EXPECT_EQ(publish_text(store, "3.jpg", "3", OVERWRITE_OWN), STORE_DONE);
	EXPECT_STR(scratch_text("moved/3.jpg"), "3");
	store_close(store);
}

TEST(store, a_folder_that_vanished_is_created_again)
{
	by_every_way(makes_again);
}

static void gives_up_its_folder(int way)
{
	struct store *store = store_with_way(way);

	REQUIRE(rmdir("out") == 0);
	EXPECT_EQ(publish_text(store, "a.jpg", "x", OVERWRITE_OWN), STORE_PLACE_FAILED);
	EXPECT(failed_by(ENOENT));
	EXPECT_EQ(publish_text(store, "sub/a.jpg", "x", OVERWRITE_ALWAYS),
	          STORE_PLACE_FAILED);
	EXPECT(failed_by(ENOENT));
	EXPECT_EQ(n_names("."), 0);
	store_close(store);
}

TEST(store, a_removed_output_folder_stops_the_run)
{
	by_every_way(gives_up_its_folder);
}

TEST(store, a_missing_report_file_is_created_and_an_existing_report_file_is_emptied)
{
	int fd;

	scratch_enter(NULL);
	scratch_file("old", "lines");
	fd = store_open_stream("old");
	REQUIRE(fd >= 0);
	EXPECT_STR(scratch_text("old"), "");
	EXPECT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	fd_close(&fd);
	fd = store_open_stream("new");
	EXPECT(fd >= 0 && fd_write_all(fd, "line", 4));
	EXPECT_STR(scratch_text("new"), "line");
	fd_close(&fd);
	fd = store_open_stream("a/new/folder/file");
	EXPECT(fd >= 0);
	fd_close(&fd);
	EXPECT(store_open_stream("new/file") == -1 && errno == ENOTDIR);
	scratch_leave();
}

TEST(store, an_output_gets_the_requested_times)
{
	static const struct timespec dates[2] = {{86400, 123456789}, {-5, 999999999}};
	int content = content_of('d', 5000);
	struct stat st;

	for (int way = 0; way < N_WAYS; way++) {
		struct store *store;

		scratch_enter(NULL);
		store = store_with_way(way);
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(store_publish(store, "a.jpg",
			                        &(struct store_content){content, 0, 5000,
			                                                dates},
			                        i == 0 ? OVERWRITE_OWN : OVERWRITE_ALWAYS,
			                        &last_failure),
			          STORE_DONE);
			REQUIRE(stat("out/a.jpg", &st) == 0);
			EXPECT_EQ(st.st_atim.tv_sec, 86400);
			EXPECT_EQ(st.st_mtim.tv_sec, -5);
			EXPECT_EQ(st.st_mtim.tv_nsec, 999999999);
		}
		store_close(store);
		scratch_leave();
	}
	fd_close(&content);
}
