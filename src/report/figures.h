/* Figures as people read them; none depends on the locale. */
#ifndef PXP_FIGURES_H
#define PXP_FIGURES_H

#include "report/text.h"

#include <stdint.h>

/* 1,234,567 */
void figure_count(struct text *text, uint64_t count);

/* value, which is not negative, rounded to so many decimals (0 to 2): 31.0. What is no
 * number is 0, what is too large the largest. */
void figure_decimal(struct text *text, double value, unsigned n_decimals);

/* 812 B, 9.1 kB, 105.2 MB: powers of 1000, one decimal. */
void figure_bytes(struct text *text, uint64_t n_bytes);

/* 56.3/s; two decimals under one a second, none from 100 on. */
void figure_rate(struct text *text, double per_second);

/* 0:29, 1:02:03, and whole days from 100 hours on: 5d. */
void figure_clock(struct text *text, double seconds);

#endif
