/*
 * Tests of durable outputs: the order of system calls that makes outputs safe from a power cut, the
 * effects of a failed sync, and outputs that replace their own input. The linker replaces some
 * functions of the C library with functions of this file, which record each call and fail if a test
 * requests it.
 */
#include "output.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "store/stamp.h"
#include "store/store.h"
#include "store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The recorded calls, one letter for each. w: a file was written. f: a file was synced. d: a folder
 * was synced. l: a file was linked, r: renamed, x: exchanged, u: removed. i: note_intended() was
 * called. */
static char calls[256];
/* The number of syncs that fail from now on, with the errno fails_with. */
static int n_syncs_that_fail;
static int fails_with;
/* 'f': only syncs of files fail; 'd': only syncs of folders fail; 0: syncs of both fail */
static char fails_for;

static void note(char call)
{
	size_t n = strlen(calls);

	if (n + 1 < sizeof(calls)) {
		calls[n] = call;
		calls[n + 1] = 0;
	}
}

ssize_t __real_sendfile(int to, int from, off_t *offset, size_t n);
ssize_t __wrap_sendfile(int to, int from, off_t *offset, size_t n);
ssize_t __wrap_sendfile(int to, int from, off_t *offset, size_t n)
{
	note('w');
	return __real_sendfile(to, from, offset, n);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	struct stat st;
	char kind = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? 'd' : 'f';

	note(kind);
	if (n_syncs_that_fail > 0 && (!fails_for || fails_for == kind)) {
		n_syncs_that_fail--;
		errno = fails_with;
		return -1;
	}
	return __real_fsync(fd);
}

static bool no_file_opens; /* neither "." nor "a.jpg" can be opened any more */

int __real_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...)
{
	bool is_new = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = is_new ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	if (no_file_opens && !is_new &&
	    (strcmp(name, ".") == 0 || strcmp(name, "a.jpg") == 0)) {
		errno = EIO;
		return -1;
	}
	return __real_openat(folder, name, flags, mode);
}

static int
	failing_exchange; /* the number of the exchange that fails, counted from 1; 0: none */

/* Functions that are called once, before the next link, rename or exchange; NULL: none. */
static void (*before_link)(void), (*before_rename)(void), (*before_exchange)(void);
/* Unnamed files cannot be linked. */
static bool no_unnamed_links;
static bool no_links; /* no file at all can be linked */

static void run_once(void (**action)(void))
{
	void (*run)(void) = *action;

	*action = NULL;
	if (run)
		run();
}

int __real_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *name, int flags)
{
	note('l');
	run_once(&before_link);
	if (no_links || (no_unnamed_links && strncmp(old, "/proc/", 6) == 0)) {
		errno = EPERM;
		return -1;
	}
	return __real_linkat(from, old, to, name, flags);
}

int __real_renameat(int from, const char *old, int to, const char *name);
int __wrap_renameat(int from, const char *old, int to, const char *name);
int __wrap_renameat(int from, const char *old, int to, const char *name)
{
	note('r');
	run_once(&before_rename);
	return __real_renameat(from, old, to, name);
}

int __real_renameat2(int from, const char *old, int to, const char *name, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *name, unsigned flags);
int __wrap_renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
	note(flags & RENAME_EXCHANGE ? 'x' : 'r');
	if (flags & RENAME_EXCHANGE)
		run_once(&before_exchange);
	if ((flags & RENAME_EXCHANGE) && failing_exchange > 0 &&
	    --failing_exchange == 0) {
		errno = EIO;
		return -1;
	}
	return __real_renameat2(from, old, to, name, flags);
}

int __real_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_unlinkat(int folder, const char *name, int flags)
{
	note('u');
	return __real_unlinkat(folder, name, flags);
}

static struct store *durable_store(int way)
{
	struct store *store = store_with_way(way);

	store_make_durable(store);
	calls[0] = 0;
	return store;
}

/* An output whose bytes are the first n bytes of the file `content`. */
static struct store_output output_of(const char *name, int content, size_t n)
{
	return (struct store_output){.name = name,
	                             .content = {.fd = content, .n_bytes = n}};
}

