/* Names and messages in a form that is safe for a terminal in the locale of the process. */
#ifndef PXP_QUOTE_H
#define PXP_QUOTE_H

#include "report/text.h"

/* Add a name as GNU ls quotes it (shell-escape), of any length. */
void quote_name(struct text *text, const char *name);

/* Add a message; characters that cannot be printed become '?'. */
void quote_message(struct text *text, const char *message);

#endif
