/* Counts images. Estimates the rate and the remaining time from samples of the last seconds. */
#include "report/meter.h"

#include <string.h>

static const int64_t SECOND_NS = 1000000000;
static const int64_t WINDOW_NS = INT64_C(10) * 1000000000;

/* The time between two samples. METER_SAMPLES samples at this distance cover more than the
 * window. */
static const int64_t SAMPLE_NS = INT64_C(250) * 1000000;

/* If each image takes seconds, few images are finished within WINDOW_NS, and the rate would jump
 * with each image. So a window with fewer than WINDOW_IMAGES images is extended into the past. No
 * rate is given until RATE_IMAGES images are finished and RATE_NS have passed: an earlier rate
 * would describe only the start of the batch. */
static const uint64_t WINDOW_IMAGES = 8, RATE_IMAGES = 2;
static const int64_t RATE_NS = INT64_C(500) * 1000000;

static void add_to(uint64_t *sum, uint64_t n)
{
	if (__builtin_add_overflow(*sum, n, sum))
		*sum = UINT64_MAX;
}

/* Subtract b from a. Returns 0 if the result would be negative. */
static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void meter_init(struct meter *meter, int64_t now_ns)
{
	*meter = (struct meter){.begun_ns = now_ns};
}

void meter_scanning(struct meter *meter, uint64_t n_images)
{
	meter->planned_images = n_images;
}

static void take_sample(struct meter *meter, int64_t now_ns)
{
	meter->newest = meter->n_samples == 0 ? 0 : (meter->newest + 1) % METER_SAMPLES;
	if (meter->n_samples < METER_SAMPLES)
		meter->n_samples++;
	meter->samples[meter->newest] = (struct meter_sample){
		.at_ns = now_ns,
		.n_images = meter->worked_images,
		.n_bytes = meter->worked_bytes,
	};
}

void meter_planned(struct meter *meter, uint64_t n_images, uint64_t n_bytes,
                   int64_t now_ns)
{
	meter->is_planned = true;
	meter->planned_images = n_images;
	meter->planned_bytes = n_bytes;
	take_sample(meter, now_ns);
}

/* Count a file whose format cannot be read. */
static void count_unread(struct report_counts *counts, const char *format)
{
	unsigned i = 0;

	add_to(&counts->ignored, 1);
	if (!format)
		return;
	while (i < counts->n_unread && strcmp(counts->unread[i].format, format) != 0)
		i++;
	if (i == REPORT_UNREAD_FORMATS)
		return;
	counts->unread[i].format = format;
	add_to(&counts->unread[i].n, 1);
	counts->n_unread += i == counts->n_unread;
}

/* Whether a finished image took a worker's time. Skipped images, known failures and existing
 * outputs are found at once, so they say nothing about the time that other images take. */
static bool took_work(const struct record *record)
{
	return record->status == RECORD_OK || record->status == RECORD_PLANNED ||
	       (record->status == RECORD_FAILED && !record->is_remembered &&
	        record->failure.class != FAIL_EXISTS);
}

/* Count the work of an image. Take a sample if the last sample is old enough. */
static void count_work(struct meter *meter, const struct record *record, uint64_t n_bytes,
                       int64_t now_ns)
{
	if (took_work(record)) {
		add_to(&meter->worked_images, 1);
		add_to(&meter->worked_bytes, n_bytes);
	} else if (meter->worked_images == 0 && meter->n_samples > 0) {
		/* A run that continues an earlier run begins with skipped images. The rate
		 * is measured from the last of these images on. */
		meter->n_samples = 0;
		take_sample(meter, now_ns);
	}
	if (meter->n_samples > 0 &&
	    now_ns - meter->samples[meter->newest].at_ns >= SAMPLE_NS)
		take_sample(meter, now_ns);
}

void meter_add(struct meter *meter, const struct record *record, int64_t now_ns)
{
	struct report_counts *counts = &meter->counts;
	uint64_t n_bytes = record->in.bytes;

	switch (record->status) {
	case RECORD_OK:
		add_to(&counts->ok, 1);
		add_to(&counts->damaged, record->is_damaged);
		add_to(&counts->lost, record->lost && record->lost[0]);
		add_to(&counts->bytes_in, record->in.bytes);
		add_to(&counts->bytes_out, record->out.bytes);
		for (size_t i = 0; i < record->n_outputs; i++)
			add_to(&counts->bytes_out, record->outputs[i].side.bytes);
		break;
	case RECORD_SKIPPED:
		add_to(&counts->skipped, 1);
		break;
	case RECORD_FAILED:
		add_to(&counts->failed, 1);
		add_to(&counts->remembered, record->is_remembered);
		break;
	case RECORD_PLANNED:
		add_to(&counts->planned, 1);
		break;
	case RECORD_CANCELLED:
		add_to(&counts->cancelled, 1);
		add_to(&counts->interrupted, 1);
		break;
	case RECORD_IGNORED:
		count_unread(counts, record->in.format);
		break;
	}
	if (record->status == RECORD_CANCELLED || record->status == RECORD_IGNORED)
		return;
	/* If the file was never opened, its size is not in the record, but it is a part of the
	 * planned bytes. Add the average size instead, so that the remaining bytes are 0 at the
	 * end. */
	if (n_bytes == 0 && meter->planned_images > 0)
		n_bytes = meter->planned_bytes / meter->planned_images;
	add_to(&meter->finished_bytes, n_bytes);
	count_work(meter, record, n_bytes, now_ns);
}