TEST(durable, a_group_is_written_then_synced_then_linked_then_its_folders_are_synced)
{
	int content = content_of('x', 10);
	struct store *store;
	struct store_output outputs[3];

	scratch_enter(NULL);
	scratch_folder("out");
	scratch_folder("out/sub");
	store = durable_store(0);
	outputs[0] = output_of("a.jpg", content, 10);
	outputs[1] = output_of("sub/b.jpg", content, 10);
	outputs[2] = output_of("c.jpg", content, 10);
	store_publish_group(store, outputs, 3);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(outputs[i].result, STORE_DONE);
	EXPECT_STR(calls, "wwwffflll"
	                  "dd");
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

static bool has_no_attributes; /* setting an attribute fails, so outputs get no stamps */
static bool had_name;          /* "out/a.jpg" existed when an attribute was set */

int __real_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags);
int __wrap_fsetxattr(int fd, const char *name, const void *value, size_t n, int flags)
{
	had_name |= access("out/a.jpg", F_OK) == 0;
	if (!has_no_attributes)
		return __real_fsetxattr(fd, name, value, n, flags);
	errno = ENOTSUP;
	return -1;
}

static size_t n_intended;

/* Record the call. If `data` is not NULL, it points to a failure, and the call fails with this
 * failure. */
static bool note_intended(const struct store_output *outputs, size_t n, void *data,
                          struct failure *ret_failure)
{
	note('i');
	for (size_t i = 0; i < n; i++)
		n_intended += outputs[i].is_intended;
	if (data)
		*ret_failure = *(struct failure *)data;
	return data == NULL;
}

/* Publish two outputs, one of them with a stamp. */
static void publish_with_stamp(struct failure *failure, struct store_output outputs[2])
{
	static struct stamp stamp;
	int content = content_of('x', 10);
	struct store *store;

	scratch_enter(NULL);
	scratch_folder("out");
	store = durable_store(0);
	store_before_naming(store, note_intended, failure);
	n_intended = 0;
	outputs[0] = output_of("a.jpg", content, 10);
	outputs[1] = output_of("b.jpg", content, 10);
	outputs[1].stamp = &stamp;
	store_publish_group(store, outputs, 2);
	store_close(store);
	fd_close(&content);
}

TEST(durable, an_output_that_gets_no_stamp_is_recorded_before_it_gets_its_name)
{
	struct store_output outputs[2];

	has_no_attributes = true;
	publish_with_stamp(NULL, outputs);
	EXPECT(outputs[0].result == STORE_DONE && outputs[1].result == STORE_DONE);
	EXPECT_STR(calls, "wwffilld");
	EXPECT_EQ(n_intended, 1);
	scratch_leave();

	has_no_attributes = false;
	publish_with_stamp(NULL, outputs);
	EXPECT_STR(calls, "wwfflld");
	scratch_leave();
}

TEST(durable, no_output_gets_its_name_if_its_record_cannot_be_written)
{
	struct failure full = {FAIL_IO, "full"};
	struct store_output outputs[2];

	has_no_attributes = true;
	publish_with_stamp(&full, outputs);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(outputs[i].result, STORE_PLACE_FAILED);
		EXPECT_STR(outputs[i].failure.text, "full");
	}
	EXPECT_EQ(n_names("out"), 0);
	scratch_leave();
}

TEST(durable, the_parent_of_a_new_folder_is_synced_before_a_file_is_created_in_the_folder)
{
	int content = content_of('x', 10);
	struct store *store;
	struct store_output output = output_of("new/a.jpg", content, 10);

	scratch_enter(NULL);
	scratch_folder("out");
	store = durable_store(0);
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.result, STORE_DONE);
	EXPECT_STR(calls, "dwfld");
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

static void remove_folder(void)
{
	REQUIRE(rmdir("out/sub") == 0);
}

