/* Prints counts, sizes, rates and times for people. */
#include "report/figures.h"

#include <inttypes.h>
#include <string.h>

void figure_count(struct text *text, uint64_t count)
{
	char digits[32];
	struct text plain = text_in(digits, sizeof(digits));

	text_format(&plain, "%" PRIu64, count);
	for (size_t i = 0; i < plain.n; i++) {
		if (i > 0 && (plain.n - i) % 3 == 0)
			text_put(text, ",");
		text_add(text, &digits[i], 1);
	}
}

/* The nearest whole number; 0 for NaN and negative values. */
static uint64_t rounded(double value)
{
	if (!(value > 0))
		return 0;
	if (value >= 18e18)
		return UINT64_MAX;
	return (uint64_t)(value + 0.5);
}

void figure_decimal(struct text *text, double value, unsigned n_decimals)
{
	static const unsigned powers[] = {1, 10, 100};
	unsigned power = powers[n_decimals];
	uint64_t scaled = rounded(value * power);

	text_format(text, "%" PRIu64, scaled / power);
	if (n_decimals > 0)
		text_format(text, ".%0*" PRIu64, (int)n_decimals, scaled % power);
}

void figure_bytes(struct text *text, uint64_t n_bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	unsigned unit = 0;
	uint64_t tenth = 100;

	if (n_bytes < 1000) {
		text_format(text, "%" PRIu64 " B", n_bytes);
		return;
	}
	/* The rounded figure decides: 999,950 is 1.0 MB, not 1000.0 kB. */
	while (n_bytes / tenth + (n_bytes % tenth >= tenth / 2) >= 10000) {
		tenth *= 1000;
		unit++;
	}
	n_bytes = n_bytes / tenth + (n_bytes % tenth >= tenth / 2);
	text_format(text, "%" PRIu64 ".%" PRIu64 " %s", n_bytes / 10, n_bytes % 10,
	            units[unit]);
}

void figure_rate(struct text *text, double per_second)
{
	if (per_second >= 99.95)
		figure_count(text, rounded(per_second));
	else
		figure_decimal(text, per_second, per_second < 0.995 ? 2 : 1);
	text_put(text, "/s");
}

void figure_clock(struct text *text, double seconds)
{
	uint64_t s = rounded(seconds), hours = s / 3600, minutes = s / 60 % 60;

	s %= 60;
	if (hours >= 100)
		text_format(text, "%" PRIu64 "d", hours / 24);
	else if (hours > 0)
		text_format(text, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes,
		            s);
	else
		text_format(text, "%" PRIu64 ":%02" PRIu64, minutes, s);
}
