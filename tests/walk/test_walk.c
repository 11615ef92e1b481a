/* Tests of what a walk finds, in which order, and under which names. */
#include "listing.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "walk/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(walk, a_folder_lists_files_before_sub_folders_each_sorted_by_name_bytes)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/a");
	scratch_folder("photos/B");
	scratch_folder("photos/a/empty");
	scratch_file("photos/z.jpg", "");
	scratch_file("photos/Z.jpg", "");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/\xc3\xa9.jpg", "");
	scratch_file("photos/a/1.jpg", "");
	scratch_file("photos/a/10.jpg", "");
	scratch_file("photos/B/x", "");

	EXPECT_STR(listing("photos", NULL), "file photos/Z.jpg (Z.jpg)\n"
	                                    "file photos/a.jpg (a.jpg)\n"
	                                    "file photos/z.jpg (z.jpg)\n"
	                                    "file photos/\xc3\xa9.jpg (\xc3\xa9.jpg)\n"
	                                    "file photos/B/x (B/x)\n"
	                                    "file photos/a/1.jpg (a/1.jpg)\n"
	                                    "file photos/a/10.jpg (a/10.jpg)\n");
	scratch_leave();
}

TEST(walk, inputs_are_walked_in_order_and_each_item_names_its_input)
{
	const char *const inputs[] = {"b.jpg", "a", "b.jpg"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 3};
	struct walk *walk = walk_open(&options);
	struct walk_item item;

	scratch_enter(NULL);
	scratch_file("b.jpg", "");
	scratch_folder("a");
	scratch_file("a/c.jpg", "");
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
		EXPECT_EQ(item.input, i);
		EXPECT_EQ(item.is_named, i != 1);
	}
	EXPECT_EQ(walk_next(walk, &item), WALK_END);
	walk_close(walk);
	scratch_leave();
}

TEST(walk, printed_paths_begin_with_their_input_as_the_user_typed_it)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/sub");
	scratch_file("photos/sub/a.jpg", "");

	EXPECT_STR(listing("photos/", NULL), "file photos/sub/a.jpg (sub/a.jpg)\n");
	EXPECT_STR(listing("./photos//", NULL), "file ./photos/sub/a.jpg (sub/a.jpg)\n");
	EXPECT_STR(listing("photos/sub/a.jpg", NULL),
	           "named file photos/sub/a.jpg (a.jpg)\n");
	REQUIRE(chdir("photos/sub") == 0);
	EXPECT_STR(listing(".", "..", NULL), "file ./a.jpg (a.jpg)\n"
	                                     "file ../sub/a.jpg (sub/a.jpg)\n");
	scratch_leave();
}

TEST(walk, paths_below_the_root_folder_start_with_a_single_slash)
{
	const char *const inputs[] = {"//"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk *walk = walk_open(&options);
	struct walk_item item;

	EXPECT(walk_next(walk, &item) != WALK_END);
	EXPECT(item.path[0] == '/' && item.path[1] != '/');
	EXPECT(item.relative == item.path + 1);
	walk_close(walk);
}

TEST(walk, names_that_are_not_utf8_are_returned_unchanged)
{
	const char *const inputs[] = {"d"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	const char *const names[] = {"\x01\xff\xfe.jpg", "\nnew\nline", "%s[1]:*?", "-rf",
	                             NULL};
	char longest[256], path[300];
	struct walk *walk = walk_open(&options);
	struct walk_item item;
	struct stat st;

	memset(longest, 'x', 255);
	longest[255] = 0;
	scratch_enter(NULL);
	scratch_folder("d");
	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "d/%s", names[i] ? names[i] : longest);
		scratch_file(path, names[i] ? names[i] : "longest");
	}
	for (int i = 0; i < 5; i++) {
		const char *name = names[i] ? names[i] : longest;
		int fd;

		EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
		EXPECT_STR(item.relative, name);
		EXPECT_STR(item.name, name);
		fd = walk_open_file(&item, &st);
		EXPECT(fd >= 0);
		EXPECT_EQ(st.st_size, strlen(names[i] ? names[i] : "longest"));
		fd_close(&fd);
	}
	EXPECT_EQ(walk_next(walk, &item), WALK_END);
	walk_close(walk);
	scratch_leave();
}