TEST(durable, a_folder_that_vanished_after_its_output_was_written_is_created_again)
{
	struct store *store;
	struct stat ignored;

	scratch_enter(NULL);
	store = store_with_way(0);
	before_link = remove_folder;
	EXPECT_EQ(publish_text(store, "sub/\xc3\xa4.jpg", "x", OVERWRITE_OWN),
	          STORE_DONE);
	EXPECT_STR(scratch_text("out/sub/\xc3\xa4.jpg"), "x");
	/* The open store knows which files are outputs of this run. So it notices that "sub/a.jpg",
	 * a hard link, is the file of another output. */
	REQUIRE(link("out/sub/\xc3\xa4.jpg", "out/sub/a.jpg") == 0);
	EXPECT_EQ(store_look(store, "sub/a.jpg", &ignored), OUTPUT_TWIN);
	store_close(store);
	scratch_leave();
}

TEST(durable, without_durability_nothing_is_synced)
{
	struct store *store;

	scratch_enter(NULL);
	store = store_with_way(0);
	calls[0] = 0;
	EXPECT_EQ(publish_text(store, "a.jpg", "x", OVERWRITE_OWN), STORE_DONE);
	EXPECT_STR(calls, "wl");
	store_close(store);
	scratch_leave();
}

/* After a failed sync, the kernel may consider the file's pages clean, so a second sync would prove
 * nothing. Therefore the bytes are written to a new file. */
TEST(durable, bytes_are_written_to_a_new_file_after_a_failed_sync)
{
	int content = content_of('x', 10);

	for (int way = 0; way < N_WAYS; way++) {
		struct store_output output = output_of("a.jpg", content, 10);
		struct store *store;

		scratch_enter(NULL);
		store = durable_store(way);
		n_syncs_that_fail = 1;
		fails_with = EIO;
		store_publish_group(store, &output, 1);
		EXPECT_EQ(output.result, STORE_DONE);
		EXPECT(strncmp(calls, "wfwf", 4) == 0 || strncmp(calls, "wfuwf", 5) == 0,
		       "%s", calls);
		EXPECT_STR(scratch_text("out/a.jpg"), "xxxxxxxxxx");
		EXPECT_EQ(n_names("out"), 1);
		store_close(store);
		scratch_leave();
	}
	fd_close(&content);
}

TEST(durable, outputs_can_be_written_to_a_file_system_that_cannot_sync_files)
{
	static const int refusals[] = {EINVAL, ENOSYS, EOPNOTSUPP};
	int content = content_of('x', 10);

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct store_output output = output_of("a.jpg", content, 10);
		struct store *store;

		scratch_enter(NULL);
		store = durable_store(0);
		n_syncs_that_fail = 10;
		fails_with = refusals[i];
		store_publish_group(store, &output, 1);
		n_syncs_that_fail = 0;
		EXPECT_EQ(output.result, STORE_DONE);
		EXPECT_STR(scratch_text("out/a.jpg"), "xxxxxxxxxx");
		store_close(store);
		scratch_leave();
	}
	fd_close(&content);
}

TEST(durable, a_sync_that_fails_twice_stops_the_run_and_leaves_no_output)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	int content = content_of('x', 10);

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (int way = 0; way < N_WAYS; way++) {
			struct store_output output = output_of("a.jpg", content, 10);
			struct store *store;

			scratch_enter(NULL);
			store = durable_store(way);
			n_syncs_that_fail = 2;
			fails_with = errors[i];
			store_publish_group(store, &output, 1);
			n_syncs_that_fail = 0;
			EXPECT_EQ(output.result, STORE_PLACE_FAILED);
			EXPECT_EQ(n_names("out"), 0);
			store_close(store);
			scratch_leave();
		}
	}
	fd_close(&content);
}

