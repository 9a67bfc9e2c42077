import itertools
import os
import signal
import time

import cv2
import numpy as np
import pytest

from segrnn.datasets import EndlessSampler
from segrnn.datasets.stream import stop_threads_before_forks

REPEATS = np.array([1, 1.25, 2.5, 1])


def drawn(count: int, **arguments: object) -> list[tuple[int, int]]:
    return list(itertools.islice(EndlessSampler(**{"length": 4, "seed": 5, **arguments}), count))


def test_each_sample_is_shown_as_often_as_asked() -> None:
    shown = np.bincount([index for _, index in drawn(23_000, repeats=REPEATS)])
    np.testing.assert_allclose(shown / 4000, REPEATS, rtol=0.02)  # 5.75 samples in a pass


def test_whole_repeats_make_every_pass_alike() -> None:
    indices = [index for _, index in drawn(30, repeats=np.array([1.0, 3, 1, 1]))]
    passes = [indices[start : start + 6] for start in range(0, 30, 6)]
    assert [sorted(one) for one in passes] == [[0, 1, 1, 1, 2, 3]] * 5
    assert len({tuple(one) for one in passes}) > 1


def test_samples_are_repeated_each_by_its_own_chance() -> None:
    indices = np.array([index for _, index in drawn(1000, length=2, repeats=np.full(2, 1.5))])
    lead = np.cumsum(np.where(indices == 0, 1, -1))
    assert abs(lead).max() > 4  # repeated together, they could be 2 apart


def test_repeats_of_one_are_no_repeats() -> None:
    indices = [index for _, index in drawn(40, repeats=np.ones(4))]
    assert all(sorted(indices[start : start + 4]) == [0, 1, 2, 3] for start in range(0, 40, 4))


def test_without_repeats_the_order_stays_what_it_was() -> None:
    orders = [np.random.default_rng([5, epoch]).permutation(4).tolist() for epoch in range(3)]
    assert drawn(12) == list(enumerate(itertools.chain(*orders)))


def test_the_stream_depends_on_the_seed_alone_and_processes_share_it() -> None:
    whole = drawn(30, repeats=REPEATS)
    assert whole == drawn(30, repeats=REPEATS)
    assert whole != drawn(30, repeats=REPEATS, seed=6)
    parts = [drawn(10, repeats=REPEATS, rank=rank, world_size=3) for rank in range(3)]
    assert sorted(itertools.chain(*parts)) == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system starts processes in another way")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_load_do_not_wait_for_threads_of_another_process() -> None:
    """OpenCV's threads are not there after a fork. A new number of threads would wait for them."""
    stop_threads_before_forks()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        cv2.GaussianBlur(np.zeros((999, 999, 3), np.uint8), (9, 9), 3)
        time.sleep(0.05)  # the threads fall asleep
        child = os.fork()
        if child == 0:
            cv2.setNumThreads(1)
            os._exit(0)
        end = time.monotonic() + 20
        while not (done := os.waitpid(child, os.WNOHANG)[0]) and time.monotonic() < end:
            time.sleep(0.005)
        if not done:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert done
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(threads)
