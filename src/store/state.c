/* The state of an output folder, stored in an SQLite database. */
#include "store/state.h"

#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* "pxpl": the mark of our databases (PRAGMA application_id) */
enum { APPLICATION_ID = 0x7078706c, SCHEMA_VERSION = 1 };

enum query {
	FIND_OUTPUT,
	PUT_OUTPUT,
	DROP_OUTPUT,
	NEXT_OUTPUT,
	FIND_INTENDED,
	PUT_INTENDED,
	DROP_INTENDED,
	FIND_FAILURE,
	PUT_FAILURE,
	DROP_FAILURE,
	N_QUERIES
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS outputs ("
	" name BLOB PRIMARY KEY, stamp BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS intended ("
	" name BLOB PRIMARY KEY, stamp BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS failures ("
	" source BLOB PRIMARY KEY, recipe INTEGER, build INTEGER, in_bytes INTEGER,"
	" in_mtime_ns INTEGER, in_hash BLOB, deaths INTEGER, class INTEGER, text TEXT)"
	" WITHOUT ROWID;";

static const char *const queries[N_QUERIES] = {
	[FIND_OUTPUT] = "SELECT stamp FROM outputs WHERE name = ?1",
	[PUT_OUTPUT] = "INSERT OR REPLACE INTO outputs VALUES (?1, ?2)",
	[DROP_OUTPUT] = "DELETE FROM outputs WHERE name = ?1",
	[NEXT_OUTPUT] = "SELECT name FROM outputs WHERE name > ?1 ORDER BY name LIMIT 1",
	[FIND_INTENDED] = "SELECT stamp FROM intended WHERE name = ?1",
	[PUT_INTENDED] = "INSERT OR REPLACE INTO intended VALUES (?1, ?2)",
	[DROP_INTENDED] = "DELETE FROM intended WHERE name = ?1",
	[FIND_FAILURE] = ("SELECT recipe, build, in_bytes, in_mtime_ns, in_hash, deaths,"
                          " class, text FROM failures WHERE source = ?1"),
	[PUT_FAILURE] = ("INSERT OR REPLACE INTO failures"
                         " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
	[DROP_FAILURE] = "DELETE FROM failures WHERE source = ?1",
};

struct state {
	char *path;
	/* Whether rows can be written. Any thread may read it without the lock. */
	atomic_bool is_writable;
	bool is_foreign; /* the file is not a state database of pixpool; it stays unchanged */
	char notice[FAILURE_TEXT_BYTES];

	struct lock lock;  /* guards all members below */
	sqlite3 *database; /* the database; NULL: closed after an error */
	sqlite3_stmt *statements[N_QUERIES];
	bool has_intended; /* whether the table of intended outputs may have rows */
	struct failure read_failure; /* see state_read_failure() */
};

/* ---- opening ---- */

/* Whether SQLite's write-ahead log is safe here: it needs a local file system. */
static bool is_local(const char *path)
{
	static const unsigned local[] = {EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,
	                                 BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
	                                 F2FS_SUPER_MAGIC,  OVERLAYFS_SUPER_MAGIC};
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	struct statfs facts;
	bool is_one = false;

	if (slash)
		slash[slash == folder] = 0; /* keep the slash of "/" */
	if (folder && statfs(slash ? folder : ".", &facts) == 0) {
		for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
			is_one |= (unsigned)facts.f_type == local[i];
	}
	free(folder);
	return is_one;
}

static int run(sqlite3 *database, const char *statement)
{
	return sqlite3_exec(database, statement, NULL, NULL, NULL);
}

/* Run a query that returns one number. Returns -1 if the query fails. */
static int64_t ask(sqlite3 *database, const char *pragma)
{
	sqlite3_stmt *statement = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(database, pragma, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static bool is_damage(int code)
{
	code &= 0xff;
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_FORMAT;
}

/* Whether RLIMIT_FSIZE limits the sizes of files, so that a failed write may have exceeded it. */
static bool has_size_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

/* The errno of the last failed system call on a file of SQLite, or 0. */
static int errno_of(sqlite3_file *file)
{
	int sys_errno = 0;

	if (file && file->pMethods)
		file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &sys_errno);
	return sys_errno;
}

/*
 * The true code of an error. If a read of the database or of its log fails with EIO, ENXIO or
 * ERANGE, SQLite calls the database corrupt. But then the disk, or the way to it, is broken, and
 * the database may be healthy.
 */
static int code_of(sqlite3 *database, int code)
{
	static const int files[2] = {SQLITE_FCNTL_FILE_POINTER,
	                             SQLITE_FCNTL_JOURNAL_POINTER};

	for (size_t i = 0; database && is_damage(code) && i < 2; i++) {
		sqlite3_file *file = NULL;
		int sys_errno;

		sqlite3_file_control(database, "main", files[i], &file);
		sys_errno = errno_of(file);
		if (sys_errno == EIO || sys_errno == ENXIO || sys_errno == ERANGE)
			return SQLITE_IOERR_READ;
	}
	return code;
}

/* The result for an SQLite error code that is not a sign of damage. STATE_NONE: no database can
 * work here. */
static enum state_result result_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return STATE_OK;
	case SQLITE_BUSY:
		return STATE_BUSY;
	case SQLITE_NOMEM:
		return STATE_MEMORY;
	case SQLITE_FULL:
		return STATE_PLACE;
	case SQLITE_IOERR:
		/* No database can work here: locks are missing on a network share, SQLite cannot
		 * work on the file system, or the size of files is limited. */
		return code == SQLITE_IOERR_LOCK || code == SQLITE_IOERR_RDLOCK ||
		                       code == SQLITE_IOERR_UNLOCK ||
		                       code == SQLITE_IOERR_CHECKRESERVEDLOCK ||
		                       code == SQLITE_IOERR_SHMOPEN ||
		                       code == SQLITE_IOERR_SHMMAP || has_size_limit()
		               ? STATE_NONE
		               : STATE_PLACE;
	default:
		return STATE_NONE;
	}
}

/* The errno with which SQLite could not open the file at this path; 0: not known. If SQLite has no
 * permission to create the file, it tries to open the file for reading, and reports ENOENT. In that
 * case, the errno of the missing permission is returned. */
static int open_errno(sqlite3 *database, const char *path)
{
	const int sys_errno = sqlite3_system_errno(database);
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
	bool may_create = !folder || sys_errno != ENOENT ||
	                  faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
	const int folder_errno = errno;

	free(folder);
	return may_create ? sys_errno : folder_errno;
}

/* Fill in the failure with the reason why the database at this path failed. code: the error code of
 * SQLite. database may be NULL. */
static void say_why(struct failure *failure, sqlite3 *database, int code,
                    const char *path)
{
	/* Some codes were not set by SQLite but by our code, for example for a database of another
	 * program. SQLite has no message for such a code. */
	const bool has_message = database &&
	                         (sqlite3_errcode(database) & 0xff) == (code & 0xff);
	const int sys_errno = database && (code & 0xff) == SQLITE_CANTOPEN
	                              ? open_errno(database, path)
	                              : 0;

	const char *why = sqlite3_errstr(code);

	if (has_message)
		why = sqlite3_errmsg(database);
	else if (database && is_damage(code))
		why = "it is damaged, or was written by another program or another version of pixpool";
	failure_set(failure, FAIL_IO, "the state %s cannot be used: %s", path, why);
	if (sys_errno != 0)
		failure_append(failure, ": %s", strerrordesc_np(sys_errno));
	if ((code & 0xff) == SQLITE_IOERR && has_size_limit())
		failure_append(failure, " (file sizes are limited by ulimit -f)");
}

/*
 * Whether the file system refuses locks, as a network share without a lock service does. SQLite
 * mistakes such an error for a lock of another process. Closing the file drops all locks of this
 * process on it, so call this function only while SQLite holds no lock that matters.
 */
static bool refuses_locks(const char *path)
{
	/* SQLite locks bytes 0x40000000 to 0x400001ff of the file. Try to lock a later byte. */
	struct flock lock = {.l_type = F_RDLCK,
	                     .l_whence = SEEK_SET,
	                     .l_start = 0x40000000 + 1024,
	                     .l_len = 1};
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool refuses = fd >= 0 && fcntl(fd, F_SETLK, &lock) != 0 && errno != EAGAIN &&
	               errno != EACCES && errno != EINTR;

	if (fd >= 0)
		close(fd);
	return refuses;
}

/* Lock the database for this run. While another run has locked the database, call options->wait and
 * try again. Give up when options->wait returns false. */
static int lock_for_run(sqlite3 *database, const struct state_options *options)
{
	int code;

	run(database, "PRAGMA locking_mode=EXCLUSIVE");
	while (((code = run(database, "BEGIN EXCLUSIVE")) & 0xff) == SQLITE_BUSY) {
		if (refuses_locks(options->path))
			return SQLITE_IOERR_LOCK;
		if (!options->wait || !options->wait(options->data))
			break;
	}
	return code == SQLITE_OK ? run(database, "COMMIT")
	                         : sqlite3_extended_errcode(database);
}

static void set_up(sqlite3 *database, const struct state_options *options)
{
	sqlite3_extended_result_codes(database, 1);
	/* Treat the file as untrusted data: nothing in it may run code. */
	sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(database, SQLITE_LIMIT_LENGTH, 1 << 20);
	run(database, "PRAGMA cell_size_check=ON");
	if (!options->is_durable)
		run(database, "PRAGMA synchronous=OFF");
	else if (options->rows_alone)
		run(database, "PRAGMA synchronous=FULL");
	else /* the stamp on an output can restore a row that is lost in a power cut */
		run(database, "PRAGMA synchronous=NORMAL");
}

/* Check that the database is ours and has the version of this program. Mark an empty database as
 * ours. */
static int make_ours(sqlite3 *database, bool *ret_is_foreign)
{
	char marks[96];
	int64_t id = ask(database, "PRAGMA application_id");
	int64_t version = ask(database, "PRAGMA user_version");
	int64_t n_tables = ask(database, "SELECT count(*) FROM sqlite_schema");

	*ret_is_foreign = false;
	if (id < 0 || version < 0 || n_tables < 0)
		return sqlite3_extended_errcode(database);
	if (id == APPLICATION_ID && version == SCHEMA_VERSION)
		return SQLITE_OK;
	/* A database without tables is accepted if it has our application id. An earlier version of
	 * this program left such a database if it was killed before it set the version. */
	if (n_tables > 0 || (id != 0 && id != APPLICATION_ID)) {
		*ret_is_foreign = true;
		return SQLITE_OK;
	}
	snprintf(marks, sizeof(marks),
	         "BEGIN;PRAGMA application_id=%d;PRAGMA user_version=%d;COMMIT",
	         APPLICATION_ID, SCHEMA_VERSION);
	return run(database, marks);
}

/* Whether the table of intended outputs may have rows. Also true if the query fails. */
static bool has_intended(sqlite3 *database)
{
	return ask(database, "SELECT EXISTS (SELECT 1 FROM intended)") != 0;
}

/* Open the database: check the file, lock the database, check its application id and its version,
 * create its tables, and prepare the queries. */
static int open_steps(struct state *state, const struct state_options *options,
                      bool *ret_is_foreign)
{
	struct stat facts;
	int code, flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
	                  SQLITE_OPEN_FULLMUTEX;

	*ret_is_foreign = false;
	/* Do not follow a link: somebody may have planted it in the output folder. */
	if (lstat(state->path, &facts) == 0 && !S_ISREG(facts.st_mode)) {
		*ret_is_foreign = true;
		return SQLITE_OK;
	}
	code = sqlite3_open_v2(state->path, &state->database, flags, NULL);
	if (code != SQLITE_OK)
		return state->database ? sqlite3_extended_errcode(state->database) : code;
	set_up(state->database, options);
	if (sqlite3_db_readonly(state->database, "main") == 1)
		return SQLITE_READONLY;
	code = lock_for_run(state->database, options);
	if (code == SQLITE_OK)
		code = make_ours(state->database, ret_is_foreign);
	if (code == SQLITE_OK && !*ret_is_foreign)
		code = run(state->database, is_local(state->path)
		                                    ? "PRAGMA journal_mode=WAL"
		                                    : "PRAGMA journal_mode=DELETE");
	if (code == SQLITE_OK && !*ret_is_foreign)
		code = run(state->database, schema);
	for (int i = 0; code == SQLITE_OK && !*ret_is_foreign && i < N_QUERIES; i++)
		code = sqlite3_prepare_v3(state->database, queries[i], -1,
		                          SQLITE_PREPARE_PERSISTENT,
		                          &state->statements[i], NULL);
	if (code == SQLITE_OK && !*ret_is_foreign)
		state->has_intended = has_intended(state->database);
	return code;
}

static int open_once(struct state *state, const struct state_options *options,
                     bool *ret_is_foreign)
{
	int code = open_steps(state, options, ret_is_foreign);

	return code_of(state->database, code);
}

/* A percent-encoded "file:" URI of a path. The caller frees it. */
static char *uri_of(const char *path, const char *query)
{
	static const char digits[] = "0123456789abcdef";
	char *uri = malloc(8 + 3 * strlen(path) + strlen(query)), *at = uri;

	if (!uri)
		return NULL;
	at += sprintf(at, "file:");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (strchr("%?#", c) || c < 0x21 || c > 0x7e) {
			*at++ = '%';
			*at++ = digits[c >> 4];
			*at++ = digits[c & 15];
		} else {
			*at++ = (char)c;
		}
	}
	memcpy(at, query, strlen(query) + 1);
	return uri;
}

/* Whether the database has rows in a write-ahead log, left by a run that was killed. */
static bool has_log(const struct state *state)
{
	size_t n = strlen(state->path) + sizeof("-wal");
	char *log = malloc(n);
	struct stat facts;
	bool has_one;

	if (!log)
		return false;
	snprintf(log, n, "%s-wal", state->path);
	has_one = stat(log, &facts) == 0 && facts.st_size > 0;
	free(log);
	return has_one;
}

/* Open a database for reading only. SQLite can read the write-ahead log only if the file of
 * shared memory is next to it. */
static int open_read_only(struct state *state)
{
	char *uri = uri_of(state->path,
	                   has_log(state) ? "?mode=ro" : "?mode=ro&immutable=1");
	int64_t id, version;
	int code = SQLITE_NOMEM;

	if (uri)
		code = sqlite3_open_v2(uri, &state->database,
		                       SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
		                               SQLITE_OPEN_FULLMUTEX,
		                       NULL);
	free(uri);
	if (code != SQLITE_OK)
		return code;
	sqlite3_db_config(state->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(state->database, SQLITE_LIMIT_LENGTH, 1 << 20);
	id = ask(state->database, "PRAGMA application_id");
	version = ask(state->database, "PRAGMA user_version");
	if (id < 0 || version < 0)
		return code_of(state->database,
		               sqlite3_extended_errcode(state->database));
	if (id != APPLICATION_ID || version != SCHEMA_VERSION)
		return SQLITE_NOTADB;
	code = sqlite3_prepare_v2(state->database, queries[FIND_OUTPUT], -1,
	                          &state->statements[FIND_OUTPUT], NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(state->database, queries[FIND_FAILURE], -1,
		                          &state->statements[FIND_FAILURE], NULL);
	/* A database of an earlier version has no table of intended outputs, so this query may
	 * fail. */
	if (code == SQLITE_OK && has_intended(state->database))
		(void)sqlite3_prepare_v2(state->database, queries[FIND_INTENDED], -1,
		                         &state->statements[FIND_INTENDED], NULL);
	state->has_intended = state->statements[FIND_INTENDED] != NULL;
	return code;
}

/* Close the database and its statements, so that the database can be opened again. */
static void give_up(struct state *state)
{
	for (int i = 0; i < N_QUERIES; i++) {
		sqlite3_finalize(state->statements[i]);
		state->statements[i] = NULL;
	}
	sqlite3_close(state->database);
	state->database = NULL;
}

/* Rename the database file, with its log and journal, to a name that is not taken. */
static bool move_aside(struct state *state, const char *why)
{
	static const char *const parts[] = {"", "-wal", "-shm", "-journal"};
	size_t n = strlen(state->path) + 32;
	char *from = malloc(n), *to = malloc(n);
	bool is_moved = false;

	for (int number = 1; from && to && !is_moved && number < 1000; number++) {
		snprintf(to, n, "%s.%s-%d", state->path, why, number);
		if (access(to, F_OK) == 0)
			continue;
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			snprintf(from, n, "%s%s", state->path, parts[i]);
			snprintf(to, n, "%s.%s-%d%s", state->path, why, number, parts[i]);
			if (rename(from, to) == 0)
				is_moved = true;
			else if (i == 0)
				break;
		}
		if (!is_moved)
			break;
		snprintf(
			state->notice, sizeof(state->notice),
			"the state %s was %s: it is kept as %s.%s-%d, and a new state is started",
			state->path,
			strcmp(why, "damaged") == 0
				? "damaged"
				: "written by another program or another version of pixpool",
			state->path, why, number);
	}
	free(from);
	free(to);
	return is_moved;
}

/* Whether a file is certainly not a database of ours, not even a damaged one: it cannot be read, is
 * not a regular file, or does not begin with a header that has our application id. SQLite's file
 * format, 1.3, describes the header. An empty file may be ours. */
static bool is_no_state(const char *path)
{
	enum { HEADER_BYTES = 100, ID_AT = 68 };
	static const uint8_t id[] = {APPLICATION_ID >> 24, APPLICATION_ID >> 16 & 0xff,
	                             APPLICATION_ID >> 8 & 0xff, APPLICATION_ID & 0xff};
	uint8_t header[HEADER_BYTES];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat facts;
	bool is_other = fd < 0 || fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) ||
	                (facts.st_size > 0 &&
	                 (read(fd, header, sizeof(header)) != HEADER_BYTES ||
	                  memcmp(header + ID_AT, id, sizeof(id)) != 0));

	if (fd >= 0)
		close(fd);
	return is_other;
}

static int open_state(struct state *state, const struct state_options *options)
{
	bool is_foreign;
	int code;

	if (options->reads_only) {
		code = open_read_only(state);
		state->is_foreign = is_damage(code) && options->keeps_foreign &&
		                    is_no_state(state->path);
		return code;
	}
	code = open_once(state, options, &is_foreign);

	if (is_damage(code) || is_foreign) {
		give_up(state);
		if (options->keeps_foreign && is_no_state(state->path)) {
			state->is_foreign = true;
			return SQLITE_NOTADB;
		}
		if (!move_aside(state, is_foreign ? "foreign" : "damaged"))
			return SQLITE_CANTOPEN;
		code = open_once(state, options, &is_foreign);
	}
	if (code == SQLITE_OK) {
		state->is_writable = true;
		return code;
	}
	if (((code & 0xff) == SQLITE_READONLY || (code & 0xff) == SQLITE_CANTOPEN ||
	     (code & 0xff) == SQLITE_PERM) &&
	    access(state->path, R_OK) == 0) {
		give_up(state);
		code = open_read_only(state);
	}
	return code;
}

enum state_result state_open(const struct state_options *options,
                             struct state **ret_state, char notice[FAILURE_TEXT_BYTES],
                             struct failure *ret_failure)
{
	struct state *state = calloc(1, sizeof(*state));
	enum state_result result;
	int code;

