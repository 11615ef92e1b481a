#ifndef PXP_EXECUTOR_H
#define PXP_EXECUTOR_H
#endif
