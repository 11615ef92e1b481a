/* Measures other executors for comparison: GLib's GThreadPool, libuv's work queue, and CPython's
 * two pools, for which it runs executors.py. */
#include "executors.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* A lock that holds up the tasks whose memory is measured. */
static uv_sem_t gate;

/* ---- GThreadPool has no results: the last task of a batch signals that all are done ---- */

struct glib_batch {
	GThreadPool *pool;
	gint n_left;
	/* Guards is_done. */
	GMutex lock;
	GCond all_done;
	bool is_done;
};

struct glib_task {
	struct glib_batch *batch;
	/* The members below are used by the submitter only. */
	struct glib_task *next;
	struct echo echo;
	bool is_held;
};

static void glib_run(gpointer data, gpointer user_data)
{
	struct glib_task *task = data;
	struct glib_batch *batch = task->batch;

	(void)user_data;
	if (task->is_held)
		uv_sem_wait(&gate);
	echo_run(&task->echo);
	if (!g_atomic_int_dec_and_test(&batch->n_left))
		return;
	g_mutex_lock(&batch->lock);
	batch->is_done = true;
	g_cond_signal(&batch->all_done);
	g_mutex_unlock(&batch->lock);
}

static struct glib_task *glib_submit(struct glib_batch *batch, const struct job *job,
                                     bool is_held)
{
	struct glib_task *task = malloc(sizeof(*task));

	if (!task || !echo_prepare(&task->echo, job)) {
		free(task);
		return NULL;
	}
	task->batch = batch;
	task->next = NULL;
	task->is_held = is_held;
	g_thread_pool_push(batch->pool, task, NULL);
	return task;
}

static bool glib_do_batch(void *subject, const struct job *job, size_t n)
{
	struct glib_batch *batch = subject;
	struct glib_task *first = NULL, **last = &first;
	bool is_done = true;

	batch->is_done = false;
	g_atomic_int_set(&batch->n_left, (gint)n);
	for (size_t i = 0; i < n; i++) {
		*last = glib_submit(batch, job, false);
		if (!*last)
			return false;
		last = &(*last)->next;
	}

	g_mutex_lock(&batch->lock);
	while (!batch->is_done)
		g_cond_wait(&batch->all_done, &batch->lock);
	g_mutex_unlock(&batch->lock);

	for (struct glib_task *task = first, *next; task; task = next) {
		next = task->next;
		is_done &= echo_collect(&task->echo, job);
		free(task);
	}
	return is_done;
}

/* The pool is exclusive: it has its own threads from the beginning, like the pools of the other
 * executors. */
static GThreadPool *glib_create(const struct job *job)
{
	return g_thread_pool_new(glib_run, NULL, (gint)job->n_workers, TRUE, NULL);
}

bool glib_rate(const struct job *job, struct reading *ret_reading)
{
	struct glib_batch batch = {.pool = glib_create(job)};
	bool is_done = repeat_batches(job, glib_do_batch, &batch, ret_reading);

	g_thread_pool_free(batch.pool, FALSE, TRUE);
	return is_done;
}

bool glib_start(const struct job *job, struct reading *ret_reading)
{
	bool is_done = true;

	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++) {
		struct glib_batch batch = {0};
		struct watch watch;

		watch_begin(&watch);
		batch.pool = glib_create(job);
		is_done = glib_do_batch(&batch, job, 1);
		watch_end(&watch, ret_reading);
		g_thread_pool_free(batch.pool, FALSE, TRUE);
	}
	return is_done;
}

/* The tasks are not freed, because the process ends after this measurement. */
bool glib_pending(const struct job *job, struct reading *ret_reading)
{
	struct glib_batch batch = {.pool = glib_create(job)};
	bool is_done = uv_sem_init(&gate, 0) == 0;
	double before;

	for (unsigned i = 0; is_done && i < job->n_workers; i++)
		is_done = glib_submit(&batch, job, true);
	before = resident_bytes();
	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++)
		is_done = glib_submit(&batch, job, false);
	ret_reading->bytes = resident_bytes() - before;

	for (unsigned i = 0; i < job->n_workers; i++)
		uv_sem_post(&gate);
	g_thread_pool_free(batch.pool, TRUE, TRUE);
	return is_done;
}

/* ---- libuv: results are delivered to the loop, in the thread that submits ---- */

struct libuv_batch {
	uv_loop_t loop;
	const struct job *job;
	size_t n_right;
};

struct libuv_task {
	uv_work_t work;
	struct libuv_batch *batch;
	struct echo echo;
	bool is_held;
};

static void libuv_run(uv_work_t *work)
{
	struct libuv_task *task = (struct libuv_task *)(void *)work;

	if (task->is_held)
		uv_sem_wait(&gate);
	echo_run(&task->echo);
}

static void libuv_after(uv_work_t *work, int status)
{
	struct libuv_task *task = (struct libuv_task *)(void *)work;

	task->batch->n_right += status == 0 &&
	                        echo_collect(&task->echo, task->batch->job);
	free(task);
}

