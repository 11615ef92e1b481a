/* Finds the file systems that may hang, and lets other processes, the openers, make the system
 * calls on these file systems. */
#include "batch/openers.h"

#include "base/clock.h"
#include "base/fd.h"
#include "base/lock.h"
#include "walk/walk_internal.h"

#include <pixpool/pixpool.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	N_OPENERS = 16,
	/* When this number of calls on a device were abandoned, all other calls on that device fail
	 * at once. */
	MAX_HUNG = 4,
	/* The time after which the user sees a message about a waiting call. */
	TELL_MS = 3000,
	/* While the main process waits for an opener, it checks at this interval whether to give
	 * up. */
	LOOK_MS = 100,
	LIST_BYTES = 32 * 1024,
	MAX_DEVICES = 64,
};

/* A device whose file system may hang. */
struct device {
	dev_t dev;
	unsigned n_hung; /* the number of abandoned calls */
};

struct openers {
	struct openers_options options;
	struct walk_calls calls;

	struct lock lock;          /* guards all members below */
	struct pxp_executor *pool; /* NULL until a call needs the pool */
	struct device devices[MAX_DEVICES];
	size_t n_devices;
	bool was_read; /* whether the table of mounts was read */
	bool may_any_hang;
	unsigned n_hung;
};

/* ---- file systems that may hang ---- */

static bool is_type_that_hangs(const char *type)
{
	static const char *const types[] = {
		"nfs", "cifs",     "smb",       "fuse",   "9p",     "ceph",
		"afs", "coda",     "lustre",    "gpfs",   "beegfs", "orangefs",
		"gfs", "virtiofs", "glusterfs", "vboxsf", "prl_fs"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strncmp(type, types[i], strlen(types[i])) == 0)
			return true;
	}
	return false;
}

/* Find a device in the table. Returns NULL if the table does not have it. The table never has the
 * device 0, which stands for an unknown device. Called with the lock held. */
static struct device *find_device(struct openers *openers, dev_t dev)
{
	for (size_t i = 0; i < openers->n_devices; i++) {
		if (openers->devices[i].dev == dev)
			return &openers->devices[i];
	}
	return NULL;
}

/* Add a device to the table of devices that may hang, unless the table has it already. Returns the
 * entry of the device, or NULL if the table is full or dev is 0. Called with the lock held. */
static struct device *add_device(struct openers *openers, dev_t dev)
{
	struct device *device = find_device(openers, dev);

	if (device || dev == 0 || openers->n_devices == MAX_DEVICES)
		return device;
	device = &openers->devices[openers->n_devices++];
	*device = (struct device){.dev = dev};
	return device;
}

/* Read the table of mounts. This never waits for a server. If the table cannot be read, openers
 * make the calls on unknown devices, and the main process makes the calls on known devices
 * itself. */
static void read_mounts(struct openers *openers)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *tail, *at;
	size_t n_line = 0;

	openers->was_read = true;
	openers->may_any_hang = !file;
	while (file && getline(&line, &n_line, file) > 0) {
		unsigned major_of, minor_of;

		/* the format of a line: "36 35 98:0 /root /mountpoint options - type source
		 * options" */
		tail = strstr(line, " - ");
		strtoul(line, &at, 10);
		strtoul(at, &at, 10);
		major_of = (unsigned)strtoul(at, &at, 10);
		if (!tail || *at != ':')
			continue;
		minor_of = (unsigned)strtoul(at + 1, NULL, 10);
		if (!is_type_that_hangs(tail + 3))
			continue;
		openers->may_any_hang = true;
		add_device(openers, makedev(major_of, minor_of));
	}
	free(line);
	if (file)
		fclose(file);
}

/* Whether a call on a device may hang. If dev is 0, the call may be on any file system, so the
 * answer is yes if any mounted file system may hang. */
static bool may_hang(struct openers *openers, dev_t dev)
{
	bool may;

	lock_acquire(&openers->lock);
	if (!openers->was_read)
		read_mounts(openers);
	may = dev == 0 ? openers->may_any_hang : find_device(openers, dev) != NULL;
	lock_release(&openers->lock);
	return may;
}

/* ---- in an opener ---- */

enum call_kind { CALL_OPEN, CALL_STAT, CALL_LIST };

struct request {
	enum call_kind kind;
	int flags;
	/* whether the folder is descriptor 0 of the task; if not, the folder is AT_FDCWD */
	bool has_folder;
	char name[];
};

/* In the reply to CALL_LIST, the directory entries follow this struct. */
struct reply {
	int sys_errno; /* 0: success */
	struct stat stat;
};

