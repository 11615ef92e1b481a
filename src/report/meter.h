/*
 * The numbers of a batch: counts, rate, and remaining time. The functions print nothing. They do
 * not read the clock: the caller passes the time, in nanoseconds of the monotonic clock. If a sum
 * overflows, it stays at the maximum.
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
	/* sums over the reported images; counts.inputs stays 0 */
	struct report_counts counts;
	bool is_planned, is_rest_cancelled;
	uint64_t planned_images, planned_bytes;
	/* The bytes of finished inputs. An input of unknown size counts with the average size. */
	uint64_t finished_bytes;
	/* The number of finished images that took a worker's time, and the bytes of their inputs.
	 * The rate is computed from these numbers. */
	uint64_t worked_images, worked_bytes;
	bool is_ending; /* the batch ends early, and no more images will start */

	/* Samples of the progress, each with its time, in a ring buffer. The first sample is taken
	 * when the plan is complete. */
	struct meter_sample samples[METER_SAMPLES];
	unsigned n_samples, newest;
};

void meter_init(struct meter *meter, int64_t now_ns);
void meter_scanning(struct meter *meter, uint64_t n_images);
void meter_planned(struct meter *meter, uint64_t n_images, uint64_t n_bytes,
                   int64_t now_ns);
void meter_add(struct meter *meter, const struct record *record, int64_t now_ns);
void meter_ignored(struct meter *meter);

/* From now on, planned images that are not finished count as cancelled. If the plan is not complete
 * yet, the images that were found so far count as planned. */
void meter_cancel_rest(struct meter *meter);

struct report_counts meter_counts(const struct meter *meter);

/* Call this function when the batch ends early and no more images will start. */
void meter_ending(struct meter *meter);

/* meter_done() returns the number of finished images. Cancelled images are not counted.
 * meter_total() returns the number of all images, and never less than meter_done(). */
uint64_t meter_done(const struct meter *meter);
uint64_t meter_total(const struct meter *meter);

/* The progress in percent, from 0 to 100. It is 100 only when all images are finished. */
unsigned meter_percent(const struct meter *meter);

/* The number of finished images per second, over the last 10 seconds. Skipped images and failures
 * from an earlier run are not counted, because they took no time. If fewer than 8 images were
 * finished in the last 10 seconds, the rate is computed over a longer time, in which 8 images were
 * finished. A negative rate means that too few images are finished, or too little time has
 * passed. */
double meter_rate(const struct meter *meter, int64_t now_ns);

/* The number of bytes of finished inputs per second, over the same time as meter_rate(). */
double meter_byte_rate(const struct meter *meter, int64_t now_ns);

/* The remaining time in seconds. If the sizes of the inputs are known, it is estimated from the
 * rate of bytes, otherwise from the rate of images. A negative time means that too few images are
 * finished, or too little time has passed. */
double meter_seconds_left(const struct meter *meter, int64_t now_ns);

/* The time since meter_init(), in seconds. */
double meter_seconds(const struct meter *meter, int64_t now_ns);

#endif