TEST(walk, symbolic_links_are_followed_as_inputs_and_not_inside_folders)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/sub");
	scratch_file("photos/sub/a.jpg", "");
	scratch_link("photos/loop", ".");
	scratch_link("photos/sub/up", "..");
	scratch_link("photos/to_file", "sub/a.jpg");
	scratch_link("photos/to_nothing", "nothing");
	scratch_link("to_folder", "photos/sub");

	EXPECT_STR(listing("photos", NULL), "other photos/loop (loop)\n"
	                                    "other photos/to_file (to_file)\n"
	                                    "other photos/to_nothing (to_nothing)\n"
	                                    "file photos/sub/a.jpg (sub/a.jpg)\n"
	                                    "other photos/sub/up (sub/up)\n");
	EXPECT_STR(listing("to_folder", NULL), "file to_folder/a.jpg (a.jpg)\n"
	                                       "other to_folder/up (up)\n");
	EXPECT_STR(listing("photos/to_file", "photos/to_nothing", NULL),
	           "named file photos/to_file (to_file)\n"
	           "named error 2 photos/to_nothing (to_nothing)\n");
	scratch_leave();
}

TEST(walk, a_file_that_became_a_link_is_not_opened)
{
	const char *const inputs[] = {"photos"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk *walk = walk_open(&options);
	struct walk_item item;
	struct stat st;

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_file("photos/a.jpg", "");
	scratch_file("secret", "");
	EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	REQUIRE(unlink("photos/a.jpg") == 0);
	scratch_link("photos/a.jpg", "../secret");
	EXPECT(walk_open_file(&item, &st) == -1 && errno == ELOOP);
	walk_close(walk);
	scratch_leave();
}

TEST(walk, the_output_folder_is_never_walked_wherever_it_is)
{
	const char *const inputs[] = {"photos", "photos/thumbs", "to_thumbs",
	                              "photos/../photos/thumbs/"};
	struct walk_options options = {.inputs = inputs, .n_inputs = 4};
	struct stat st;

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/thumbs");
	scratch_folder("photos/thumbs/sub");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/thumbs/a.jpg", "");
	scratch_file("photos/thumbs/sub/a.jpg", "");
	scratch_link("to_thumbs", "photos/thumbs");
	REQUIRE(stat("photos/thumbs", &st) == 0);
	options.skip_dev = st.st_dev;
	options.skip_ino = st.st_ino;

	EXPECT_STR(listing_of(&options), "file photos/a.jpg (a.jpg)\n");
	scratch_leave();
}

TEST(walk, a_folder_that_contains_the_mark_file_is_walked_only_if_it_is_an_input)
{
	const char *const inputs[] = {"photos", "photos/thumbs"};
	struct walk_options options = {.inputs = inputs, .n_inputs = 2, .mark = ".m*k"};

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/thumbs");
	scratch_folder("photos/thumbs/sub");
	scratch_folder("photos/z");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/thumbs/.mark", "");
	scratch_file("photos/thumbs/b.jpg", "");
	scratch_file("photos/thumbs/sub/c.jpg", "");
	scratch_file("photos/z/d.jpg", "");
	EXPECT_STR(listing_of(&options), "file photos/a.jpg (a.jpg)\n"
	                                 "marked photos/thumbs (thumbs)\n"
	                                 "file photos/z/d.jpg (z/d.jpg)\n"
	                                 "file photos/thumbs/b.jpg (b.jpg)\n"
	                                 "file photos/thumbs/sub/c.jpg (sub/c.jpg)\n");
	scratch_leave();
}

TEST(walk, an_input_that_does_not_exist_is_an_error_and_the_walk_continues)
{
	scratch_enter(NULL);
	scratch_file("a.jpg", "");
	EXPECT_STR(listing("nothing/x", "", "a.jpg/", "a.jpg", NULL),
	           "named error 2 nothing/x (x)\n"
	           "named error 2  ()\n"
	           "named error 20 a.jpg/ (a.jpg/)\n"
	           "named file a.jpg (a.jpg)\n");
	scratch_leave();
}

TEST(walk, hidden_files_and_folders_are_skipped_unless_given_as_inputs)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/.cache");
	scratch_file("photos/.cache/a.jpg", "");
	scratch_file("photos/.b.jpg", "");
	scratch_file("photos/..c.jpg", "");
	scratch_link("photos/.link", "nothing");

	EXPECT_STR(listing("photos", NULL), "");
	EXPECT_STR(listing("photos/.cache", "photos/.b.jpg", NULL),
	           "file photos/.cache/a.jpg (a.jpg)\n"
	           "named file photos/.b.jpg (.b.jpg)\n");
	scratch_leave();
}

