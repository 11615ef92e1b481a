/*
 * A worker keeps its memory between pictures: after some pictures of a kind, it neither asks the
 * kernel for memory nor gives memory back. A child process processes pictures. The test traces the
 * child and counts its system calls for memory.
 */
#include "image_fixture.h"
#include "support/test.h"

#include "base/fd.h"
#include "image/picture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM_UP = 5, COUNTED = 10 };

/* Grant the memory that a picture asks for. In the control run, `data` is not NULL. The control run
 * maps and unmaps memory here, like a worker that keeps no memory between pictures. */
static bool grant(void *data, uint64_t n_bytes, struct failure *ret_failure)
{
	const size_t n = 1 << 16;
	void *mapped = data ? mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
	                    : MAP_FAILED;

	(void)n_bytes;
	(void)ret_failure;
	if (mapped != MAP_FAILED)
		munmap(mapped, n);
	return true;
}

/* Process one picture as a worker does. Exits if the picture fails or another engine than the fast
 * one makes the output. */
static void run_one(struct picture_worker *worker, const struct blob *input, int input_fd,
                    int output_fd, const struct recipe *recipe, bool maps_memory)
{
	const struct picture_variant variant = {.recipe = recipe};
	const struct picture_job job = {
		.variants = &variant,
		.n_variants = 1,
		.name = "picture",
		.input = input_fd,
		.input_bytes = input->n,
		.output = output_fd,
		.on_need = grant,
		.data = maps_memory ? &maps_memory : NULL,
	};
	static struct picture_answer answer;

	if (ftruncate(output_fd, 0) != 0 || !picture_run(worker, &job, &answer) ||
	    strcmp(answer.engine, "fast") != 0)
		_exit(1);
}

_Noreturn static void run_child(const struct blob *input, const struct recipe *recipe,
                                bool maps_memory)
{
	int input_fd = fd_of_bytes("input", 0, input->bytes, input->n);
	int output_fd = memfd_create("output", 0);
	struct picture_worker *worker = picture_worker_create();

	if (input_fd < 0 || output_fd < 0 || !worker)
		_exit(1);
	for (unsigned i = 0; i < WARM_UP; i++)
		run_one(worker, input, input_fd, output_fd, recipe, maps_memory);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(2);
	raise(SIGSTOP);
	for (unsigned i = 0; i < COUNTED; i++)
		run_one(worker, input, input_fd, output_fd, recipe, maps_memory);
	_exit(0);
}

static bool asks_for_memory(const struct __ptrace_syscall_info *call)
{
	return call->op == PTRACE_SYSCALL_INFO_ENTRY &&
	       (call->entry.nr == SYS_mmap || call->entry.nr == SYS_munmap ||
	        call->entry.nr == SYS_mremap || call->entry.nr == SYS_brk);
}

/* The number of system calls for memory that a child makes for COUNTED pictures. */
static unsigned count_calls(const struct blob *input, const struct recipe *recipe,
                            bool maps_memory)
{
	pid_t child = fork();
	unsigned n = 0;
	int status;

	REQUIRE(child >= 0);
	if (child == 0)
		run_child(input, recipe, maps_memory);
	REQUIRE(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		SKIP("a process may not be traced here");
	REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	REQUIRE(ptrace(PTRACE_SETOPTIONS, child, NULL,
	               PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
	while (ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0 &&
	       waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		struct __ptrace_syscall_info call;

		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			break;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(call), &call) >
		    0)
			n += asks_for_memory(&call);
	}
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
	return n;
}

static void expect_no_calls(const struct blob *input, enum image_format format)
{
	struct recipe recipe = recipe_of_words("size 256x256", format, ENGINE_AUTO);

	EXPECT_EQ(count_calls(input, &recipe, false), 0);
	/* The control run makes two system calls for memory for each picture. All of them must be
	 * counted. */
	EXPECT_EQ(count_calls(input, &recipe, true), 2 * COUNTED);
}

TEST(memory_calls, a_worker_keeps_its_memory_between_pictures)
{
	struct failure failure;
	struct recipe to_webp = recipe_for(FORMAT_WEBP, ENGINE_AUTO);
	struct outcome lossy, with_alpha;
	struct blob jpeg, png;

#ifdef PIXPOOL_SANITIZE
	SKIP("a sanitizer replaces the allocator");
#endif
	REQUIRE(picture_preload(&failure));
	jpeg = make_jpeg(1500, 1100, 3, &rgbw);
	png = make_png(1500, 1100, 4, &rgbw);
	expect_no_calls(&jpeg, FORMAT_JPEG);
	expect_no_calls(&jpeg, FORMAT_WEBP);
	expect_no_calls(&png, FORMAT_WEBP);
	expect_no_calls(&png, FORMAT_PNG);
	lossy = run_picture(&jpeg, "a.jpg", &to_webp);
	with_alpha = run_picture(&png, "a.png", &to_webp);
	expect_no_calls(&lossy.output, FORMAT_JPEG);
	expect_no_calls(&lossy.output, FORMAT_WEBP);
	expect_no_calls(&with_alpha.output, FORMAT_PNG);
	outcome_fini(&lossy);
	outcome_fini(&with_alpha);
	blob_fini(&jpeg);
	blob_fini(&png);
}
