/* Names and messages made fit for a terminal. Both follow the locale of the process. */
#ifndef PXP_QUOTE_H
#define PXP_QUOTE_H

#include "report/text.h"

/* A name as GNU ls quotes it (shell-escape), whole. */
void quote_name(struct text *text, const char *name);

/* A message: what can't be printed becomes '?'. */
void quote_message(struct text *text, const char *message);

#endif
