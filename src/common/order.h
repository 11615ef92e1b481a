/* Compares two numbers, for the comparison functions of qsort() and bsearch(). */
#ifndef PXP_ORDER_H
#define PXP_ORDER_H

/* -1 if a is less than b, 0 if they are equal, 1 if a is greater. */
#define ORDER(a, b) (((a) > (b)) - ((a) < (b)))

#endif
