/* The INPUTs of a batch: before the run, their folders are checked, compared and locked. */
#include "batch/inputs.h"

#include "common/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Like stat(), but with a time limit on a file system that may hang. */
static bool stat_name(struct batch *batch, const char *name, struct stat *ret_stat)
{
	const struct walk_calls *calls = batch->walk.calls;
	const struct walk_place place = {0, AT_FDCWD, name, name};

	return calls->stat(calls->data, &place, 0, ret_stat);
}

/* folder_locks_add() makes its system calls through lstat_name() and open_name(). On a file system
 * that may hang, these functions have a time limit. */
static bool lstat_name(void *data, const char *name, struct stat *ret_stat)
{
	const struct walk_calls *calls = ((struct batch *)data)->walk.calls;
	const struct walk_place place = {0, AT_FDCWD, name, name};

	return calls->stat(calls->data, &place, AT_SYMLINK_NOFOLLOW, ret_stat);
}

static int open_name(void *data, int folder, const char *name, int flags,
                     const char *input, struct stat *ret_stat)
{
	const struct walk_calls *calls = ((struct batch *)data)->walk.calls;
	const struct walk_place place = {0, folder, name, input};

	return calls->open(calls->data, &place, flags, ret_stat);
}

/* A folder among the INPUTs. */
struct input_folder {
	dev_t dev;
	ino_t ino;
	size_t input; /* the index of the INPUT */
};

static int compare_folders(const void *a, const void *b)
{
	const struct input_folder *x = a, *y = b;
	int order = ORDER(x->dev, y->dev);

	order = order != 0 ? order : ORDER(x->ino, y->ino);
	return order != 0 ? order : ORDER(x->input, y->input);
}

/* Leave out each INPUT folder that was given before, perhaps in another spelling. The plan notices
 * images that are found twice, but other files in such a folder would be counted twice. If memory
 * runs out, such a folder is walked again. */
static void drop_repeated_folders(struct batch *batch, struct input_folder *folders,
                                  size_t n_folders)
{
	struct walk_options *walk = &batch->walk;
	size_t n_kept = 0;

	batch->inputs = n_folders > 1 ? calloc(walk->n_inputs, sizeof(*batch->inputs))
	                              : NULL;
	if (!batch->inputs)
		return;
	memcpy(batch->inputs, walk->inputs, walk->n_inputs * sizeof(*batch->inputs));
	qsort(folders, n_folders, sizeof(*folders), compare_folders);
	for (size_t i = 1; i < n_folders; i++) {
		if (folders[i].dev == folders[i - 1].dev &&
		    folders[i].ino == folders[i - 1].ino)
			batch->inputs[folders[i].input] = NULL;
	}
	for (size_t i = 0; i < walk->n_inputs; i++) {
		if (batch->inputs[i])
			batch->inputs[n_kept++] = batch->inputs[i];
	}
	walk->inputs = batch->inputs;
	walk->n_inputs = n_kept;
}

/* Check that the INPUTs exist, and leave out folders that are given twice. Prints a message for
 * each INPUT that does not exist, and then returns false. */
static bool inputs_exist(struct batch *batch)
{
	const struct walk_options *walk = &batch->walk;
	struct report *report = batch->report;
	struct input_folder *folders = walk->is_list
	                                       ? NULL
	                                       : calloc(walk->n_inputs, sizeof(*folders));
	bool all = true;
	struct stat stat_of_input;
	size_t n_folders = 0;

	/* A missing file that is named in a list does not end the run. It is reported as a failed
	 * file later, so the names of a list are not checked here. */
	for (size_t i = 0; i < walk->n_inputs && !walk->is_list; i++) {
		if (walk->standard_input > 0 && strcmp(walk->inputs[i], "-") == 0)
			continue;
		if (stat_name(batch, walk->inputs[i], &stat_of_input)) {
			if (folders && S_ISDIR(stat_of_input.st_mode))
				folders[n_folders++] = (struct input_folder){
					stat_of_input.st_dev, stat_of_input.st_ino, i};
			continue;
		}
		if (errno == EACCES)
			continue; /* later, this INPUT is reported as a failed file */
		if (!batch_goes_on(batch)) {
			all = true; /* a signal ended the wait for the file system */
			break;
		}
		if (errno == ENOENT)
			report_say(report, "no such file or folder: %s",
			           batch_quote(walk->inputs[i]));
		else
			report_say(report, "cannot read %s: %s",
			           batch_quote(walk->inputs[i]), strerrordesc_np(errno));
		all = false;
	}
	if (folders)
		drop_repeated_folders(batch, folders, n_folders);
	free(folders);
	return all;
}

