/*
 * Tests of the state database: it keeps rows between runs, belongs to one run at a time, and
 * survives damage and errors. To test errors, one call of SQLite to its file system fails in each
 * run: first the first call, then the second call, and so on. Each call fails in two runs: alone in
 * one run, and together with all later calls in the other run.
 */
#include "failing_vfs.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "store/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct state_options plain = {.path = "db", .is_durable = true};

static char notice[FAILURE_TEXT_BYTES];
static struct failure failure;

static struct state *open_at(const struct state_options *options)
{
	struct state *state;

	REQUIRE(state_open(options, &state, notice, &failure) == STATE_OK, "%s",
	        failure.text);
	return state;
}

static struct stamp row_of(const char *output, uint64_t n_bytes)
{
	struct stamp row = {.recipe = 1, .out_bytes = n_bytes, .format = "jpeg"};

	stamp_set_names(&row, output, "source");
	return row;
}

static enum state_result put_one(struct state *state, const char *output,
                                 uint64_t n_bytes)
{
	struct stamp row = row_of(output, n_bytes);
	enum state_result result = state_begin(state);

	if (result == STATE_OK)
		result = state_put(state, &row);
	if (result == STATE_OK)
		result = state_commit(state, &failure);
	return result;
}

/* The size of an output as its row records it; -1: there is no row. */
static int64_t bytes_of(struct state *state, const char *output)
{
	struct stamp row;

	return state_find(state, output, &row) ? (int64_t)row.out_bytes : -1;
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

TEST(state, a_run_finds_the_rows_of_the_previous_run)
{
	struct state *state;
	char longest[600];

	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	scratch_enter(NULL);
	state = open_at(&plain);
	EXPECT(state_is_writable(state));
	EXPECT(bytes_of(state, "a.jpg") == -1);
	EXPECT(put_one(state, "a.jpg", 5) == STATE_OK);
	EXPECT(put_one(state, "a.jpg", 6) == STATE_OK, "a row is replaced");
	EXPECT(put_one(state, "\xff'\";--", 7) == STATE_OK, "names are bytes");
	EXPECT(put_one(state, longest, 8) == STATE_OK);
	state_close(state);

	state = open_at(&plain);
	EXPECT(notice[0] == 0);
	EXPECT(bytes_of(state, "a.jpg") == 6);
	EXPECT(bytes_of(state, "\xff'\";--") == 7);
	EXPECT(bytes_of(state, longest) == 8);
	EXPECT(state_begin(state) == STATE_OK);
	EXPECT(state_drop(state, "a.jpg") == STATE_OK);
	EXPECT(state_commit(state, &failure) == STATE_OK);
	EXPECT(bytes_of(state, "a.jpg") == -1);
	state_close(state);
	scratch_leave();
}

TEST(state, an_uncommitted_group_is_lost)
{
	struct stamp row = row_of("a.jpg", 5);
	struct state *state;

	scratch_enter(NULL);
	state = open_at(&plain);
	EXPECT(state_begin(state) == STATE_OK && state_put(state, &row) == STATE_OK);
	EXPECT(bytes_of(state, "a.jpg") == 5, "a new row is found at once");
	state_close(state);
	state = open_at(&plain);
	EXPECT(bytes_of(state, "a.jpg") == -1);
	state_close(state);
	scratch_leave();
}

/* Before a run names an output, it writes an intended row. If the run is killed before it writes
 * the final row, the intended row remains. */
TEST(state, a_row_that_announces_an_output_is_found_until_the_output_has_its_final_row)
{
	const struct state_options to_read = {.path = "db", .reads_only = true};
	struct stamp row = row_of("a.jpg", 5), found;
	struct state *state;

	scratch_enter(NULL);
	state = open_at(&plain);
	EXPECT(put_one(state, "a.jpg", 4) == STATE_OK);
	EXPECT(!state_find_intended(state, "a.jpg", &found));
	EXPECT(state_begin(state) == STATE_OK && state_intend(state, &row) == STATE_OK);
	EXPECT(state_commit(state, &failure) == STATE_OK);
	state_close(state);

	state = open_at(&to_read);
	EXPECT(bytes_of(state, "a.jpg") == 4, "the row of the old output stays");
	EXPECT(state_find_intended(state, "a.jpg", &found) && found.out_bytes == 5);
	state_close(state);

	state = open_at(&plain);
	EXPECT(state_find_intended(state, "a.jpg", &found) && found.out_bytes == 5);
	EXPECT(!state_find_intended(state, "b.jpg", &found));
	EXPECT(put_one(state, "a.jpg", 5) == STATE_OK);
	EXPECT(!state_find_intended(state, "a.jpg", &found));
	EXPECT(state_intend(state, &row) == STATE_OK);
	EXPECT(state_drop(state, "a.jpg") == STATE_OK);
	EXPECT(!state_find_intended(state, "a.jpg", &found));
	state_close(state);
	scratch_leave();
}

/* On a file system where SQLite keeps no write-ahead log, a killed run leaves its journal. */
TEST(state, a_journal_that_a_killed_run_left_is_removed)
{
	scratch_enter(NULL);
	state_close(open_at(&plain));
	scratch_file("db-journal", "");
	state_close(open_at(&plain));
	EXPECT(!is_there("db-journal"));
	scratch_leave();
}

TEST(state, a_known_failure_is_read_back_unchanged)
{
	struct known_failure known = {.recipe = UINT64_MAX,
	                              .build = 1,
	                              .in_bytes = 3,
	                              .in_mtime_ns = -4,
	                              .in_hash = {{5}},
	                              .has_hash = true,
	                              .n_deaths = 2},
			     back;
	struct state *state;

	failure_set(&known.failure, FAIL_CRASHED, "worker died of SIGSEGV");
	scratch_enter(NULL);
	state = open_at(&plain);
	EXPECT(state_begin(state) == STATE_OK);
	EXPECT(state_put_failure(state, "b.jpg", &known) == STATE_OK);
	EXPECT(state_commit(state, &failure) == STATE_OK);
	state_close(state);

	state = open_at(&plain);
	REQUIRE(state_find_failure(state, "b.jpg", &back));
	EXPECT(back.recipe == known.recipe && back.build == 1 && back.in_bytes == 3);
	EXPECT(back.in_mtime_ns == -4 && back.has_hash && back.in_hash.bytes[0] == 5);
	EXPECT(back.n_deaths == 2 && back.failure.class == FAIL_CRASHED);
	EXPECT(strcmp(back.failure.text, "worker died of SIGSEGV") == 0);
	EXPECT(!state_find_failure(state, "c.jpg", &back));
	EXPECT(state_drop_failure(state, "b.jpg") == STATE_OK);
	EXPECT(!state_find_failure(state, "b.jpg", &back));
	state_close(state);
	scratch_leave();
}

static bool note_name(void *data, const char *output)
{
	strcat(data, output);
	return true;
}

static bool stop_at_first(void *data, const char *output)
{
	note_name(data, output);
	return false;
}

TEST(state, every_row_is_visited_in_order_until_the_visitor_stops)
{
	struct state *state;
	char names[64] = "";

	scratch_enter(NULL);
	state = open_at(&plain);
	put_one(state, "c", 1);
	put_one(state, "a", 1);
	put_one(state, "b", 1);
	state_each(state, note_name, names);
	EXPECT(strcmp(names, "abc") == 0, "%s", names);
	names[0] = 0;
	state_each(state, stop_at_first, names);
	EXPECT(strcmp(names, "a") == 0, "%s", names);
	state_close(state);
	scratch_leave();
}

/* ---- one run at a time ---- */

/* Open the state in a child process. Returns the result of state_open(). */
static int result_in_child(const struct state_options *options)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct state *state;

		_exit((int)state_open(options, &state, notice, &failure));
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool ask_three_times(void *data)
{
	return ++*(int *)data < 3;
}

TEST(state, only_one_run_at_a_time_can_hold_the_state)
{
	int n_asked = 0;
	struct state_options waits = plain;
	struct state *state;

	waits.wait = ask_three_times;
	waits.data = &n_asked;
	scratch_enter(NULL);
	state = open_at(&plain);
	EXPECT(result_in_child(&plain) == STATE_BUSY);
	EXPECT(put_one(state, "a.jpg", 1) == STATE_OK, "the first run is not disturbed");
	EXPECT(result_in_child(&waits) == STATE_BUSY, "wait() gave up");
	state_close(state);
	EXPECT(result_in_child(&plain) == STATE_OK);
	scratch_leave();
}

TEST(state, the_state_is_unlocked_and_complete_after_a_killed_run)
{
	struct state *state;
	int status = 0;
	pid_t child;

	scratch_enter(NULL);
	child = fork();
	if (child == 0) {
		state = open_at(&plain);
		put_one(state, "a.jpg", 1);
		state_begin(state);
		raise(SIGKILL);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	state = open_at(&plain);
	EXPECT(bytes_of(state, "a.jpg") == 1);
	state_close(state);
	scratch_leave();
}

/* ---- files that are not our state, are damaged or cannot be written ---- */

TEST(state, a_state_file_that_is_not_a_database_is_renamed_with_a_notice)
{
	struct state *state;

	scratch_enter(NULL);
	scratch_file("db",
	             "this is no database, but a letter of a hundred and more bytes, "
	             "which somebody has put here by mistake and wants back.");
	state = open_at(&plain);
	EXPECT(strstr(notice, "damaged") != NULL, "%s", notice);
	EXPECT(is_there("db.damaged-1"));
	EXPECT(put_one(state, "a.jpg", 1) == STATE_OK);
	state_close(state);

	REQUIRE(unlink("db") == 0);
	scratch_file("db",
	             "a second one, which must not take the place of the first: it is as "
	             "long as that, so that it is taken for a page of a database.");
	state_close(open_at(&plain));
	EXPECT(is_there("db.damaged-1") && is_there("db.damaged-2"));
	scratch_leave();
}

TEST(state, a_database_of_another_program_is_renamed_intact)
{
	sqlite3 *other;
	struct state *state;

	scratch_enter(NULL);
	REQUIRE(sqlite3_open("db", &other) == SQLITE_OK);
	REQUIRE(sqlite3_exec(other, "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)",
	                     NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(other);
	state = open_at(&plain);
	EXPECT(strstr(notice, "written by another program or another version") != NULL,
	       "%s", notice);
	state_close(state);

	REQUIRE(sqlite3_open("db.foreign-1", &other) == SQLITE_OK);
	EXPECT(sqlite3_exec(other, "SELECT x FROM mine", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(other);
	scratch_leave();
}

/* A process that was killed while it created the database may have set the application id, but not
 * yet the user version. */
TEST(state, an_empty_database_with_only_an_application_id_is_accepted)
{
	sqlite3 *other;
	struct state *state;

	scratch_enter(NULL);
	REQUIRE(sqlite3_open("db", &other) == SQLITE_OK);
	REQUIRE(sqlite3_exec(other, "PRAGMA application_id=1886941292", NULL, NULL,
	                     NULL) == SQLITE_OK);
	sqlite3_close(other);
	state = open_at(&plain);
	EXPECT_STR(notice, "");
	state_close(state);
	EXPECT(!is_there("db.foreign-1"));
	scratch_leave();
}

TEST(state, a_link_in_place_of_the_database_is_not_followed)
{
	scratch_enter(NULL);
	scratch_file("victim", "");
	scratch_link("db", "victim");
	state_close(open_at(&plain));
	EXPECT(strcmp(scratch_text("victim"), "") == 0);
	EXPECT(is_there("db.foreign-1"));
	scratch_leave();
}

/* Change bytes of the database at an offset. */
static void damage(const char *path, off_t at, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	char bytes[512];

	memset(bytes, 0xa5, sizeof(bytes));
	for (; n > 0;
	     at += (off_t)sizeof(bytes), n -= n < sizeof(bytes) ? n : sizeof(bytes))
		EXPECT(pwrite(fd, bytes, n < sizeof(bytes) ? n : sizeof(bytes), at) > 0);
	fd_close(&fd);
}

TEST(state, damage_in_any_database_page_only_loses_rows)
{
	struct stat st;

	scratch_enter(NULL);
	for (off_t page = 0;; page++) {
		struct state *state;
		char name[32];

		unlink("db");
		unlink("db-wal");
		state = open_at(&plain);
		for (int i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "folder/%d.jpg", i);
			put_one(state, name, 1);
		}
		state_close(state);
		REQUIRE(stat("db", &st) == 0);
		if (page * 4096 >= st.st_size)
			break;
		damage("db", page * 4096 + (page == 0 ? 100 : 0), 2000);

		state = open_at(&plain);
		for (int i = 0; i < 200; i++) {
			snprintf(name, sizeof(name), "folder/%d.jpg", i);
			int64_t n = bytes_of(state, name);
			EXPECT(n == -1 || n == 1);
			put_one(state, name, 1);
		}
		state_close(state);
		state_close(open_at(&plain));
	}
	scratch_leave();
}

static bool finds_and_does_not_write(void)
{
	struct state *state;
	struct stamp row = row_of("b.jpg", 2);
	bool is_right;

	if (state_open(&plain, &state, notice, &failure) != STATE_OK)
		return false;
	is_right = !state_is_writable(state) && bytes_of(state, "a.jpg") == 1 &&
	           state_put(state, &row) != STATE_OK;
	state_close(state);
	return is_right;
}

TEST(state, rows_are_found_in_a_read_only_folder)
{
	struct state *state;

	scratch_enter(NULL);
	state = open_at(&plain);
	put_one(state, "a.jpg", 1);
	state_close(state);
	REQUIRE(chmod("db", 0444) == 0 && chmod(".", 0555) == 0);
	EXPECT(scratch_as_nobody(finds_and_does_not_write));
	REQUIRE(chmod(".", 0755) == 0);
	scratch_leave();
}

/* ---- errors of the file system ---- */

/* Open the state, find a row, put a row, close. Reports whether every result was an expected one,
 * whether the row was put, and whether the database was considered damaged and renamed. */
static bool use(bool *ret_is_put, bool *ret_is_moved)
{
	struct state *state;
	enum state_result result = state_open(&plain, &state, notice, &failure);
	bool is_foreseen = true;

	*ret_is_put = false;
	*ret_is_moved = notice[0] != 0;
	if (result != STATE_OK)
		return result == STATE_PLACE || result == STATE_NONE ||
		       result == STATE_BUSY || result == STATE_MEMORY;
	bytes_of(state, "a.jpg");
	result = put_one(state, "b.jpg", 2);
	*ret_is_put = result == STATE_OK;
	is_foreseen = result == STATE_OK || result == STATE_PLACE ||
	              result == STATE_NONE || result == STATE_MEMORY;
	state_close(state);
	return is_foreseen;
}

static void fail_each(enum vfs_call call, int code, bool for_good)
{
	bool has_failed = true;

	for (int nth = 1; has_failed && nth < 500; nth++) {
		struct state *state;
		bool is_put, is_moved;

		unlink("db");
		unlink("db-wal");
		state = open_at(&plain);
		put_one(state, "a.jpg", 1);
		state_close(state);

		failing_vfs_arm(call, nth, code, for_good);
		EXPECT(use(&is_put, &is_moved), "call %d, nth %d, code %d", (int)call,
		       nth, code);
		has_failed = failing_vfs_disarm();
		EXPECT(has_failed || is_put, "a run without a fault succeeds");

		state = open_at(&plain);
		if (notice[0] == 0) {
			EXPECT(is_moved || bytes_of(state, "a.jpg") == 1,
			       "call %d, nth %d, code %d", (int)call, nth, code);
			EXPECT(!is_put || bytes_of(state, "b.jpg") == 2,
			       "committed rows are found: call %d, nth %d, code %d",
			       (int)call, nth, code);
		}
		state_close(state);
	}
	EXPECT(!has_failed);
}

TEST(state,
     a_failed_system_call_loses_no_committed_row_unless_the_database_counts_as_damaged)
{
	static const struct {
		enum vfs_call call;
		int code;
	} faults[] = {
		{VFS_WRITE, SQLITE_FULL},       {VFS_WRITE, SQLITE_IOERR_WRITE},
		{VFS_SYNC, SQLITE_IOERR_FSYNC}, {VFS_READ, SQLITE_IOERR_READ},
		{VFS_LOCK, SQLITE_IOERR_LOCK},  {VFS_LOCK, SQLITE_BUSY},
		{VFS_OPEN, SQLITE_CANTOPEN},    {VFS_TRUNCATE, SQLITE_IOERR_TRUNCATE},
		{VFS_READ, SQLITE_CORRUPT},     {VFS_WRITE, SQLITE_NOMEM},
	};

	scratch_enter(NULL);
	failing_vfs_install();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fail_each(faults[i].call, faults[i].code, false);
		fail_each(faults[i].call, faults[i].code, true);
	}
	scratch_leave();
}

/* ---- read errors, which SQLite reports as damage ---- */

static struct {
	int left; /* remaining reads until the failure; 0: no read fails */
	int sys_errno;
	bool for_good, has_failed;
} reads;

static ssize_t failing_pread(int fd, void *bytes, size_t n, off_t at)
{
	if (reads.left == 0 || --reads.left > 0)
		return pread(fd, bytes, n, at);
	reads.has_failed = true;
	reads.left = reads.for_good ? 1 : 0;
	errno = reads.sys_errno;
	return -1;
}

/* Make SQLite read its files with failing_pread(). */
static void install_failing_pread(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
	const sqlite3_syscall_ptr function = (sqlite3_syscall_ptr)failing_pread;
	bool has_pread = vfs->xSetSystemCall(vfs, "pread", function) == SQLITE_OK;
	bool has_pread64 = vfs->xSetSystemCall(vfs, "pread64", function) == SQLITE_OK;

	REQUIRE(has_pread || has_pread64);
}

/* Make a database with one row. If `is_killed` is true, the row is in a write-ahead log that a
 * killed run left. */
static void make_database(bool is_killed)
{
	int status = 0;
	pid_t child;

	unlink("db");
	unlink("db-wal");
	child = fork();
	if (child == 0) {
		struct state *state = open_at(&plain);

		put_one(state, "a.jpg", 1);
		if (is_killed)
			raise(SIGKILL);
		state_close(state);
		_exit(0);
	}
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	REQUIRE(WIFSIGNALED(status) == is_killed && is_there("db-wal") == is_killed);
}

static void fail_each_read(bool is_killed, bool for_good, int sys_errno)
{
	bool is_put, is_moved, has_failed = true;

	for (int nth = 1; has_failed && nth < 500; nth++) {
		struct state *state;

		make_database(is_killed);
		reads.has_failed = false;
		reads.for_good = for_good;
		reads.sys_errno = sys_errno;
		reads.left = nth;
		EXPECT(use(&is_put, &is_moved), "read %d", nth);
		reads.left = 0;
		has_failed = reads.has_failed;
		EXPECT(!strstr(notice, "damaged"), "read %d: %s", nth, notice);
		EXPECT(!strstr(failure.text, "malformed"), "read %d: %s", nth,
		       failure.text);
		REQUIRE(!is_there("db.damaged-1"), "read %d", nth);

		state = open_at(&plain);
		EXPECT(bytes_of(state, "a.jpg") == 1, "read %d", nth);
		EXPECT(!is_put || bytes_of(state, "b.jpg") == 2, "read %d", nth);
		state_close(state);
	}
	EXPECT(!has_failed);
}

TEST(state, a_read_error_is_never_taken_for_damage)
{
	static const int errors[] = {EIO, ENXIO, ERANGE, EACCES};

	scratch_enter(NULL);
	install_failing_pread();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fail_each_read(false, false, errors[i]);
		fail_each_read(false, true, errors[i]);
		fail_each_read(true, false, errors[i]);
		fail_each_read(true, true, errors[i]);
	}
	scratch_leave();
}

/* If a row that cannot be read counted as missing, our own output would look like a foreign
 * file. */
TEST(state, a_row_that_cannot_be_read_is_reported_as_a_failure_of_the_state)
{
	struct state *state;
	char name[32];

	scratch_enter(NULL);
	install_failing_pread();
	state = open_at(&plain);
	/* Use so many rows that SQLite does not read all of them when it opens the database. */
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "folder/%d.jpg", i);
		put_one(state, name, 1);
	}
	state_close(state);
	state = open_at(&plain);
	EXPECT(bytes_of(state, "folder/none.jpg") == -1);
	EXPECT(state_read_failure(state).class == FAIL_NONE);
	reads.for_good = true;
	reads.sys_errno = EIO;
	reads.left = 1;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "folder/%d.jpg", i);
		bytes_of(state, name);
	}
	reads.left = 0;
	EXPECT(reads.has_failed && state_read_failure(state).class == FAIL_IO);
	EXPECT_STR(state_read_failure(state).text,
	           "the state db cannot be used: disk I/O error");
	state_close(state);
	state = open_at(&plain);
	EXPECT(bytes_of(state, "folder/199.jpg") == 1);
	state_close(state);
	scratch_leave();
}

