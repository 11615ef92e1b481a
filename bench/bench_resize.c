/*
 * The question: how long does it take to make JPEG thumbnails of at most 256 pixels from a folder
 * of photographs, with pixpool and with vipsthumbnail under xargs -P? With -S, both sides are
 * pixpool, one with and one without the sandbox. With -D, both sides are pixpool, and only one of
 * them makes its outputs durable and keeps a state.
 *
 * In each round both sides convert the same pictures, one side after the other, each to a new
 * folder. The ratio of the two sides is computed for each round. The result is the median of these
 * ratios.
 */
#include "measure.h"
#include "scratch.h"

#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99 };

enum side { PIXPOOL, PEER, N_SIDES };

static const char *side_names[N_SIDES] = {"pixpool", "vipsthumbnail"};

enum peer {
	PEER_VIPSTHUMBNAIL,
	PEER_NO_SANDBOX,  /* pixpool with --sandbox off */
	PEER_NOT_DURABLE, /* pixpool with --no-fsync --state none */
};

struct question {
	const char *pixpool, *corpus, *parent;
	const char *size;
	int n_rounds;
	enum peer peer;
	/* 0: the corpus itself is resized. Otherwise at least n_small small pictures are resized.
	 * They are made from the corpus before the measurement, and their longest side has 480
	 * pixels. */
	unsigned n_small;

	/* The working folder, which is created for the run, and paths in it. */
	char *scratch, *links, *list, *small;
	size_t n_pictures;
};

struct answer {
	struct measured measured;
	size_t n_outputs;
};

/* Run pixpool with two or three more arguments. If there are only two, more[2] is NULL. */
static bool run_pixpool(const struct question *question, const char *const more[3],
                        const char *out, const char *said, struct measured *ret_measured)
{
	/* clang-format off */
	const char *const argv[] = {
		question->pixpool, "resize", "-s", question->size, "-f", "jpg", "-q", "80",
		"-Q", "-o", out, question->corpus, more[0], more[1], more[2], NULL,
	};
	/* clang-format on */

	return measure_run(argv, said, ret_measured);
}

static bool run_peer(const struct question *question, const char *out, const char *said,
                     struct measured *ret_measured)
{
	static const char *const sandbox_off[3] = {"--sandbox", "off"};
	static const char *const not_durable[3] = {"--no-fsync", "--state", "none"};

	if (question->peer != PEER_VIPSTHUMBNAIL)
		return run_pixpool(question,
		                   question->peer == PEER_NO_SANDBOX ? sandbox_off
		                                                     : not_durable,
		                   out, said, ret_measured);

	char *template = scratch_path(out, "%s.jpg[Q=80,strip]");
	char n_processes[16];
	bool ran;

	snprintf(n_processes, sizeof(n_processes), "%ld", sysconf(_SC_NPROCESSORS_ONLN));

	/* clang-format off */
	const char *const argv[] = {
		/* xargs runs a process for each processor, so each process needs only one thread */
		"env", "VIPS_CONCURRENCY=1",
		"VIPS_WARNING=0",
		"xargs", "-0", "-a", question->list, "-n", "8", "-P", n_processes,
		"vipsthumbnail", "-s", question->size, "-e", "srgb", "-o", template, NULL,
	};
	/* clang-format on */

	ran = mkdir(out, 0777) == 0 && measure_run(argv, said, ret_measured);
	free(template);
	return ran;
}

static bool run_side(const struct question *question, enum side side,
                     struct answer *ret_answer)
{
	const char *const own[3] = {
		"--sandbox", question->peer == PEER_NO_SANDBOX ? "require" : "auto"};
	char *out = scratch_path(question->scratch, "out");
	char *said = scratch_path(question->scratch, "said");
	bool ran = side == PIXPOOL
	                   ? run_pixpool(question, own, out, said, &ret_answer->measured)
	                   : run_peer(question, out, said, &ret_answer->measured);

	ret_answer->n_outputs = scratch_count_files(out);
	if (!ran)
		fprintf(stderr, "cannot run %s\n", side_names[side]);
	scratch_remove(out);
	free(said);
	free(out);
	return ran;
}

static void print_row(const struct question *question, int round, enum side side,
                      const struct answer *answer)
{
	const struct measured *measured = &answer->measured;

	printf("%5d  %-13s %10.1f %8.2f %8.2f %9.1f %8zu %6d\n", round + 1,
	       side_names[side], (double)question->n_pictures / measured->wall_s,
	       measured->cpu_s, measured->wall_s, (double)measured->peak_bytes / 1e6,
	       answer->n_outputs, measured->status);
	fflush(stdout);
}