TEST(walk, special_files_are_never_opened_and_are_refused_as_inputs)
{
	const char *const inputs[] = {"d/fifo", "d/socket"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 2};
	struct walk *walk = walk_open(&options);
	struct walk_item item;
	struct stat st;

	scratch_enter(NULL);
	scratch_folder("d");
	REQUIRE(mkfifo("d/fifo", 0666) == 0);
	REQUIRE(mknod("d/socket", S_IFSOCK | 0666, 0) == 0);
	EXPECT_STR(listing("d", NULL), "other d/fifo (fifo)\nother d/socket (socket)\n");

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
		EXPECT(item.is_named);
		EXPECT(walk_open_file(&item, &st) == -1 && errno == EINVAL);
	}
	walk_close(walk);
	scratch_leave();
}

static bool lists_unreadable_folders(void)
{
	bool as_said = strcmp(listing("photos", NULL),
	                      "file photos/a.jpg (a.jpg)\n"
	                      "error 13 photos/closed (closed)\n"
	                      "file photos/open/b.jpg (open/b.jpg)\n") == 0;

	return as_said && strcmp(listing("photos/closed/", "photos/closed/c.jpg", NULL),
	                         "named error 13 photos/closed/ (closed/)\n"
	                         "named error 13 photos/closed/c.jpg (c.jpg)\n") == 0;
}

TEST(walk, an_unreadable_folder_is_an_error_and_the_walk_continues)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/closed");
	scratch_folder("photos/open");
	scratch_file("photos/a.jpg", "");
	scratch_file("photos/closed/c.jpg", "");
	scratch_file("photos/open/b.jpg", "");
	REQUIRE(chmod("photos/closed", 0) == 0);
	EXPECT(scratch_as_nobody(lists_unreadable_folders));
	REQUIRE(chmod("photos/closed", 0700) == 0);
	scratch_leave();
}

TEST(walk, a_bind_mount_of_a_parent_folder_is_an_error_and_not_walked)
{
	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_folder("photos/a");
	scratch_folder("photos/a/back");
	scratch_file("photos/x.jpg", "");
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("photos", "photos/a/back", NULL, MS_BIND, NULL) != 0) {
		scratch_skip("a loop of mounts", strerrordesc_np(errno));
		scratch_leave();
		return;
	}
	EXPECT_STR(listing("photos", NULL), "file photos/x.jpg (x.jpg)\n"
	                                    "error 40 photos/a/back (a/back)\n");
	REQUIRE(umount("photos/a/back") == 0);
	scratch_leave();
}

/* ---- options that select files ---- */

static const char *list_with(struct walk_options options, const char *input)
{
	options.inputs = &input;
	options.n_inputs = 1;
	return listing_of(&options);
}

