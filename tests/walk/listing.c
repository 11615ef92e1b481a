/* Walks inputs, and makes a line of text for each item. */
#include "listing.h"

#include "support/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_INPUTS = 8 };

const char *listing_line(const struct walk_item *item)
{
	static const char *const words[] = {
		[WALK_FILE] = "file",   [WALK_OTHER] = "other", [WALK_MARKED] = "marked",
		[WALK_ERROR] = "error", [WALK_END] = "end",
	};
	static char line[1024];
	char number[16] = "";

	if (item->kind == WALK_ERROR)
		snprintf(number, sizeof(number), " %d", item->sys_errno);
	snprintf(line, sizeof(line), "%s%s%s %.300s (%.300s)\n",
	         item->is_named ? "named " : "", words[item->kind], number, item->path,
	         item->relative);
	return line;
}

const char *listing_of(const struct walk_options *options)
{
	static char lines[65536];
	struct walk *walk = walk_open(options);
	struct walk_item item;
	size_t n = 0;

	REQUIRE(walk != NULL);
	lines[0] = 0;
	while (walk_next(walk, &item) != WALK_END) {
		const char *line = listing_line(&item);

		REQUIRE(n + strlen(line) < sizeof(lines));
		memcpy(lines + n, line, strlen(line) + 1);
		n += strlen(line);
	}
	EXPECT_EQ(walk_next(walk, &item), WALK_END);
	walk_close(walk);
	return lines;
}

const char *listing(const char *input, ...)
{
	const char *inputs[MAX_INPUTS];
	struct walk_options options = {.inputs = inputs};
	va_list args;

	va_start(args, input);
	for (; input; input = va_arg(args, const char *)) {
		REQUIRE(options.n_inputs < MAX_INPUTS);
		inputs[options.n_inputs++] = input;
	}
	va_end(args);
	return listing_of(&options);
}
