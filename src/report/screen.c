/* Writes lines and the live line to standard error. */
#include "report/screen.h"

#include "base/fd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char erase_to_end[] = "\033[K";

unsigned screen_width(const struct screen *screen)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long n = 0;

	if (ioctl(screen->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (columns && *columns >= '0' && *columns <= '9')
		n = strtoul(columns, NULL, 10);
	return n >= 1 && n <= 10000 ? (unsigned)n : 80;
}

bool screen_can_paint(const struct screen *screen)
{
	const char *term = getenv("TERM");

	return isatty(screen->fd) && term && *term && strcmp(term, "dumb") != 0;
}

void screen_write(struct screen *screen, const struct text *lines,
                  const struct text *live)
{
	struct text out = TEXT_EMPTY;

	if (lines->n > 0 && screen->is_live) {
		text_put(&out, "\r");
		text_put(&out, erase_to_end);
	}
	if (lines->n > 0)
		text_add(&out, lines->bytes, lines->n);
	if (live || (screen->is_live && lines->n == 0)) {
		text_put(&out, "\r");
		if (live && live->n > 0)
			text_add(&out, live->bytes, live->n);
		text_put(&out, erase_to_end);
	}
	screen->is_live = live != NULL;
	if (out.n > 0)
		fd_write_all(screen->fd, out.bytes, out.n);
	text_fini(&out);
}
