/* Code that the subjects of bench_executors share: the stopwatch, batches, and the payload of a
 * task. */
#include "executors.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool failed(const char *what)
{
	fprintf(stderr, "bench_executors: %s\n", what);
	return false;
}

/* Measuring the CPU time of the children uses CPU time of this process. To exclude that time, the
 * children are measured first here, and last in watch_end(). */
void watch_begin(struct watch *watch)
{
	double children_s = measure_children_cpu_s(getpid());

	watch->cpu_s = measure_own_cpu_s() + children_s;
	watch->wall_s = measure_now_s();
}

void watch_end(const struct watch *watch, struct reading *reading)
{
	reading->wall_s += measure_now_s() - watch->wall_s;
	reading->cpu_s += measure_own_cpu_s() - watch->cpu_s;
	reading->cpu_s += measure_children_cpu_s(getpid());
}

bool repeat_batches(const struct job *job, batch_fn *batch, void *subject,
                    struct reading *ret_reading)
{
	struct watch watch;
	double begun_s;
	bool is_done = batch(subject, job, job->n_batch / 10 + 1);

	watch_begin(&watch);
	begun_s = measure_now_s();
	do {
		is_done = is_done && batch(subject, job, job->n_batch);
		ret_reading->n += (double)job->n_batch;
	} while (is_done && measure_now_s() - begun_s < job->min_s);
	watch_end(&watch, ret_reading);
	return is_done || failed("a task failed or gave a wrong result");
}

double resident_bytes(void)
{
	long size, resident = 0;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (!statm)
		return 0;
	if (fscanf(statm, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(statm);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static bool copy(const void *bytes, size_t n, void **ret_copy)
{
	*ret_copy = NULL;
	if (n == 0)
		return true;
	*ret_copy = malloc(n);
	if (*ret_copy)
		memcpy(*ret_copy, bytes, n);
	return *ret_copy;
}

bool echo_prepare(struct echo *echo, const struct job *job)
{
	*echo = (struct echo){.n = job->n_bytes};
	return copy(job->payload, job->n_bytes, &echo->input);
}

void echo_run(struct echo *echo)
{
	if (!copy(echo->input, echo->n, &echo->result))
		echo->n = SIZE_MAX;
}

bool echo_collect(struct echo *echo, const struct job *job)
{
	bool is_right = echo->n == job->n_bytes && !echo->result == (echo->n == 0);

	free(echo->input);
	free(echo->result);
	return is_right;
}
