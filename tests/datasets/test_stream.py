import itertools

import numpy as np

from segrnn.datasets import EndlessSampler

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
