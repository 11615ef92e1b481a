"""Measure one of CPython's two executors for bench_executors, which says what each word means.

    executors.py threads|processes rate|chunked|start|pending BATCH BYTES WORKERS LEAST_S

Prints: how many were done, seconds on the clock, seconds of CPU, bytes of memory.
"""
import multiprocessing
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import ProcessPoolExecutor  # otherwise its import would be measured

CHUNK = 100


def do_nothing(_item=None):
    pass


def send_back(payload):
    return payload


def process_clock(pid):
    """The CPU clock of another process: clock_getcpuclockid(3), as glibc makes it."""
    return (~pid << 3) | 2


def children_cpu_s():
    return sum(time.clock_gettime(process_clock(child.pid)) for child in multiprocessing.active_children())


class Watch:
    """What passes while it is entered is added up; looking at the children stays outside."""

    def __init__(self):
        self.wall_s = self.cpu_s = 0

    def __enter__(self):
        self.cpu_s -= children_cpu_s()
        self.cpu_s -= time.process_time()
        self.wall_s -= time.monotonic()

    def __exit__(self, *_exception):
        self.wall_s += time.monotonic()
        self.cpu_s += time.process_time()
        self.cpu_s += children_cpu_s()


def rate_batch(executor, n, payload):
    if payload is None:
        futures = [executor.submit(do_nothing) for _ in range(n)]
    else:
        futures = [executor.submit(send_back, payload) for _ in range(n)]
    for future in futures:
        result = future.result()
        assert payload is None or len(result) == len(payload)


def chunked_batch(executor, n, _payload):
    n_done = 0
    for _ in executor.map(do_nothing, range(n), chunksize=CHUNK):
        n_done += 1
    assert n_done == n


def repeat(create, batch, n_batch, payload, least_s):
    watch = Watch()
    n = 0
    with create() as executor:
        batch(executor, n_batch // 10 + 1, payload)
        with watch:
            begun = time.monotonic()
            while n == 0 or time.monotonic() - begun < least_s:
                batch(executor, n_batch, payload)
                n += n_batch
    return n, watch.wall_s, watch.cpu_s, 0


def start(create, n_batch):
    watch = Watch()
    for _ in range(n_batch):
        with watch:
            executor = create()
            executor.submit(do_nothing).result()
        executor.shutdown()
    return n_batch, watch.wall_s, watch.cpu_s, 0


def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def hold(read_end):
    os.read(read_end, 1)


def pending(create, n_batch, n_workers):
    read_end, write_end = os.pipe()
    futures = [None] * n_batch
    with create() as executor:
        for _ in range(n_workers):
            executor.submit(hold, read_end)
        before = resident_bytes()
        for i in range(n_batch):
            futures[i] = executor.submit(do_nothing)
        grown = resident_bytes() - before
        os.write(write_end, b"." * n_workers)  # wake them: a close would not, because children have this end too
        executor.shutdown(cancel_futures=True)
    return n_batch, 0, 0, grown


def main(kind, question, *numbers):
    n_batch, n_bytes, n_workers = map(int, numbers[:3])
    least_s = float(numbers[3])
    payload = bytes(n_bytes) if n_bytes else None
    executor_class = ThreadPoolExecutor if kind == "threads" else ProcessPoolExecutor

    def create():
        return executor_class(n_workers)

    if question == "rate":
        return repeat(create, rate_batch, n_batch, payload, least_s)
    if question == "chunked":
        return repeat(create, chunked_batch, n_batch, None, least_s)
    if question == "start":
        return start(create, n_batch)
    return pending(create, n_batch, n_workers)


if __name__ == "__main__":
    print(*main(*sys.argv[1:]))
