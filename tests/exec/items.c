/* A source of inputs for a map, and the task that obeys these inputs: see items.h. */
#include "items.h"

#include "support/test.h"

#include "base/clock.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum pxp_status source_next(void *data, const void **ret_bytes, size_t *ret_n)
{
	struct source *source = data;
	const char *text = source->text;

	if (source->texts)
		text = source->texts[source->n_pulled];
	else if (source->n_pulled < source->n_numbers)
		snprintf(source->text, sizeof(source->text), "%zu", source->n_pulled);
	else
		text = NULL;
	if (!text)
		return source->fails_with != PXP_OK ? source->fails_with : PXP_ESTATE;
	source->n_pulled++;
	*ret_bytes = text;
	*ret_n = strlen(text) + 1;
	return PXP_OK;
}

static enum pxp_status say(struct pxp_task *task, const char *text)
{
	return pxp_task_return(task, text, strlen(text) + 1);
}

static enum pxp_status square(struct pxp_task *task, const char *number)
{
	long long value = atoll(number);
	char text[32];

	snprintf(text, sizeof(text), "%lld", value * value);
	return say(task, text);
}

static void wait_at_door(const char *path)
{
	int door = open(path, O_RDONLY | O_CLOEXEC);

	while (door >= 0 && flock(door, LOCK_SH) != 0)
		;
	fd_close(&door);
}

static void write_byte(const char *path)
{
	int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (file >= 0)
		fd_write_all(file, "x", 1);
	fd_close(&file);
}

static void take_ms(int64_t ms)
{
	int64_t end_ns = clock_deadline_ns(clock_now_ns(), ms);

	while (clock_now_ns() < end_ns)
		;
}

static enum pxp_status many_bytes(struct pxp_task *task, size_t n)
{
	char *bytes = malloc(n);
	enum pxp_status status = bytes ? PXP_OK : PXP_ENOMEM;

	if (bytes) {
		memset(bytes, 'b', n);
		status = pxp_task_return(task, bytes, n);
	}
	free(bytes);
	return status;
}

enum pxp_status task_item(struct pxp_task *task)
{
	const char *text = pxp_task_input(task, NULL);

	switch (text[0]) {
	case 'f':
		return pxp_task_fail(task, 7, "%s", text + 1);
	case 'r':
		return (enum pxp_status)atoi(text + 1);
	case 'k':
		raise(SIGKILL);
		return PXP_OK;
	case 'x':
		_exit(atoi(text + 1));
	case 'o':
		if (unlink(text + 1) == 0)
			raise(SIGKILL);
		return say(task, "again");
	case 'g':
		wait_at_door(text + 1);
		return say(task, "through");
	case 'c':
		write_byte(text + 1);
		return say(task, "counted");
	case 's':
		take_ms(atoi(text + 1));
		return say(task, "slow");
	case 'b':
		return many_bytes(task, (size_t)atoll(text + 1));
	case 'a':
		return say(task, (uintptr_t)text % _Alignof(max_align_t) == 0
		                         ? "aligned"
		                         : "crooked");
	default:
		return square(task, text);
	}
}

static void put_path(char *item, size_t n, char letter, const char *name)
{
	char folder[3000];

	REQUIRE(getcwd(folder, sizeof(folder)) != NULL);
	REQUIRE((size_t)snprintf(item, n, "%c%s/%s", letter, folder, name) < n);
}

void door_shut(struct door *door, const char *name)
{
	put_path(door->item, sizeof(door->item), 'g', name);
	door->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	REQUIRE(door->lock >= 0);
	REQUIRE(flock(door->lock, LOCK_EX) == 0);
}

void door_open(struct door *door)
{
	fd_close(&door->lock);
}

const char *item_with_path(char letter, const char *name)
{
	static char items[16][4096];
	static unsigned next;
	char *item = items[next++ % 16];

	put_path(item, sizeof(items[0]), letter, name);
	return item;
}

size_t size_of(const char *name)
{
	struct stat status;

	return stat(name, &status) == 0 ? (size_t)status.st_size : 0;
}