	*ret_state = NULL;
	notice[0] = 0;
	if (!state || !(state->path = strdup(options->path))) {
		free(state);
		say_why(ret_failure, NULL, SQLITE_NOMEM, options->path);
		return STATE_MEMORY;
	}
	lock_init(&state->lock);
	code = open_state(state, options);
	memcpy(notice, state->notice, FAILURE_TEXT_BYTES);
	/* The caller got a copy of the notice about opening. From now on, state->notice is empty
	 * until the database is found to be damaged. */
	state->notice[0] = 0;
	result = state->is_foreign ? STATE_FOREIGN : result_of(code);
	if (result == STATE_OK) {
		*ret_state = state;
		return STATE_OK;
	}
	say_why(ret_failure, state->database, code, state->path);
	if (code == SQLITE_IOERR_LOCK)
		failure_set(ret_failure, FAIL_IO,
		            "the state %s cannot be used: the file system refuses locks",
		            state->path);
	state_close(state);
	return result;
}

/*
 * Remove the journal that a killed run left. SQLite removes such a journal only when it writes a
 * row, and this run may have written none. A journal that is empty or begins with a zero byte
 * contains no transaction that must be undone. Call this while this run holds the database and is
 * in no transaction.
 */
static void remove_old_journal(const struct state *state)
{
	size_t n = strlen(state->path) + sizeof("-journal");
	char *journal = malloc(n), first = 0;
	int fd = -1;

	if (journal) {
		snprintf(journal, n, "%s-journal", state->path);
		fd = open(journal, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd >= 0 && pread(fd, &first, 1, 0) >= 0 && first == 0)
		unlink(journal);
	if (fd >= 0)
		close(fd);
	free(journal);
}

void state_close(struct state *state)
{
	if (!state)
		return;
	if (state->database && !sqlite3_get_autocommit(state->database))
		run(state->database, "ROLLBACK");
	if (state->is_writable && sqlite3_get_autocommit(state->database))
		remove_old_journal(state);
	give_up(state);
	lock_fini(&state->lock);
	free(state->path);
	free(state);
}

bool state_is_writable(const struct state *state)
{
	return state->is_writable;
}

const char *state_notice(const struct state *state)
{
	return state->notice;
}

/* ---- rows; with the lock held ---- */

/* Get a prepared statement and bind the name as its first parameter. Returns NULL if the database
 * is closed, or if it is open for reading only and has no such statement. */
static sqlite3_stmt *begin_query(struct state *state, enum query query, const char *name)
{
	sqlite3_stmt *statement = state->statements[query];
	char kept[STAMP_NAME_BYTES + 1];

	if (statement) {
		stamp_keep_name(name, kept);
		sqlite3_bind_blob64(statement, 1, kept, strlen(kept), SQLITE_TRANSIENT);
	}
	return statement;
}

static void end_query(sqlite3_stmt *statement)
{
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

/* Convert an error code to a result. If the database is damaged, stop using it; the next run
 * renames it. */
static enum state_result note_error(struct state *state, int code)
{
	code = code_of(state->database, code);
	if (!is_damage(code))
		return result_of(code);
	snprintf(state->notice, sizeof(state->notice),
	         "the state %s is damaged: the rest of this run continues without it",
	         state->path);
	give_up(state);
	state->is_writable = false;
	return STATE_NONE;
}

static enum state_result run_query(struct state *state, sqlite3_stmt *statement)
{
	int code;

	if (!statement)
		return STATE_NONE;
	code = sqlite3_step(statement);
	end_query(statement);
	return code == SQLITE_DONE ? STATE_OK : note_error(state, code);
}

/* ---- outputs ---- */

/* Remember the error of a query that reads rows, unless the error is a sign of damage. */
static void note_read_error(struct state *state, int code)
{
	if (code == SQLITE_ROW || code == SQLITE_DONE)
		return;
	if (!is_damage(code_of(state->database, code)))
		say_why(&state->read_failure, state->database,
		        code_of(state->database, code), state->path);
	note_error(state, code);
}

struct failure state_read_failure(struct state *state)
{
	struct failure failure;

	lock_acquire(&state->lock);
	failure = state->read_failure;
	lock_release(&state->lock);
	return failure;
}

/* Called with the lock held. */
static bool find_row(struct state *state, enum query query, const char *output,
                     struct stamp *ret_row)
{
	sqlite3_stmt *statement = begin_query(state, query, output);
	bool is_found = false;
	int code;

	if (statement) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW) {
			const void *bytes = sqlite3_column_blob(statement, 0);
			int n = sqlite3_column_bytes(statement, 0);

			is_found = bytes && stamp_decode(bytes, (size_t)n, ret_row) &&
			           stamp_name_is(ret_row->output, output);
		}
		end_query(statement);
		note_read_error(state, code);
	}
	return is_found;
}

bool state_find(struct state *state, const char *output, struct stamp *ret_row)
{
	bool is_found;

	lock_acquire(&state->lock);
	is_found = find_row(state, FIND_OUTPUT, output, ret_row);
	lock_release(&state->lock);
	return is_found;
}

bool state_find_intended(struct state *state, const char *output, struct stamp *ret_row)
{
	bool is_found;

	lock_acquire(&state->lock);
	is_found = state->has_intended && find_row(state, FIND_INTENDED, output, ret_row);
	lock_release(&state->lock);
	return is_found;
}

/* Called with the lock held. */
static enum state_result put_row(struct state *state, enum query query,
                                 const struct stamp *row)
{
	unsigned char bytes[STAMP_MAX_BYTES];
	size_t n = stamp_encode(row, bytes);
	sqlite3_stmt *statement = begin_query(state, query, row->output);

	if (statement)
		sqlite3_bind_blob64(statement, 2, bytes, n, SQLITE_STATIC);
	return run_query(state, statement);
}

/* Called with the lock held. */
static enum state_result drop_intended(struct state *state, const char *output)
{
	return state->has_intended
	               ? run_query(state, begin_query(state, DROP_INTENDED, output))
	               : STATE_OK;
}

enum state_result state_intend(struct state *state, const struct stamp *row)
{
	enum state_result result;

