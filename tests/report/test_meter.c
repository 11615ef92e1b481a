/* Tests of the counts, the rate and the remaining time of a meter. The test passes the time. */
#include "support/test.h"

#include "report/meter.h"

static const int64_t MS = 1000000;

static void add(struct meter *meter, enum record_status status, uint64_t n_bytes,
                int64_t now_ns)
{
	meter_add(meter,
	          &(struct record){.status = status,
	                           .in.bytes = n_bytes,
	                           .out.bytes = n_bytes / 10},
	          now_ns);
}

/* A meter whose plan was made at time 0. */
static struct meter planned(uint64_t n_images, uint64_t n_bytes)
{
	struct meter meter;

	meter_init(&meter, 0);
	meter_planned(&meter, n_images, n_bytes, 0);
	return meter;
}

/* Count n images of n_bytes each, one after every `ms` milliseconds, and advance *now. */
static void run(struct meter *meter, int64_t *now, unsigned n, int64_t ms,
                uint64_t n_bytes)
{
	for (unsigned i = 0; i < n; i++) {
		*now += ms * MS;
		add(meter, RECORD_OK, n_bytes, *now);
	}
}

static bool near(double got, double want)
{
	return got > want * 0.97 && got < want * 1.03;
}

TEST(meter, there_is_no_rate_before_the_first_images_are_done)
{
	struct meter meter;
	int64_t now = 0;

	meter_init(&meter, now);
	EXPECT(meter_rate(&meter, now) < 0);
	meter_scanning(&meter, 100);
	meter_planned(&meter, 100, 0, now);
	EXPECT(meter_rate(&meter, now + 1000 * MS) < 0);
	run(&meter, &now, 2, 100, 0);
	EXPECT(meter_rate(&meter, now) < 0);
	EXPECT(meter_seconds_left(&meter, now) < 0);
	run(&meter, &now, 8, 100, 0);
	EXPECT(near(meter_rate(&meter, now), 10));
	EXPECT(near(meter_seconds_left(&meter, now), 9));
}

TEST(meter, the_rate_is_measured_over_the_last_ten_seconds)
{
	struct meter meter = planned(100000, 0);
	int64_t now = 0;

	run(&meter, &now, 3000, 20, 0);
	EXPECT(near(meter_rate(&meter, now), 50));
	run(&meter, &now, 110, 100, 0);
	EXPECT(near(meter_rate(&meter, now), 10));
}

TEST(meter, slow_pictures_do_not_make_the_rate_jump)
{
	struct meter meter = planned(1000, 0);
	int64_t now = 0;

	run(&meter, &now, 100, 20000, 0);
	EXPECT(near(meter_rate(&meter, now), 0.05));
	now += 19000 * MS;
	EXPECT(meter_rate(&meter, now) > 0.04 && meter_rate(&meter, now) < 0.06);
}

TEST(meter, the_rate_falls_while_no_image_completes)
{
	struct meter meter = planned(100000, 0);
	int64_t now = 0;

	run(&meter, &now, 3000, 20, 0);
	EXPECT(meter_rate(&meter, now + 100000 * MS) < 1);
}

/* The first half of the images is small, so bytes give a better estimate than the number of
 * images. */
TEST(meter, the_remaining_time_is_estimated_by_bytes_if_they_are_known)
{
	struct meter meter = planned(20, 10 * 1000 + 10 * 9000);
	int64_t now = 0;

	run(&meter, &now, 10, 1000, 1000);
	EXPECT(near(meter_seconds_left(&meter, now), 90));
}

TEST(meter, images_that_fail_before_they_are_read_reduce_the_remaining_time)
{
	struct meter meter = planned(20, 20000);
	int64_t now = 0;

	run(&meter, &now, 10, 1000, 1000);
	for (int i = 0; i < 10; i++)
		add(&meter, RECORD_FAILED, 0, now);
	EXPECT(meter_seconds_left(&meter, now) == 0);
	EXPECT_EQ(meter.finished_bytes, meter.planned_bytes);
}

TEST(meter, progress_never_exceeds_100_percent_if_more_images_finish_than_planned)
{
	struct meter meter;
	int64_t now = 0;

	meter_init(&meter, now);
	EXPECT_EQ(meter_percent(&meter), 100);
	meter_planned(&meter, 3, 3, now);
	EXPECT_EQ(meter_percent(&meter), 0);
	run(&meter, &now, 2, 1000, 5);
	EXPECT_EQ(meter_percent(&meter), 66);
	run(&meter, &now, 2, 1000, 5);
	EXPECT_EQ(meter_percent(&meter), 100);
	EXPECT_EQ(meter_total(&meter), 4);
	EXPECT(meter_seconds_left(&meter, now) == 0);
}