/* ---- locks, and reasons of failures ---- */

/* The linker replaces fcntl() with __wrap_fcntl(), which can refuse locks. */
static bool refuses_locks;

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, void *argument);
int __wrap_fcntl(int fd, int command, void *argument)
{
	if (command == F_SETLK && refuses_locks) {
		errno = ENOLCK;
		return -1;
	}
	return __real_fcntl(fd, command, argument);
}

/* SQLite mistakes ENOLCK for a lock of another process. */
TEST(state, locks_refused_by_the_file_system_are_not_reported_as_another_run)
{
	struct state *state;

	scratch_enter(NULL);
	failing_vfs_install();
	failing_vfs_arm(VFS_LOCK, 1, SQLITE_BUSY, true);
	refuses_locks = true;
	EXPECT(state_open(&plain, &state, notice, &failure) == STATE_NONE);
	EXPECT_STR(failure.text,
	           "the state db cannot be used: the file system refuses locks");
	refuses_locks = false;
	EXPECT(state_open(&plain, &state, notice, &failure) == STATE_BUSY);
	failing_vfs_disarm();
	scratch_leave();
}

TEST(state, on_a_file_system_without_locks_no_state_is_opened_and_the_failure_says_why)
{
	struct state *state;

	scratch_enter(NULL);
	failing_vfs_install();
	failing_vfs_arm(VFS_LOCK, 1, SQLITE_IOERR_LOCK, true);
	EXPECT(state_open(&plain, &state, notice, &failure) == STATE_NONE);
	EXPECT(failure.text[0] != 0);
	failing_vfs_disarm();
	scratch_leave();
}

TEST(state, the_reason_why_a_file_cannot_be_opened_is_reported)
{
	const struct state_options lost = {.path = "missing/db", .is_durable = true};
	const struct state_options to_read = {.path = "other", .reads_only = true};
	struct state *state;

	scratch_enter(NULL);
	EXPECT(state_open(&lost, &state, notice, &failure) == STATE_NONE);
	EXPECT_STR(failure.text, "the state missing/db cannot be used: unable to open "
	                         "database file: No such file or directory");
	scratch_file("other", "");
	EXPECT(state_open(&to_read, &state, notice, &failure) == STATE_NONE);
	EXPECT_STR(failure.text,
	           "the state other cannot be used: it is damaged, or was "
	           "written by another program or another version of pixpool");
	scratch_leave();
}
