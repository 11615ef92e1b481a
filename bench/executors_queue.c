/*
 * The minimum that threads need: the code to run a task in another thread and get its
 * result. It has no limits, cancels, deadlines or callbacks.
 */
#include "executors.h"

#include <pthread.h>
#include <stdlib.h>

struct queue_task {
	struct queue_task *next;
	/* The members below are used by the submitter only. */
	struct queue_task *next_of_batch;
	struct echo echo;
	bool is_held;
	bool is_done;
};

struct queue {
	/* Guards all members except the threads. */
	pthread_mutex_t lock;
	pthread_cond_t has_work, is_done;
	struct queue_task *first, **last;
	/* The task that the submitter waits for. */
	const struct queue_task *awaited;
	bool is_stopping, is_released;
	unsigned n_idle, n_threads;
	pthread_t threads[MAX_WORKERS];
};

static void *queue_thread(void *data)
{
	struct queue *queue = data;

	pthread_mutex_lock(&queue->lock);
	for (;;) {
		struct queue_task *task = queue->first;

		if (!task && queue->is_stopping)
			break;
		if (!task || (task->is_held && !queue->is_released)) {
			queue->n_idle++;
			pthread_cond_wait(&queue->has_work, &queue->lock);
			queue->n_idle--;
			continue;
		}
		queue->first = task->next;
		if (!queue->first)
			queue->last = &queue->first;
		pthread_mutex_unlock(&queue->lock);
		echo_run(&task->echo);
		pthread_mutex_lock(&queue->lock);
		task->is_done = true;
		if (queue->awaited == task)
			pthread_cond_signal(&queue->is_done);
	}
	pthread_mutex_unlock(&queue->lock);
	return NULL;
}

static bool queue_create(struct queue *queue, unsigned n_threads)
{
	*queue = (struct queue){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.has_work = PTHREAD_COND_INITIALIZER,
		.is_done = PTHREAD_COND_INITIALIZER,
	};
	queue->last = &queue->first;
	while (queue->n_threads < n_threads && queue->n_threads < MAX_WORKERS) {
		if (pthread_create(&queue->threads[queue->n_threads], NULL, queue_thread,
		                   queue) != 0)
			return failed("cannot start a thread of the queue");
		queue->n_threads++;
	}
	return true;
}

static void queue_destroy(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->is_stopping = queue->is_released = true;
	pthread_cond_broadcast(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
	for (unsigned i = 0; i < queue->n_threads; i++)
		pthread_join(queue->threads[i], NULL);
}

static struct queue_task *queue_submit(struct queue *queue, const struct job *job,
                                       bool is_held)
{
	struct queue_task *task = malloc(sizeof(*task));

	if (!task || !echo_prepare(&task->echo, job)) {
		free(task);
		return NULL;
	}
	task->next = task->next_of_batch = NULL;
	task->is_held = is_held;
	task->is_done = false;

	pthread_mutex_lock(&queue->lock);
	*queue->last = task;
	queue->last = &task->next;
	if (queue->n_idle > 0)
		pthread_cond_signal(&queue->has_work);
	pthread_mutex_unlock(&queue->lock);
	return task;
}

static bool queue_collect(struct queue *queue, struct queue_task *task,
                          const struct job *job)
{
	bool is_right;

	pthread_mutex_lock(&queue->lock);
	queue->awaited = task;
	while (!task->is_done)
		pthread_cond_wait(&queue->is_done, &queue->lock);
	queue->awaited = NULL;
	pthread_mutex_unlock(&queue->lock);

	is_right = echo_collect(&task->echo, job);
	free(task);
	return is_right;
}

static bool queue_batch(void *subject, const struct job *job, size_t n)
{
	struct queue_task *first = NULL, **last = &first;
	bool is_done = true;

	for (size_t i = 0; i < n; i++) {
		struct queue_task *task = queue_submit(subject, job, false);

		if (!task)
			return false;
		*last = task;
		last = &task->next_of_batch;
	}
	for (struct queue_task *task = first, *next; task; task = next) {
		next = task->next_of_batch;
		is_done &= queue_collect(subject, task, job);
	}
	return is_done;
}

bool queue_rate(const struct job *job, struct reading *ret_reading)
{
	struct queue queue;
	bool is_done = queue_create(&queue, job->n_workers) &&
	               repeat_batches(job, queue_batch, &queue, ret_reading);

	queue_destroy(&queue);
	return is_done;
}

bool queue_start(const struct job *job, struct reading *ret_reading)
{
	bool is_done = true;

	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++) {
		struct queue queue;
		struct watch watch;

		watch_begin(&watch);
		is_done = queue_create(&queue, job->n_workers) &&
		          queue_batch(&queue, job, 1);
		watch_end(&watch, ret_reading);
		queue_destroy(&queue);
	}
	return is_done;
}

/* The tasks are not freed, because the process ends after this measurement. */
bool queue_pending(const struct job *job, struct reading *ret_reading)
{
	struct queue queue;
	bool is_done = queue_create(&queue, job->n_workers) &&
	               queue_submit(&queue, job, true);
	double before = resident_bytes();

	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++)
		is_done = queue_submit(&queue, job, false);
	ret_reading->bytes = resident_bytes() - before;
	queue_destroy(&queue);
	return is_done;
}
