/* Names and messages in a form that is safe for a terminal in the locale of the process. */
#ifndef PXP_QUOTE_H
#define PXP_QUOTE_H

#include "report/text.h"

/* Add a name of any length, quoted as GNU ls quotes it (shell-escape). */
void quote_name(struct text *text, const char *name);

/* Add a message; characters that cannot be printed become '?'. */
void quote_message(struct text *text, const char *message);

#endif