static bool libuv_submit(struct libuv_batch *batch, bool is_held)
{
	struct libuv_task *task = malloc(sizeof(*task));

	if (!task || !echo_prepare(&task->echo, batch->job)) {
		free(task);
		return false;
	}
	task->batch = batch;
	task->is_held = is_held;
	return uv_queue_work(&batch->loop, &task->work, libuv_run, libuv_after) == 0;
}

static bool libuv_do_batch(void *subject, const struct job *job, size_t n)
{
	struct libuv_batch *batch = subject;

	batch->job = job;
	batch->n_right = 0;
	for (size_t i = 0; i < n; i++) {
		if (!libuv_submit(batch, false))
			return false;
	}
	return uv_run(&batch->loop, UV_RUN_DEFAULT) == 0 && batch->n_right == n;
}

/* The threads of libuv belong to the process: they start with its first task and stay until its
 * end. */
static bool libuv_create(struct libuv_batch *batch, const struct job *job)
{
	char n_workers[16];

	snprintf(n_workers, sizeof(n_workers), "%u", job->n_workers);
	setenv("UV_THREADPOOL_SIZE", n_workers, 1);
	*batch = (struct libuv_batch){.job = job};
	return uv_loop_init(&batch->loop) == 0 ||
	       failed("cannot create an event loop of libuv");
}

bool libuv_rate(const struct job *job, struct reading *ret_reading)
{
	struct libuv_batch batch;
	bool is_done = libuv_create(&batch, job) &&
	               repeat_batches(job, libuv_do_batch, &batch, ret_reading);

	uv_loop_close(&batch.loop);
	return is_done;
}

/* Measure the start-up once, because libuv's threads start only once in a process. */
bool libuv_start(const struct job *job, struct reading *ret_reading)
{
	struct libuv_batch batch;
	struct watch watch;
	bool is_done;

	watch_begin(&watch);
	is_done = libuv_create(&batch, job) && libuv_do_batch(&batch, job, 1);
	watch_end(&watch, ret_reading);
	ret_reading->n = 1;
	uv_loop_close(&batch.loop);
	return is_done;
}

bool libuv_pending(const struct job *job, struct reading *ret_reading)
{
	struct libuv_batch batch;
	bool is_done = uv_sem_init(&gate, 0) == 0 && libuv_create(&batch, job);
	double before;

	for (unsigned i = 0; is_done && i < job->n_workers; i++)
		is_done = libuv_submit(&batch, true);
	before = resident_bytes();
	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++)
		is_done = libuv_submit(&batch, false);
	ret_reading->bytes = resident_bytes() - before;

	for (unsigned i = 0; i < job->n_workers; i++)
		uv_sem_post(&gate);
	return is_done && uv_run(&batch.loop, UV_RUN_DEFAULT) == 0;
}

/* ---- CPython ---- */

static const char *const question_words[N_QUESTIONS] = {
	[ASK_EMPTY] = "rate",      [ASK_CHUNKED] = "chunked", [ASK_1_B] = "rate",
	[ASK_4_KIB] = "rate",      [ASK_1_MIB] = "rate",      [ASK_START] = "start",
	[ASK_PENDING] = "pending",
};

_Noreturn static void become_python(const struct job *job, int said)
{
	const char *kind = job->subject == PYTHON_THREADS ? "threads" : "processes";
	char n_batch[32], n_bytes[32], n_workers[32], min_s[32];

	snprintf(n_batch, sizeof(n_batch), "%zu", job->n_batch);
	snprintf(n_bytes, sizeof(n_bytes), "%zu", job->n_bytes);
	snprintf(n_workers, sizeof(n_workers), "%u", job->n_workers);
	snprintf(min_s, sizeof(min_s), "%g", job->min_s);
	alarm(MAX_S); /* fork() does not pass the alarm on to child processes */
	dup2(said, STDOUT_FILENO);
	execlp(job->python, job->python, PIXPOOL_BENCH "/executors.py", kind,
	       question_words[job->question], n_batch, n_bytes, n_workers, min_s,
	       (char *)NULL);
	perror(job->python);
	_exit(127);
}

bool python_measure(const struct job *job, struct reading *ret_reading)
{
	int said[2], status = 1;
	bool is_read = false;
	pid_t pid;

	if (pipe(said) != 0 || (pid = fork()) < 0)
		return failed("cannot start CPython");
	if (pid == 0)
		become_python(job, said[1]);
	close(said[1]);

	FILE *stream = fdopen(said[0], "r");

	if (stream) {
		is_read = fscanf(stream, "%lf %lf %lf %lf", &ret_reading->n,
		                 &ret_reading->wall_s, &ret_reading->cpu_s,
		                 &ret_reading->bytes) == 4;
		fclose(stream);
	}
	return waitpid(pid, &status, 0) == pid && status == 0 && is_read;
}
