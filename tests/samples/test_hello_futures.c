/* Tests of the sample hello_futures, the program in README.md. */
#include "samples/program.h"

#include "support/test.h"

TEST(hello_futures,
     the_sample_program_prints_the_outcomes_of_all_tasks_although_one_worker_crashes)
{
	const char *const argv[] = {PROGRAM, NULL};
	struct transcript said = program_run(argv);

	EXPECT_EQ(said.status, 0);
	REQUIRE(said.n == 4);
	EXPECT_STR(said.lines[0], "hello: HELLO");
	EXPECT_STR(said.lines[1], "crash: crashed: worker died of SIGABRT");
	EXPECT_STR(said.lines[2], "incredible: task failed: too long to shout");
	EXPECT_STR(said.lines[3], "futures: FUTURES");
}
