/* Tests that the test engine obeys its script. */
#include "support/test.h"

#include "fault/scripted.h"
#include "image/engine.h"
#include "image_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct outcome run_script(const char *commands)
{
	static const char magic[] = "pixpool-scripted\n";
	struct blob blob = {0};
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	struct outcome outcome;

	blob_append(&blob, magic, strlen(magic));
	blob_append(&blob, commands, strlen(commands));
	outcome = run_picture(&blob, "a.jpg", &recipe);
	blob_fini(&blob);
	return outcome;
}

TEST(scripted_engine, a_script_without_a_fatal_command_makes_a_picture)
{
	struct outcome outcome = run_script("");

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_STR(outcome.answer.engine, "script");
	EXPECT(outcome.width == 32 && outcome.height == 24);
	outcome_fini(&outcome);

	outcome = run_script("size 70 50\n");
	EXPECT(outcome.width == 70 && outcome.height == 50);
	EXPECT_EQ(outcome.answer.in.width, 70);
	outcome_fini(&outcome);
}

TEST(scripted_engine, the_fail_command_fails_with_the_requested_class)
{
	struct outcome outcome = run_script("size 9 9\nfail memory\n");

	EXPECT_EQ(outcome.answer.failure.class, FAIL_MEMORY);
	EXPECT_EQ(outcome.answer.in.width, 9);
	outcome_fini(&outcome);
	outcome = run_script("dance\n");
	EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
	outcome_fini(&outcome);
}

/* The wait status of a process that runs these commands. */
static int status_of(const char *commands)
{
	int status = 0;
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		run_script(commands);
		_exit(99);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return status;
}

TEST(scripted_engine, commands_that_end_the_worker_end_it_in_the_requested_way)
{
	int status = status_of("signal SIGSEGV\n");

	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = status_of("signal SIGKILL\n");
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = status_of("exit 7\n");
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static bool is_called(pid_t pid, const char *name)
{
	char path[64], comm[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = 0;
	fclose(file);
	comm[strcspn(comm, "\n")] = 0;
	return strcmp(comm, name) == 0;
}

/* Watch a file for reads. await_read() waits until the file has been read since the watch began, or
 * since the last call of await_read(). */
static int watch_reads(int fd)
{
	int watch = inotify_init1(IN_CLOEXEC);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	REQUIRE(watch >= 0 && inotify_add_watch(watch, path, IN_ACCESS) >= 0, "%s",
	        strerrordesc_np(errno));
	return watch;
}

static void await_read(int watch)
{
	_Alignas(struct inotify_event) char events[4096];

	REQUIRE(read(watch, events, sizeof(events)) > 0);
}

TEST(scripted_engine, the_gate_command_waits_until_the_first_byte_of_the_input_changes)
{
	static const char commands[] = "pixpool-scripted\ngate a\nexit 3\n";
	FILE *file = tmpfile();
	int input = file ? fileno(file) : -1, output = memfd_create("output", 0), status;
	int reads = watch_reads(input);
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
	const struct picture_variant variant = {.recipe = &recipe};
	struct picture_job job = {.variants = &variant,
	                          .n_variants = 1,
	                          .name = "a",
	                          .input = input,
	                          .input_bytes = sizeof(commands) - 1,
	                          .output = output};
	struct picture_answer answer;

	REQUIRE(pwrite(input, commands, sizeof(commands) - 1, 0) ==
	        (ssize_t)sizeof(commands) - 1);
	for (int attempt = 1; attempt <= 2; attempt++) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (pid == 0) {
			picture_run(picture_worker_create(), &job, &answer);
			_exit(99);
		}
		if (attempt == 1) {
			/* At the gate, the child renames itself to gate-a, and then reads the
			 * first byte of its input. */
			do
				await_read(reads);
			while (!is_called(pid, "gate-a"));
			EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
			REQUIRE(pwrite(input, "P", 1, 0) == 1);
			kill(pid, GATE_SIGNAL);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	}
	close(reads);
	fclose(file);
	close(output);
}

TEST(scripted_engine, the_stderr_command_prints_the_requested_number_of_bytes)
{
	int ends[2], status;
	char bytes[4096];
	size_t n_read = 0;
	ssize_t n;
	pid_t pid;

	REQUIRE(pipe(ends) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		run_script("stderr 100000\nexit 0\n");
		_exit(99);
	}
	close(ends[1]);
	while ((n = read(ends[0], bytes, sizeof(bytes))) > 0)
		n_read += (size_t)n;
	REQUIRE(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT(n_read >= 100000 && n_read < 100100, "%zu", n_read);
	close(ends[0]);
}
