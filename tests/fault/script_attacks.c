/*
 * Commands of the test engine that attack the pool of a worker: they send forged answers, and
 * overwrite the memory that the worker shares with the main process.
 *
 *   answer twice    send two empty answers for the picture, then do nothing more
 *   answer wrong    send an answer for another task than this one
 *   answer cancel   claim that the task was cancelled on request, then end the worker
 *   answer short    send a frame that is too short to be an answer
 *   send fds        send descriptors that nobody asked for
 *   scribble N      fill the shared memory with bytes of this value
 *
 * This file is linked with --wrap=mmap, which observes the creation of shared memory, and with
 * --wrap=fcntl: if SCRIPT_NO_SEALS is in the environment, the output is not sealed.
 */
#include "exec/process/worker.h"
#include "fault/scripted.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct shared_slots *shared;

void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
	void *mapped = __real_mmap(at, n, protection, flags, fd, offset);

	if (flags & MAP_SHARED && n == sizeof(*shared))
		shared = mapped;
	return mapped;
}

int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	long argument;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	if (command == F_ADD_SEALS && getenv("SCRIPT_NO_SEALS"))
		return 0;
	return __real_fcntl(fd, command, argument);
}

/* The slot of the task that runs here, which is the task that started last. */
static struct slot_frame own_slot(enum frame_kind kind)
{
	struct slot_frame at = {.kind = (uint32_t)kind};

	for (uint32_t i = 0; shared && i < N_SLOTS; i++) {
		uint64_t state = atomic_load(&shared->slots[i].state);

		if (slot_unpack_state(state) == SLOT_STARTED &&
		    slot_unpack_generation(state) > at.generation) {
			at.slot = i;
			at.generation = slot_unpack_generation(state);
		}
	}
	return at;
}

static void answer(uint64_t generation_off)
{
	struct answer_frame frame = {.at = own_slot(FRAME_ANSWER)};

	frame.at.generation += generation_off;
	channel_send(WORKER_SOCKET, &frame, sizeof(frame), NULL, 0, NULL, 0);
}

/* The worker must do nothing more after the attack: if it started its next picture and the pool
 * noticed the attack only then, that picture would fail as well. */
static void answer_twice(void)
{
	answer(0);
	answer(0);
	while (pause() < 0)
		;
}

/* The worker ends, so that it sends no answer for the task after this one. */
static void answer_cancel(void)
{
	const struct answer_frame frame = {.at = own_slot(FRAME_ANSWER),
	                                   .error = {.status = PXP_ECANCELLED}};

	channel_send(WORKER_SOCKET, &frame, sizeof(frame), NULL, 0, NULL, 0);
	_exit(0);
}

static void send_descriptors(void)
{
	const struct slot_frame frame = own_slot(FRAME_DEADLINE);
	const int descriptors[] = {STDIN_FILENO, STDERR_FILENO};

	channel_send(WORKER_SOCKET, &frame, sizeof(frame), NULL, 0, descriptors, 2);
}

static bool run_attack(const char *command, const char *word, bool *ret_known,
                       struct failure *ret_failure)
{
	const uint32_t kind = FRAME_ANSWER;

	(void)ret_failure;
	*ret_known = true;
	if (strcmp(command, "answer") == 0 && strcmp(word, "twice") == 0)
		answer_twice();
	else if (strcmp(command, "answer") == 0 && strcmp(word, "wrong") == 0)
		answer(1000);
	else if (strcmp(command, "answer") == 0 && strcmp(word, "cancel") == 0)
		answer_cancel();
	else if (strcmp(command, "answer") == 0)
		channel_send(WORKER_SOCKET, &kind, sizeof(kind), NULL, 0, NULL, 0);
	else if (strcmp(command, "send") == 0)
		send_descriptors();
	else if (strcmp(command, "scribble") == 0 && shared)
		memset((void *)shared, atoi(word), sizeof(*shared));
	else
		*ret_known = false;
	return true;
}

__attribute__((constructor)) static void take_orders(void)
{
	script_more = run_attack;
}