TEST(walk, the_last_matching_pattern_decides)
{
	const struct walk_glob globs[] = {
		{"*.jpg", true},
		{"b.*", false},
		{"sub/b.jpg", true},
	};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/sub");
	scratch_file("d/a.jpg", "");
	scratch_file("d/a.png", "");
	scratch_file("d/b.jpg", "");
	scratch_file("d/sub/b.jpg", "");
	EXPECT_STR(list_with((struct walk_options){.globs = globs, .n_globs = 3}, "d"),
	           "file d/a.jpg (a.jpg)\n"
	           "file d/sub/b.jpg (sub/b.jpg)\n");
	EXPECT_STR(
		list_with((struct walk_options){.globs = globs + 1, .n_globs = 1}, "d"),
		"file d/a.jpg (a.jpg)\n"
		"file d/a.png (a.png)\n");
	EXPECT_STR(list_with((struct walk_options){.globs = globs + 1, .n_globs = 1},
	                     "d/b.jpg"),
	           "");
	scratch_leave();
}

TEST(walk, a_pattern_with_a_slash_is_compared_with_every_trailing_part_of_the_path)
{
	static const struct {
		const char *pattern;
		bool matches;
	} cases[] = {
		{"d/2009/x/a.jpg", true}, {"x/a.jpg", true}, {"2009/*", true},
		{"/x/*", false},          {"d/*", true},     {"*/x/*", true},
		{"9/x/a.jpg", false},     {"x/", false},
	};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/2009");
	scratch_folder("d/2009/x");
	scratch_file("d/2009/x/a.jpg", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct walk_glob glob = {cases[i].pattern, true};

		EXPECT(*list_with((struct walk_options){.globs = &glob, .n_globs = 1},
		                  "d") == (cases[i].matches ? 'f' : 0),
		       "%s", cases[i].pattern);
	}
	scratch_leave();
}

TEST(walk, the_depth_of_a_walk_can_be_limited)
{
	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/e");
	scratch_folder("d/e/f");
	scratch_file("d/1.jpg", "");
	scratch_file("d/e/2.jpg", "");
	scratch_file("d/e/f/3.jpg", "");
	EXPECT_STR(list_with((struct walk_options){.has_max_depth = true}, "d"), "");
	EXPECT_STR(list_with((struct walk_options){.has_max_depth = true, .max_depth = 1},
	                     "d"),
	           "file d/1.jpg (1.jpg)\n");
	EXPECT_STR(list_with((struct walk_options){.has_max_depth = true, .max_depth = 2},
	                     "d"),
	           "file d/1.jpg (1.jpg)\n"
	           "file d/e/2.jpg (e/2.jpg)\n");
	EXPECT_STR(list_with((struct walk_options){.has_max_depth = true}, "d/1.jpg"),
	           "named file d/1.jpg (1.jpg)\n");
	scratch_leave();
}

TEST(walk, hidden_files_are_returned_on_request_except_those_of_pixpool)
{
	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/.cache");
	scratch_file("d/.a.jpg", "");
	scratch_file("d/.cache/b.jpg", "");
	scratch_file("d/.pixpool.db", "");
	scratch_file("d/.pixpool-0123456789abcdef.tmp", "");
	EXPECT_STR(list_with((struct walk_options){.takes_hidden = true}, "d"),
	           "file d/.a.jpg (.a.jpg)\n"
	           "file d/.cache/b.jpg (.cache/b.jpg)\n");
	scratch_leave();
}

