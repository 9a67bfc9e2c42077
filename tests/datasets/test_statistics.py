import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real_frames import REAL_CAMVID, needs_camvid

from segrnn.dataset_tools.parallel import for_each
from segrnn.datasets import CamVid, Cityscapes, SegmentationDataset
from segrnn.datasets.statistics import (
    ClassStatistics,
    count_classes,
    read_statistics,
    read_statistics_of,
    read_weights,
)
from segrnn.errors import ConfigError, DataError


def statistics_of(dataset: SegmentationDataset) -> ClassStatistics:
    names = tuple(pair.name for pair in dataset.pairs)
    return ClassStatistics(dataset.labels.class_names, names, np.stack(list(for_each(dataset, count_classes, 0))))


def write(statistics: ClassStatistics, path: Path) -> Path:
    path.write_text(json.dumps(statistics.to_dict()))
    return path


def slow_twin(dataset: SegmentationDataset, threshold: float) -> dict[str, list]:
    """Everything as the papers say it, one class and one image at a time."""
    masks = [dataset[index].mask for index in range(len(dataset))]
    classes = range(dataset.labels.num_classes)
    pixels = [sum(int((mask == k).sum()) for mask in masks) for k in classes]
    presence = [sum(k in mask for mask in masks) / len(masks) for k in classes]
    shares = {k: pixels[k] / sum(mask.size for mask in masks if k in mask) for k in classes if pixels[k]}
    median = np.median(list(shares.values()))
    repeats = []
    for mask in masks:
        factors = [max(1, (threshold / presence[k]) ** 0.5) for k in classes if k in mask]
        repeats.append(max(factors, default=1))
    return {
        "counts": [[int((mask == k).sum()) for k in (*classes, 255)] for mask in masks],
        "frequencies": [count / sum(pixels) for count in pixels],
        "presence": presence,
        "weights": [median / shares[k] if k in shares else 0 for k in classes],
        "repeats": repeats,
    }


@pytest.mark.parametrize("threshold", [0.1, 0.7, 1])
def test_statistics_are_those_of_the_slow_twin(cityscapes: Path, threshold: float) -> None:
    void = cityscapes / "gtFine/train/aachen/aachen_000001_000019_gtFine_labelIds.png"
    Image.fromarray(np.zeros((36, 52), np.uint8)).save(void)
    dataset = Cityscapes(str(cityscapes), "train")
    fast, slow = statistics_of(dataset), slow_twin(dataset, threshold)
    assert fast.counts.dtype == np.int64
    assert fast.counts.tolist() == slow["counts"]
    np.testing.assert_allclose(fast.frequencies, slow["frequencies"], rtol=1e-12)
    np.testing.assert_allclose(fast.presence, slow["presence"], rtol=1e-12)
    np.testing.assert_allclose(fast.median_frequency_weights, slow["weights"], rtol=1e-12)
    np.testing.assert_allclose(fast.repeats(threshold), slow["repeats"], rtol=1e-12)


def test_a_class_that_never_occurs_weighs_nothing_and_repeats_nothing(camvid: Path) -> None:
    statistics = statistics_of(CamVid(str(camvid), "train"))
    weights = dict(zip(statistics.class_names, statistics.median_frequency_weights, strict=True))
    assert {name for name, weight in weights.items() if weight > 0} == {"sky", "building", "road", "car"}
    everywhere = statistics.counts.copy()
    everywhere[:, [0, 1, 3, 8]] += 1
    assert (ClassStatistics(statistics.class_names, statistics.names, everywhere).repeats(1) == 1).all()


def test_an_image_of_frequent_classes_is_shown_once() -> None:
    assert ClassStatistics(("road",), ("a",), np.array([[4, 0]])).repeats(0.5).tolist() == [1]


def test_images_of_nothing_but_void_are_counted_too() -> None:
    statistics = ClassStatistics(("road", "car"), ("a", "b"), np.array([[0, 0, 4], [0, 0, 4]]))
    assert statistics.frequencies.tolist() == [0, 0]
    assert statistics.median_frequency_weights.tolist() == [0, 0]
    assert statistics.repeats(1).tolist() == [1, 1]


def test_a_file_gives_back_what_was_written(camvid: Path, tmp_path: Path) -> None:
    dataset = CamVid(str(camvid), "train")
    statistics = statistics_of(dataset)
    path = write(statistics, tmp_path / "stats.json")
    for again in (read_statistics(path), read_statistics_of(dataset, path)):
        assert (again.class_names, again.names) == (statistics.class_names, statistics.names)
        assert (again.counts == statistics.counts).all()
    assert read_weights(str(path)) == statistics.median_frequency_weights.tolist()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"classes": {"road": {}}}',
        '{"classes": {"road": {}}, "images": {"a": {"2": 5}}}',
        '{"classes": {"road": {}}, "images": {"a": {"road": 5}}}',
        '{"classes": {"road": {}}, "images": {"a": {"0": "many"}}}',
        '{"classes": {"road": {}}, "images": {"a": {"0": 1e400}}}',
        '{"classes": {"road": {}}, "images": ["a"]}',
        "\udcff",
    ],
)
def test_another_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "stats.json"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(DataError, match=r"stats\.json was not written by python -m segrnn\.prepare stats: "):
        read_weights(str(path))


def test_a_missing_file_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json does not exist; python -m segrnn\.prepare stats writes it"):
        read_statistics(tmp_path / "none.json")
    with pytest.raises(DataError, match="was not written .*IsADirectoryError"):
        read_statistics(tmp_path)
    with pytest.raises(ConfigError, match=r"need data\.stats=<file>: python -m segrnn\.prepare stats writes it"):
        read_weights(None)


def test_statistics_of_other_data_are_refused(camvid: Path, cityscapes: Path, tmp_path: Path) -> None:
    train, val = CamVid(str(camvid), "train"), CamVid(str(camvid), "val")
    path = write(statistics_of(train), tmp_path / "stats.json")
    with pytest.raises(
        DataError,
        match=r"other images .*: it has 6, and the split has 5. .* 0001TP_000005 and none\. .* writes the file again",
    ):
        read_statistics_of(val, path)
    with pytest.raises(
        DataError, match=r"other classes .*: it has 11, and the split has 19. .* first differ at sky and road\. "
    ):
        read_statistics_of(Cityscapes(str(cityscapes), "train"), path)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_label_with_foreign_ids_is_named(cityscapes: Path, workers: int) -> None:
    label = cityscapes / "gtFine/train/bochum/bochum_000001_000019_gtFine_labelIds.png"
    Image.fromarray(np.full((36, 52), 77, np.uint8)).save(label)
    with pytest.raises(DataError, match=r"bochum_000001_000019_gtFine_labelIds\.png: ids \[77\] are not in the City"):
        list(for_each(Cityscapes(str(cityscapes), "train"), count_classes, workers))


@needs_camvid
def test_the_weights_of_camvid() -> None:
    weights = statistics_of(CamVid(str(REAL_CAMVID), "train")).median_frequency_weights
    wanted = [0.279, 0.202, 4.787, 0.149, 1.0, 0.422, 3.847, 1.974, 0.789, 6.375, 8.859]
    assert weights.round(3).tolist() == wanted
