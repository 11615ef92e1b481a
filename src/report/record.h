/* The JSON lines of --report and of --progress json, each with its newline. */
#ifndef PXP_RECORD_H
#define PXP_RECORD_H

#include "report/report.h"
#include "report/text.h"

/* Write the record of an image. */
void record_line(struct text *text, const struct record *record);

/* Write the last record, with the sums, the exit status, the version and the recipe. */
void record_summary_line(struct text *text, const struct report_counts *counts,
                         double seconds, int exit_status,
                         const struct report_options *options);

#endif