TEST(walk, links_are_followed_on_request_and_loops_are_detected)
{
	struct walk_options options = {.follows_links = true};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/sub");
	scratch_folder("elsewhere");
	scratch_file("elsewhere/a.jpg", "");
	scratch_link("d/file.jpg", "../elsewhere/a.jpg");
	scratch_link("d/folder", "../elsewhere");
	scratch_link("d/dangling", "nowhere");
	scratch_link("d/itself", "itself");
	scratch_link("d/sub/up", "..");
	scratch_link("elsewhere/here", ".");
	EXPECT_STR(list_with(options, "d"), "other d/dangling (dangling)\n"
	                                    "file d/file.jpg (file.jpg)\n"
	                                    "other d/itself (itself)\n"
	                                    "file d/folder/a.jpg (folder/a.jpg)\n"
	                                    "other d/folder/here (folder/here)\n"
	                                    "other d/sub/up (sub/up)\n");
	options.follows_links = false;
	EXPECT_STR(list_with(options, "d"), "other d/dangling (dangling)\n"
	                                    "other d/file.jpg (file.jpg)\n"
	                                    "other d/folder (folder)\n"
	                                    "other d/itself (itself)\n"
	                                    "other d/sub/up (sub/up)\n");
	scratch_leave();
}

/* ---- names in a list of inputs ---- */

TEST(walk, the_output_path_of_a_name_in_a_list_keeps_the_folders_below_the_base)
{
	static const struct {
		const char *name, *base, *line;
	} cases[] = {
		{"d/e/a.jpg", NULL, "named file d/e/a.jpg (d/e/a.jpg)\n"},
		{"./d//e/./a.jpg", NULL, "named file ./d/e/a.jpg (d/e/a.jpg)\n"},
		{"d/../d/e/a.jpg", NULL, "named file d/../d/e/a.jpg (d/e/a.jpg)\n"},
		{"e/a.jpg", "d", "named file d/e/a.jpg (e/a.jpg)\n"},
		{"e/a.jpg", "./d/", "named file ./d/e/a.jpg (e/a.jpg)\n"},
		{"d/e/a.jpg", "d", "named file d/e/a.jpg (e/a.jpg)\n"},
		{"d/e", NULL, "file d/e/a.jpg (d/e/a.jpg)\n"},
		{"e/", "d", "file d/e/a.jpg (e/a.jpg)\n"},
		{".", "d/e", "file d/e/./a.jpg (a.jpg)\n"},
		{"d/e/..", NULL, "file d/e/../e/a.jpg (e/a.jpg)\n"},
		{"none.jpg", "d", "named error 2 d/none.jpg (none.jpg)\n"},
		{"none.jpg", NULL, "named error 2 none.jpg (none.jpg)\n"},
	};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/e");
	scratch_file("d/e/a.jpg", "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_STR(list_with((struct walk_options){.is_list = true,
		                                           .base = cases[i].base},
		                     cases[i].name),
		           cases[i].line);
	scratch_leave();
}

static int open_plainly(void *data, const struct walk_place *place, int flags,
                        struct stat *ret_stat)
{
	int fd = openat(place->folder, place->name, flags);

	(void)data;
	if (fd >= 0 && ret_stat)
		REQUIRE(fstat(fd, ret_stat) == 0);
	return fd;
}

static bool stat_plainly(void *data, const struct walk_place *place, int flags,
                         struct stat *ret_stat)
{
	(void)data;
	return fstatat(place->folder, place->name, ret_stat, flags) == 0;
}

static ssize_t fail_to_list(void *data, const struct walk_place *place, void *buffer,
                            size_t n)
{
	(void)data;
	(void)place;
	(void)buffer;
	(void)n;
	errno = EIO;
	return -1;
}

TEST(walk, a_listed_folder_that_cannot_be_read_is_reported_under_its_name_in_the_list)
{
	static const struct {
		const char *name, *base, *line;
	} cases[] = {
		{".", NULL, "named error 5 . (.)\n"},
		{"..", NULL, "named error 5 .. (..)\n"},
		{"d/e", NULL, "named error 5 d/e (d/e)\n"},
		{"d/e/", NULL, "named error 5 d/e (d/e)\n"},
		{"e", "d", "named error 5 d/e (e)\n"},
		{".", "d/e", "named error 5 d/e/. (.)\n"},
	};
	const struct walk_calls calls = {open_plainly, stat_plainly, fail_to_list, NULL};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/e");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT_STR(list_with((struct walk_options){.is_list = true,
		                                           .base = cases[i].base,
		                                           .calls = &calls},
		                     cases[i].name),
		           cases[i].line);
	scratch_leave();
}