static bool is_same_folder(struct batch *batch, const char *name,
                           const struct stat *folder)
{
	struct stat stat_of_name;

	return stat_name(batch, name, &stat_of_name) &&
	       stat_of_name.st_dev == folder->st_dev &&
	       stat_of_name.st_ino == folder->st_ino;
}

/* Make the walk skip the output folder. If the folder does not exist yet, this does nothing,
 * because the walk cannot find the folder. Prints a message and returns false if the output is not
 * a folder, or if its file system does not answer. */
static bool skip_output_folder(struct batch *batch)
{
	const char *output = batch->options->output;
	struct walk_options *walk = &batch->walk;
	struct stat folder;

	if (batch->options->decodes_only || !output)
		return true;
	if (!stat_name(batch, output, &folder)) {
		if (errno == ETIMEDOUT)
			report_say(batch->report, "cannot use the output folder %s: %s",
			           batch_quote(output), strerrordesc_np(errno));
		return errno != ETIMEDOUT;
	}
	if (!S_ISDIR(folder.st_mode)) {
		report_say(batch->report,
		           "%s is a file; choose another output folder with -o",
		           batch_quote(output));
		return false;
	}
	walk->skip_dev = folder.st_dev;
	walk->skip_ino = folder.st_ino;
	for (size_t i = 0; i < walk->n_inputs; i++) {
		if (is_same_folder(batch, walk->inputs[i], &folder))
			report_say(
				batch->report,
				"not searched, because it is the output folder: %s; choose "
				"another one, or replace images with --in-place",
				batch_quote(walk->inputs[i]));
	}
	return true;
}

bool batch_check_inputs(struct batch *batch)
{
	return inputs_exist(batch) && skip_output_folder(batch);
}

/* Create the locks of a run in place, with the folders of all INPUTs. */
static void note_folders(struct batch *batch)
{
	/* The locks take at most MAX_LOCKS descriptors, and at most 1 / PART of the descriptors
	 * that the process may open. */
	enum { MAX_LOCKS = 64, PART = 8 };
	const struct folder_calls calls = {open_name, lstat_name, batch};
	const struct walk_options *walk = &batch->walk;
	struct rlimit limit;
	rlim_t n = (rlim_t)MAX_LOCKS * PART;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		n = limit.rlim_cur;
	batch->locks = folder_locks_create(n / PART < MAX_LOCKS ? (unsigned)(n / PART)
	                                                        : MAX_LOCKS,
	                                   batch->options->shard.n > 1, &calls);
	if (batch->locks && walk->is_list && walk->base)
		folder_locks_add(batch->locks, walk->base);
	else if (batch->locks) {
		for (size_t i = 0; i < walk->n_inputs; i++)
			folder_locks_add(batch->locks, walk->inputs[i]);
	}
}

void batch_lock_inputs(struct batch *batch)
{
	const char *busy;
	struct failure failure;

	if (!batch->options->in_place || batch->options->plans_only ||
	    !batch_goes_on(batch))
		return;
	note_folders(batch);
	do
		busy = batch->locks ? folder_locks_try(batch->locks) : NULL;
	while (busy && batch_wait_for_other_run(batch, "replacing images in", busy));
	if (!busy || !batch_goes_on(batch))
		return;
	failure_set(&failure, FAIL_IO, "another run is replacing images in %s",
	            batch_quote(busy));
	batch_stop_early(batch, &failure);
}