static int compare_doubles(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(values[0]), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double cpu_of(const struct measured *measured)
{
	return measured->cpu_s;
}

static double wall_of(const struct measured *measured)
{
	return measured->wall_s;
}

static double peak_of(const struct measured *measured)
{
	return (double)measured->peak_bytes;
}

static void print_ratio(const char *what, double (*of)(const struct measured *measured),
                        struct answer answers[][N_SIDES], int n_rounds)
{
	double ratios[MAX_ROUNDS];

	for (int i = 0; i < n_rounds; i++)
		ratios[i] = of(&answers[i][PIXPOOL].measured) /
		            of(&answers[i][PEER].measured);

	double middle = median(ratios, n_rounds);

	printf("  %-12s %6.3f   (%.3f to %.3f)\n", what, middle, ratios[0],
	       ratios[n_rounds - 1]);
}

static void print_ratios(struct answer answers[][N_SIDES], int n_rounds)
{
	printf("\n%s / %s, median of %d pairs (minimum to maximum); less is better\n",
	       side_names[PIXPOOL], side_names[PEER], n_rounds);
	print_ratio("CPU", cpu_of, answers, n_rounds);
	print_ratio("wall", wall_of, answers, n_rounds);
	print_ratio("peak memory", peak_of, answers, n_rounds);
}

static void print_cost(const struct question *question, const char *what,
                       double (*of)(const struct measured *measured),
                       struct answer answers[][N_SIDES])
{
	double costs[N_SIDES][MAX_ROUNDS];

	for (int side = 0; side < N_SIDES; side++) {
		for (int i = 0; i < question->n_rounds; i++)
			costs[side][i] = 1000 * of(&answers[i][side].measured) /
			                 (double)question->n_pictures;
	}
	printf("  %-12s %6.3f ms a picture %s, %.3f ms %s\n", what,
	       median(costs[PIXPOOL], question->n_rounds), side_names[PIXPOOL],
	       median(costs[PEER], question->n_rounds), side_names[PEER]);
}

/* Whether pixpool and its peer made all outputs in every round. If not, the measurements are
 * meaningless. */
static bool all_done(const struct question *question, struct answer answers[][N_SIDES])
{
	for (int i = 0; i < question->n_rounds; i++) {
		for (int side = 0; side < N_SIDES; side++) {
			const struct answer *answer = &answers[i][side];

			if (answer->measured.status != 0 ||
			    answer->n_outputs != question->n_pictures)
				return false;
		}
	}
	return true;
}

static bool ask(const struct question *question)
{
	static struct answer answers[MAX_ROUNDS][N_SIDES];

	printf("%zu pictures to %s pixels, JPEG quality 80\n\n", question->n_pictures,
	       question->size);
	printf("round  %-13s %10s %8s %8s %9s %8s %6s\n", "", "images/s", "CPU s",
	       "wall s", "peak MB", "outputs", "status");
	for (int i = 0; i < question->n_rounds; i++) {
		for (int turn = 0; turn < N_SIDES; turn++) {
			/* The two compared programs take turns to be the first in a round. */
			enum side side = (enum side)((turn + i) % N_SIDES);

			if (!run_side(question, side, &answers[i][side]))
				return false;
			print_row(question, i, side, &answers[i][side]);
		}
	}
	print_ratios(answers, question->n_rounds);
	print_cost(question, "CPU", cpu_of, answers);
	print_cost(question, "wall", wall_of, answers);
	if (!all_done(question, answers)) {
		printf("\nDo not quote this run: outputs are missing, or a status is not 0.\n");
		return false;
	}
	return true;
}

/* Replace the corpus by small versions of its pictures. The folder "0" has the files. Folders with
 * hard links to these files are added until there are n_small pictures. */
static bool make_small(struct question *question)
{
	char *first = scratch_path(question->small, "0"), name[16], *copy;
	char *said = scratch_path(question->scratch, "said");
	/* clang-format off */
	const char *const argv[] = {
		question->pixpool, "resize", "-s", "480", "-f", "jpg", "-Q", "--state", "none",
		"-o", first, question->corpus, NULL,
	};
	/* clang-format on */
	struct measured measured;
	bool is_done = mkdir(question->small, 0777) == 0 &&
	               measure_run(argv, said, &measured) && measured.status == 0;
	size_t n = is_done ? scratch_count_files(first) : 0;

	for (unsigned i = 1; is_done && n * i < question->n_small; i++) {
		snprintf(name, sizeof(name), "%u", i);
		copy = scratch_path(question->small, name);
		is_done = measure_run(
				  (const char *const[]){"cp", "-rl", first, copy, NULL},
				  said, &measured) &&
		          measured.status == 0;
		free(copy);
	}
	if (!is_done)
		fprintf(stderr, "cannot make small pictures of %s\n", question->corpus);
	question->corpus = question->small;
	free(said);
	free(first);
	return is_done;
}

static bool prepare(struct question *question)
{
	question->scratch = scratch_create(question->parent);
	if (!question->scratch)
		return false;
	question->links = scratch_path(question->scratch, "links");
	question->list = scratch_path(question->scratch, "list");
	question->small = scratch_path(question->scratch, "small");
	if (!measure_begin() || (question->n_small > 0 && !make_small(question)))
		return false;
	question->n_pictures = scratch_link_pictures(question->corpus, question->links,
	                                             question->list);
	return question->n_pictures > 0;
}

static void clean_up(struct question *question)
{
	if (question->scratch)
		scratch_remove(question->scratch);
	free(question->scratch);
	free(question->links);
	free(question->list);
	free(question->small);
}

/* The pixpool program in the folder of this program. */
static const char *pixpool_beside_us(void)
{
	static char path[4096 + sizeof("pixpool")];
	ssize_t n = readlink("/proc/self/exe", path, 4096);
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;

	if (!slash)
		return "pixpool";
	memcpy(slash + 1, "pixpool", sizeof("pixpool"));
	return path;
}

static _Noreturn void print_usage(FILE *stream, int status)
{
	fputs("bench_resize [-S|-D] [-N COUNT] [-n ROUNDS] [-s SIZE] [-p PIXPOOL] [-o SCRATCH] [CORPUS]\n"
	      "\n"
	      "Resize CORPUS with pixpool and with vipsthumbnail under xargs -P, and compare\n"
	      "CPU time, wall-clock time and memory.\n"
	      "\n"
	      "  -n ROUNDS   pairs of rounds (default 3, with -S or -D 9)\n"
	      "  -o SCRATCH  folder for outputs (default bench/results)\n"
	      "  -p PIXPOOL  program to measure (default: the one beside this program)\n"
	      "  -s SIZE     maximum width and height in pixels (default 256)\n"
	      "  -S          compare --sandbox require with --sandbox off instead\n"
	      "  -D          compare durable outputs and records with --no-fsync --state none\n"
	      "              instead\n"
	      "  -N COUNT    resize at least COUNT small pictures, made from CORPUS\n"
	      "  CORPUS      folder of pictures (default bench/corpus)\n",
	      stream);
	exit(status);
}

int main(int argc, char **argv)
{
	struct question question = {
		.pixpool = pixpool_beside_us(),
		.corpus = PIXPOOL_BENCH "/corpus",
		.parent = PIXPOOL_BENCH "/results",
		.size = "256",
	};
	bool has_rounds = false;
	int option;

	while ((option = getopt(argc, argv, "SDhn:s:p:o:N:")) != -1) {
		switch (option) {
		case 'S':
			question.peer = PEER_NO_SANDBOX;
			side_names[PIXPOOL] = "locked down";
			side_names[PEER] = "sandbox off";
			break;
		case 'D':
			question.peer = PEER_NOT_DURABLE;
			side_names[PIXPOOL] = "durable";
			side_names[PEER] = "not durable";
			break;
		case 'N':
			question.n_small = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'h':
			print_usage(stdout, EXIT_SUCCESS);
		case 'n':
			question.n_rounds = atoi(optarg);
			has_rounds = true;
			break;
		case 's':
			question.size = optarg;
			break;
		case 'p':
			question.pixpool = optarg;
			break;
		case 'o':
			question.parent = optarg;
			break;
		default:
			print_usage(stderr, 2);
		}
	}
	if (optind < argc)
		question.corpus = argv[optind++];
	if (!has_rounds)
		question.n_rounds = question.peer == PEER_VIPSTHUMBNAIL ? 3 : 9;
	if (optind < argc || question.n_rounds < 1 || question.n_rounds > MAX_ROUNDS)
		print_usage(stderr, 2);

	bool answered = prepare(&question) && ask(&question);

	clean_up(&question);
	return answered ? EXIT_SUCCESS : EXIT_FAILURE;
}
