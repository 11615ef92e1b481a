/* Tests of the progress bar: its line at each width, and the bytes that a terminal receives. */
#include "report_fixture.h"

#include "report/painter.h"

#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int64_t MS = 1000000;

/* A meter that has counted 1,234 of 2,900 images. The rate is computed from 563 of them, which took
 * ten seconds. n_failed of these 563 images have failed. */
static struct meter meter_at_work(unsigned n_failed)
{
	struct meter meter;
	struct record ok = {.status = RECORD_OK}, failed = {.status = RECORD_FAILED};

	meter_init(&meter, 0);
	meter_planned(&meter, 2900, 0, 0);
	meter.counts.ok = 1234 - 563;
	for (unsigned i = 0; i < 563; i++)
		meter_add(&meter, i < n_failed ? &failed : &ok, 0);
	return meter;
}

static const char *line_at(const struct meter *meter, unsigned width, bool is_utf8)
{
	static char line[1024];
	struct text text = text_in(line, sizeof(line));
	struct view view = {
		.meter = meter,
		.now_ns = 10000 * MS,
		.width = width,
		.is_utf8 = is_utf8,
	};

	painter_bar.progress(&text, &view);
	return line;
}

/* Count columns: each character of the bar takes one column. */
static size_t columns(const char *line)
{
	size_t n = 0;

	for (; *line; line++)
		n += ((unsigned char)*line & 0xc0) != 0x80;
	return n;
}

TEST(bar, all_parts_of_the_progress_bar_fit_into_80_columns)
{
	struct meter meter = meter_at_work(2);

	EXPECT_STR(line_at(&meter, 80, true),
	           " 42% "
	           "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88"
	           "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88"
	           "\xe2\x96\x88\xe2\x96\x88\xe2\x96\x88\xe2\x96\x8c                  "
	           "  1,234/2,900  56.3/s  2 failed  0:30 left");
}

TEST(bar, the_progress_bar_is_ascii_without_a_utf8_locale)
{
	struct meter meter = meter_at_work(2);

	EXPECT_STR(
		line_at(&meter, 80, false),
		" 42% [############                  ]  1,234/2,900  56.3/s  2 failed  0:30 left");
}

TEST(bar, a_narrow_terminal_drops_the_least_important_parts_of_the_progress_bar_first)
{
	struct meter meter = meter_at_work(2);

	EXPECT_STR(line_at(&meter, 56, false),
	           " 42% [##    ]  1,234/2,900  56.3/s  2 failed  0:30 left");
	EXPECT_STR(line_at(&meter, 55, false),
	           " 42%  1,234/2,900  56.3/s  2 failed  0:30 left");
	EXPECT_STR(line_at(&meter, 46, false), " 42%  1,234/2,900  2 failed  0:30 left");
	EXPECT_STR(line_at(&meter, 20, false), " 42%  1,234/2,900");
	EXPECT_STR(line_at(&meter, 17, false), " 42%");
	EXPECT_STR(line_at(&meter, 4, false), "");
	EXPECT_STR(line_at(&meter, 1, false), "");
}

/* A meter that has counted 563 of 2,900 images. Each has 20 MB, and all inputs together have 50
 * GB. */
static struct meter meter_with_bytes(void)
{
	struct meter meter;
	struct record ok = {.status = RECORD_OK, .in.bytes = 20000000};

	meter_init(&meter, 0);
	meter_planned(&meter, 2900, UINT64_C(50000000000), 0);
	for (unsigned i = 0; i < 563; i++)
		meter_add(&meter, &ok, 0);
	return meter;
}

static const char *line_with(const struct meter *meter, unsigned width,
                             const char *slowest)
{
	static char line[1024];
	struct text text = text_in(line, sizeof(line));
	struct view view = {
		.meter = meter,
		.now_ns = 10000 * MS,
		.width = width,
		.slowest = slowest,
		.slowest_seconds = 12.9,
	};

	painter_bar.progress(&text, &view);
	return line;
}