TEST(durable, if_one_of_two_outputs_cannot_be_written_neither_is_published)
{
	int content = content_of('x', 10);
	struct store *store;
	struct store_output outputs[3];

	scratch_enter(NULL);
	store = durable_store(0);
	outputs[0] = output_of("a.jpg", content, 10);
	outputs[1] = output_of("b.jpg", content, 11); /* `content` has 10 bytes only */
	outputs[2] = output_of("other.jpg", content, 10);
	outputs[0].file = outputs[1].file = &outputs[0];
	outputs[2].file = &outputs[2];
	store_publish_group(store, outputs, 3);
	EXPECT_EQ(outputs[0].result, STORE_DROPPED);
	EXPECT_EQ(outputs[1].result, STORE_FAILED);
	EXPECT_EQ(outputs[2].result, STORE_DONE);
	EXPECT_EQ(n_names("out"), 1);
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

/* ---- replacing files ---- */

static struct stat stat_of(const char *path)
{
	struct stat st;

	REQUIRE(stat(path, &st) == 0);
	return st;
}

/* A test case for replacing a file: the original "out/a.jpg" contains "old", and the output
 * contains "nnn". The original must be kept as "out/a.jpg.orig". */
struct replacement {
	struct store_original original;
	struct stat expected;
	struct store_output output;
};

static void replacement_init(const char *base, struct replacement *replacement)
{
	scratch_enter(base);
	scratch_folder("out");
	scratch_file("out/a.jpg", "old");
	replacement->original = (struct store_original){.folder = -1,
	                                                .backup_suffix = ".orig"};
	replacement->expected = stat_of("out/a.jpg");
	replacement->output = output_of("a.jpg", content_of('n', 3), 3);
	replacement->output.expected = &replacement->expected;
	replacement->output.original = &replacement->original;
}

static void replacement_fini(struct replacement *replacement, struct store *store)
{
	store_close(store);
	fd_close(&replacement->output.content.fd);
	scratch_leave();
}

TEST(durable, the_replaced_file_is_removed_only_after_the_new_one_is_durable)
{
	int content = content_of('n', 3);

	for (int way = 0; way < N_WAYS; way++) {
		struct store_output output = output_of("a.jpg", content, 3);
		struct store *store;
		struct stat expected;

		scratch_enter(NULL);
		scratch_folder("out");
		scratch_file("out/a.jpg", "old");
		expected = stat_of("out/a.jpg");
		store = durable_store(way);
		output.expected = &expected;
		store_publish_group(store, &output, 1);
		EXPECT_EQ(output.result, STORE_DONE);
		if (way == 0)
			EXPECT_STR(calls, "wflxdu");
		EXPECT_STR(scratch_text("out/a.jpg"), "nnn");
		EXPECT_EQ(n_names("out"), 1);
		store_close(store);
		scratch_leave();
	}
	fd_close(&content);
}

static void change_it(void)
{
	int fd = open("out/a.jpg", O_WRONLY | O_APPEND | O_CLOEXEC);

	REQUIRE(fd >= 0 && fd_write_all(fd, "!", 1));
	fd_close(&fd);
}

TEST(durable, an_existing_output_that_changed_during_the_run_is_not_replaced)
{
	int content = content_of('n', 3);
	struct store_output output = output_of("a.jpg", content, 3);
	struct stat expected;
	struct store *store;

	scratch_enter(NULL);
	scratch_folder("out");
	scratch_file("out/a.jpg", "old");
	expected = stat_of("out/a.jpg");
	store = durable_store(0);
	output.expected = &expected;
	/* The original changes after the store has checked it and before the exchange. */
	before_exchange = change_it;
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.result, STORE_FAILED);
	EXPECT_EQ(output.failure.class, FAIL_EXISTS);
	EXPECT_STR(scratch_text("out/a.jpg"), "old!");
	EXPECT_EQ(n_names("out"), 1);

	/* Now the original has already changed when the store checks it. */
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.failure.class, FAIL_EXISTS);
	REQUIRE(unlink("out/a.jpg") == 0);
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.failure.class, FAIL_EXISTS);
	EXPECT_EQ(n_names("out"), 0);
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

/* Get the name of the file in the folder "out" that begins with "a.jpg.kept-", or "". */
static const char *kept_name(void)
{
	static char path[300];
	struct dirent *entry;
	DIR *folder = opendir("out");

	REQUIRE(folder != NULL);
	path[0] = 0;
	while ((entry = readdir(folder))) {
		if (strncmp(entry->d_name, "a.jpg.kept-", 11) == 0)
			snprintf(path, sizeof(path), "out/%.250s", entry->d_name);
	}
	closedir(folder);
	return path;
}

