/* Tests of the sample analyse_data: rows are printed in order, and bad rows fail alone. */
#include "samples/program.h"

#include "support/scratch.h"
#include "support/test.h"

#include <stdio.h>

enum { N_ROWS = 1000, BAD_ROW = 500 };

static void write_rows(const char *path)
{
	FILE *file = fopen(path, "w");

	REQUIRE(file != NULL);
	for (int row = 1; row <= N_ROWS; row++) {
		if (row == BAD_ROW)
			fprintf(file, "site %d,1,n/a,3\n", row);
		else
			fprintf(file, "site %d,%d,%d,-%d\n", row, row, 4 * row, 2 * row);
	}
	REQUIRE(fclose(file) == 0);
}

TEST(analyse_data, a_bad_row_fails_alone_and_all_rows_are_printed_in_order)
{
	const char *const argv[] = {PROGRAM, NULL};
	struct program program;
	char expected[128];

	scratch_enter(NULL);
	write_rows("rows.csv");
	program = program_start(argv, "rows.csv");
	for (int row = 1; row <= N_ROWS; row++) {
		if (row == BAD_ROW)
			snprintf(expected, sizeof(expected),
			         "row %d: field 3 is not a number", row);
		else
			snprintf(expected, sizeof(expected),
			         "site %d: 3 values from -%d to %d, mean %d", row,
			         2 * row, 4 * row, row);
		EXPECT_STR(program_line(&program), expected);
	}
	EXPECT_STR(program_line(&program), "1000 rows, 1 failed");
	EXPECT(program_line(&program) == NULL);
	EXPECT_EQ(program_end(&program), 1);
	scratch_leave();
}

TEST(analyse_data, each_bad_row_has_a_message_that_says_what_is_wrong)
{
	const char *const argv[] = {PROGRAM, NULL};
	struct program program;

	scratch_enter(NULL);
	scratch_file("rows.csv", "Oslo\n\nRome,\nCairo,1,inf\nPune,1;2\nLima,-0.5");
	program = program_start(argv, "rows.csv");
	EXPECT_STR(program_line(&program), "row 1: missing comma after field 1");
	EXPECT_STR(program_line(&program), "row 2: missing comma after field 1");
	EXPECT_STR(program_line(&program), "row 3: field 2 is not a number");
	EXPECT_STR(program_line(&program), "row 4: field 3 is not a number");
	EXPECT_STR(program_line(&program), "row 5: missing comma after field 2");
	EXPECT_STR(program_line(&program), "Lima: 1 values from -0.5 to -0.5, mean -0.5");
	EXPECT_STR(program_line(&program), "6 rows, 5 failed");
	EXPECT_EQ(program_end(&program), 1);
	scratch_leave();
}

TEST(analyse_data, an_input_without_rows_succeeds)
{
	const char *const argv[] = {PROGRAM, NULL};
	struct transcript said = program_run(argv);

	EXPECT_EQ(said.status, 0);
	EXPECT_EQ(said.n, 1);
	EXPECT_STR(said.lines[0], "0 rows, 0 failed");
}
