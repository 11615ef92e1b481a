/*
 * The numbers of a batch: counts, how fast it goes, how long it may still take. Pure: the
 * clock is passed in (clock.h), nothing is written. All sums saturate.
 */
#ifndef PXP_METER_H
#define PXP_METER_H

#include "report/report.h"

enum { METER_SAMPLES = 64 };

struct meter_sample {
	int64_t at_ns;
	uint64_t n_images, n_bytes;
};

struct meter {
	int64_t begun_ns;
	struct report_counts counts; /* inputs stays 0: meter_counts() adds it up */
	bool is_planned, is_rest_cancelled;
	uint64_t planned_images, planned_bytes;
	uint64_t settled_bytes; /* of planned_bytes */

	/* What was settled when, a ring; the first is taken when the plan is made. */
	struct meter_sample samples[METER_SAMPLES];
	unsigned n_samples, newest;
};

void meter_init(struct meter *meter, int64_t now_ns);
void meter_scanning(struct meter *meter, uint64_t n_images);
void meter_planned(struct meter *meter, uint64_t n_images, uint64_t n_bytes,
                   int64_t now_ns);
void meter_add(struct meter *meter, const struct record *record, int64_t now_ns);
void meter_ignored(struct meter *meter);

/* From here on, what was planned (before the plan is made: scanned) and is not settled
 * counts as cancelled. */
void meter_cancel_rest(struct meter *meter);

struct report_counts meter_counts(const struct meter *meter);

/* Images that are settled, and how many there are in all: never less. */
uint64_t meter_done(const struct meter *meter);
uint64_t meter_total(const struct meter *meter);

/* 0 to 100; 100 only when all is done. */
unsigned meter_percent(const struct meter *meter);

/* Images settled a second, lately: over the last 10 seconds, or over as long as the last
 * 8 images took. Negative while there is too little to tell. */
double meter_rate(const struct meter *meter, int64_t now_ns);

/* From the rate of bytes when the plan knows them, else of images; negative while there
 * is too little to tell. */
double meter_seconds_left(const struct meter *meter, int64_t now_ns);

/* Since the beginning. */
double meter_seconds(const struct meter *meter, int64_t now_ns);

#endif