static enum pxp_status run_list(struct pxp_task *task, int folder)
{
	_Alignas(struct dirent64) char bytes[sizeof(struct reply) + LIST_BYTES];
	struct reply reply = {0};
	ssize_t n = getdents64(folder, bytes + sizeof(reply), LIST_BYTES);

	reply.sys_errno = n < 0 ? errno : 0;
	memcpy(bytes, &reply, sizeof(reply));
	return pxp_task_return(task, bytes, sizeof(reply) + (n > 0 ? (size_t)n : 0));
}

static enum pxp_status run_call(struct pxp_task *task)
{
	size_t n;
	const struct request *request = pxp_task_input(task, &n);
	int folder = request->has_folder ? pxp_task_descriptor(task, 0) : AT_FDCWD,
	    fd = -1;
	struct reply reply = {0};
	bool is_done = false;
	enum pxp_status status;

	if (request->kind == CALL_LIST)
		return run_list(task, folder);
	if (request->kind == CALL_OPEN) {
		fd = openat(folder, request->name, request->flags);
		is_done = fd >= 0 && fstat(fd, &reply.stat) == 0;
	} else {
		is_done = fstatat(folder, request->name, &reply.stat, request->flags) ==
		          0;
	}
	reply.sys_errno = is_done ? 0 : errno;
	if (fd >= 0 && is_done && pxp_task_return_descriptor(task, fd) != PXP_OK)
		reply.sys_errno = EMFILE;
	status = pxp_task_return(task, &reply, sizeof(reply));
	fd_close(&fd);
	return status;
}

/* ---- in the main process ---- */

/* Count an abandoned call. */
static void note_hung(struct openers *openers, dev_t dev)
{
	struct device *device;

	lock_acquire(&openers->lock);
	openers->n_hung++;
	device = add_device(openers, dev);
	if (device)
		device->n_hung++;
	lock_release(&openers->lock);
}

/* Whether so many calls were abandoned, on this device or on all devices together, that another
 * call must not be tried. */
static bool is_given_up(struct openers *openers, dev_t dev)
{
	const struct device *device;
	bool is_given_up;

	lock_acquire(&openers->lock);
	device = find_device(openers, dev);
	is_given_up = openers->n_hung >= N_OPENERS ||
	              (device && device->n_hung >= MAX_HUNG);
	lock_release(&openers->lock);
	return is_given_up;
}

/* Get the pool of openers. Returns NULL if the pool cannot be started. Then the main process must
 * open, stat and list files itself. */
static struct pxp_executor *pool_of(struct openers *openers)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_PROCESSES,
		.n_workers = N_OPENERS,
		.max_result = sizeof(struct reply) + LIST_BYTES,
		.survive_signals = true,
	};
	struct pxp_executor *pool;

	lock_acquire(&openers->lock);
	if (!openers->pool)
		(void)pxp_executor_create(&options, &openers->pool, NULL);
	pool = openers->pool;
	lock_release(&openers->lock);
	return pool;
}

static struct pxp_future *submit(struct openers *openers, const struct walk_place *place,
                                 enum call_kind kind, int flags)
{
	struct pxp_executor *pool = pool_of(openers);
	size_t n_name = strlen(place->name) + 1;
	struct request *request = pool ? calloc(1, sizeof(*request) + n_name) : NULL;
	bool has_folder = place->folder != AT_FDCWD;
	int folder = request && has_folder ? fcntl(place->folder, F_DUPFD_CLOEXEC, 3)
	                                   : -1;
	const struct pxp_task_options options = {
		.size = sizeof(options),
		.descriptors = &folder,
		.n_descriptors = has_folder ? 1 : 0,
	};
	struct pxp_future *future = NULL;

	if (request && (folder >= 0 || !has_folder)) {
		*request = (struct request){kind, flags, has_folder};
		memcpy(request->name, place->name, n_name);
		if (pxp_executor_submit(pool, run_call, request,
		                        sizeof(*request) + n_name, &options,
		                        &future) == PXP_OK)
			folder = -1;
	}
	free(request);
	fd_close(&folder);
	return future;
}

/* Wait for a call to end. Returns 0, or an errno if the call is abandoned. */
static int wait_for(struct openers *openers, struct pxp_future *future,
                    const struct walk_place *place)
{
	const struct openers_options *options = &openers->options;
	int64_t began_ns = clock_now_ns(), now_ns;
	int64_t end_ns = clock_deadline_ns(began_ns, options->timeout_ms);
	bool was_told = false;

	while (pxp_future_wait(future, LOOK_MS) == PXP_ETIMEOUT) {
		now_ns = clock_now_ns();
		if (!was_told && now_ns >= clock_deadline_ns(began_ns, TELL_MS)) {
			was_told = true;
			options->on_wait(options->data, place->path);
		}
		if (now_ns < end_ns && options->may_go_on(options->data))
			continue;
		note_hung(openers, place->dev);
		return now_ns >= end_ns ? ETIMEDOUT : ECANCELED;
	}
	return 0;
}

