/* Counts failures by reason while a batch runs, and prints the summary at its end. */
#include "report/summary.h"

#include "report/figures.h"
#include "report/quote.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* ---- groups of failures ---- */

/* The group of a reason, a new one if it is the first; NULL when there are too many. */
static struct failure_group *group_of(struct failures *failures, const char *reason)
{
	struct failure_group *group = failures->groups;

	for (; group < failures->groups + failures->n_groups; group++) {
		if (strcmp(group->reason, reason) == 0)
			return group;
	}
	if (failures->n_groups == MAX_FAILURE_GROUPS)
		return NULL;
	failures->n_groups++;
	*group = (struct failure_group){0};
	snprintf(group->reason, sizeof(group->reason), "%s", reason);
	return group;
}

void failures_add(struct failures *failures, const struct record *record)
{
	struct failure_group *group;
	char reason[REASON_BYTES];

	group = group_of(failures,
	                 reason_of(&record->failure, record->in.format, reason));
	if (!group) {
		failures->n_others++;
		return;
	}
	group->n_images++;
	if (group->n_names < NAMES_PER_GROUP && record->input) {
		group->names[group->n_names] = strdup(record->input);
		group->n_names += group->names[group->n_names] != NULL;
	}
}

void failures_fini(struct failures *failures)
{
	for (unsigned i = 0; i < failures->n_groups; i++) {
		for (unsigned k = 0; k < failures->groups[i].n_names; k++)
			free(failures->groups[i].names[k]);
	}
}

/* ---- the line of sums ---- */

/* ", 2 failed", or nothing if the count is 0. */
static void add_some(struct text *text, uint64_t count, const char *what)
{
	if (count == 0)
		return;
	text_put(text, ", ");
	figure_count(text, count);
	text_put(text, what);
}

static void add_sums(struct text *text, const struct report_counts *counts,
                     double seconds, bool has_cancelled)
{
	/* Skipped images and those that were not started took no time: they make no speed. */
	uint64_t n_worked = counts->ok + counts->failed;

	figure_count(text, counts->inputs);
	text_put(text, counts->inputs == 1 ? " image: " : " images: ");
	figure_count(text, counts->ok);
	text_put(text, " done");
	add_some(text, counts->skipped, " skipped");
	add_some(text, counts->failed, " failed");
	if (has_cancelled)
		add_some(text, counts->cancelled, " not started");
	text_put(text, " in ");
	figure_decimal(text, seconds, seconds < 0.095 ? 2 : 1);
	text_put(text, " s");
	if (n_worked > 0 && seconds > 0) {
		text_put(text, " (");
		figure_decimal(text, (double)n_worked / seconds, 1);
		text_put(text, " images/s)");
	}
	if (counts->bytes_in > 0) {
		text_put(text, ", ");
		figure_bytes(text, counts->bytes_in);
		text_put(text, " -> ");
		figure_bytes(text, counts->bytes_out);
	}
	add_some(text, counts->damaged, " damaged");
	add_some(text, counts->lost, " with losses");
	add_some(text, counts->ignored,
	         counts->ignored == 1 ? " other file ignored" : " other files ignored");
	text_put(text, "\n");
}

/* ---- the list of failures ---- */

static size_t n_digits(uint64_t count)
{
	char bytes[32];
	struct text digits = text_in(bytes, sizeof(bytes));

	figure_count(&digits, count);
	return digits.n;
}

/* "   3 truncated JPEG: a.jpg, b.jpg, ..." with the count right-aligned in width columns. */
static void add_group(struct text *text, const struct failure_group *group, size_t width)
{
	text_fill(text, ' ', 2 + width - n_digits(group->n_images));
	figure_count(text, group->n_images);
	text_format(text, " %s", group->reason);
	for (unsigned i = 0; i < group->n_names; i++) {
		text_put(text, i == 0 ? ": " : ", ");
		quote_name(text, group->names[i]);
	}
	if (group->n_names > 0 && group->n_names < group->n_images)
		text_put(text, ", ...");
	text_put(text, "\n");
}

/* The largest first; of equals the one that came first. */
static void sort_groups(const struct failures *failures,
                        const struct failure_group *sorted[MAX_FAILURE_GROUPS])
{
	for (unsigned i = 0; i < MAX_FAILURE_GROUPS; i++)
		sorted[i] = &failures->groups[i];
	for (unsigned i = 1; i < failures->n_groups; i++) {
		const struct failure_group *group = sorted[i];
		unsigned at = i;

		for (; at > 0 && sorted[at - 1]->n_images < group->n_images; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = group;
	}
}

static void add_failures(struct text *text, const struct failures *failures)
{
	const struct failure_group *sorted[MAX_FAILURE_GROUPS];
	bool are_all_named = failures->n_others == 0;
	const unsigned n_groups = failures->n_groups;
	size_t width;

	sort_groups(failures, sorted);
	width = n_groups > 0 ? n_digits(sorted[0]->n_images) : 0;
	text_put(text, "failed:\n");
	for (unsigned i = 0; i < n_groups; i++) {
		add_group(text, sorted[i], width);
		are_all_named = are_all_named &&
		                sorted[i]->n_names == sorted[i]->n_images;
	}
	if (failures->n_others > 0) {
		text_put(text, "  and ");
		figure_count(text, failures->n_others);
		text_put(text, " for other reasons\n");
	}
	if (!are_all_named)
		text_put(text, "  (--report FILE lists them all)\n");
}

void summary_lines(struct text *text, const struct report_counts *counts, double seconds,
                   const struct failures *failures, const char *how_to_continue)
{
	add_sums(text, counts, seconds, !how_to_continue);
	if (failures->n_groups > 0)
		add_failures(text, failures);
	if (how_to_continue && counts->cancelled > 0) {
		figure_count(text, counts->cancelled);
		text_format(text, " not started; %s\n", how_to_continue);
	}
}
