/*
 * Tests of the decision about an output that may exist already. The truth table in
 * src/store/README.md is read and tested row by row. Other tests check how much evidence a decision
 * requests.
 */
#include "support/test.h"

#include "store/freshness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OUTPUT,
	ROW,
	STAMP,
	RECIPE,
	INPUT,
	ASKED,
	OWN,
	SKIPS,
	OLDER,
	NOT_OLDER,
	ALWAYS,
	N_COLUMNS
};

enum { WORD_BYTES = 16, N_WORDS = 8 };

static const char *const words_of[OWN][N_WORDS] = {
	[OUTPUT] = {"none", "empty", "file", "link", "folder"},
	[ROW] = {"none", "same", "content", "other", "size"},
	[STAMP] = {"none", "same", "content", "other", "size", "name"},
	[RECIPE] = {"same", "other"},
	[INPUT] = {"same", "content", "source", "changed", "size"},
	[ASKED] = {"-", "redo", "checksum"},
};

static const struct {
	const char *word;
	enum verdict verdict;
} verdicts[] = {
	{"make", VERDICT_MAKE},     {"fresh", VERDICT_FRESH},
	{"keep", VERDICT_KEEP},     {"new", VERDICT_FRESH_BUT_NEW},
	{"exists", VERDICT_EXISTS}, {"compare", VERDICT_MAKE_AND_COMPARE},
};

static enum verdict verdict_of(const char *word)
{
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (strcmp(word, verdicts[i].word) == 0)
			return verdicts[i].verdict;
	}
	REQUIRE(false, "unknown verdict '%s'", word);
	return VERDICT_LOOK;
}

static bool is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

/* The files and hashes to which the records refer. */
static const struct input_hash in_hash = {{1}}, other_in_hash = {{2}};
static const struct output_hash out_hash = {{3}}, other_out_hash = {{4}};
enum { IN_BYTES = 1000, OUT_BYTES = 100, RECIPE_OF_NOW = 7, IN_TIME = 50 };

/* Make a record about output and input from the words in a table row. */
static struct stamp record(const char *output, const char *recipe, const char *input,
                           int64_t out_time)
{
	struct stamp record = {
		.recipe = is(recipe, "same") ? RECIPE_OF_NOW : 8,
		.in_bytes = is(input, "size") ? 1 : IN_BYTES,
		.in_mtime_ns = is(input, "same") || is(input, "source") ? IN_TIME : 49,
		.in_hash = is(input, "changed") ? other_in_hash : in_hash,
		.out_bytes = is(output, "size") ? 1 : OUT_BYTES,
		.out_mtime_ns = is(output, "same") || is(output, "name") ? out_time
	                                                                 : out_time - 1,
		.out_hash = is(output, "other") ? other_out_hash : out_hash};

	stamp_set_names(&record, is(output, "name") ? "copy.jpg" : "a/b.jpg",
	                is(input, "source") ? "other.png" : "a/b.png");
	return record;
}

/* Answer each request for evidence until the decision is made. */
static enum verdict decide(struct freshness *freshness, const struct stamp *row,
                           const struct stamp *stamp, struct stamp *ret_record)
{
	enum evidence evidence;
	enum verdict verdict;

	while ((verdict = freshness_decide(freshness, &evidence, ret_record)) ==
	       VERDICT_LOOK) {
		REQUIRE((freshness->looked_for & evidence) == 0,
		        "no evidence is requested twice");
		freshness->looked_for |= evidence;
		switch (evidence) {
		case EVIDENCE_ROW:
			freshness->row = row;
			break;
		case EVIDENCE_STAMP:
			freshness->stamp = stamp;
			break;
		case EVIDENCE_OUTPUT_HASH:
			freshness->out_hash = &out_hash;
			break;
		case EVIDENCE_INPUT_HASH:
			freshness->in_hash = &in_hash;
			break;
		}
	}
	return verdict;
}

static enum output_kind kind_of(const char *word)
{
	return is(word, "none")    ? OUTPUT_NONE
	       : is(word, "empty") ? OUTPUT_EMPTY
	       : is(word, "file")  ? OUTPUT_FILE
	       : is(word, "link")  ? OUTPUT_LINK
	                           : OUTPUT_FOLDER;
}