void meter_ignored(struct meter *meter)
{
	add_to(&meter->counts.ignored, 1);
}

void meter_cancel_rest(struct meter *meter)
{
	meter->is_rest_cancelled = true;
}

void meter_ending(struct meter *meter)
{
	meter->is_ending = true;
}

static uint64_t count_reported(const struct report_counts *counts)
{
	uint64_t n = counts->ok;

	add_to(&n, counts->skipped);
	add_to(&n, counts->failed);
	add_to(&n, counts->cancelled);
	add_to(&n, counts->planned);
	return n;
}

struct report_counts meter_counts(const struct meter *meter)
{
	struct report_counts counts = meter->counts;

	if (meter->is_rest_cancelled)
		add_to(&counts.cancelled,
		       difference(meter->planned_images, count_reported(&counts)));
	counts.inputs = count_reported(&counts);
	return counts;
}

uint64_t meter_done(const struct meter *meter)
{
	struct report_counts counts = meter->counts;

	counts.cancelled = 0;
	return count_reported(&counts);
}

uint64_t meter_total(const struct meter *meter)
{
	uint64_t reported = count_reported(&meter->counts);

	return meter->planned_images > reported ? meter->planned_images : reported;
}

unsigned meter_percent(const struct meter *meter)
{
	uint64_t done = meter_done(meter), total = meter_total(meter);

	if (done == total)
		return 100;
	if (total <= UINT64_MAX / 100)
		return (unsigned)(done * 100 / total);
	return done / (total / 100) < 99 ? (unsigned)(done / (total / 100)) : 99;
}

/* Find the sample at which the window begins. Returns NULL if no sample was taken yet. */
static const struct meter_sample *window_begin(const struct meter *meter, int64_t now_ns)
{
	uint64_t done = meter->worked_images;
	const struct meter_sample *begin = NULL;

	for (unsigned i = 0; i < meter->n_samples; i++) {
		unsigned oldest = meter->newest + METER_SAMPLES + 1 - meter->n_samples;
		const struct meter_sample *sample =
			&meter->samples[(oldest + i) % METER_SAMPLES];

		if (begin && (now_ns - sample->at_ns < WINDOW_NS ||
		              difference(done, sample->n_images) < WINDOW_IMAGES))
			break;
		begin = sample;
	}
	return begin;
}

/* Get the length of the window, which ends now, and the work that was finished in the window.
 * Returns false if the window is too short, or if too few images were finished in it. */
static bool look_back(const struct meter *meter, int64_t now_ns, double *ret_seconds,
                      struct meter_sample *ret_passed)
{
	const struct meter_sample *begin = window_begin(meter, now_ns);

	if (!begin || now_ns - begin->at_ns < RATE_NS)
		return false;
	*ret_passed = (struct meter_sample){
		.n_images = difference(meter->worked_images, begin->n_images),
		.n_bytes = difference(meter->worked_bytes, begin->n_bytes),
	};
	*ret_seconds = (double)(now_ns - begin->at_ns) / (double)SECOND_NS;
	return ret_passed->n_images >= RATE_IMAGES;
}

double meter_rate(const struct meter *meter, int64_t now_ns)
{
	struct meter_sample passed;
	double seconds;

	if (!look_back(meter, now_ns, &seconds, &passed))
		return -1;
	return (double)passed.n_images / seconds;
}

double meter_byte_rate(const struct meter *meter, int64_t now_ns)
{
	struct meter_sample passed;
	double seconds;

	if (!look_back(meter, now_ns, &seconds, &passed))
		return -1;
	return (double)passed.n_bytes / seconds;
}

double meter_seconds_left(const struct meter *meter, int64_t now_ns)
{
	uint64_t n_images = difference(meter->planned_images, meter_done(meter));
	uint64_t n_bytes = difference(meter->planned_bytes, meter->finished_bytes);
	struct meter_sample passed;
	double seconds;

	if (!look_back(meter, now_ns, &seconds, &passed))
		return -1;
	if (n_images == 0)
		return 0;
	if (meter->planned_bytes > 0 && passed.n_bytes > 0)
		return (double)n_bytes * seconds / (double)passed.n_bytes;
	return (double)n_images * seconds / (double)passed.n_images;
}

double meter_seconds(const struct meter *meter, int64_t now_ns)
{
	int64_t passed_ns = now_ns - meter->begun_ns;

	return passed_ns > 0 ? (double)passed_ns / (double)SECOND_NS : 0;
}