static void expect_kept(struct store *store, const struct store_output *output,
                        const char *content)
{
	const char *path = kept_name();

	EXPECT_STR(scratch_text(path), content);
	EXPECT(strstr(output->failure.text, "kept as a.jpg.kept-") != NULL);
	/* When a store is opened, it removes hidden files, but not the kept file. */
	store_close(store);
	store_close(store_open("out"));
	EXPECT_STR(scratch_text(path), content);
}

TEST(durable,
     a_changed_original_that_cannot_get_its_name_back_is_kept_and_so_is_its_backup)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	store = durable_store(0);
	before_exchange = change_it;
	failing_exchange = 2;
	store_publish_group(store, &new.output, 1);
	failing_exchange = 0;
	EXPECT_EQ(new.output.result, STORE_PLACE_FAILED);
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old!");
	expect_kept(store, &new.output, "old!");
	replacement_fini(&new, NULL);
}

TEST(durable,
     an_original_that_cannot_get_its_name_back_after_a_failed_sync_is_kept_under_another_name)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	new.original.backup_suffix = NULL;
	store = durable_store(0);
	n_syncs_that_fail = 1;
	fails_with = EIO;
	fails_for = 'd';
	failing_exchange = 2;
	store_publish_group(store, &new.output, 1);
	fails_for = 0;
	failing_exchange = 0;
	EXPECT_EQ(new.output.result, STORE_PLACE_FAILED);
	expect_kept(store, &new.output, "old");
	replacement_fini(&new, NULL);
}

TEST(durable,
     an_original_is_kept_as_backup_and_the_output_gets_its_owner_mode_and_attributes)
{
	struct replacement new;
	struct timespec times[2] = {{1000, 1}, {2000, 2}};
	struct stat now;
	struct store *store;
	char value[8] = "";
	int fd;

	replacement_init(NULL, &new);
	fd = open("out/a.jpg", O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && fchmod(fd, 0640) == 0 && futimens(fd, times) == 0);
	if (geteuid() == 0)
		REQUIRE(fchown(fd, 1234, 2345) == 0);
	(void)!fsetxattr(fd, "user.note", "hello", 5, 0);
	new.expected = stat_of("out/a.jpg");
	store = durable_store(0);
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "nnn");
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old");
	EXPECT_EQ(n_names("out"), 2);
	now = stat_of("out/a.jpg");
	EXPECT_EQ(now.st_mode & 07777, 0640u);
	EXPECT(now.st_uid == new.expected.st_uid &&now.st_gid == new.expected.st_gid);
	EXPECT_EQ(now.st_mtim.tv_sec, 2000);
	if (fgetxattr(fd, "user.note", value, sizeof(value)) == 5) {
		memset(value, 0, sizeof(value));
		EXPECT_EQ(getxattr("out/a.jpg", "user.note", value, sizeof(value)), 5);
		EXPECT_STR(value, "hello");
	}
	/* Publish a second time. It fails, because the existing backup is never replaced. */
	new.expected = stat_of("out/a.jpg");
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_FAILED);
	EXPECT_EQ(new.output.failure.class, FAIL_EXISTS);
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old");
	EXPECT_EQ(n_names("out"), 2);
	fd_close(&fd);
	replacement_fini(&new, store);
}

/* The POSIX access control list of a folder, from which new files inherit: user::rwx,
 * user:1234:rwx, group::r-x, mask::rwx, other::r-x. */
static const unsigned char list_for_1234[] = {
	2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,   7,
	0, 210, 4,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16,  0,
	7, 0,   255, 255, 255, 255, 32, 0, 5,   0,   255, 255, 255, 255,
};

/* The original was created before its folder got the list, so it has none. */
TEST(durable, an_output_inherits_no_access_control_list_that_its_original_does_not_have)
{
	for (int way = 0; way < N_WAYS; way++) {
		struct replacement new;
		struct store *store;

		replacement_init(NULL, &new);
		REQUIRE(chmod("out/a.jpg", 0640) == 0);
		new.expected = stat_of("out/a.jpg");
		if (setxattr("out", "system.posix_acl_default", list_for_1234,
		             sizeof(list_for_1234), 0) == 0) {
			store = durable_store(way);
			store_publish_group(store, &new.output, 1);
			EXPECT_EQ(new.output.result, STORE_DONE);
			EXPECT(getxattr("out/a.jpg", "system.posix_acl_access", NULL, 0) <
			       0);
			EXPECT_EQ(stat_of("out/a.jpg").st_mode & 07777, 0640u);
			store_close(store);
		} else {
			EXPECT_EQ(errno, ENOTSUP);
		}
		replacement_fini(&new, NULL);
	}
}

