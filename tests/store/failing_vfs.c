/* An SQLite VFS that passes all calls on to the default VFS, except for the call that must fail. */
#include "failing_vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

static struct {
	enum vfs_call call;
	int left; /* remaining calls until the failure; 0: no call fails */
	int code;
	bool for_good, has_failed;
} armed;

static sqlite3_vfs *usual;

/* The error that this call must return, or SQLITE_OK. */
static int fault(enum vfs_call call)
{
	if (armed.left == 0 || call != armed.call || --armed.left > 0)
		return SQLITE_OK;
	armed.has_failed = true;
	armed.left = armed.for_good ? 1 : 0;
	return armed.code;
}

/* An open file of this VFS, with the file of the default VFS behind it. */
struct file {
	sqlite3_file base;
	sqlite3_file *real;
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct file *)file)->real;
}

static int vfs_close(sqlite3_file *file)
{
	sqlite3_file *real = real_of(file);
	int code = real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;

	free(real);
	return code;
}

static int vfs_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
	int code = fault(VFS_READ);

	return code ? code : real_of(file)->pMethods->xRead(real_of(file), bytes, n, at);
}

static int vfs_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	int code = fault(VFS_WRITE);

	return code ? code : real_of(file)->pMethods->xWrite(real_of(file), bytes, n, at);
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	int code = fault(VFS_TRUNCATE);

	return code ? code : real_of(file)->pMethods->xTruncate(real_of(file), n);
}

static int vfs_sync(sqlite3_file *file, int flags)
{
	int code = fault(VFS_SYNC);

	return code ? code : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int vfs_size(sqlite3_file *file, sqlite3_int64 *ret_n)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), ret_n);
}

static int vfs_lock(sqlite3_file *file, int level)
{
	int code = fault(VFS_LOCK);

	return code ? code : real_of(file)->pMethods->xLock(real_of(file), level);
}

static int vfs_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int vfs_check_reserved(sqlite3_file *file, int *ret_is_held)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret_is_held);
}

static int vfs_control(sqlite3_file *file, int op, void *argument)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, argument);
}

static int vfs_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int vfs_characteristics(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

/* I/O methods of version 1 have no shared memory. A run that holds its database exclusively needs
 * none. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = vfs_close,
	.xRead = vfs_read,
	.xWrite = vfs_write,
	.xTruncate = vfs_truncate,
	.xSync = vfs_sync,
	.xFileSize = vfs_size,
	.xLock = vfs_lock,
	.xUnlock = vfs_unlock,
	.xCheckReservedLock = vfs_check_reserved,
	.xFileControl = vfs_control,
	.xSectorSize = vfs_sector_size,
	.xDeviceCharacteristics = vfs_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file,
                    int flags, int *ret_flags)
{
	struct file *ours = (struct file *)file;
	int code = fault(VFS_OPEN);

	(void)vfs;
	ours->base.pMethods = NULL;
	if (code)
		return code;
	ours->real = calloc(1, (size_t)usual->szOsFile);
	if (!ours->real)
		return SQLITE_NOMEM;
	code = usual->xOpen(usual, name, ours->real, flags, ret_flags);
	if (code == SQLITE_OK)
		ours->base.pMethods = &methods;
	else
		free(ours->real);
	return code;
}

void failing_vfs_install(void)
{
	static sqlite3_vfs vfs;

	usual = sqlite3_vfs_find(NULL);
	vfs = *usual;
	vfs.pNext = NULL;
	vfs.zName = "failing";
	vfs.szOsFile = (int)sizeof(struct file);
	vfs.xOpen = vfs_open;
	sqlite3_vfs_register(&vfs, 1);
}

void failing_vfs_arm(enum vfs_call call, int nth, int code, bool for_good)
{
	armed.call = call;
	armed.left = nth;
	armed.code = code;
	armed.for_good = for_good;
	armed.has_failed = false;
}

bool failing_vfs_disarm(void)
{
	armed.left = 0;
	return armed.has_failed;
}
