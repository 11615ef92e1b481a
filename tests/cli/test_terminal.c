/*
 * Tests with a pseudo-terminal: the text that the program writes at several widths, the terminal
 * modes that it leaves behind, and Ctrl-C as a key.
 */
#include "cli_fixture.h"

#include "base/clock.h"
#include "base/fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

enum { SCREEN_BYTES = 256 * 1024 };

struct terminal {
	int keyboard, tty;
	struct termios before;
	char shown[SCREEN_BYTES]; /* all output of the program so far */
	size_t n;
};

static struct terminal terminal;

static void terminal_close(void)
{
	fd_close(&terminal.tty);
	fd_close(&terminal.keyboard);
}

/* Read the output that is available now or arrives within wait_ms. */
static void terminal_read(int wait_ms)
{
	struct pollfd ready = {.fd = terminal.keyboard, .events = POLLIN};
	ssize_t n;

	while (poll(&ready, 1, wait_ms) > 0 && terminal.n < SCREEN_BYTES - 1) {
		n = read(terminal.keyboard, terminal.shown + terminal.n,
		         SCREEN_BYTES - 1 - terminal.n);
		if (n <= 0)
			break;
		terminal.n += (size_t)n;
		terminal.shown[terminal.n] = 0;
		wait_ms = 0;
	}
}

static void set_width(unsigned short width)
{
	const struct winsize size = {.ws_row = 24, .ws_col = width};

	REQUIRE(ioctl(terminal.keyboard, TIOCSWINSZ, &size) == 0);
	terminal_read(0); /* skip the output that was painted for the old width */
}

/* Skip the test where /dev/pts is not mounted, as in a bare chroot. */
static void terminal_open(unsigned short width)
{
	struct statfs mounted;

	if (statfs("/dev/pts", &mounted) != 0 || mounted.f_type != DEVPTS_SUPER_MAGIC) {
		fprintf(stderr, "skipped: no terminal here, /dev/pts is not mounted\n");
		fixture_leave();
		SKIP("no terminal here: /dev/pts is not mounted");
	}
	memset(&terminal, 0, sizeof(terminal));
	terminal.keyboard = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(terminal.keyboard >= 0 && unlockpt(terminal.keyboard) == 0);
	terminal.tty = open(ptsname(terminal.keyboard), O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(terminal.tty >= 0);
	REQUIRE(tcgetattr(terminal.tty, &terminal.before) == 0);
	set_width(width);
}

/* Wait until the text appears in the output after the offset `from`. Returns the offset of the
 * text. */
static size_t await_shown(size_t from, const char *text)
{
	int64_t deadline_ns = clock_deadline_ns(clock_now_ns(), COMMAND_SECONDS * 1000);
	const char *found = NULL;

	while (!found && clock_now_ns() < deadline_ns) {
		terminal_read(50);
		found = strstr(terminal.shown + from, text);
	}
	REQUIRE(found, "never shown: %s, but: %s", text, terminal.shown + from);
	return (size_t)(found - terminal.shown);
}

/* Wait until the bar has been painted n times after the offset `from`. Returns the offset after the
 * last paint. After a resize the tests skip two paints. The first may have begun before the offset,
 * and the second may still have the old width. */
static size_t await_paints(size_t from, int n)
{
	static const char end_of_paint[] = "\033[K";

	for (; n > 0; n--)
		from = await_shown(from, end_of_paint) + sizeof(end_of_paint) - 1;
	return from;
}

/* The rightmost column, counted from 1, that the output between two offsets writes to. Fails the
 * test if this output has an escape sequence that the program does not use. */
static unsigned widest(size_t from, size_t to)
{
	unsigned column = 0, most = 0;

	for (size_t i = from; i < to; i++) {
		unsigned char c = (unsigned char)terminal.shown[i];

		if (c == '\033') {
			EXPECT(strncmp(terminal.shown + i, "\033[K", 3) == 0,
			       "unknown escape sequence");
			i += 2;
		} else if (c == '\r' || c == '\n') {
			column = 0;
			/* Of a character in UTF-8, count only the first byte. */
		} else if ((c & 0xc0) != 0x80) {
			column++;
		}
		if (column > most)
			most = column;
	}
	return most;
}

/* Check that the terminal has the same modes as before the program started, and that the cursor is
 * at the beginning of an empty line. */
static void expect_sane(void)
{
	struct termios after;

	terminal_read(0);
	REQUIRE(tcgetattr(terminal.tty, &after) == 0);
	EXPECT(after.c_iflag == terminal.before.c_iflag &&
	       after.c_oflag == terminal.before.c_oflag &&
	       after.c_lflag == terminal.before.c_lflag);
	EXPECT(terminal.n > 0 && terminal.shown[terminal.n - 1] == '\n');
}

static void make_pictures(void)
{
	char path[32];

	write_script("in/a.png", "gate a");
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "in/b%d.png", i);
		write_script(path, "size 2 2");
	}
}