	lock_acquire(&state->lock);
	state->has_intended = true;
	result = put_row(state, PUT_INTENDED, row);
	lock_release(&state->lock);
	return result;
}

enum state_result state_put(struct state *state, const struct stamp *row)
{
	enum state_result result;

	lock_acquire(&state->lock);
	result = put_row(state, PUT_OUTPUT, row);
	if (result == STATE_OK)
		result = drop_intended(state, row->output);
	lock_release(&state->lock);
	return result;
}

enum state_result state_drop(struct state *state, const char *output)
{
	enum state_result result;

	lock_acquire(&state->lock);
	result = run_query(state, begin_query(state, DROP_OUTPUT, output));
	if (result == STATE_OK)
		result = drop_intended(state, output);
	lock_release(&state->lock);
	return result;
}

/* Find the name of the row that follows the name `after`. The caller frees it. Returns NULL after
 * the last row. */
static char *next_output(struct state *state, const char *after)
{
	char *name = NULL;
	sqlite3_stmt *statement;
	int code;

	lock_acquire(&state->lock);
	statement = begin_query(state, NEXT_OUTPUT, after);
	if (statement) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW && sqlite3_column_blob(statement, 0))
			name = strndup(sqlite3_column_blob(statement, 0),
			               (size_t)sqlite3_column_bytes(statement, 0));
		end_query(statement);
		note_read_error(state, code);
	}
	lock_release(&state->lock);
	return name;
}

