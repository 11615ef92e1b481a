/* The metadata of a file: owner, mode, access control list and extended attributes. */
#ifndef PXP_ATTRIBUTES_H
#define PXP_ATTRIBUTES_H

#include <stdbool.h>

/*
 * Give an open file the owner, mode, access control list and extended attributes of another
 * one. What the caller's rights or the file system do not allow for owner and attributes is passed
 * over, as cp -p does; an owner that cannot be given costs the set-user-id and set-group-id bits. Our own stamp is
 * not copied. False with errno when the mode cannot be set.
 */
bool attributes_copy(int to, int from);

#endif
