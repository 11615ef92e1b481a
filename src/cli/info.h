/* `pixpool info`: what this build and machine can do, tried and not written down. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

struct batch_options;

/* On standard output, as a run with these options would find it. The exit status. */
int info_print(const struct batch_options *options);

#endif
