/* Runs a batch with its report, and opens the file of the report. */
#include "cli/batch_command.h"

#include "base/fd.h"
#include "recipe/recipe_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Block the signals that the batch reads from a signalfd. */
static void block_signals(void)
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
	uint8_t bytes[FORMAT_SNIFF_BYTES];
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? pread(fd, bytes, sizeof(bytes), 0) : -1;

	fd_close(&fd);
	return n > 0 && format_of_bytes(bytes, (size_t)n, file) != FORMAT_NONE;
}

/* Whether a file has the suffix of an image format. The suffixes of camera RAW do not count,
 * because no output has such a suffix. */
static bool is_named_like_output(const char *file)
{
	const enum image_format format = format_of_name(file);

	return format != FORMAT_NONE && format != FORMAT_RAW;
}

/* Open the file for the records. Returns -1 without a message if no report was requested. Prints a
 * message and returns -1 if the file cannot be created, if it is an image, or if its name has the
 * suffix of an image. If it is an image, the user probably forgot the value of --report, and the
 * next argument was taken as the value. A name with the suffix of an image is refused because an
 * output with the same name could replace the report. */
static int open_records(const char *file)
{
	const char *why =
		"it is an image, which the report would overwrite; give --report "
		"another FILE";
	char name[1024];
	int fd = -1;

	if (!file)
		return -1;
	if (strcmp(file, "-") == 0)
		return STDOUT_FILENO;
	if (!is_picture(file) && is_named_like_output(file)) {
		why = "it has the suffix of an image, so an output may replace it; give "
		      "--report another FILE, such as report.jsonl";
	} else if (!is_picture(file)) {
		fd = store_open_stream(file);
		why = strerrordesc_np(errno);
	}
	if (fd < 0)
		fprintf(stderr, "pixpool: cannot write the report %s: %s\n",
		        report_quote(file, name, sizeof(name)), why);
	return fd;
}

/* If the report, the list or the plan could not be written completely, the exit status is the same
 * as for an output folder that cannot be written. EPIPE is the exception: the reader of the list
 * has closed the pipe, and the status already says that SIGPIPE ended the batch. */
static int finish_report(struct report *report, int status, bool is_plan)
{
	bool is_whole = report_finish(report, status);
	const int list_errno = report_list_errno(report);

	if (!is_whole)
		fprintf(stderr,
		        "pixpool: the report is incomplete: it could not be written\n");
	if (list_errno != 0 && list_errno != EPIPE) {
		fprintf(stderr,
		        "pixpool: the %s is incomplete: cannot write to standard "
		        "output: %s\n",
		        is_plan ? "plan" : "list", strerrordesc_np(list_errno));
		is_whole = false;
	}
	return !is_whole && (status == EXIT_DONE || status == EXIT_SOME_FAILED)
	               ? EXIT_STOPPED
	               : status;
}

/* Get the advice after a run that stopped early: how to process only the remaining images. Returns
 * NULL if another run would process all images again. */
static const char *how_to_continue(const struct command_line *line)
{
	const struct batch_options *batch = &line->batch;

	if (line->command == COMMAND_VERIFY || batch->redo)
		return NULL;
	if (batch->keeps_no_state &&
	    (batch->in_place || batch->overwrite == OVERWRITE_ALWAYS))
		return NULL;
	if (batch->keeps_no_state && batch->overwrite == OVERWRITE_OWN)
		return "run again with --overwrite skip to continue";
	return "run the same command again to continue";
}

/* The recipe and its fingerprint as text, for -v and for the summary record. */
struct recipe_words {
	char text[RECIPE_TEXT_BYTES];
	char fingerprint[17];
};

static void print_recipe(const struct command_line *line, struct recipe_words *words)
{
	struct recipe recipe = line->batch.recipe;

	recipe.format = line->batch.format;
	recipe_print(&recipe, words->text);
	snprintf(words->fingerprint, sizeof(words->fingerprint), "%016" PRIx64,
	         recipe_fingerprint(&recipe));
}

/* Print a message that the walk found no image in the inputs. */
static void say_no_image(const struct command_line *line, struct report *report)
{
	struct report_counts counts = report_counts(report);
	char name[1024], others[256];

	report_print_ignored(&counts, others, sizeof(others));
	report_quote(line->batch.walk.inputs[0], name, sizeof(name));
	if (line->batch.walk.n_inputs == 1)
		report_say(report, "no images found in %s%s", name, others);
	else
		report_say(report, "no images found in %s and %zu more INPUTs%s", name,
		           line->batch.walk.n_inputs - 1, others);
}

int batch_command_run(struct command_line *line, bool *ret_is_stuck)
{
	struct recipe_words recipe;
	struct report *report;
	int status;

	*ret_is_stuck = false;
	if (line->command != COMMAND_VERIFY) { /* the command verify writes no outputs */
		print_recipe(line, &recipe);
		line->report.recipe = recipe.text;
		line->report.fingerprint = recipe.fingerprint;
	}
	line->report.how_to_continue = how_to_continue(line);
	line->report.records = open_records(line->report_file);
	if (line->report_file && line->report.records < 0)
		return EXIT_USAGE;
	/* Standard output receives either the records or the list of verify, never both. */
	if (line->command == COMMAND_VERIFY && line->report.records != STDOUT_FILENO)
		line->report.list = STDOUT_FILENO;
	line->report.is_plan = line->batch.plans_only;
	if (line->batch.plans_only && line->report.records != STDOUT_FILENO)
		line->report.plan = STDOUT_FILENO;
	report = report_create(&line->report);
	if (!report) {
		fprintf(stderr, "pixpool: out of memory\n");
		return EXIT_USAGE;
	}

	if (line->report.verbose && !line->report.quiet && line->report.recipe)
		report_say(report, "recipe %s: %s", recipe.fingerprint, recipe.text);
	block_signals();
	status = batch_run(&line->batch, report, ret_is_stuck);
	if (status == EXIT_NO_IMAGE)
		say_no_image(line, report);
	status = finish_report(report, status, line->batch.plans_only);
	report_destroy(report);
	return status;
}
