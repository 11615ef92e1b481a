/* A module that a test loads after the zygote was forked. Nothing calls its function. */
#include <pixpool/pixpool.h>

enum pxp_status late_task(struct pxp_task *task);

enum pxp_status late_task(struct pxp_task *task)
{
	(void)task;
	return PXP_OK;
}
