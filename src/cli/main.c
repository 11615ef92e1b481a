#include "base/fd.h"
#include "batch/batch.h"
#include "cli/command_line.h"
#include "cli/help.h"
#include "cli/info.h"
#include "recipe/format.h"

#include <pixpool/pixpool.h>

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The batch takes these from a descriptor, so that they come when it is ready for them. */
static void prepare_signals(void)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static bool is_picture(const char *file)
{
	uint8_t bytes[FORMAT_GATE_BYTES];
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? pread(fd, bytes, sizeof(bytes), 0) : -1;

	fd_close(&fd);
	return n > 0 && format_of_bytes(bytes, (size_t)n, file) != FORMAT_NONE;
}

/* -1 with a message when it cannot be made, or would take a picture's place. */
static int open_records(const char *file)
{
	const char *why = "a picture stands there";
	char name[1024];
	int fd = -1;

	if (!file)
		return -1;
	if (strcmp(file, "-") == 0)
		return STDOUT_FILENO;
	if (!is_picture(file)) {
		fd = store_open_stream(file);
		why = strerrordesc_np(errno);
	}
	if (fd < 0)
		fprintf(stderr, "pixpool: cannot write the report %s: %s\n",
		        report_quote(file, name, sizeof(name)), why);
	return fd;
}

/* A report that could not be written whole is a place that can't be written. */
static int finish_report(struct report *report, int status)
{
	if (report_finish(report, status))
		return status;
	fprintf(stderr, "pixpool: the report could not be written whole\n");
	return status == EXIT_DONE || status == EXIT_SOME_FAILED ? EXIT_STOPPED : status;
}

static int run_batch(struct command_line *line)
{
	struct report *report;
	bool is_stuck;
	int status;

	line->report.records = open_records(line->report_file);
	if (line->report_file && line->report.records < 0)
		return EXIT_USAGE;
	/* Its own list, or the records: standard output is one thing. */
	if (line->command == COMMAND_VERIFY && line->report.records != STDOUT_FILENO)
		line->report.list = STDOUT_FILENO;
	report = report_create(&line->report);
	if (!report) {
		fprintf(stderr, "pixpool: no memory\n");
		return EXIT_USAGE;
	}

	prepare_signals();
	status = batch_run(&line->batch, report, &is_stuck);
	status = finish_report(report, status);
	report_destroy(report);
	if (is_stuck)
		exit(status); /* the kernel ends what hangs in it, sooner or later */
	return status;
}

static int run(struct command_line *line)
{
	switch (line->command) {
	case COMMAND_RESIZE:
	case COMMAND_THUMB:
	case COMMAND_VERIFY:
	case COMMAND_CONVERT:
	case COMMAND_FILTER:
		return run_batch(line);
	case COMMAND_INFO:
		return info_print(&line->batch);
	case COMMAND_SHORT_HELP:
		help_print_short();
		return EXIT_DONE;
	case COMMAND_HELP:
		help_print();
		return EXIT_DONE;
	case COMMAND_VERSION:
		help_print_versions();
		return EXIT_DONE;
	case COMMAND_NONE:
		break;
	}
	return EXIT_USAGE;
}

/* Data that did not reach standard output is a failure: a full disk, not a closed pipe. */
static int flush_output(int status)
{
	if (fflush(stdout) == 0 || errno == EPIPE)
		return status;
	fprintf(stderr, "pixpool: standard output: %s\n", strerrordesc_np(errno));
	return status == EXIT_DONE ? EXIT_STOPPED : status;
}

/*
 * Descriptors 0 to 2 that the caller closed: what we open next would get their numbers,
 * and our words, or the zygote's, would go there. In their place something that reads
 * nothing and refuses what is written.
 */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Each worker takes some; who set the lower limit was thinking of select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct pxp_error error;
	char text[512];
	int status;

	fill_standard_descriptors();
	/* While there is one thread. */
	if (pxp_zygote_start(&error) != PXP_OK) {
		fprintf(stderr, "pixpool: %s\n", error.text);
		return EXIT_USAGE;
	}
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C"); /* for numbers on the command line */
	/* A closed pipe and a limit on file sizes are errors of a write, not deaths. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	raise_descriptor_limit();

	if (command_line_parse(&line, argc, argv, text, sizeof(text))) {
		status = run(&line);
	} else {
		fprintf(stderr, "pixpool: %s\nTry 'pixpool -h'.\n", text);
		status = EXIT_USAGE;
	}
	command_line_fini(&line);
	status = flush_output(status);
	pxp_zygote_stop();
	return status;
}