TEST(bar, the_progress_line_shows_bytes_and_the_slowest_image)
{
	struct meter meter = meter_with_bytes();

	EXPECT_STR(line_with(&meter, 120, "in/sub/IMG_2.jpg"),
	           " 19% [#######                               ]  563/2,900  56.3/s  "
	           "1.1 GB/s  0:34 left  12 s: IMG_2.jpg");
	EXPECT_STR(
		line_with(&meter, 70, "in/sub/IMG_2.jpg"),
		" 19% [####                  ]  563/2,900  56.3/s  1.1 GB/s  0:34 left");
	EXPECT_STR(line_with(&meter, 50, "in/sub/IMG_2.jpg"),
	           " 19% [##          ]  563/2,900  56.3/s  0:34 left");
	EXPECT_STR(line_with(&meter, 300, NULL),
	           " 19% [#######                               ]  563/2,900  56.3/s  "
	           "1.1 GB/s  0:34 left");
}

TEST(bar, the_name_of_the_slowest_image_is_truncated_and_quoted)
{
	struct meter meter = meter_with_bytes();

	EXPECT(strstr(line_with(&meter, 140, "in/a name of more than twenty letters.jpg"),
	              "  12 s: 'a name of more than ..."));
	EXPECT(strstr(line_with(&meter, 140, "in/\033[31m.jpg"),
	              "  12 s: ''$'\\033''[31m.jpg'"));
}

TEST(bar, names_of_wide_characters_are_counted_in_columns)
{
	struct meter meter = meter_with_bytes();

	use_utf8();
	for (unsigned width = 20; width <= 300; width++) {
		const char *line = line_with(
			&meter, width,
			"in/\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac"
			"\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac"
			"\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac.jpg");
		size_t n = columns(line);

		/* Each of these characters takes two columns. */
		for (const char *c = line; (c = strstr(c, "\xe6")); c++)
			n++;
		EXPECT(n < width, "%zu of %u: %s", n, width, line);
	}
}

TEST(bar, cancelled_images_do_not_count_as_progress)
{
	struct meter meter = meter_at_work(0);
	struct record cancelled = {.status = RECORD_CANCELLED};

	meter_ending(&meter);
	for (unsigned i = 0; i < 1600; i++)
		meter_add(&meter, &cancelled, 0);
	EXPECT_STR(line_at(&meter, 60, false),
	           " 42% [########            ]  1,234/2,900  56.3/s  finishing");
}

TEST(bar, the_progress_bar_never_reaches_the_last_column)
{
	struct meter few = meter_at_work(0), many = meter_at_work(500), scanning;

	meter_init(&scanning, 0);
	meter_scanning(&scanning, UINT64_MAX);
	for (unsigned width = 1; width <= 200; width++) {
		for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
			EXPECT(columns(line_at(&few, width, is_utf8)) < width);
			EXPECT(columns(line_at(&many, width, is_utf8)) < width);
			EXPECT(columns(line_at(&scanning, width, is_utf8)) < width);
		}
	}
}

TEST(bar, the_progress_bar_is_full_if_more_images_finish_than_planned)
{
	struct meter meter;
	struct record ok = {.status = RECORD_OK};

	meter_init(&meter, 0);
	meter_planned(&meter, 1, 0, 0);
	meter_add(&meter, &ok, 0);
	meter_add(&meter, &ok, 0);
	EXPECT_STR(line_at(&meter, 38, false), "100% [######]  2/2  0.20/s  0:00 left");
}

TEST(bar, the_progress_bar_of_an_empty_plan_is_full)
{
	struct meter meter;

	meter_init(&meter, 0);
	meter_planned(&meter, 0, 0, 0);
	EXPECT_STR(line_at(&meter, 24, false), "100% [###########]  0/0");
}

TEST(bar, the_progress_bar_counts_files_while_scanning)
{
	struct meter meter;

	meter_init(&meter, 0);
	meter_scanning(&meter, 12345);
	EXPECT_STR(line_at(&meter, 80, true), "scanning: 12,345 images");
	EXPECT_STR(line_at(&meter, 20, true), "scanning: 12,345");
	EXPECT_STR(line_at(&meter, 12, true), "12,345");
	EXPECT_STR(line_at(&meter, 6, true), "");
	EXPECT_STR(line_at(&meter, 1, true), "");
}

/* A pseudo-terminal that a report writes to. It is not the controlling terminal of the test. */
struct terminal {
	int master, slave;
	struct report *report;
};

