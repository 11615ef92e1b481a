/*
 * The question: how much time and memory does an executor itself take, compared with other
 * executors and with the minimum that could work? The program measures the rate of empty tasks, of
 * tasks in chunks and of tasks with payloads, the start-up time of a pool, and the memory of a
 * waiting task.
 *
 * In each round, the program makes each of these measurements once for each executor, in a fresh
 * process.
 */
#include "executors.h"
#include "measure.h"

#include <pixpool/pixpool.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* clang-format off */
#define RATES(fn) [ASK_EMPTY] = (fn), [ASK_1_B] = (fn), [ASK_4_KIB] = (fn), [ASK_1_MIB] = (fn)
#define OURS { RATES(ours_rate), [ASK_CHUNKED] = ours_chunked, [ASK_START] = ours_start, \
	       [ASK_PENDING] = ours_pending }
#define PYTHON { RATES(python_measure), [ASK_CHUNKED] = python_measure, \
		 [ASK_START] = python_measure, [ASK_PENDING] = python_measure }

static const struct subject subjects[N_SUBJECTS] = {
	/* The inline executor runs each task at once, so no task waits and ASK_PENDING does not
	 * apply. */
	[OUR_INLINE] = {"inline", { RATES(ours_rate), [ASK_CHUNKED] = ours_chunked,
				    [ASK_START] = ours_start }},
	[OUR_THREADS] = {"threads", OURS},
	[OUR_THREADS_BOUNDED] = {"threads, 1024 pending", {[ASK_EMPTY] = ours_rate}},
	[OUR_PROCESSES] = {"processes", OURS},
	[OUR_PROCESSES_BOUNDED] = {"processes, 1024 pending", {[ASK_EMPTY] = ours_rate}},
	[OUR_PROCESSES_AND_ZYGOTE] = {"processes, with the zygote", {[ASK_START] = ours_start}},
	[PYTHON_THREADS] = {"CPython ThreadPoolExecutor", PYTHON},
	[PYTHON_PROCESSES] = {"CPython ProcessPoolExecutor", PYTHON},
	[GLIB_POOL] = {"GThreadPool (no results)", { RATES(glib_rate), [ASK_START] = glib_start,
						     [ASK_PENDING] = glib_pending }},
	[LIBUV_QUEUE] = {"libuv uv_queue_work", { RATES(libuv_rate), [ASK_START] = libuv_start,
						  [ASK_PENDING] = libuv_pending }},
	[FLOOR_QUEUE] = {"floor: mutex, condition, results", { RATES(queue_rate),
			 [ASK_START] = queue_start, [ASK_PENDING] = queue_pending }},
	[FLOOR_EPOLL_1] = {"floor: epoll, 1 in flight", { RATES(epoll_rate) }},
	[FLOOR_EPOLL_2] = {"floor: epoll, 2 in flight", { RATES(epoll_rate),
			   [ASK_START] = epoll_start }},
	[FLOOR_EPOLL_4] = {"floor: epoll, 4 in flight", { RATES(epoll_rate) }},
	[FLOOR_EPOLL_16] = {"floor: epoll, 16 in flight", { RATES(epoll_rate) }},
};
/* clang-format on */

static const struct {
	const char *word;
	size_t n_batch, n_bytes;
} questions[N_QUESTIONS] = {
	[ASK_EMPTY] = {"empty", 10000, 0},
	[ASK_CHUNKED] = {"chunked", 100000, 0},
	[ASK_1_B] = {"1b", 10000, 1},
	[ASK_4_KIB] = {"4kib", 2000, 4096},
	[ASK_1_MIB] = {"1mib", 32, 1024 * 1024},
	[ASK_START] = {"start", 10, 0},
	[ASK_PENDING] = {"pending", 100000, 0},
};

struct run {
	int n_rounds;
	unsigned n_workers;
	double min_s;
	const char *python;
	/* If only_question is not NULL, only this question is measured. If only_subject is not
	 * NULL, only this executor is measured. */
	const char *only_question, *only_subject;
	const char *payload;
};

static bool is_asked(const struct run *run, enum question question,
                     enum subject_id subject)
{
	return subjects[subject].measure[question] &&
	       (!run->only_question ||
	        strcmp(run->only_question, questions[question].word) == 0) &&
	       (!run->only_subject ||
	        strcmp(run->only_subject, subjects[subject].name) == 0);
}

_Noreturn static void answer(const struct run *run, enum question question,
                             enum subject_id subject, int to)
{
	const struct job job = {
		.question = question,
		.subject = subject,
		.n_batch = questions[question].n_batch,
		.n_bytes = questions[question].n_bytes,
		.payload = run->payload,
		.n_workers = run->n_workers,
		.min_s = run->min_s,
		.python = run->python,
	};
	struct reading reading = {0};
	bool is_done;

