/* The order of two numbers, for functions that qsort() and bsearch() call. */
#ifndef PXP_ORDER_H
#define PXP_ORDER_H

/* -1 if a is less than b, 0 if they are equal, 1 if a is greater. */
#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

#endif
