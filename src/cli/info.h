/* `pixpool info`: what this build and machine can do, tried and not written down. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

/* On standard output. The exit status. */
int info_print(void);

#endif