TEST(walk,
     an_absolute_name_in_a_list_keeps_its_folders_below_the_output_folder_unless_a_base_is_given)
{
	char here[400], path[512], want[2048];

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_file("d/a.jpg", "");
	REQUIRE(getcwd(here, sizeof(here)) != NULL);
	snprintf(path, sizeof(path), "%s/d/a.jpg", here);
	snprintf(want, sizeof(want), "named file %.300s (%.300s)\n", path, path + 1);
	EXPECT_STR(list_with((struct walk_options){.is_list = true}, path), want);
	snprintf(want, sizeof(want), "named file %.300s (d/a.jpg)\n", path);
	EXPECT_STR(list_with((struct walk_options){.is_list = true, .base = here}, path),
	           want);
	scratch_leave();
}

/* ---- finding a file again ---- */

/* Walk to the file with this relative name, and return its address for walk_visit(). */
static struct walk_address address_in(const struct walk_options *options,
                                      const char *relative)
{
	struct walk_address address = {0};
	struct walk *walk = walk_open(options);
	struct walk_item item;

	while (!address.path && walk_next(walk, &item) != WALK_END) {
		if (item.kind == WALK_FILE && strcmp(item.relative, relative) == 0)
			REQUIRE(walk_address_of(&item, &address));
	}
	REQUIRE(address.path != NULL);
	walk_close(walk);
	return address;
}

/* Find the file that has this walk address, and open it. Returns 0 or the errno. */
static int visit(const struct walk_options *options, const struct walk_address *address)
{
	struct walk *walk = walk_open(options);
	struct walk_item item;
	struct stat st;
	int fd, sys_errno = 0;

	if (walk_visit(walk, address, &item)) {
		fd = walk_open_file(&item, &st);
		sys_errno = fd < 0 ? errno : 0;
		fd_close(&fd);
	} else {
		sys_errno = errno;
	}
	walk_close(walk);
	return sys_errno;
}

/* Visit an item by its address with another walk, and compare the two items. */
static void expect_same(struct walk *other, const struct walk_item *item)
{
	struct walk_address address;
	struct walk_item visited;
	struct stat a = {0}, b = {0};
	char line[1024];
	int fd;

	REQUIRE(walk_address_of(item, &address));
	EXPECT(walk_visit(other, &address, &visited), "%s", item->path);
	snprintf(line, sizeof(line), "%s", listing_line(item));
	EXPECT_STR(listing_line(&visited), line);
	EXPECT_EQ(visited.input, item->input);
	EXPECT_STR(visited.name, item->name);
	EXPECT_EQ(visited.dev, item->dev);
	EXPECT_EQ(visited.follows_link, item->follows_link);
	EXPECT_EQ(visited.n_of_input, item->n_of_input);
	fd = walk_open_file(&visited, &b);
	EXPECT(fd >= 0 && walk_stat_file(item, &a) && a.st_ino == b.st_ino);
	fd_close(&fd);
	walk_address_fini(&address);
}

/* Check that a walk with these options finds n_files files, and that visiting each of them by its
 * address gives the same item as the walk. */
static void expect_all_same(struct walk_options options, unsigned n_files)
{
	struct walk *walk = walk_open(&options), *other = walk_open(&options);
	struct walk_item item;
	unsigned n = 0;

	while (walk_next(walk, &item) != WALK_END) {
		if (item.kind == WALK_FILE) {
			expect_same(other, &item);
			n++;
		}
	}
	EXPECT_EQ(n, n_files);
	walk_close(walk);
	walk_close(other);
}