/* Many file systems allow no list of this size, but tmpfs does. */
TEST(durable, an_access_control_list_of_any_size_is_copied)
{
	enum { N_USERS = 1000, N_BYTES = 4 + 8 * (N_USERS + 4) };
	static unsigned char list[N_BYTES], copied[N_BYTES];
	struct replacement new;
	struct store *store;

	replacement_init("/dev/shm", &new);
	/* the list above, with N_USERS users instead of one */
	memcpy(list, list_for_1234, 12);
	for (size_t i = 0; i < N_USERS; i++) {
		unsigned char *entry = list + 12 + 8 * i;

		memcpy(entry, list_for_1234 + 12, 8);
		entry[4] = (unsigned char)i;
		entry[5] = (unsigned char)(i >> 8);
	}
	memcpy(list + 12 + 8 * N_USERS, list_for_1234 + 20, 24);
	if (setxattr("out/a.jpg", "system.posix_acl_access", list, N_BYTES, 0) == 0) {
		new.expected = stat_of("out/a.jpg");
		store = durable_store(0);
		store_publish_group(store, &new.output, 1);
		EXPECT_EQ(new.output.result, STORE_DONE);
		EXPECT_EQ(
			getxattr("out/a.jpg", "system.posix_acl_access", copied, N_BYTES),
			N_BYTES);
		EXPECT(memcmp(copied, list, N_BYTES) == 0);
		store_close(store);
	} else {
		scratch_skip("access control lists", "one of 8 KiB cannot be set here");
	}
	replacement_fini(&new, NULL);
}

static void fail_next_sync(void)
{
	fails_for = 'f';
	fails_with = EIO;
	n_syncs_that_fail = 1;
}

/* The output is written again twice: under a hidden name, because it cannot be linked, and then to
 * a new file, because the sync of the first one failed. */
TEST(durable, an_output_that_cannot_be_linked_keeps_a_hidden_name_after_a_failed_sync)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	store = durable_store(0);
	no_unnamed_links = true;
	before_link = fail_next_sync;
	store_publish_group(store, &new.output, 1);
	no_unnamed_links = false;
	fails_for = 0;
	EXPECT_EQ(n_syncs_that_fail, 0);
	EXPECT_EQ(new.output.result, STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "nnn");
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old");
	EXPECT_EQ(n_names("out"), 2);
	replacement_fini(&new, store);
}

TEST(durable, an_original_gets_its_name_back_if_its_folder_cannot_be_synced)
{
	struct replacement new;
	struct stat now;

	replacement_init(NULL, &new);
	for (int i = 0; i < 2; i++) {
		struct store *store = durable_store(0);

		new.output.original = i == 0 ? &new.original : NULL;
		fails_for = 'd';
		fails_with = EIO;
		n_syncs_that_fail = 1;
		store_publish_group(store, &new.output, 1);
		fails_for = 0;
		EXPECT_EQ(new.output.result, STORE_PLACE_FAILED);
		now = stat_of("out/a.jpg");
		EXPECT(now.st_ino == new.expected.st_ino &&now.st_nlink == 1);
		EXPECT_EQ(n_names("out"), 1);
		store_close(store);
	}
	replacement_fini(&new, NULL);
}

/* The kernel may report a failed sync of a folder only once, so the store must not sync the folder
 * again for the second output. */
