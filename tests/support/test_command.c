/* Tests of the functions that run whole commands: exit statuses, and the units of ulimit. */
#include "support/command.h"
#include "support/test.h"

TEST(command, a_shell_pipeline_fails_when_any_of_its_commands_fails)
{
	command_programs("/usr/bin");
	EXPECT_EQ(run("true | true").status, 0);
	EXPECT_EQ(run("false | true").status, 1);
	EXPECT_EQ(run("true | false").status, 1);
	EXPECT_EQ(run("sh -c 'exit 4' | cat").status, 4);
}

TEST(command, a_command_killed_by_a_signal_has_a_status_over_128)
{
	command_programs("/usr/bin");
	EXPECT_EQ(run("kill -KILL $$").status, 128 + 9);
	EXPECT_EQ(run("sh -c 'kill -KILL $$' | cat").status, 128 + 9);
}

TEST(command, ulimit_in_a_test_command_uses_the_units_of_posix)
{
	command_programs("/usr/bin");
	EXPECT_STR(
		run("ulimit -f 2; ulimit -f; grep 'Max file size' /proc/self/limits | tr -s ' '")
			.out,
		"2\nMax file size 1024 1024 bytes \n");
}
