/* Prints numbers in a form that people read easily. The form does not depend on the locale. */
#ifndef PXP_FIGURES_H
#define PXP_FIGURES_H

#include "report/text.h"

#include <stdint.h>

/* Print a count with commas, as in 1,234,567. */
void figure_count(struct text *text, uint64_t count);

/* Print a value of 0 or more as in 31.0, rounded to n_decimals (0 to 2). NaN and negative values
 * are shown as 0, and values that need more than 64 bits as the largest 64-bit number. */
void figure_decimal(struct text *text, double value, unsigned n_decimals);

/* Print a size in powers of 1000, with one decimal from 1 kB on: 812 B, 9.1 kB, 105.2 MB. */
void figure_bytes(struct text *text, uint64_t n_bytes);

/* Print a rate as in 56.3/s; two decimals below 1/s, no decimals from 100/s on. */
void figure_rate(struct text *text, double per_second);

/* Print a duration as in 0:29, 1:02:03, and from 100 hours on in whole days: 5d. */
void figure_clock(struct text *text, double seconds);

#endif