TEST(durable, if_a_folder_cannot_be_synced_none_of_its_outputs_is_done)
{
	int content = content_of('n', 3);
	struct store_output outputs[2];
	struct stat expected;
	struct store *store;

	scratch_enter(NULL);
	scratch_folder("out");
	scratch_file("out/b.jpg", "old");
	expected = stat_of("out/b.jpg");
	store = durable_store(0);
	outputs[0] = output_of("a.jpg", content, 3);
	outputs[1] = output_of("b.jpg", content, 3);
	outputs[1].expected = &expected;
	fails_for = 'd';
	fails_with = EIO;
	n_syncs_that_fail = 1;
	store_publish_group(store, outputs, 2);
	fails_for = 0;
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(outputs[i].result, STORE_PLACE_FAILED);
		EXPECT(strstr(outputs[i].failure.text, "durable") != NULL);
	}
	EXPECT_STR(scratch_text("out/b.jpg"), "old");
	EXPECT_EQ(n_names("out"), 2);
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

TEST(durable, an_output_is_not_done_if_its_folder_cannot_be_opened_for_syncing)
{
	int content = content_of('n', 3);
	struct store_output output = output_of("a.jpg", content, 3);
	struct store *store;

	scratch_enter(NULL);
	scratch_folder("out");
	store = durable_store(0);
	no_file_opens = true;
	store_publish_group(store, &output, 1);
	no_file_opens = false;
	EXPECT_EQ(output.result, STORE_PLACE_FAILED);
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

/* A process may be killed after it has linked the backup to the original and before the output has
 * its name. Then the backup is a hard link to the original. */
TEST(durable, an_existing_backup_that_is_a_hard_link_to_its_original_is_accepted)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	REQUIRE(link("out/a.jpg", "out/a.jpg.orig") == 0);
	store = durable_store(0);
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg"), "nnn");
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old");
	EXPECT_EQ(n_names("out"), 2);
	replacement_fini(&new, store);
}

TEST(durable, an_original_is_backed_up_even_if_files_cannot_be_linked)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	store = durable_store(2); /* without O_TMPFILE */
	store->without |= WITHOUT_LINKS;
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg.orig"), "old");
	EXPECT_EQ(n_names("out"), 2);

	/* Now files can be neither linked nor exchanged. */
	store->without |= WITHOUT_NOREPLACE;
	new.expected = stat_of("out/a.jpg");
	new.original.backup_suffix = ".2";
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_DONE);
	EXPECT_STR(scratch_text("out/a.jpg.2"), "nnn");
	EXPECT_EQ(stat_of("out/a.jpg.2").st_mtim.tv_nsec, new.expected.st_mtim.tv_nsec);
	EXPECT_EQ(n_names("out"), 3);

	new.expected = stat_of("out/a.jpg");
	new.original.backup_suffix = ".orig";
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_FAILED);
	EXPECT_EQ(new.output.failure.class, FAIL_EXISTS);
	EXPECT_EQ(n_names("out"), 3);
	replacement_fini(&new, store);
}

TEST(durable, an_original_that_changes_while_its_backup_is_copied_is_not_replaced)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	store = durable_store(2); /* without O_TMPFILE */
	store->without |= WITHOUT_LINKS | WITHOUT_NOREPLACE;
	/* The original changes before its copy gets the name of the backup. */
	before_rename = change_it;
	store_publish_group(store, &new.output, 1);
	EXPECT_EQ(new.output.result, STORE_FAILED);
	EXPECT_EQ(new.output.failure.class, FAIL_VANISHED);
	EXPECT_STR(scratch_text("out/a.jpg"), "old!");
	EXPECT_EQ(n_names("out"), 1);
	replacement_fini(&new, store);
}

static void shorten_it(void)
{
	REQUIRE(truncate("out/a.jpg", 1) == 0);
}

TEST(durable, an_original_that_is_shortened_before_its_backup_is_copied_has_changed)
{
	struct replacement new;
	struct store *store;

	replacement_init(NULL, &new);
	store = durable_store(2); /* without O_TMPFILE */
	/* The original becomes shorter between its check and its copy. */
	before_link = shorten_it;
	no_links = true;
	store_publish_group(store, &new.output, 1);
	no_links = false;
	EXPECT(!before_link);
	EXPECT_EQ(new.output.result, STORE_FAILED);
	EXPECT_EQ(new.output.failure.class, FAIL_VANISHED);
	EXPECT_STR(scratch_text("out/a.jpg"), "o");
	EXPECT_EQ(n_names("out"), 1);
	replacement_fini(&new, store);
}

