#ifndef PXP_FUTURE_H
#define PXP_FUTURE_H
#endif
