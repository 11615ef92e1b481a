/* The lines of --report, which --progress json writes too. Each with its newline. */
#ifndef PXP_RECORD_H
#define PXP_RECORD_H

#include "report/report.h"
#include "report/text.h"

/* One image. */
void record_line(struct text *text, const struct record *record);

/* The same for the eye, of one that is broken or misnamed; nothing of others. */
void list_line(struct text *text, const struct record *record);

/* The last line: the sums. */
void record_summary_line(struct text *text, const struct report_counts *counts,
                         double seconds, int exit_status,
                         const struct report_options *options);

#endif