/* The commands run with --sandbox off, because the message about a missing layer is wider than the
 * bar. */
static const char bar_line[] = "pixpool-scripted resize -s 8 -j 1 in -o out --report r "
			       "--sandbox off";

TEST(terminal, the_progress_bar_fits_into_20_columns_and_adapts_to_a_resized_terminal)
{
	struct command command;
	size_t resized, last;

	fixture_enter();
	make_pictures();
	terminal_open(20);
	command = begin_on_terminal(terminal.tty, bar_line);
	await_gate("a");
	last = await_paints(await_shown(0, "0/9"), 2);
	EXPECT(widest(0, last) <= 19, "%u columns", widest(0, last));

	set_width(60); /* sends SIGWINCH */
	resized = await_paints(terminal.n, 2);
	last = await_paints(resized, 2);
	EXPECT(widest(resized, last) > 20 && widest(resized, last) <= 59, "%u columns",
	       widest(resized, last));

	set_width(12);
	resized = await_paints(terminal.n, 2);
	last = await_paints(resized, 2);
	EXPECT(widest(resized, last) <= 11, "%u columns", widest(resized, last));

	let_pass("in/a.png");
	last = await_shown(last, "9 images: 9 done");
	EXPECT_EQ(end(&command).status, 0);
	expect_sane();
	terminal_close();
	fixture_leave();
}

TEST(terminal, ctrl_c_lets_running_images_finish_and_restores_the_terminal)
{
	struct command command;

	fixture_enter();
	make_pictures();
	terminal_open(80);
	command = begin_on_terminal(terminal.tty, bar_line);
	await_gate("a");
	await_shown(0, "0/9");
	REQUIRE(write(terminal.keyboard, "\003", 1) == 1);
	await_shown(
		0,
		"pixpool: interrupted: finishing running images; interrupt again to kill them\r\n");
	let_pass("in/a.png");
	await_shown(0, "\n8 not started; run the same command again to continue");
	EXPECT_EQ(end(&command).status, 130);
	EXPECT_STR(tree("out"), "a.png png 32x24\n");
	EXPECT(widest(0, terminal.n) <= 80);
	expect_sane();
	terminal_close();
	fixture_leave();
}

/*
 * The contents of a terminal screen of this width after all output, as rows with '\n' between them.
 * Like xterm, the screen wraps when a character follows the last column. Each column is one byte.
 */
static const char *screen_of(unsigned width)
{
	enum { MAX_ROWS = 400, MAX_COLUMNS = 320 };
	static char rows[MAX_ROWS][MAX_COLUMNS + 1], text[MAX_ROWS * (MAX_COLUMNS + 2)];
	unsigned row = 0, column = 0;

	memset(rows, 0, sizeof(rows));
	memset(rows[0], ' ', width);
	for (size_t i = 0; i < terminal.n; i++) {
		unsigned char c = (unsigned char)terminal.shown[i];

		if (c == '\r') {
			column = 0;
		} else if (c == '\033') {
			/* The program writes no other code than "\033[K". */
			memset(rows[row] + column, ' ', width - column);
			i += 2;
		} else if (c == '\n' || ((c & 0xc0) != 0x80 && column == width)) {
			REQUIRE(++row < MAX_ROWS);
			memset(rows[row], ' ', width);
			column = c == '\n' ? column : 0;
		}
		if (c >= ' ' && (c & 0xc0) != 0x80)
			rows[row][column++] = c < 0x80 ? (char)c : '#';
	}
	text[0] = 0;
	for (unsigned i = 0; i <= row; i++) {
		strcat(text, rows[i]);
		strcat(text, "\n");
	}
	return text;
}

TEST(terminal, ctrl_c_erases_the_whole_progress_bar_at_any_width)
{
	static const unsigned short widths[] = {8, 20, 24, 40, 60, 79, 80, 120, 300};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct command command;
		const char *screen;

		fixture_enter();
		make_pictures();
		terminal_open(widths[i]);
		command = begin_on_terminal(terminal.tty, bar_line);
		await_gate("a");
		await_shown(0, "0%");
		REQUIRE(write(terminal.keyboard, "\003", 1) == 1);
		await_shown(0, "interrupted");
		let_pass("in/a.png");
		EXPECT_EQ(end(&command).status, 130);
		terminal_read(0);
		screen = screen_of(widths[i]);
		EXPECT(!strchr(screen, '%') && !strchr(screen, '#'), "at %u columns:\n%s",
		       widths[i], screen);
		expect_sane();
		terminal_close();
		fixture_leave();
	}
}

