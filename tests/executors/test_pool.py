"""The worker pool without its dispatcher, so that a test decides what has been noticed and what has not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from parascrape.executors.pool import WorkerPool
from parascrape.executors.task_queue import Task, TaskQueue
from parascrape.executors.worker_main import WorkerOptions

OPTIONS = WorkerOptions(name="worker", threads=2, parent=os.getpid(), log_level=30)


@pytest.fixture
def queue() -> TaskQueue:
    """A queue with two tasks."""
    tasks = TaskQueue()
    for number in (1, 2):
        tasks.add(Task(number, Future(), 0, b""))
    return tasks


@pytest.fixture
def pool(queue: TaskQueue) -> Iterator[WorkerPool]:
    """Two workers without tasks."""
    opened = WorkerPool(2, OPTIONS, queue, deadline=None)
    opened.fill()
    yield opened
    opened.end(kill=True)


def test_a_retried_task_goes_to_a_worker_that_lives(pool: WorkerPool, queue: TaskQueue) -> None:
    """What killed its first worker may have killed an idle one whose end has not been read yet."""
    dead, alive = pool.workers
    dead.process.kill()
    dead.process.join(60)
    task = queue.next()
    assert task is not None
    queue.retried.append(task)
    pool.send_retried({0: b""})
    assert [(worker.solo, worker.load) for worker in (dead, alive)] == [(False, 0), (True, 1)]