void state_each(struct state *state, bool (*visit)(void *data, const char *output),
                void *data)
{
	char *name = next_output(state, "");

	while (name && visit(data, name)) {
		char *next = next_output(state, name);

		free(name);
		name = next;
	}
	free(name);
}

/* ---- failures ---- */

/* SQLite has only signed 64-bit numbers, so an unsigned number is stored as a signed one. */
static void bind_number(sqlite3_stmt *statement, int index, uint64_t number)
{
	sqlite3_bind_int64(statement, index, (sqlite3_int64)number);
}

static uint64_t number_of(sqlite3_stmt *statement, int column)
{
	return (uint64_t)sqlite3_column_int64(statement, column);
}

/* Read a row of the table of failures. Returns false for a row that state_put_failure() cannot have
 * written. */
static bool read_failure(sqlite3_stmt *row, struct known_failure *ret_known)
{
	const void *hash = sqlite3_column_blob(row, 4);
	int n_hash = sqlite3_column_bytes(row, 4);
	uint64_t class = number_of(row, 6);
	const unsigned char *text = sqlite3_column_text(row, 7);

	*ret_known = (struct known_failure){
		.recipe = number_of(row, 0),
		.build = number_of(row, 1),
		.in_bytes = number_of(row, 2),
		.in_mtime_ns = sqlite3_column_int64(row, 3),
		.has_hash = n_hash == INPUT_HASH_BYTES,
		.n_deaths = (unsigned)number_of(row, 5),
	};
	if ((n_hash != 0 && n_hash != INPUT_HASH_BYTES) || class == FAIL_NONE ||
	    class >= N_FAIL_CLASSES || !text)
		return false;
	if (ret_known->has_hash)
		memcpy(ret_known->in_hash.bytes, hash, INPUT_HASH_BYTES);
	failure_set(&ret_known->failure, (enum fail_class) class, "%s",
	            (const char *)text);
	return true;
}

