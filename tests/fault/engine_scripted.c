/*
 * The test engine. Its input is a script: the first line is "pixpool-scripted", and each other line
 * is one command. The engine is linked into test programs only, which read a script as if it were a
 * picture. After an unknown command the picture fails as bad-image.
 *
 *   gate NAME      Take the process name gate-NAME, and wait while the input's first byte is 'p'.
 *                  The test changes this byte and then sends GATE_SIGNAL.
 *   signal SIGSEGV Die of this signal. All other signals can be named too.
 *   exit N         Exit with the status N.
 *   hang busy      Use the processor for ever.
 *   hang asleep    Sleep for ever.
 *   allocate BYTES Allocate this many bytes, write to them, and free them. If there is too little
 *                  memory, the picture fails as memory.
 *   leak BYTES     Do the same as "allocate", but do not free the bytes.
 *   write BYTES    Write this many bytes to the output, before those of the picture.
 *   stderr BYTES   Print this many bytes, in numbered lines.
 *   fail CLASS     Let the picture fail with this class of cli.md.
 *   size W H       Make an output of this size. Without this command it has 32 x 24 pixels.
 *   keep output    Keep a descriptor of the output for "late write".
 *
 * The following commands are attacks. After an attack the picture fails. If the attack succeeded,
 * the class is internal and the text is "got through". Otherwise the class is bad-image and the
 * text is the error of the kernel.
 *
 *   open PATH      Open a file.
 *   create PATH    Create a file.
 *   socket         Create a socket.
 *   exec           Execute a shell.
 *   fork           Fork a process.
 *   chmod          Change the mode of the input.
 *   kill main      Kill the main process.
 *   late write     Write to the output that "keep output" kept in an earlier picture.
 *
 * The engine does not check the first byte of the input. So a gate that was opened stays open for a
 * second attempt at the same input.
 */
#include "image/engine.h"
#include "image/memory_estimate.h"
#include "fault/scripted.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_script(const uint8_t *bytes, size_t n)
{
	static const char magic[] = "ixpool-scripted\n";

	return n > sizeof(magic) - 1 && memcmp(bytes + 1, magic, sizeof(magic) - 1) == 0;
}

static bool reads_nothing(enum image_format format)
{
	(void)format;
	return false;
}

bool (*script_more)(const char *command, const char *word, bool *ret_known,
                    struct failure *ret_failure);

/* The main process, which is this worker's great-grandparent. */
static pid_t main_process;
static int kept_output = -1; /* the memfd of an earlier picture */

bool script_report(long got, const char *attempt, struct failure *ret_failure)
{
	if (got < 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE, "script: %s: %s", attempt,
		                   strerrordesc_np(errno));
	return failure_set(ret_failure, FAIL_INTERNAL, "script: %s: got through",
	                   attempt);
}

int script_find_output(void)
{
	/* The input descriptor is read-only and lower descriptors belong to the worker, so the
	 * first writable one is the output. */
	for (int fd = 4; fd < 16; fd++) {
		if (pwrite(fd, "", 0, 0) == 0)
			return fd;
	}
	return -1;
}

/* ---- commands after which the script continues ---- */

static void ignore_signal(int number)
{
	(void)number;
}

/* The sandbox refuses file locks, inotify and new shared memory, but it allows ppoll(). The signal
 * is blocked outside ppoll(), so a signal between the check and the wait is not lost. */
static bool wait_at_gate(struct source *source, const char *name, struct failure *failure)
{
	const struct sigaction wake = {.sa_handler = ignore_signal,
	                               .sa_flags = SA_RESTART};
	char kept[16] = "", mine[16], first;
	struct sigaction kept_action;
	sigset_t gate, kept_mask, waiting;

	(void)failure;
	sigemptyset(&gate);
	sigaddset(&gate, GATE_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &gate, &kept_mask);
	waiting = kept_mask;
	sigdelset(&waiting, GATE_SIGNAL);
	sigaction(GATE_SIGNAL, &wake, &kept_action);
	prctl(PR_GET_NAME, kept);
	snprintf(mine, sizeof(mine), "gate-%s", name);
	prctl(PR_SET_NAME, mine);
	while (pread(source->input, &first, 1, 0) == 1 && first == 'p')
		ppoll(NULL, 0, NULL, &waiting);
	prctl(PR_SET_NAME, kept);
	pthread_sigmask(SIG_SETMASK, &kept_mask, NULL);
	sigaction(GATE_SIGNAL, &kept_action, NULL);
	return true;
}

static bool die_of(struct source *source, const char *name, struct failure *failure)
{
	(void)source;
	for (int number = 1; number < NSIG; number++) {
		const char *known = sigabbrev_np(number);

		if (!known || strncmp(name, "SIG", 3) != 0 ||
		    strcmp(known, name + 3) != 0)
			continue;
		signal(number, SIG_DFL);
		kill(getpid(), number);
		return true;
	}
	return failure_set(failure, FAIL_BAD_IMAGE, "script: unknown signal %s", name);
}

