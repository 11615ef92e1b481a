/* What the command says of itself, on standard output. */
#ifndef PXP_HELP_H
#define PXP_HELP_H

void help_print_short(void);
void help_print(void);
void help_print_versions(void);

#endif