TEST(terminal, ctrl_c_twice_kills_running_images_and_restores_the_terminal)
{
	struct command command;

	fixture_enter();
	make_pictures();
	terminal_open(80);
	command = begin_on_terminal(terminal.tty, bar_line);
	await_gate("a");
	REQUIRE(write(terminal.keyboard, "\003", 1) == 1);
	await_shown(0, "interrupted: ");
	REQUIRE(write(terminal.keyboard, "\003", 1) == 1);
	await_shown(
		0,
		"\n8 not started, 1 cancelled; run the same command again to continue");
	EXPECT_EQ(end(&command).status, 130);
	EXPECT_STR(tree("out"), "");
	expect_sane();
	terminal_close();
	fixture_leave();
}

TEST(terminal, failures_are_printed_above_the_progress_bar_and_in_the_summary)
{
	struct command command;
	size_t above;

	fixture_enter();
	make_pictures();
	write_script("in/0.png", "fail bad-image");
	terminal_open(80);
	command = begin_on_terminal(terminal.tty, bar_line);
	await_gate("a");
	above = await_shown(0, "in/0.png: failed: damaged image\r\n");
	await_shown(above, "1 failed");
	let_pass("in/a.png");
	above = await_shown(above, "10 images: 9 done, 1 failed in ");
	await_shown(above, "failed:\r\n  1 damaged image: in/0.png\r\n");
	EXPECT(!strstr(terminal.shown, "in/b0.png"),
	       "completed images must not have a line of their own");
	EXPECT_EQ(end(&command).status, 1);
	expect_sane();
	terminal_close();
	fixture_leave();
}

TEST(terminal, closing_the_terminal_ends_the_batch_by_sighup)
{
	struct command command;

	fixture_enter();
	make_pictures();
	terminal_open(80);
	command = begin_on_terminal(terminal.tty, bar_line);
	await_gate("a");
	await_shown(0, "0/9");
	terminal_close();
	/* The test cannot see when the program notices the hang-up, so the number of outputs is not
	 * known. */
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 129);
	EXPECT(strstr(records("r"), "{'summary':{'inputs':9,'ok':"));
	EXPECT(strstr(records("r"), "'failed':0,"));
	EXPECT(strstr(records("r"), "'exit':129,"));
	fixture_leave();
}

TEST(terminal, progress_on_a_dumb_terminal_is_plain_lines)
{
	struct command command;

	fixture_enter();
	make_pictures();
	let_pass("in/a.png");
	terminal_open(80);
	command = begin_on_terminal(terminal.tty,
	                            "env TERM=dumb pixpool-scripted resize -s 8 "
	                            "-j 1 in -o out");
	await_shown(0, "[9/9] in/b7.png -> out/b7.png (2x2, ");
	await_shown(0, "9 images: 9 done in ");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT(!strchr(terminal.shown, '\033'));
	expect_sane();
	terminal_close();
	fixture_leave();
}

TEST(terminal, the_slowest_running_image_is_shown_after_some_seconds)
{
	struct command command;
	size_t from;

	fixture_enter();
	write_script("in/sub/b.png", "gate b\nsize 2 2");
	terminal_open(120);
	command = begin_on_terminal(terminal.tty,
	                            "pixpool-scripted resize -s 8 -j 1 in -o out");
	await_gate("b");
	from = await_paints(await_shown(0, " s: b.png"), 1);
	EXPECT(widest(from, await_paints(from, 1)) < 120);
	let_pass("in/sub/b.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_sane();
	terminal_close();
	fixture_leave();
}

TEST(terminal, with_no_color_the_progress_bar_fits_into_terminals_of_20_to_300_columns)
{
	static const unsigned short widths[] = {300, 160, 80, 40, 20};
	struct command command;
	size_t from = 0;

	fixture_enter();
	write_script("in/b.png", "gate b\nsize 2 2");
	terminal_open(300);
	REQUIRE(setenv("NO_COLOR", "1", 1) == 0);
	command = begin_on_terminal(terminal.tty,
	                            "pixpool-scripted resize -s 8 -j 1 in -o out");
	await_gate("b");
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		set_width(widths[i]);
		from = await_paints(terminal.n, 2);
		/* widest() supports only the escape sequence that erases a line. */
		EXPECT(widest(from, await_paints(from, 1)) < widths[i]);
	}
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_sane();
	unsetenv("NO_COLOR");
	terminal_close();
	fixture_leave();
}