/* Test one row of the table under one overwrite policy. No cell of the row is the word "any". */
static void claim(char cells[N_COLUMNS][WORD_BYTES], int policy)
{
	static const enum overwrite overwrite_of[N_COLUMNS] = {
		[OWN] = OVERWRITE_OWN,       [SKIPS] = OVERWRITE_SKIP,
		[OLDER] = OVERWRITE_OLDER,   [NOT_OLDER] = OVERWRITE_OLDER,
		[ALWAYS] = OVERWRITE_ALWAYS,
	};
	int64_t out_time = policy == OLDER ? IN_TIME - 10 : IN_TIME;
	struct stamp row = record(cells[ROW], cells[RECIPE], cells[INPUT], out_time);
	struct stamp stamp = record(cells[STAMP], cells[RECIPE], cells[INPUT], out_time);
	struct stamp said;
	struct freshness freshness = {
		.overwrite = overwrite_of[policy],
		.redo = is(cells[ASKED], "redo"),
		.compare_contents = is(cells[ASKED], "checksum"),
		.recipe = RECIPE_OF_NOW,
		.output = "a/b.jpg",
		.source = "a/b.png",
		.in = {IN_BYTES, IN_TIME},
		.kind = kind_of(cells[OUTPUT]),
		.out = {OUT_BYTES, out_time},
	};
	enum verdict verdict = decide(&freshness, is(cells[ROW], "none") ? NULL : &row,
	                              is(cells[STAMP], "none") ? NULL : &stamp, &said);

	EXPECT(verdict == verdict_of(cells[policy]),
	       "output %s, row %s, stamp %s, recipe %s, input %s, asked %s, column %d: expected %s, got %d",
	       cells[OUTPUT], cells[ROW], cells[STAMP], cells[RECIPE], cells[INPUT],
	       cells[ASKED], policy, cells[policy], (int)verdict);
	if (verdict == VERDICT_FRESH || verdict == VERDICT_FRESH_BUT_NEW) {
		EXPECT(said.in_mtime_ns == IN_TIME && said.out_mtime_ns == out_time);
		EXPECT(is(said.source, "a/b.png") && is(said.output, "a/b.jpg"));
	}
}

/* Test a row of the truth table under each overwrite policy. A cell "any" stands for each word of
 * its column. All combinations of these words are tested. Returns their number. */
static unsigned walk_row(char cells[N_COLUMNS][WORD_BYTES])
{
	unsigned n = 0;

	for (int column = OUTPUT; column < OWN; column++) {
		if (!is(cells[column], "any"))
			continue;
		for (int i = 0; i < N_WORDS && words_of[column][i]; i++) {
			char row[N_COLUMNS][WORD_BYTES];

			memcpy(row, cells, sizeof(row));
			snprintf(row[column], WORD_BYTES, "%s", words_of[column][i]);
			n += walk_row(row);
		}
		return n;
	}
	for (int policy = OWN; policy < N_COLUMNS; policy++)
		claim(cells, policy);
	return 1;
}

/* Whether the line is a row of the table: "| file | same | ...". */
static bool read_row(char *line, char cells[N_COLUMNS][WORD_BYTES])
{
	int n = 0;

	for (char *cell = strtok(line, "|\n"); cell; cell = strtok(NULL, "|\n")) {
		if (n == N_COLUMNS || sscanf(cell, " %15s", cells[n]) != 1)
			return false;
		n++;
	}
	return n == N_COLUMNS && !is(cells[OUTPUT], "output") &&
	       !is(cells[OUTPUT], "---");
}

TEST(freshness, each_freshness_decision_follows_the_documented_truth_table)
{
	FILE *essay = fopen(PIXPOOL_STORE_ESSAY, "re");
	char line[512], cells[N_COLUMNS][WORD_BYTES];
	unsigned n_rows = 0, n_walked = 0;

	REQUIRE(essay != NULL, "cannot read %s", PIXPOOL_STORE_ESSAY);
	while (fgets(line, sizeof(line), essay)) {
		if (!read_row(line, cells))
			continue;
		n_rows++;
		n_walked += walk_row(cells);
	}
	fclose(essay);
	EXPECT(n_rows >= 40, "%u rows were found", n_rows);
	EXPECT(n_walked >= 400, "%u cases were tested", n_walked);
}

TEST(freshness, a_second_run_reads_only_the_database_row_if_nothing_changed)
{
	struct stamp row = record("same", "same", "same", 60), said;
	struct freshness freshness = {.recipe = RECIPE_OF_NOW,
	                              .output = "a/b.jpg",
	                              .source = "a/b.png",
	                              .in = {IN_BYTES, IN_TIME},
	                              .kind = OUTPUT_FILE,
	                              .out = {OUT_BYTES, 60}};

	EXPECT(decide(&freshness, &row, NULL, &said) == VERDICT_FRESH);
	EXPECT(freshness.looked_for == EVIDENCE_ROW);
}

TEST(freshness, an_input_that_changed_just_before_it_was_read_is_compared_by_content)
{
	struct stamp row = record("same", "same", "same", 60), said;
	struct freshness freshness = {.recipe = RECIPE_OF_NOW,
	                              .output = "a/b.jpg",
	                              .source = "a/b.png",
	                              .in = {IN_BYTES, STAMP_NO_TIME},
	                              .kind = OUTPUT_FILE,
	                              .out = {OUT_BYTES, 60}};

	row.in_mtime_ns = STAMP_NO_TIME;
	EXPECT(decide(&freshness, &row, NULL, &said) == VERDICT_FRESH_BUT_NEW);
	EXPECT((freshness.looked_for & EVIDENCE_INPUT_HASH) != 0);
}

