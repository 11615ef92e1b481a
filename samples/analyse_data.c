/*
 * Analyses a data set with a map: each row is an item, worker processes get the items in chunks, and
 * the results come in the order of the rows.
 *
 *     printf '%s\n' Oslo,-3.5,0.5 Rome,11,n/a Cairo,19,22.5 | build/samples/analyse_data
 *
 * Rows are read when they are needed, so the data set may be larger than memory. A malformed row
 * fails alone, not with its chunk.
 */
#define _POSIX_C_SOURCE 200809L

#include <pixpool/pixpool.h>

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_IN_A_CHUNK = 64 };

/* The result of a row. */
struct summary {
	char name[32];
	int n;
	double least, mean, most;
};

/* The task, which runs in a worker process. A row is a name, followed by at least one number. */
static enum pxp_status summarise(struct pxp_task *task)
{
	const char *row = pxp_task_input(task, NULL), *at = row + strcspn(row, ",\r\n");
	struct summary s = {.least = DBL_MAX, .most = -DBL_MAX};

	snprintf(s.name, sizeof(s.name), "%.*s", (int)(at - row), row);
	while (*at == ',') {
		char *end;
		double value = strtod(at + 1, &end);

		/* The comparisons also refuse infinity and NaN: every comparison with NaN is
		 * false. */
		if (end == at + 1 || !(value >= -DBL_MAX && value <= DBL_MAX))
			return pxp_task_fail(task, 1, "field %d is not a number",
			                     s.n + 2);
		s.n++;
		s.mean += (value - s.mean) / s.n;
		s.least = value < s.least ? value : s.least;
		s.most = value > s.most ? value : s.most;
		at = end;
	}
	if (s.n == 0 || at[strspn(at, "\r\n")] != '\0')
		return pxp_task_fail(task, 2, "missing comma after field %d", s.n + 1);
	return pxp_task_return(task, &s, sizeof(s));
}

struct rows {
	FILE *file;
	char *line; /* the line, from getline() */
	size_t size;
};

/* The source of inputs. The map calls it whenever the map has room for one more input. */
static enum pxp_status next_row(void *data, const void **ret_bytes, size_t *ret_n)
{
	struct rows *rows = data;
	ssize_t n = getline(&rows->line, &rows->size, rows->file);

	if (n < 0)
		return feof(rows->file) ? PXP_ESTATE : PXP_ESYS;
	*ret_bytes = rows->line;
	*ret_n = (size_t)n + 1; /* the length of the line, plus 1 for its final zero */
	return PXP_OK;
}

/* Print the result of a row. Returns whether the row was well-formed. */
static bool report(struct pxp_map_item *item)
{
	struct summary *s = item->bytes;

	if (item->error.status == PXP_OK)
		printf("%s: %d values from %g to %g, mean %g\n", s->name, s->n, s->least,
		       s->most, s->mean);
	else
		printf("row %zu: %s\n", item->index + 1, item->error.text);
	free(item->bytes);
	return item->error.status == PXP_OK;
}

int main(void)
{
	struct pxp_executor_options processes = {.size = sizeof(processes),
	                                         .kind = PXP_PROCESSES};
	struct pxp_map_options chunks = {.size = sizeof(chunks),
	                                 .chunk = ROWS_IN_A_CHUNK};
	struct rows rows = {.file = stdin};
	struct pxp_executor *pool = NULL;
	struct pxp_map *map = NULL;
	struct pxp_map_item item;
	int n_rows = 0, n_failed = 0;
	/* The zygote must be started while this process has only one thread. */
	enum pxp_status status = pxp_zygote_start(NULL);

	if (status == PXP_OK)
		status = pxp_executor_create(&processes, &pool, NULL);
	if (status == PXP_OK)
		status = pxp_map_open(pool, summarise, next_row, &rows, &chunks, &map);
	while (status == PXP_OK && (status = pxp_map_next(map, &item)) == PXP_OK) {
		n_rows++;
		n_failed += !report(&item);
	}
	pxp_map_close(map);
	pxp_executor_destroy(pool);
	free(rows.line);

	printf("%d rows, %d failed\n", n_rows, n_failed);
	if (status != PXP_ESTATE) /* PXP_ESTATE: all rows were returned */
		fprintf(stderr, "analyse_data: %s\n", pxp_status_name(status));
	return status == PXP_ESTATE && n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