bool state_find_failure(struct state *state, const char *source,
                        struct known_failure *ret_known)
{
	bool is_found = false;
	sqlite3_stmt *statement;
	int code;

	lock_acquire(&state->lock);
	statement = begin_query(state, FIND_FAILURE, source);
	if (statement) {
		code = sqlite3_step(statement);
		is_found = code == SQLITE_ROW && read_failure(statement, ret_known);
		end_query(statement);
		note_read_error(state, code);
	}
	lock_release(&state->lock);
	return is_found;
}

enum state_result state_put_failure(struct state *state, const char *source,
                                    const struct known_failure *known)
{
	enum state_result result;
	sqlite3_stmt *statement;

	lock_acquire(&state->lock);
	statement = begin_query(state, PUT_FAILURE, source);
	if (statement) {
		bind_number(statement, 2, known->recipe);
		bind_number(statement, 3, known->build);
		bind_number(statement, 4, known->in_bytes);
		sqlite3_bind_int64(statement, 5, known->in_mtime_ns);
		if (known->has_hash)
			sqlite3_bind_blob(statement, 6, known->in_hash.bytes,
			                  INPUT_HASH_BYTES, SQLITE_STATIC);
		bind_number(statement, 7, known->n_deaths);
		sqlite3_bind_int(statement, 8, (int)known->failure.class);
		sqlite3_bind_text(statement, 9, known->failure.text, -1, SQLITE_STATIC);
	}
	result = run_query(state, statement);
	lock_release(&state->lock);
	return result;
}

