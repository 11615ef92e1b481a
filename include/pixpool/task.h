#ifndef PXP_TASK_H
#define PXP_TASK_H
#endif
