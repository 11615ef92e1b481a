/* Prints numbers for people. The text does not depend on the locale. */
#ifndef PXP_FIGURES_H
#define PXP_FIGURES_H

#include "report/text.h"

#include <stdint.h>

/* Print a count with commas, as in 1,234,567. */
void figure_count(struct text *text, uint64_t count);

/* Print a value with n_decimals decimals (0 to 3), as in 31.0. NaN and negative values are printed
 * as 0. A value whose digits do not fit into 64 bits is printed as the largest number whose digits
 * do. */
void figure_decimal(struct text *text, double value, unsigned n_decimals);

/* Print a size in units of powers of 1000. From 1 kB on, the number has one decimal: 812 B, 9.1 kB,
 * 105.2 MB. */
void figure_bytes(struct text *text, uint64_t n_bytes);

/* Print a rate, as in 56.3/s. Below 1/s the number has two decimals, and from 100/s on none. */
void figure_rate(struct text *text, double per_second);

/* Print a duration, as in 0:29 or 1:02:03. From 100 hours on, print whole days, as in 5d. */
void figure_clock(struct text *text, double seconds);

#endif
