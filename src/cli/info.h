/* `pixpool info`: what this build and machine can do, tried and not written down. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

struct batch_options;

/* On standard output, the limits as these options set them. The exit status. */
int info_print(const struct batch_options *options);

#endif