TEST(walk, visiting_the_address_of_a_file_gives_the_same_item_as_the_walk)
{
	static const char *const inputs[] = {"d//", "d/a.jpg", "link", ".", "d/sub/.."};

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/sub");
	scratch_folder("d/sub/deep");
	scratch_file("d/a.jpg", "a");
	scratch_file("d/b.jpg", "b");
	scratch_file("d/sub/c.jpg", "c");
	scratch_file("d/sub/deep/\xff\n.jpg", "d");
	scratch_link("link", "d/sub");
	expect_all_same((struct walk_options){.inputs = inputs, .n_inputs = 5},
	                4 + 1 + 2 + 4 + 4);
	expect_all_same((struct walk_options){.inputs = inputs,
	                                      .n_inputs = 5,
	                                      .follows_links = true},
	                4 + 1 + 2 + 6 + 4);
	expect_all_same(
		(struct walk_options){.inputs = (const char *const[]){"sub", "a.jpg"},
	                              .n_inputs = 2,
	                              .is_list = true,
	                              .base = "./d/"},
		3);
	scratch_leave();
}

TEST(walk, finding_a_file_again_by_address_follows_no_link_that_has_replaced_a_folder)
{
	const char *const inputs[] = {"d"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk_address address;

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/sub");
	scratch_folder("secret");
	scratch_file("d/sub/a.jpg", "");
	scratch_file("secret/a.jpg", "");
	address = address_in(&options, "sub/a.jpg");
	EXPECT_EQ(visit(&options, &address), 0);
	REQUIRE(rename("d/sub", "elsewhere") == 0);
	EXPECT_EQ(visit(&options, &address), ENOENT);
	scratch_link("d/sub", "../secret");
	EXPECT_EQ(visit(&options, &address), ENOTDIR);
	walk_address_fini(&address);
	scratch_leave();
}

TEST(walk, finding_a_file_again_by_address_succeeds_only_for_a_regular_file)
{
	const char *const inputs[] = {"d"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk_address address;

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_file("d/a.jpg", "");
	address = address_in(&options, "a.jpg");
	REQUIRE(unlink("d/a.jpg") == 0);
	EXPECT_EQ(visit(&options, &address), ENOENT);
	scratch_link("d/a.jpg", "/etc/passwd");
	EXPECT_EQ(visit(&options, &address), EINVAL);
	REQUIRE(unlink("d/a.jpg") == 0);
	REQUIRE(mkfifo("d/a.jpg", 0600) == 0);
	EXPECT_EQ(visit(&options, &address), EINVAL);
	walk_address_fini(&address);
	scratch_leave();
}

TEST(walk, standard_input_does_not_have_the_device_of_the_input_before_it)
{
	const char *const inputs[] = {"a.jpg", "-"};
	struct walk_options options = {.inputs = inputs, .n_inputs = 2};
	struct walk_item item;
	struct walk *walk;

	scratch_enter(NULL);
	scratch_file("a.jpg", "");
	options.standard_input = open("a.jpg", O_RDONLY | O_CLOEXEC);
	REQUIRE(options.standard_input > 0);
	walk = walk_open(&options);
	EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	EXPECT(item.dev != 0);
	EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
	EXPECT(item.is_standard_input);
	EXPECT_EQ(item.dev, 0);
	walk_close(walk);
	close(options.standard_input);
	scratch_leave();
}

TEST(walk, finding_a_file_again_by_address_fails_in_the_output_folder)
{
	const char *const inputs[] = {"d"};
	struct walk_options options = {.inputs = inputs, .n_inputs = 1};
	struct walk_address address;
	struct stat st;

	scratch_enter(NULL);
	scratch_folder("d");
	scratch_folder("d/out");
	scratch_folder("d/out/sub");
	scratch_file("d/out/sub/a.jpg", "");
	address = address_in(&options, "out/sub/a.jpg");
	REQUIRE(stat("d/out", &st) == 0);
	options.skip_dev = st.st_dev;
	options.skip_ino = st.st_ino;
	EXPECT_EQ(visit(&options, &address), ESTALE);
	walk_address_fini(&address);
	scratch_leave();
}