enum state_result state_drop_failure(struct state *state, const char *source)
{
	enum state_result result;

	lock_acquire(&state->lock);
	result = run_query(state, begin_query(state, DROP_FAILURE, source));
	lock_release(&state->lock);
	return result;
}

/* ---- groups ---- */

static enum state_result run_in_state(struct state *state, const char *statement,
                                      struct failure *ret_failure)
{
	enum state_result result = STATE_NONE;
	int code;

	lock_acquire(&state->lock);
	if (state->database) {
		code = run(state->database, statement);
		if (code != SQLITE_OK && ret_failure)
			say_why(ret_failure, state->database,
			        code_of(state->database, code), state->path);
		result = note_error(state, code);
	}
	lock_release(&state->lock);
	return result;
}

enum state_result state_begin(struct state *state)
{
	return run_in_state(state, "BEGIN", NULL);
}

enum state_result state_commit(struct state *state, struct failure *ret_failure)
{
	enum state_result result = run_in_state(state, "COMMIT", ret_failure);

	/* SQLite may leave the transaction open if its commit fails. */
	if (result == STATE_PLACE || result == STATE_MEMORY)
		run_in_state(state, "ROLLBACK", NULL);
	return result;
}

void state_undo(struct state *state, struct failure *ret_failure)
{
	lock_acquire(&state->lock);
	if (state->database) {
		say_why(ret_failure, state->database,
		        code_of(state->database,
		                sqlite3_extended_errcode(state->database)),
		        state->path);
		run(state->database, "ROLLBACK");
	}
	lock_release(&state->lock);
}
