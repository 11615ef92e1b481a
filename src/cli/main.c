/*
 * The program: sets up its process, runs the command, and ends with the exit status of the command.
 * If a signal ended the command, the program cleans up and then dies of the same signal, so that
 * shells, make and xargs see the signal and stop as well.
 */
#include "base/fd.h"
#include "cli/batch_command.h"
#include "cli/command_line.h"
#include "cli/help.h"
#include "cli/info.h"

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

/* ---- setting up ---- */

/*
 * If the caller closed any of the descriptors 0 to 2, open them. Otherwise the next file that we
 * open would get one of these numbers, and messages would be written into this file. A descriptor
 * opened here reads end of file and refuses writes.
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

/* Raise the soft limit on descriptors, because each worker needs some. The default limit is low
 * only because select() cannot handle high descriptors, and this program never calls select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Set up the process. On failure, prints a message and returns false. */
static bool set_up_process(void)
{
	struct pxp_error error;

	fill_standard_descriptors();
	/* Workers are forked from the zygote, which must be started while the process has one
	 * thread. */
	if (pxp_zygote_start(&error) != PXP_OK) {
		fprintf(stderr, "pixpool: %s%s\n", error.text,
		        error.sys_errno == EMFILE
		                ? "; raise the limit on open files (ulimit -n)"
		                : "");
		return false;
	}
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C"); /* numbers on the command line use a decimal point */
	/* If a pipe is closed or a file reaches the size limit, the write must fail with an error.
	 * A signal must not kill the process. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	raise_descriptor_limit();
	return true;
}

/* ---- running ---- */

static int run(struct command_line *line, bool *ret_is_stuck)
{
	*ret_is_stuck = false;
	if (line->help != HELP_NONE) {
		help_print(line);
		return EXIT_DONE;
	}
	if (line->command == COMMAND_INFO)
		return info_print(&line->batch, line->prints_json);
	return batch_command_run(line, ret_is_stuck);
}

static int refuse(const struct command_line *line, const struct failure *failure)
{
	const char *command = command_info(line->command)->name;

	fprintf(stderr, "pixpool: %s\nTry 'pixpool %s%s--help'.\n", failure->text,
	        command ? command : "", command ? " " : "");
	return EXIT_USAGE;
}

/* ---- ending ---- */

/* If standard output could not be written, the exit status is EXIT_STOPPED instead of EXIT_DONE. It
 * is no error if the reader closed the pipe early, as head does. */
static int flush_output(int status)
{
	if (fflush(stdout) == 0 || errno == EPIPE)
		return status;
	fprintf(stderr, "pixpool: cannot write to standard output: %s\n",
	        strerrordesc_np(errno));
	return status == EXIT_DONE ? EXIT_STOPPED : status;
}

/* End the process by a signal. Returns only if the signal did not end the process. */
static void die_of_signal(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct command_line line;
	struct failure failure;
	bool is_stuck = false;
	int status;

	if (!set_up_process())
		return EXIT_USAGE;
	if (command_line_parse(&line, argc, argv, &failure))
		status = run(&line, &is_stuck);
	else
		status = refuse(&line, &failure);
	status = flush_output(status);
	/* If a thread of the batch hangs, do not wait for it: the wait would never end. The kernel
	 * ends the threads at exit. */
	if (!is_stuck) {
		command_line_fini(&line);
		pxp_zygote_stop();
	}
	if (status > EXIT_SIGNAL)
		die_of_signal(status - EXIT_SIGNAL);
	if (is_stuck)
		exit(status);
	return status;
}
