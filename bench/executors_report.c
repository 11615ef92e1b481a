/* Prints the tables of bench_executors: for each subject the medians over all rounds, and for each
 * goal the ratio of two subjects, computed within each round. */
#include "executors.h"

#include <stdio.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

struct spread {
	double min, median, max;
};

static struct spread spread_of(double *values, unsigned n)
{
	qsort(values, n, sizeof(values[0]), compare_doubles);
	return (struct spread){
		.min = values[0],
		.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		.max = values[n - 1],
	};
}

/* ---- medians ---- */

static double per_second(const struct reading *reading)
{
	return reading->n / reading->wall_s;
}

static double cpu_us(const struct reading *reading)
{
	return reading->cpu_s / reading->n * 1e6;
}

static double wall_ms(const struct reading *reading)
{
	return reading->wall_s / reading->n * 1e3;
}

static double cpu_ms(const struct reading *reading)
{
	return reading->cpu_s / reading->n * 1e3;
}

static double bytes_each(const struct reading *reading)
{
	return reading->bytes / reading->n;
}

typedef double figure_fn(const struct reading *reading);

static const struct heading {
	const char *title;
	const char *unit;
	figure_fn *figure;
	const char *cpu_unit;
	/* The function that computes the CPU time to print. NULL: no CPU time is printed. */
	figure_fn *cpu;
} headings[N_QUESTIONS] = {
	[ASK_EMPTY] = {"empty tasks", "tasks/s", per_second, "CPU us/task", cpu_us},
	[ASK_CHUNKED] = {"map in chunks of 100", "items/s", per_second, "CPU us/item",
                         cpu_us},
	[ASK_1_B] = {"1 B there and back", "tasks/s", per_second, "CPU us/task", cpu_us},
	[ASK_4_KIB] = {"4 KiB there and back", "tasks/s", per_second, "CPU us/task",
                       cpu_us},
	[ASK_1_MIB] = {"1 MiB there and back", "tasks/s", per_second, "CPU us/task",
                       cpu_us},
	[ASK_START] = {"from creation to the first result", "ms", wall_ms, "CPU ms",
                       cpu_ms},
	[ASK_PENDING] = {"memory of a pending task", "bytes", bytes_each, "", NULL},
};

static struct spread spread_figure(const struct readings *readings,
                                   enum question question, enum subject_id subject,
                                   figure_fn *figure)
{
	double values[MAX_ROUNDS];
	unsigned n = readings->n[question][subject];

	for (unsigned i = 0; i < n; i++)
		values[i] = figure(&readings->of[question][subject][i]);
	return spread_of(values, n);
}

void report_question(const struct readings *readings, const struct subject *subjects,
                     enum question question)
{
	const struct heading *heading = &headings[question];

	printf("\n%-34s %11s  %-21s %12s\n", heading->title, heading->unit, "min to max",
	       heading->cpu_unit);
	for (enum subject_id subject = 0; subject < N_SUBJECTS; subject++) {
		struct spread spread;
		int decimals = question == ASK_START ? 2 : 0;
		char range[64];

		if (readings->n[question][subject] == 0)
			continue;
		spread = spread_figure(readings, question, subject, heading->figure);
		snprintf(range, sizeof(range), "%.*f to %.*f", decimals, spread.min,
		         decimals, spread.max);
		printf("  %-32s %11.*f  %-21s", subjects[subject].name, decimals,
		       spread.median, range);
		if (heading->cpu)
			printf(" %12.2f",
			       spread_figure(readings, question, subject, heading->cpu)
			               .median);
		printf("\n");
	}
	fflush(stdout);
}

/* ---- goals ---- */

static const struct goal {
	const char *text;
	enum question question;
	enum subject_id ours, peer;
	/* The ratio that we want to reach. 0: there is no goal, and the ratio is only printed. */
	double goal;
} goals[] = {
	{"processes / bare loop, 2 in flight", ASK_EMPTY, OUR_PROCESSES, FLOOR_EPOLL_2,
         0.7},
	{"processes / bare loop, 16 in flight", ASK_EMPTY, OUR_PROCESSES, FLOOR_EPOLL_16,
         0},
	{"processes / CPython's", ASK_EMPTY, OUR_PROCESSES, PYTHON_PROCESSES, 6},
	{"processes, map in chunks / CPython's", ASK_CHUNKED, OUR_PROCESSES,
         PYTHON_PROCESSES, 5},
	{"threads / libuv's queue", ASK_EMPTY, OUR_THREADS, LIBUV_QUEUE, 1},
};

static struct spread spread_ratio(const struct readings *readings,
                                  const struct goal *goal, figure_fn *figure)
{
	double ratios[MAX_ROUNDS];
	unsigned n = readings->n[goal->question][goal->ours];

	for (unsigned i = 0; i < n; i++)
		ratios[i] = figure(&readings->of[goal->question][goal->ours][i]) /
		            figure(&readings->of[goal->question][goal->peer][i]);
	return spread_of(ratios, n);
}

static double per_cpu_second(const struct reading *reading)
{
	return reading->n / reading->cpu_s;
}

static void report_ratio(const struct readings *readings, const struct goal *goal)
{
	unsigned n = readings->n[goal->question][goal->ours];
	struct spread rate, cpu;
	const char *verdict = "";
	char range[64], minimum[16] = "";

	if (n == 0 || n != readings->n[goal->question][goal->peer])
		return;
	rate = spread_ratio(readings, goal, per_second);
	cpu = spread_ratio(readings, goal, per_cpu_second);
	snprintf(range, sizeof(range), "%.2f to %.2f", rate.min, rate.max);
	if (goal->goal > 0) {
		snprintf(minimum, sizeof(minimum), "%.1f", goal->goal);
		verdict = rate.median >= goal->goal ? "reached" : "missed";
	}
	printf("  %-38s %5s %7.2f  %-17s %7.2f  %s\n", goal->text, minimum, rate.median,
	       range, cpu.median, verdict);
}

void report_goals(const struct readings *readings)
{
	const double max_ms = 5;
	struct spread start;
	char range[64];

	printf("\n%-40s %5s %7s  %-17s %7s\n", "goals, as ratios within a round", "goal",
	       "rate", "min to max", "per CPU");
	for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++)
		report_ratio(readings, &goals[i]);
	if (readings->n[ASK_START][OUR_PROCESSES] == 0)
		return;
	start = spread_figure(readings, ASK_START, OUR_PROCESSES, wall_ms);
	snprintf(range, sizeof(range), "%.2f to %.2f", start.min, start.max);
	printf("  %-38s %5s %7.2f  %-17s %7s  %s\n", "start-up of processes, ms", "< 5",
	       start.median, range, "", start.median < max_ms ? "reached" : "missed");
}