static bool leave(struct source *source, const char *status, struct failure *failure)
{
	(void)source;
	(void)failure;
	_exit((int)strtol(status, NULL, 10));
}

static bool hang(struct source *source, const char *how, struct failure *failure)
{
	volatile bool is_hung = true;

	(void)source;
	(void)failure;
	while (is_hung) {
		if (strcmp(how, "busy") != 0)
			pause();
	}
	return true;
}

/* Returns false if there is not enough memory. */
static bool take_memory(const char *n_bytes, bool is_kept, struct failure *failure)
{
	static void *volatile kept;
	unsigned long n = strtoul(n_bytes, NULL, 10);
	unsigned char *bytes = malloc(n);

	for (unsigned long at = 0; bytes && at < n; at += 4096)
		((volatile unsigned char *)bytes)[at] = 1;
	if (is_kept)
		kept = bytes;
	else
		free(bytes);
	(void)kept;
	return bytes || failure_set(failure, FAIL_MEMORY, "script: out of memory");
}

static bool allocate(struct source *source, const char *n_bytes, struct failure *failure)
{
	(void)source;
	return take_memory(n_bytes, false, failure);
}

static bool leak(struct source *source, const char *n_bytes, struct failure *failure)
{
	(void)source;
	return take_memory(n_bytes, true, failure);
}

static bool write_too_much(struct source *source, const char *n_bytes,
                           struct failure *failure)
{
	static const char bytes[1 << 20];
	int output = script_find_output();

	(void)source;
	for (unsigned long n = strtoul(n_bytes, NULL, 10); n > 0;) {
		ssize_t wrote = write(output, bytes,
		                      n < sizeof(bytes) ? n : sizeof(bytes));

		if (wrote <= 0)
			return failure_set(failure, FAIL_TOO_BIG, "script: write: %s",
			                   strerrordesc_np(errno));
		n -= (size_t)wrote;
	}
	return true;
}

/* The lines are written a page at a time, because the test is about the amount of output and not
 * about system calls. */
static bool print_lines(struct source *source, const char *word, struct failure *failure)
{
	unsigned long n_bytes = strtoul(word, NULL, 10), n_printed = 0, number = 0;
	char page[4096];

	(void)source;
	(void)failure;
	while (n_printed < n_bytes) {
		size_t n = 0, n_wanted = n_bytes - n_printed;

		while (n < n_wanted && n < sizeof(page) - 32)
			n += (size_t)snprintf(page + n, 32, "script line %lu\n",
			                      ++number);
		for (size_t at = 0; at < n;) {
			ssize_t wrote = write(STDERR_FILENO, page + at, n - at);

			if (wrote < 0 && errno != EINTR && errno != EAGAIN)
				return true;
			at += wrote > 0 ? (size_t)wrote : 0;
		}
		n_printed += n;
	}
	return true;
}

static bool keep_output(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	(void)word;
	(void)failure;
	kept_output = dup(script_find_output());
	return true;
}

/* Do nothing for the command "size": it was obeyed when the input was opened. */
static bool pass_over(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	(void)word;
	(void)failure;
	return true;
}

/* ---- commands that end the picture ---- */

static bool fail_as(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	for (int class = FAIL_NONE + 1; class < N_FAIL_CLASSES; class ++) {
		if (strcmp(fail_class_name((enum fail_class) class), word) == 0)
			return failure_set(failure, (enum fail_class) class,
			                   "script: fail %s", word);
	}
	return failure_set(failure, FAIL_BAD_IMAGE, "script: unknown class %s", word);
}

static bool open_file(struct source *source, const char *path, struct failure *failure)
{
	(void)source;
	return script_report(open(path, O_RDONLY | O_CLOEXEC), "open", failure);
}

static bool create_file(struct source *source, const char *path, struct failure *failure)
{
	(void)source;
	return script_report(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), "create",
	                     failure);
}

static bool open_socket(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	(void)word;
	return script_report(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket",
	                     failure);
}

static bool run_program(struct source *source, const char *word, struct failure *failure)
{
	char *const argv[] = {"/bin/sh", "-c", "exit 42", NULL};
	char *const environment[] = {NULL};

	(void)source;
	(void)word;
	return script_report(execve(argv[0], argv, environment), "exec", failure);
}

static bool fork_process(struct source *source, const char *word, struct failure *failure)
{
	pid_t pid = fork();

	(void)source;
	(void)word;
	if (pid == 0)
		_exit(0);
	return script_report(pid, "fork", failure);
}

static bool change_input(struct source *source, const char *word, struct failure *failure)
{
	(void)word;
	return script_report(fchmod(source->input, 0777), "chmod", failure);
}

static bool kill_main(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	(void)word;
	return script_report(kill(main_process, SIGKILL), "kill", failure);
}

