/* `pixpool info`: formats, limits and sandbox of this build and machine, found by trying. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

struct batch_options;

/* Print to standard output what a run with these options would find. Returns the exit status. */
int info_print(const struct batch_options *options);

#endif
