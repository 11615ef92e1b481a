/* Tests of what a locked-down process can still do. Each attack runs in a process of its own. */
#include "sandbox_fixture.h"

#include "support/test.h"

#include "sandbox/layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(sandbox, a_reason_is_recorded_for_each_requested_layer_that_is_not_in_force)
{
	struct sandbox_state state = state_here();
	char missing[512];

	EXPECT(sandbox_is_sound(&state));
	EXPECT_EQ(!!(state.wanted & 1U << SANDBOX_USER), geteuid() == 0);
	EXPECT(state.wanted & 1U << SANDBOX_LANDLOCK &&
	       state.wanted & 1U << SANDBOX_SECCOMP);
	for (int layer = 0; layer < N_SANDBOX_LAYERS; layer++) {
		if (state.wanted & 1U << layer)
			EXPECT(has(&state, (enum sandbox_layer)layer) !=
			       (state.reasons[layer][0] != 0));
	}
	EXPECT_EQ(state.uid, has(&state, SANDBOX_USER) ? SANDBOX_NOBODY : geteuid());
	EXPECT_EQ(state.landlock_abi > 0, has(&state, SANDBOX_LANDLOCK));
	sandbox_say_missing(&state, missing, sizeof(missing));
	EXPECT_EQ(missing[0] == 0, sandbox_is_whole(&state));
}

TEST(sandbox, an_invalid_sandbox_state_is_rejected)
{
	struct sandbox_state state = {.wanted = 6, .in_force = 6};

	EXPECT(sandbox_is_sound(&state));
	state.in_force = 1U << N_SANDBOX_LAYERS;
	EXPECT(!sandbox_is_sound(&state));
	state.in_force = 0;
	memset(state.reasons, 'x', sizeof(state.reasons));
	EXPECT(!sandbox_is_sound(&state));
}

/* ---- single layers, also in sanitizer builds ---- */

static void drop_user_alone(void *data)
{
	struct sandbox_state *state = data;

	state->wanted = geteuid() == 0 ? 1U << SANDBOX_USER : 0;
	user_drop(state);
}

static void put_up_landlock_alone(void *data)
{
	const char *const readable[] = {"/usr", "/not/there", NULL};
	struct sandbox_state *state = data;

	/* Landlock requires PR_SET_NO_NEW_PRIVS. */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	landlock_put_up(state, readable);
	if (has(state, SANDBOX_LANDLOCK) &&
	    (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ||
	     open("/usr", O_RDONLY | O_CLOEXEC) < 0))
		_exit(1);
}

TEST(sandbox, a_reason_is_recorded_if_a_layer_requested_alone_is_not_in_force)
{
	static const struct {
		void (*run)(void *data);
		enum sandbox_layer layer;
	} layers[] = {{drop_user_alone, SANDBOX_USER},
	              {put_up_landlock_alone, SANDBOX_LANDLOCK}};

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		struct sandbox_state state = state_after(layers[i].run);
		bool is_wanted = layers[i].layer != SANDBOX_USER || geteuid() == 0;

		EXPECT(sandbox_is_sound(&state));
		if (is_wanted)
			EXPECT(has(&state, layers[i].layer) !=
			       (state.reasons[layers[i].layer][0] != 0));
	}
}

/* If a list of rules were read past its end, the filter would have more rules than expected. A
 * change that adds a rule must also change the expected number. */
TEST(sandbox,
     the_seccomp_filter_has_the_expected_number_of_rules_and_fits_the_kernel_limit)
{
	struct seccomp_figures decodes, draws;

	if (seccomp_build(false, &decodes) == -ENOSYS)
		SKIP("seccomp is not in this build");
	EXPECT_EQ(decodes.n_rules, 170);
	EXPECT_EQ(seccomp_build(true, &draws), 0);
	EXPECT_EQ(draws.n_rules, decodes.n_rules + 15);
	EXPECT(decodes.n_instructions > 100);
	EXPECT(draws.n_instructions > decodes.n_instructions);
	EXPECT(draws.n_instructions < BPF_MAXINSNS);
}

/* ---- attacks ---- */

static void locked_attack(void *data)
{
	struct sandbox_state state;

	lock_down(&state);
	_exit(attack(*(const int *)data));
}

/* Make an attack in a locked-down child. Returns ALLOWED, an errno, or KILLED for SIGSYS. */
static int try_attack(int number)
{
	int status = in_child(locked_attack, &number);

	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return KILLED;
	REQUIRE(WIFEXITED(status), "attack %d: status %x", number, (unsigned)status);
	return WEXITSTATUS(status);
}

TEST(sandbox, system_calls_that_decoders_need_are_allowed)
{
	require_seccomp();
	open_both();
	for (int number = 0; number <= 6; number++)
		EXPECT_EQ(try_attack(number), ALLOWED);
	close_both();
}

TEST(sandbox, system_calls_that_valid_code_may_try_are_refused_with_an_error)
{
	require_seccomp();
	open_both();
	for (int number = 20; number <= 35; number++) {
		int got = try_attack(number);

		EXPECT(got == EPERM, "attack %d: %s", number,
		       got == KILLED    ? "killed"
		       : got == ALLOWED ? "allowed"
		                        : strerrorname_np(got));
	}
	EXPECT_EQ(try_attack(36), EMFILE);
	EXPECT_EQ(try_attack(37), ENOSYS);
	close_both();
}

TEST(sandbox, system_calls_that_no_decoder_makes_kill_the_worker)
{
	require_seccomp();
	open_both();
	for (int number = 50; number <= 73; number++) {
		int got = try_attack(number);

		EXPECT(got == KILLED, "attack %d: %s", number,
		       got == ALLOWED ? "allowed" : strerrorname_np(got));
	}
	close_both();
}

static void kill_itself(void *data)
{
	struct sandbox_state state;

	lock_down(&state);
	signal(*(const int *)data, SIG_DFL);
	raise(*(const int *)data);
}

TEST(sandbox, a_crash_inside_the_sandbox_keeps_its_signal)
{
	int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int status = in_child(kill_itself, &numbers[i]);

		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
	}
}

/* ---- dropping the user ---- */

/* Become the user nobody without activating seccomp, and then make the attack. If seccomp were in
 * force, it would kill the process before the kernel checks the user. */
static void attack_dropped(void *data)
{
	struct sandbox_state state;

	sandbox_drop_user(&state);
	_exit(attack(*(const int *)data));
}

TEST(sandbox, a_sandboxed_process_started_by_root_cannot_become_root_again)
{
	struct sandbox_state state = state_here();
	int number = 70, status;

	if (!has(&state, SANDBOX_USER))
		SKIP("the user is not changed here");
	status = in_child(attack_dropped, &number);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == EPERM);
}

/* Make an attack without a sandbox, where it must succeed. */
static void free_attack(void *data)
{
	_exit(attack(*(const int *)data));
}

TEST(sandbox, harmless_attacks_succeed_without_a_sandbox)
{
	static const int harmless[] = {20, 22, 23, 26, 27, 29, 30, 31,
	                               32, 36, 50, 52, 54, 55, 59};

	open_both();
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		int number = harmless[i], status = in_child(free_attack, &number);

		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == ALLOWED,
		       "attack %d: status %x", number, (unsigned)status);
	}
	close_both();
}