	alarm(MAX_S);
	is_done = subjects[subject].measure[question](&job, &reading) &&
	          write(to, &reading, sizeof(reading)) == sizeof(reading);
	_exit(is_done ? EXIT_SUCCESS : EXIT_FAILURE);
}

static bool measure(const struct run *run, enum question question,
                    enum subject_id subject, struct reading *ret_reading)
{
	int ends[2], status = 1;
	bool is_read;
	pid_t pid;

	if (pipe(ends) != 0 || (pid = fork()) < 0)
		return failed("cannot start a process for a measurement");
	if (pid == 0)
		answer(run, question, subject, ends[1]);
	close(ends[1]);
	is_read = read(ends[0], ret_reading, sizeof(*ret_reading)) ==
	          sizeof(*ret_reading);
	close(ends[0]);
	if (waitpid(pid, &status, 0) == pid && status == 0 && is_read)
		return true;
	fprintf(stderr, "bench_executors: %s, %s: not done (status %#x)\n",
	        questions[question].word, subjects[subject].name, (unsigned)status);
	return false;
}

static bool ask(const struct run *run, enum question question, struct readings *readings)
{
	for (int round = 0; round < run->n_rounds; round++) {
		for (int turn = 0; turn < N_SUBJECTS; turn++) {
			/* Each round starts with a different subject, so that no subject always
			 * runs first. */
			enum subject_id subject = (enum subject_id)((turn + round) %
			                                            N_SUBJECTS);

			if (!is_asked(run, question, subject))
				continue;
			if (!measure(run, question, subject,
			             &readings->of[question][subject][round]))
				return false;
			readings->n[question][subject]++;
		}
	}
	return true;
}

static void print_load(const char *when)
{
	double load = 0;

	(void)!getloadavg(&load, 1);
	printf("load %s: %.2f\n", when, load);
	fflush(stdout);
}

static bool ask_all(const struct run *run)
{
	static struct readings readings;

	printf("%d rounds, %u workers, batches for at least %.2g s\n", run->n_rounds,
	       run->n_workers, run->min_s);
	print_load("before");
	for (enum question question = 0; question < N_QUESTIONS; question++) {
		bool is_any = false;

		if (!ask(run, question, &readings))
			return false;
		for (enum subject_id subject = 0; subject < N_SUBJECTS; subject++)
			is_any |= readings.n[question][subject] > 0;
		if (is_any)
			report_question(&readings, subjects, question);
	}
	report_goals(&readings);
	print_load("after");
	return true;
}

static _Noreturn void print_usage(FILE *stream, int status)
{
	fputs("bench_executors [-n ROUNDS] [-t SECONDS] [-w WORKERS] [-y PYTHON]\n"
	      "                [-q QUESTION] [-s SUBJECT]\n"
	      "\n"
	      "Compare pixpool's executors with those of CPython, GLib and libuv, and with floors:\n"
	      "programs that make only the system calls of such an executor. There are 5 rounds.\n"
	      "Each measurement takes at least 0.3 seconds, with a worker for each processor.\n"
	      "QUESTION is empty, chunked, 1b, 4kib, 1mib, start or pending. SUBJECT is a name from\n"
	      "the tables.\n",
	      stream);
	exit(status);
}

static struct run read_options(int argc, char **argv)
{
	struct run run = {
		.n_rounds = 5,
		.n_workers = pxp_default_workers(),
		.min_s = 0.3,
		.python = "python3",
	};
	int option;

	while ((option = getopt(argc, argv, "hn:t:w:y:q:s:")) != -1) {
		switch (option) {
		case 'h':
			print_usage(stdout, EXIT_SUCCESS);
		case 'n':
			run.n_rounds = atoi(optarg);
			break;
		case 't':
			run.min_s = atof(optarg);
			break;
		case 'w':
			run.n_workers = (unsigned)atoi(optarg);
			break;
		case 'y':
			run.python = optarg;
			break;
		case 'q':
			run.only_question = optarg;
			break;
		case 's':
			run.only_subject = optarg;
			break;
		default:
			print_usage(stderr, 2);
		}
	}
	if (optind < argc || run.n_rounds < 1 || run.n_rounds > MAX_ROUNDS ||
	    run.n_workers < 1 || run.n_workers > MAX_WORKERS)
		print_usage(stderr, 2);
	return run;
}

int main(int argc, char **argv)
{
	struct run run = read_options(argc, argv);
	size_t max_bytes = questions[ASK_1_MIB].n_bytes;
	char *payload = malloc(max_bytes);
	bool is_answered;

	if (!payload)
		return EXIT_FAILURE;
	memset(payload, 'p', max_bytes);
	run.payload = payload;
	is_answered = measure_begin() && ask_all(&run);
	free(payload);
	return is_answered ? EXIT_SUCCESS : EXIT_FAILURE;
}
