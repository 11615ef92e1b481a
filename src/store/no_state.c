/* Stubs for a build without SQLite: no state can be opened, and the other functions find nothing
 * and write nothing. */
#include "store/state.h"

enum state_result state_open(const struct state_options *options,
                             struct state **ret_state, char notice[FAILURE_TEXT_BYTES],
                             struct failure *ret_failure)
{
	*ret_state = NULL;
	notice[0] = 0;
	failure_set(ret_failure, FAIL_INTERNAL,
	            "the state %s cannot be used: this build has no SQLite",
	            options->path);
	return STATE_NONE;
}

void state_close(struct state *state)
{
	(void)state;
}

bool state_is_writable(const struct state *state)
{
	(void)state;
	return false;
}

bool state_find(struct state *state, const char *output, struct stamp *ret_row)
{
	(void)state;
	(void)output;
	(void)ret_row;
	return false;
}

bool state_find_intended(struct state *state, const char *output, struct stamp *ret_row)
{
	(void)state;
	(void)output;
	(void)ret_row;
	return false;
}

struct failure state_read_failure(struct state *state)
{
	(void)state;
	return (struct failure){FAIL_NONE, ""};
}

bool state_find_failure(struct state *state, const char *source,
                        struct known_failure *ret_known)
{
	(void)state;
	(void)source;
	(void)ret_known;
	return false;
}

enum state_result state_begin(struct state *state)
{
	(void)state;
	return STATE_NONE;
}

enum state_result state_intend(struct state *state, const struct stamp *row)
{
	(void)state;
	(void)row;
	return STATE_NONE;
}

enum state_result state_put(struct state *state, const struct stamp *row)
{
	(void)state;
	(void)row;
	return STATE_NONE;
}

enum state_result state_drop(struct state *state, const char *output)
{
	(void)state;
	(void)output;
	return STATE_NONE;
}

enum state_result state_put_failure(struct state *state, const char *source,
                                    const struct known_failure *known)
{
	(void)state;
	(void)source;
	(void)known;
	return STATE_NONE;
}

enum state_result state_drop_failure(struct state *state, const char *source)
{
	(void)state;
	(void)source;
	return STATE_NONE;
}

enum state_result state_commit(struct state *state, struct failure *ret_failure)
{
	(void)state;
	(void)ret_failure;
	return STATE_NONE;
}

void state_undo(struct state *state, struct failure *ret_failure)
{
	(void)state;
	(void)ret_failure;
}

const char *state_notice(const struct state *state)
{
	(void)state;
	return "";
}

void state_each(struct state *state, bool (*visit)(void *data, const char *output),
                void *data)
{
	(void)state;
	(void)visit;
	(void)data;
}