TEST(meter, sums_of_the_meter_saturate_instead_of_overflowing)
{
	struct meter meter = planned(UINT64_MAX, UINT64_MAX);

	add(&meter, RECORD_OK, UINT64_MAX, 0);
	add(&meter, RECORD_OK, UINT64_MAX, INT64_MAX);
	EXPECT(meter_counts(&meter).bytes_in == UINT64_MAX);
	EXPECT(meter.finished_bytes == UINT64_MAX);
	EXPECT(meter.worked_bytes == UINT64_MAX);
	EXPECT_EQ(meter_percent(&meter), 0);
	EXPECT(meter_seconds_left(&meter, INT64_MAX) >= 0);
	meter_cancel_rest(&meter);
	EXPECT(meter_counts(&meter).inputs == UINT64_MAX);
	EXPECT(meter_counts(&meter).cancelled == UINT64_MAX - 2);
	meter.planned_images = UINT64_MAX;
	meter.counts.skipped = UINT64_MAX - 3;
	EXPECT_EQ(meter_percent(&meter), 99);
}

TEST(meter, cancelled_images_do_not_count_as_progress)
{
	struct meter meter = planned(100, 100000);
	int64_t now = 0;

	run(&meter, &now, 20, 100, 1000);
	for (int i = 0; i < 80; i++)
		add(&meter, RECORD_CANCELLED, 0, now);
	EXPECT_EQ(meter_done(&meter), 20);
	EXPECT_EQ(meter_total(&meter), 100);
	EXPECT_EQ(meter_percent(&meter), 20);
	EXPECT_EQ(meter.finished_bytes, 20000);
	EXPECT(near(meter_rate(&meter, now), 10));
	EXPECT(near(meter_byte_rate(&meter, now), 10000));
}

TEST(meter, skipped_images_do_not_count_in_the_rate_and_the_remaining_time)
{
	struct meter meter = planned(1000, 1000 * 1000);
	int64_t now = 0;

	/* The run continues an earlier run: it skips 500 images within half a second. */
	for (int i = 0; i < 500; i++) {
		now += MS;
		add(&meter, RECORD_SKIPPED, 1000, now);
	}
	EXPECT(meter_rate(&meter, now + 100 * MS) < 0);
	EXPECT(meter_seconds_left(&meter, now + 100 * MS) < 0);
	run(&meter, &now, 20, 100, 1000);
	EXPECT(near(meter_rate(&meter, now), 10));
	EXPECT(near(meter_byte_rate(&meter, now), 10000));
	EXPECT(near(meter_seconds_left(&meter, now), 48));
	EXPECT_EQ(meter_percent(&meter), 52);

	/* Images that are skipped in the middle of the run reduce the remaining work. */
	for (int i = 0; i < 240; i++)
		add(&meter, RECORD_SKIPPED, 1000, now);
	EXPECT(near(meter_rate(&meter, now), 10));
	EXPECT(near(meter_seconds_left(&meter, now), 24));
}

TEST(meter, counts_of_all_outcomes_add_up_to_the_inputs)
{
	struct meter meter = planned(10, 0);
	struct report_counts counts;

	add(&meter, RECORD_OK, 100, 0);
	add(&meter, RECORD_FAILED, 1000, 0);
	add(&meter, RECORD_SKIPPED, 1000, 0);
	add(&meter, RECORD_CANCELLED, 0, 0);
	meter_ignored(&meter);
	EXPECT_EQ(meter_counts(&meter).inputs, 4);

	meter_cancel_rest(&meter);
	add(&meter, RECORD_OK, 100, 0);
	counts = meter_counts(&meter);
	EXPECT_EQ(counts.inputs, 10);
	EXPECT_EQ(counts.ok, 2);
	EXPECT_EQ(counts.failed, 1);
	EXPECT_EQ(counts.skipped, 1);
	EXPECT_EQ(counts.cancelled, 6);
	EXPECT_EQ(counts.ignored, 1);
	EXPECT_EQ(counts.bytes_in, 200);
	EXPECT_EQ(counts.bytes_out, 20);
}

TEST(meter, all_scanned_images_count_as_cancelled_after_a_stop_during_planning)
{
	struct meter meter;

	meter_init(&meter, 0);
	meter_scanning(&meter, 12345);
	add(&meter, RECORD_FAILED, 0, 0);
	meter_cancel_rest(&meter);
	EXPECT_EQ(meter_counts(&meter).inputs, 12345);
	EXPECT_EQ(meter_counts(&meter).cancelled, 12344);
}