TEST(freshness, content_that_cannot_be_read_counts_as_different)
{
	struct stamp row = record("same", "same", "content", 60), said;
	enum evidence evidence;
	struct freshness freshness = {.recipe = RECIPE_OF_NOW,
	                              .output = "a/b.jpg",
	                              .source = "a/b.png",
	                              .in = {IN_BYTES, IN_TIME},
	                              .kind = OUTPUT_FILE,
	                              .out = {OUT_BYTES, 60},
	                              .looked_for = EVIDENCE_ROW | EVIDENCE_INPUT_HASH,
	                              .row = &row};

	EXPECT(freshness_decide(&freshness, &evidence, &said) == VERDICT_MAKE);
}

TEST(freshness, an_output_of_pixpool_is_recognised_without_its_input_and_recipe)
{
	struct stamp stamp = record("content", "other", "changed", 60);
	enum evidence evidence;
	struct freshness freshness = {.output = "a/b.jpg",
	                              .source = "",
	                              .kind = OUTPUT_FILE,
	                              .out = {OUT_BYTES, 60},
	                              .looked_for = EVIDENCE_ROW | EVIDENCE_STAMP,
	                              .stamp = &stamp};

	const struct stamp *owner;

	EXPECT(freshness_of_owner(&freshness, &evidence, &owner) == VERDICT_LOOK);
	EXPECT(evidence == EVIDENCE_OUTPUT_HASH);
	freshness.looked_for |= EVIDENCE_OUTPUT_HASH;
	freshness.out_hash = &out_hash;
	EXPECT(freshness_of_owner(&freshness, &evidence, &owner) == VERDICT_MAKE);
	EXPECT(owner == &stamp);
	freshness.out_hash = &other_out_hash;
	EXPECT(freshness_of_owner(&freshness, &evidence, &owner) == VERDICT_EXISTS);
}

/* ---- in place ---- */

/* The decision about an output that replaces its input, made with all the evidence. */
static enum verdict in_place(const char *stamp_says, const char *recipe, bool has_backup,
                             bool redo, unsigned *ret_n_looks)
{
	struct stamp stamp = record(stamp_says, recipe, "same", 60), fresh;
	struct freshness freshness = {
		.recipe = RECIPE_OF_NOW,
		.redo = redo,
		.output = "a.png",
		.kind = OUTPUT_FILE,
		.out = {OUT_BYTES, 60},
	};
	enum evidence evidence;
	enum verdict verdict;

	stamp_set_names(&stamp, is(stamp_says, "name") ? "b.png" : "a.png", "a.png");
	*ret_n_looks = 0;
	while ((verdict = freshness_in_place(&freshness, has_backup, &evidence,
	                                     &fresh)) == VERDICT_LOOK) {
		++*ret_n_looks;
		freshness.looked_for |= evidence;
		if (evidence == EVIDENCE_STAMP && !is(stamp_says, "none"))
			freshness.stamp = &stamp;
		if (evidence == EVIDENCE_OUTPUT_HASH)
			freshness.out_hash = &out_hash;
	}
	return verdict;
}

TEST(freshness, an_output_in_place_is_recognised_only_by_its_stamp)
{
	static const struct {
		const char *stamp, *recipe;
		bool has_backup, redo;
		enum verdict verdict;
		unsigned n_looks;
	} rows[] = {
		{"none", "same", false, false, VERDICT_MAKE, 1},
		{"none", "same", true, false, VERDICT_EXISTS, 1},
		{"other", "same", false, false, VERDICT_MAKE, 2},
		{"other", "same", true, false, VERDICT_EXISTS, 2},
		{"size", "same", true, false, VERDICT_EXISTS, 1},
		{"same", "same", false, false, VERDICT_FRESH, 1},
		{"same", "same", true, false, VERDICT_FRESH, 1},
		{"content", "same", true, false, VERDICT_FRESH, 2},
		{"name", "same", true, false, VERDICT_FRESH, 1},
		{"same", "same", true, true, VERDICT_MAKE, 1},
		{"same", "other", false, false, VERDICT_MAKE, 1},
		{"same", "other", true, false, VERDICT_MAKE, 1},
		{"name", "other", true, false, VERDICT_EXISTS, 1},
		{"name", "other", false, false, VERDICT_MAKE, 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned n_looks;

		EXPECT_EQ(in_place(rows[i].stamp, rows[i].recipe, rows[i].has_backup,
		                   rows[i].redo, &n_looks),
		          rows[i].verdict);
		EXPECT_EQ(n_looks, rows[i].n_looks);
	}
}