static bool write_late(struct source *source, const char *word, struct failure *failure)
{
	(void)source;
	(void)word;
	return script_report(pwrite(kept_output, "evil", 4, 0), "late write", failure);
}

static const struct command {
	const char *name;
	/* Returns whether the script continues. */
	bool (*run)(struct source *source, const char *word, struct failure *failure);
} commands[] = {
	{"gate", wait_at_gate},    {"signal", die_of},
	{"exit", leave},           {"hang", hang},
	{"allocate", allocate},    {"leak", leak},
	{"write", write_too_much}, {"stderr", print_lines},
	{"keep", keep_output},     {"size", pass_over},
	{"fail", fail_as},         {"open", open_file},
	{"create", create_file},   {"socket", open_socket},
	{"exec", run_program},     {"fork", fork_process},
	{"chmod", change_input},   {"kill", kill_main},
	{"late", write_late},
};

/* Run one line of the script. Returns whether the script continues. */
static bool run_line(struct source *source, const char *line, struct failure *ret_failure)
{
	char command[16], word[64] = "";
	int n_words = sscanf(line, "%15s %63s", command, word);
	bool is_known = false, goes_on;

	if (n_words < 1)
		return true;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, command) == 0)
			return commands[i].run(source, word, ret_failure);
	}
	goes_on = script_more && script_more(command, word, &is_known, ret_failure);
	if (is_known)
		return goes_on;
	return failure_set(ret_failure, FAIL_BAD_IMAGE, "script: unknown command %s",
	                   command);
}

static enum claim scripted_claim_source(struct source *source, struct failure *ret_reason)
{
	const char *line;
	char *text;

	if (!is_script(source->bytes, source->n_bytes))
		return CLAIM_CANNOT;
	text = strndup((const char *)source->bytes, source->n_bytes);
	if (!text) {
		failure_set(ret_reason, FAIL_MEMORY, "script: out of memory");
		return CLAIM_FAILED;
	}
	source->state = text;
	source->size = (struct size){32, 24};
	line = strstr(text, "\nsize ");
	if (line) {
		char *rest;

		source->size.width = (uint32_t)strtoul(line + sizeof("\nsize"), &rest,
		                                       10);
		source->size.height = (uint32_t)strtoul(rest, NULL, 10);
	}
	return CLAIM_CAN;
}

static enum claim scripted_claim_output(const struct source *source, bool is_lent,
                                        const struct recipe *recipe,
                                        struct failure *ret_reason)
{
	(void)source;
	(void)recipe;
	if (!is_lent)
		return CLAIM_CAN;
	failure_set(ret_reason, FAIL_UNSUPPORTED, "script: not a script");
	return CLAIM_CANNOT;
}

static uint64_t scripted_decoder_memory(const struct picture_header *header,
                                        const struct picture_variant *variants,
                                        unsigned n_variants)
{
	(void)header;
	(void)variants;
	(void)n_variants;
	return 0;
}

static void scripted_close(struct source *source)
{
	free(source->state);
	source->state = NULL;
}

/* Run the script to its end. */
static bool scripted_decode(struct source *source, struct failure *ret_failure)
{
	char *rest = source->state, *line;

	strsep(&rest, "\n"); /* skip the first line, which names the format */
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!run_line(source, line, ret_failure))
			return false;
	}
	return true;
}

/* The output has the size that the script requests, whatever the recipe says. */
static bool scripted_derive(struct source *source, const struct pixels *lent,
                            const struct picture_variant *variant, bool is_last,
                            struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct pixels *pixels = &ret_rendering->pixels;

	(void)lent;
	(void)variant;
	(void)is_last;
	if (!pixels_init(pixels, source->size, 3))
		return failure_set(ret_failure, FAIL_MEMORY, "script: out of memory");
	memset(pixels->bytes, 0x80, (size_t)source->size.width * source->size.height * 3);
	ret_rendering->size = source->size;
	ret_rendering->n_frames = 1;
	return true;
}

static void scripted_say_version(char *text, size_t n_text)
{
	snprintf(text, n_text, "the test engine");
}

static const struct engine engine_scripted = {
	.name = "script",
	.version = scripted_say_version,
	.reads = reads_nothing,
	.writes = reads_nothing,
	.claim_source = scripted_claim_source,
	.claim_output = scripted_claim_output,
	.decoder_memory = scripted_decoder_memory,
	.output_memory = memory_of_output,
	.decode = scripted_decode,
	.check = scripted_decode,
	.derive = scripted_derive,
	.close = scripted_close,
};

/* The table of engines with this engine before all others. It replaces engine_table.c in programs
 * that link it. */
const struct engine *const engines[] = {
	&engine_scripted,
#ifdef PIXPOOL_VIPS
	&engine_fast,     &engine_vips,
#endif
	&engine_stb,      NULL,
};

__attribute__((constructor)) static void note_main_process(void)
{
	main_process = getpid();
}