static void resize(const struct terminal *terminal, unsigned short columns_now)
{
	struct winsize size = {.ws_row = 24, .ws_col = columns_now};

	REQUIRE(ioctl(terminal->slave, TIOCSWINSZ, &size) == 0);
}

static struct terminal terminal_open(unsigned short columns_now, enum progress progress)
{
	struct terminal terminal;

	if (openpty(&terminal.master, &terminal.slave, NULL, NULL, NULL) != 0) {
		fprintf(stderr, "skipped: no terminal here, /dev/pts is not mounted\n");
		SKIP("no terminal here: /dev/pts is not mounted");
	}
	resize(&terminal, columns_now);
	setenv("TERM", "xterm", 1);
	terminal.report = fixture_report(progress, terminal.slave);
	return terminal;
}

/* The output since the last call, in static memory; the terminal turns \n into \r\n. A terminal may
 * delay bytes, so the test writes an end marker and waits for it. */
static const char *shown(const struct terminal *terminal)
{
	static char text[1 << 16];
	size_t n = 0;

	REQUIRE(write(terminal->slave, "", 1) == 1);
	do {
		ssize_t got = read(terminal->master, text + n, sizeof(text) - n);

		REQUIRE(got > 0);
		n += (size_t)got;
		REQUIRE(n < sizeof(text));
	} while (text[n - 1] != 0);
	return text;
}

static void terminal_close(struct terminal *terminal)
{
	report_destroy(terminal->report);
	close(terminal->slave);
	close(terminal->master);
}

/* The width of the widest line of the progress bar, from \r to \e[K. */
static size_t widest_live(const char *text)
{
	size_t widest = 0;

	for (const char *begin = strchr(text, '\r'); begin;
	     begin = strchr(begin + 1, '\r')) {
		char line[4096];
		size_t n = strcspn(begin + 1, "\r\n\033");

		if (begin[1 + n] != '\033' || n >= sizeof(line))
			continue;
		memcpy(line, begin + 1, n);
		line[n] = 0;
		if (columns(line) > widest)
			widest = columns(line);
	}
	return widest;
}

TEST(terminal, the_progress_bar_is_repainted_in_place_and_erased_at_the_end)
{
	struct terminal terminal = terminal_open(26, PROGRESS_AUTO);
	struct record ok = record_ok("a.jpg", "b.jpg");

	report_planned(terminal.report, 4, 0);
	EXPECT_STR(shown(&terminal), "");
	fixture_advance_ms(100);
	report_tick(terminal.report);
	EXPECT_STR(shown(&terminal), "\r  0% [           ]  0/4\033[K");
	fixture_advance_ms(100);
	report_add(terminal.report, &ok);
	EXPECT_STR(shown(&terminal), "\r 25% [##         ]  1/4\033[K");
	report_hide(terminal.report);
	EXPECT_STR(shown(&terminal), "\r\033[K");
	report_say(terminal.report, "a line");
	EXPECT_STR(shown(&terminal), "pixpool: a line\r\n");
	report_tick(terminal.report);
	EXPECT_STR(shown(&terminal), "\r 25% [##         ]  1/4\033[K");
	report_destroy(terminal.report);
	EXPECT_STR(shown(&terminal), "\r\033[K");
	terminal.report = NULL;
	terminal_close(&terminal);
}

TEST(terminal, the_progress_bar_is_repainted_at_most_every_100_ms)
{
	struct terminal terminal = terminal_open(80, PROGRESS_AUTO);
	struct record ok = record_ok("a.jpg", "b.jpg");
	int n_paints = 0;

	EXPECT_EQ(report_tick_ms(terminal.report), 100);
	report_planned(terminal.report, 1000, 0);
	for (int i = 0; i < 1000; i++) {
		fixture_advance_ms(1);
		report_add(terminal.report, &ok);
		report_tick(terminal.report);
		n_paints += *shown(&terminal) != 0;
	}
	EXPECT_EQ(n_paints, 10);
	terminal_close(&terminal);
}