/* Take the reply of a call that has ended, and the descriptor if ret_fd is not NULL. Returns 0 or
 * an errno. The caller frees *ret_reply in both cases. */
static int take_reply(struct pxp_future *future, struct reply **ret_reply, size_t *ret_n,
                      int *ret_fd)
{
	void *bytes = NULL;

	*ret_n = 0;
	(void)pxp_future_result(future, 0, &bytes, ret_n, NULL);
	*ret_reply = bytes;
	if (*ret_n < sizeof(struct reply))
		return EIO;
	if ((*ret_reply)->sys_errno != 0 || !ret_fd)
		return (*ret_reply)->sys_errno;
	*ret_fd = pxp_future_take_descriptor(future, 0);
	return *ret_fd < 0 ? EMFILE : 0;
}

/* Make a call in an opener. Returns false with errno; ENOSYS means that no opener can be
 * started. On success the caller frees *ret_reply. */
static bool call(struct openers *openers, const struct walk_place *place,
                 enum call_kind kind, int flags, struct reply **ret_reply, size_t *ret_n,
                 int *ret_fd)
{
	struct pxp_future *future;
	int sys_errno;

	errno = ETIMEDOUT;
	if (is_given_up(openers, place->dev))
		return false;
	future = submit(openers, place, kind, flags);
	errno = ENOSYS;
	if (!future)
		return false;
	*ret_reply = NULL;
	sys_errno = wait_for(openers, future, place);
	if (sys_errno == 0)
		sys_errno = take_reply(future, ret_reply, ret_n, ret_fd);
	if (sys_errno != 0)
		free(*ret_reply);
	pxp_future_release(future);
	errno = sys_errno;
	return sys_errno == 0;
}

static int open_bounded(void *data, const struct walk_place *place, int flags,
                        struct stat *ret_stat)
{
	struct openers *openers = data;
	struct reply *reply;
	size_t n;
	int fd = -1;

	errno = ENOSYS;
	if (may_hang(openers, place->dev) &&
	    call(openers, place, CALL_OPEN, flags, &reply, &n, &fd)) {
		if (ret_stat)
			*ret_stat = reply->stat;
		free(reply);
		return fd;
	}
	if (errno != ENOSYS)
		return -1;
	fd = openat(place->folder, place->name, flags);
	if (fd >= 0 && ret_stat && fstat(fd, ret_stat) != 0)
		fd_close(&fd);
	return fd;
}

static bool stat_bounded(void *data, const struct walk_place *place, int flags,
                         struct stat *ret_stat)
{
	struct openers *openers = data;
	struct reply *reply;
	size_t n;

	errno = ENOSYS;
	if (may_hang(openers, place->dev) &&
	    call(openers, place, CALL_STAT, flags, &reply, &n, NULL)) {
		*ret_stat = reply->stat;
		free(reply);
		return true;
	}
	return errno == ENOSYS &&
	       fstatat(place->folder, place->name, ret_stat, flags) == 0;
}

static ssize_t list_bounded(void *data, const struct walk_place *place, void *buffer,
                            size_t n)
{
	struct openers *openers = data;
	struct reply *reply;
	size_t n_reply;

	errno = ENOSYS;
	if (n >= LIST_BYTES && may_hang(openers, place->dev) &&
	    call(openers, place, CALL_LIST, 0, &reply, &n_reply, NULL)) {
		n_reply -= sizeof(*reply);
		memcpy(buffer, reply + 1, n_reply);
		free(reply);
		return (ssize_t)n_reply;
	}
	return errno == ENOSYS ? walk_getdents(place->folder, buffer, n) : -1;
}

/* ---- creating and freeing openers ---- */

/* The openers that could not be ended. This pointer keeps them reachable, so that a leak checker
 * does not report them. */
static struct openers *volatile left_behind;

struct openers *openers_create(const struct openers_options *options)
{
	struct openers *openers = calloc(1, sizeof(*openers));

	if (!openers)
		return NULL;
	openers->options = *options;
	openers->calls = (struct walk_calls){open_bounded, stat_bounded, list_bounded,
	                                     openers};
	lock_init(&openers->lock);
	return openers;
}

const struct walk_calls *openers_calls(const struct openers *openers)
{
	return &openers->calls;
}

bool openers_destroy(struct openers *openers)
{
	if (!openers)
		return true;
	if (openers->n_hung > 0) {
		left_behind = openers;
		return false;
	}
	pxp_executor_destroy(openers->pool);
	lock_fini(&openers->lock);
	free(openers);
	return true;
}
