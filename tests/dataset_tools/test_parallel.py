import os
import time
from pathlib import Path

import pytest

from segrnn.dataset_tools.parallel import for_each
from segrnn.datasets import CamVid, SegmentationDataset
from segrnn.errors import DataError, SegrnnError


@pytest.fixture
def dataset(camvid: Path) -> CamVid:
    return CamVid(str(camvid), "train")


def name_slowly(dataset: SegmentationDataset, index: int) -> tuple[str, int]:
    time.sleep(0.05 * (index % 2 == 0))
    return dataset.pairs[index].name, os.getpid()


def fail_at_2(dataset: SegmentationDataset, index: int) -> int:
    if index == 2:
        raise DataError("the third is broken")
    return index


def die_at_2(dataset: SegmentationDataset, index: int) -> int:
    if index == 2:
        os.kill(os.getpid(), 9)
    return index


def touch_slowly(dataset: SegmentationDataset, index: int) -> None:
    if index == 0:
        raise DataError("the first is broken")
    time.sleep(0.2)
    Path(f"touched_{index}").touch()


@pytest.mark.parametrize("workers", [0, 1, 2, None])
def test_results_come_in_order_and_from_as_many_processes_as_asked(dataset: CamVid, workers: int | None) -> None:
    names, processes = zip(*for_each(dataset, name_slowly, workers), strict=True)
    assert list(names) == [pair.name for pair in dataset.pairs]
    if workers == 0:
        assert set(processes) == {os.getpid()}
    else:
        assert os.getpid() not in processes
        assert len(set(processes)) <= (workers or os.cpu_count())


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_error_arrives_in_its_own_words_after_what_came_before(dataset: CamVid, workers: int) -> None:
    results = iter(for_each(dataset, fail_at_2, workers))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(DataError) as error:
        next(results)
    assert str(error.value) == "the third is broken"


def test_a_killed_process_is_told(dataset: CamVid) -> None:
    with pytest.raises(
        SegrnnError, match="a process was killed, .* use one process with workers=1, or none with workers=0"
    ):
        list(for_each(dataset, die_at_2, 1))


def test_nothing_is_written_after_an_error(dataset: CamVid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="the first is broken"):
        list(for_each(dataset, touch_slowly, 2))
    touched = sorted(tmp_path.glob("touched_*"))
    time.sleep(0.5)
    assert sorted(tmp_path.glob("touched_*")) == touched
