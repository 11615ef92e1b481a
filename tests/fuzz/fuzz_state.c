/*
 * Fuzz target: the state database, which anybody may have changed. Whatever bytes the database has,
 * a run reads some of its rows or none, and can write new rows. The target creates a database, and
 * the input of the fuzzer changes bytes of the database.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "store/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/fuzz_state-XXXXXX";
static uint8_t *whole; /* a database with rows */
static size_t n_whole;

static void remove_all(void)
{
	static const char *const names[] = {"db",
	                                    "db-wal",
	                                    "db-journal",
	                                    "db.damaged-1",
	                                    "db.damaged-1-wal",
	                                    "db.foreign-1",
	                                    "db.foreign-1-wal"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
}

static void put_rows(struct state *state, int from, int to)
{
	struct known_failure known = {.has_hash = true};

	failure_set(&known.failure, FAIL_BAD_IMAGE, "truncated");
	state_begin(state);
	for (int i = from; i < to; i++) {
		struct stamp row = {.recipe = (uint64_t)i};
		char name[32];

		snprintf(name, sizeof(name), "folder/%d.jpg", i);
		stamp_set_names(&row, name, name);
		state_put(state, &row);
		state_put_failure(state, name, &known);
	}
	state_commit(state, NULL);
}

static struct state *open_it(void)
{
	struct state_options options = {.path = "db"};
	char notice[FAILURE_TEXT_BYTES];
	struct failure failure;
	struct state *state;

	return state_open(&options, &state, notice, &failure) == STATE_OK ? state : NULL;
}

static void clean_up(void)
{
	remove_all();
	if (chdir("/") == 0)
		rmdir(folder);
	free(whole);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct state *state;
	struct stat st;
	int fd;

	(void)argc;
	(void)argv;
	if (!mkdtemp(folder) || chdir(folder) != 0 || !(state = open_it()))
		abort();
	atexit(clean_up);
	put_rows(state, 0, 60);
	state_close(state);
	fd = open("db", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	n_whole = (size_t)st.st_size;
	whole = malloc(n_whole);
	if (fd_pread_full(fd, whole, n_whole, 0) != (ssize_t)n_whole)
		abort();
	fd_close(&fd);
	return 0;
}

static bool visit(void *data, const char *output)
{
	(void)output;
	return ++*(int *)data < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	uint8_t *changed = fuzz_copy(whole, n_whole);
	struct known_failure known;
	struct stamp row;
	struct state *state;
	int fd, n_visited = 0;

	while (feed_has_more(&feed)) {
		size_t at = (size_t)feed_number(&feed, 2) % n_whole, n_run;
		const uint8_t *run = feed_bytes(&feed, feed_byte(&feed), &n_run);

		if (n_run > n_whole - at)
			n_run = n_whole - at;
		memcpy(changed + at, run, n_run);
	}
	remove_all();
	fd = open("db", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CLAIM(fd >= 0 && fd_write_all(fd, changed, n_whole));
	fd_close(&fd);
	free(changed);

	state = open_it();
	if (state) {
		state_find(state, "folder/7.jpg", &row);
		state_find_failure(state, "folder/7.jpg", &known);
		state_each(state, visit, &n_visited);
		put_rows(state, 50, 70);
		state_close(state);
	}
	return 0;
}