TEST(terminal, failures_are_printed_in_full_above_the_progress_bar)
{
	struct terminal terminal = terminal_open(22, PROGRESS_AUTO);
	struct record failed = record_failed("photos/it's b.jpg", FAIL_CRASHED,
	                                     "worker died of SIGSEGV");

	report_planned(terminal.report, 4, 0);
	fixture_advance_ms(100);
	report_tick(terminal.report);
	shown(&terminal);
	report_add(terminal.report, &failed);
	EXPECT_STR(
		shown(&terminal),
		"\r\033[K\"photos/it's b.jpg\": failed: crashed its decoder: worker died of "
		"SIGSEGV\r\n"
		"\r 25%  1/4  1 failed\033[K");
	terminal_close(&terminal);
}

TEST(terminal, the_progress_bar_follows_a_terminal_resize_and_never_wraps)
{
	static const unsigned short widths[] = {20, 1, 200, 80, 2, 40};
	struct terminal terminal = terminal_open(80, PROGRESS_AUTO);
	struct record ok = record_ok("a.jpg", "b.jpg");

	use_utf8();
	report_planned(terminal.report, 2900, 0);
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		resize(&terminal, widths[i]);
		for (int j = 0; j < 50; j++) {
			fixture_advance_ms(50);
			report_add(terminal.report, &ok);
			EXPECT(widest_live(shown(&terminal)) < widths[i]);
		}
	}
	terminal_close(&terminal);
}

TEST(terminal, a_wide_terminal_gets_a_wide_progress_bar)
{
	struct terminal terminal = terminal_open(20, PROGRESS_AUTO);

	report_planned(terminal.report, 2900, 0);
	resize(&terminal, 200);
	fixture_advance_ms(100);
	report_tick(terminal.report);
	EXPECT_EQ(widest_live(shown(&terminal)), 4 + 1 + 40 + 2 + 7);
	terminal_close(&terminal);
}

TEST(terminal, file_names_cannot_send_control_codes_to_the_terminal)
{
	struct terminal terminal = terminal_open(80, PROGRESS_NONE);
	struct record failed = record_failed("\033]0;owned\a\xc2\x9b"
	                                     "2J",
	                                     FAIL_IO, "\xc2\x9b");
	const char *text;

	use_utf8();
	report_destroy(terminal.report);
	terminal.report = fixture_report_with(
		&(struct report_options){
			.progress = PROGRESS_BAR, .verbose = true, .records = -1},
		terminal.slave);
	report_planned(terminal.report, 4, 0);
	report_add(terminal.report, &failed);
	report_ignored(terminal.report, "\033c");
	report_say(terminal.report, "%s", "\033c");
	EXPECT(report_finish(terminal.report, 1));
	text = shown(&terminal);
	EXPECT(strstr(text, "ignored: ") != NULL);
	for (const char *c = text; (c = strchr(c, '\033')) != NULL; c++)
		EXPECT(strncmp(c, "\033[K", 3) == 0);
	EXPECT(strchr(text, '\a') == NULL && strstr(text, "\xc2\x9b") == NULL);
	terminal_close(&terminal);
}

TEST(terminal, progress_on_a_dumb_terminal_is_plain_lines)
{
	static const char *const terms[] = {"dumb", "", NULL};

	for (size_t i = 0; i < 3; i++) {
		struct terminal terminal = terminal_open(80, PROGRESS_NONE);
		struct record ok = record_skipped("a.jpg");

		if (terms[i])
			setenv("TERM", terms[i], 1);
		else
			unsetenv("TERM");
		report_destroy(terminal.report);
		terminal.report = fixture_report(PROGRESS_AUTO, terminal.slave);
		report_planned(terminal.report, 1, 0);
		fixture_advance_ms(1000);
		report_add(terminal.report, &ok);
		EXPECT_STR(shown(&terminal), "[1/1] a.jpg: skipped: exists\r\n");
		terminal_close(&terminal);
	}
}

TEST(terminal, without_a_terminal_size_the_progress_bar_has_the_width_of_COLUMNS)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_BAR, fd);

	setenv("COLUMNS", "12", 1);
	report_planned(report, 4, 0);
	fixture_advance_ms(100);
	report_tick(report);
	EXPECT_STR(capture_text(fd), "\r  0%  0/4\033[K");
	setenv("COLUMNS", "x", 1);
	fixture_advance_ms(100);
	report_tick(report);
	EXPECT_EQ(widest_live(capture_text(fd)), 4 + 1 + 40 + 2 + 3);
	report_destroy(report);
	close(fd);
}
