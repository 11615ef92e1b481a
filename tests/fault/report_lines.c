/*
 * A reader of records that understands just enough JSON for the names in these tests.
 */
#include "report_lines.h"

#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The string after "key":" in a line, up to the next quote. Names in our tests contain no
 * quotes. */
static bool member(const char *line, const char *key, char *value, size_t n_value)
{
	char pattern[32];
	const char *at;

	snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	at = strstr(line, pattern);
	if (!at)
		return false;
	at += strlen(pattern);
	snprintf(value, n_value, "%.*s", (int)strcspn(at, "\""), at);
	return true;
}

size_t report_lines(const char *file, visit_line_fn *visit, void *data)
{
	FILE *report = fopen(file, "re");
	char *line = NULL, input[512], outcome[32];
	size_t room = 0, n = 0;
	bool has_summary = false;

	REQUIRE(report != NULL, "no report");
	while (getline(&line, &room, report) > 0) {
		if (strncmp(line, "{\"summary\":", 11) == 0) {
			has_summary = true;
			continue;
		}
		EXPECT(!has_summary, "a record after the summary");
		REQUIRE(member(line, "input", input, sizeof(input)) &&
		                member(line, "status", outcome, sizeof(outcome)),
		        "%s", line);
		if (strcmp(outcome, "failed") == 0)
			REQUIRE(member(line, "class", outcome, sizeof(outcome)), "%s",
			        line);
		visit(input, outcome, data);
		n++;
	}
	free(line);
	fclose(report);
	EXPECT(has_summary, "%s has no summary", file);
	return n;
}

static void count(const char *input, const char *outcome, void *data)
{
	struct tally *tally = data;
	size_t n = strlen(tally->crashed), i = 0;

	tally->n_inputs++;
	while (tally->of[i].n > 0 && strcmp(tally->of[i].outcome, outcome) != 0)
		i++;
	REQUIRE(i < sizeof(tally->of) / sizeof(tally->of[0]) - 1);
	snprintf(tally->of[i].outcome, sizeof(tally->of[i].outcome), "%s", outcome);
	tally->of[i].n++;
	if (strcmp(outcome, "crashed") == 0)
		snprintf(tally->crashed + n, sizeof(tally->crashed) - n, " %s", input);
}

void tally_add(struct tally *tally, const char *file)
{
	report_lines(file, count, tally);
}

size_t tally_of(const struct tally *tally, const char *outcome)
{
	for (size_t i = 0; tally->of[i].n > 0; i++) {
		if (strcmp(tally->of[i].outcome, outcome) == 0)
			return tally->of[i].n;
	}
	return 0;
}

void tally_print(const struct tally *tally, const char *what)
{
	fprintf(stderr, "%s: %zu inputs", what, tally->n_inputs);
	for (size_t i = 0; tally->of[i].n > 0; i++)
		fprintf(stderr, ", %zu %s", tally->of[i].n, tally->of[i].outcome);
	fprintf(stderr, "%s%s\n", tally->crashed[0] ? "; crashed:" : "", tally->crashed);
}