TEST(durable, an_output_replaces_its_input_in_the_folder_given_by_a_descriptor)
{
	int content = content_of('n', 3);
	struct store_output output = output_of("a.jpg", content, 3);
	struct store *store = store_open_in_place();
	struct store_original original;
	struct stat expected;

	scratch_enter(NULL);
	scratch_folder("photos");
	scratch_file("photos/a.jpg", "old");
	expected = stat_of("photos/a.jpg");
	original = (struct store_original){
		.folder = open("photos", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	output.expected = &expected;
	output.original = &original;
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.result, STORE_DONE);
	EXPECT_STR(scratch_text("photos/a.jpg"), "nnn");
	EXPECT_EQ(n_names("photos"), 1);
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.result, STORE_FAILED);
	EXPECT_EQ(output.failure.class, FAIL_VANISHED);

	REQUIRE(unlink("photos/a.jpg") == 0 && rmdir("photos") == 0);
	store_publish_group(store, &output, 1);
	EXPECT_EQ(output.result, STORE_FAILED);
	fd_close(&original.folder);
	store_close(store);
	fd_close(&content);
	scratch_leave();
}

/* ---- files that remain after a run was killed ---- */

TEST(durable, hidden_files_of_killed_runs_are_removed_and_those_of_living_runs_are_kept)
{
	static const char killed[] = ".pixpool-0123456789abcdef.tmp",
			  living[] = ".pixpool-fedcba9876543210.tmp";
	static const char *const folders[] = {"out", "out/sub", "out/sub/other"};
	char path[80];
	struct store *store;
	struct stat st;
	int alive[3];

	scratch_enter(NULL);
	for (int i = 0; i < 3; i++) {
		scratch_folder(folders[i]);
		snprintf(path, sizeof(path), "%s/%s", folders[i], killed);
		scratch_file(path, "rest");
		snprintf(path, sizeof(path), "%s/%sx", folders[i], killed);
		scratch_file(path, "another name");
		snprintf(path, sizeof(path), "%s/%s", folders[i], living);
		alive[i] = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		REQUIRE(alive[i] >= 0 && flock(alive[i], LOCK_EX) == 0);
	}
	store = store_open("out");
	store_look(store, "sub/a.jpg", &st);
	store_look(store, "sub/other/a.jpg", &st);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(n_names(folders[i]), i < 2 ? 3 : 2);
	store_close(store);
	for (int i = 0; i < 3; i++)
		fd_close(&alive[i]);
	store = store_open("out");
	EXPECT_EQ(n_names("out"), 2);
	store_close(store);
	scratch_leave();
}

/* ---- stamps ---- */

TEST(durable, an_output_gets_its_stamp_before_its_name)
{
	int content = content_of('x', 10), fd;
	struct timespec dates[2] = {{5, 0}, {6, 7}};

	for (int way = 0; way < N_WAYS; way++) {
		struct store_output output = output_of("a.jpg", content, 10);
		struct stamp stamp = {.recipe = 9}, back;
		struct output_hash hash;
		struct store *store;

		scratch_enter(NULL);
		store = durable_store(way);
		stamp_set_names(&stamp, "a.jpg", "a.png");
		output.stamp = &stamp;
		output.content.dates = dates;
		had_name = false;
		store_publish_group(store, &output, 1);
		EXPECT_EQ(output.result, STORE_DONE);
		EXPECT(!had_name, "way %d", way);
		EXPECT(output_hash_of_range(content, 0, 10, &hash));
		EXPECT(memcmp(&stamp.out_hash, &hash, sizeof(hash)) == 0);
		EXPECT_EQ(stamp.out_bytes, 10u);
		EXPECT_EQ(stamp.out_mtime_ns, 6000000007);
		fd = open("out/a.jpg", O_RDONLY | O_CLOEXEC);
		if (output.has_stamp) {
			EXPECT(stamp_read(fd, &back));
			EXPECT(back.recipe == 9 && back.out_mtime_ns == 6000000007);
		} else {
			scratch_skip("a stamp",
			             "this file system does not support attributes");
		}
		fd_close(&fd);
		store_close(store);
		scratch_leave();
	}
	fd_close(&content);
}
