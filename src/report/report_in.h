/* Internal interface for tests: a report with another screen and another clock. */
#ifndef PXP_REPORT_IN_H
#define PXP_REPORT_IN_H

#include "report/report.h"

struct report_world {
	int fd; /* descriptor that replaces standard error; borrowed */
	int64_t (*now_ns)(void);
};

struct report *report_create_in(const struct report_options *options,
                                const struct report_world *world);

#endif
