/* Run a sample program and read its output through a pipe. */
#include "samples/program.h"

#include "support/test.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct program program_start(const char *const *argv, const char *input)
{
	struct program program = {0};
	posix_spawn_file_actions_t actions;
	int ends[2];

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(posix_spawn_file_actions_init(&actions) == 0);
	posix_spawn_file_actions_addopen(&actions, 0, input ? input : "/dev/null",
	                                 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	REQUIRE(posix_spawn(&program.pid, argv[0], &actions, NULL, (char *const *)argv,
	                    environ) == 0);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	program.output = fdopen(ends[0], "r");
	REQUIRE(program.output != NULL);
	return program;
}

const char *program_line(struct program *program)
{
	ssize_t n = getline(&program->line, &program->size, program->output);

	if (n < 0)
		return NULL;
	if (n > 0 && program->line[n - 1] == '\n')
		program->line[n - 1] = '\0';
	return program->line;
}

int program_end(struct program *program)
{
	int status = -1;

	REQUIRE(waitpid(program->pid, &status, 0) == program->pid);
	fclose(program->output);
	free(program->line);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct transcript program_run(const char *const *argv)
{
	struct program program = program_start(argv, NULL);
	struct transcript transcript = {.n = 0};
	const char *line;

	while ((line = program_line(&program))) {
		REQUIRE(transcript.n < TRANSCRIPT_LINES);
		REQUIRE(strlen(line) < TRANSCRIPT_BYTES);
		strcpy(transcript.lines[transcript.n++], line);
	}
	transcript.status = program_end(&program);
	return transcript;
}

bool transcript_has(const struct transcript *transcript, const char *line)
{
	for (size_t i = 0; i < transcript->n; i++) {
		if (strcmp(transcript->lines[i], line) == 0)
			return true;
	}
	return false;
}
