"""Shards hold what the files hold, and a training takes them in an order that needs few of them at a time."""

import io
import itertools
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from object_server import Store, s3_store
from PIL import Image
from webdataset.tariterators import group_by_keys, tar_file_expander

from segrnn.dataset_tools.parallel import for_each
from segrnn.dataset_tools.sharding import encode, mix, write_shards
from segrnn.datasets import CamVid, Cityscapes, EndlessSampler, Folder, SegmentationDataset, sample_loader
from segrnn.datasets.sharded import Sharded, write_index
from segrnn.errors import DataError
from segrnn.images.object_store import local_cache
from segrnn.images.shards import Part


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    with s3_store(monkeypatch, tmp_path) as store:
        yield store


def pack(folder: Path, *datasets: SegmentationDataset, limit: int = 12_000, workers: int = 0) -> Path:
    folder.mkdir()
    packed = {}
    for dataset in datasets:
        stored = mix(dataset) if dataset.split == "train" else dataset
        packed[dataset.split] = list(write_shards(folder, dataset.split, for_each(stored, encode, workers), limit))
    write_index(folder, "packed", {}, datasets[0].labels, packed)
    return folder


def require_same(original: SegmentationDataset, stream: Sharded) -> None:
    assert len(stream) == len(original) > 0
    for a, b in zip(original, stream, strict=True):
        assert a.name == b.name
        assert a.image.dtype == b.image.dtype
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
    assert stream.labels.to_dict() == original.labels.to_dict()


def read_by_webdataset(folder: Path) -> list[dict]:
    samples = []
    for path in sorted(folder.glob("*.tar")):
        with path.open("rb") as file:
            samples += list(group_by_keys(tar_file_expander([{"url": str(path), "stream": file}])))
    return samples


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(("dataset", "name"), [(CamVid, "camvid"), (Cityscapes, "cityscapes")])
def test_shards_hold_what_the_files_hold(
    dataset: type, name: str, workers: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    splits = [dataset(str(request.getfixturevalue(name)), split) for split in ("train", "val")]
    folder = pack(tmp_path / "shards", *splits, workers=workers)
    assert len(list(folder.glob("train-*.tar"))) > 1
    for split in splits:
        require_same(split, Sharded(str(folder), split.split))
    both = Sharded(str(folder), "train").join(Sharded(str(folder), "val"))
    require_same(splits[0].join(splits[1]), both)


def test_files_stay_as_they_are_and_webdataset_reads_them(camvid: Path, tmp_path: Path) -> None:
    original = CamVid(str(camvid), "val")
    folder = pack(tmp_path / "shards", original)
    read = read_by_webdataset(folder)
    assert [sample["__key__"] for sample in read] == [pair.name for pair in original.pairs]
    for sample, expected in zip(read, original, strict=True):
        suffix = "jpg" if "jpg" in sample else "png"
        assert sample[suffix] == (camvid / f"val/{expected.name}.{suffix}").read_bytes()
        ids = np.array(Image.open(io.BytesIO(sample["mask.png"])))
        np.testing.assert_array_equal(original.labels.encode(ids), expected.mask)


def test_a_packed_stream_has_the_same_bytes_again(camvid: Path, tmp_path: Path) -> None:
    splits = [CamVid(str(camvid), split) for split in ("train", "val")]
    one, other = (pack(tmp_path / name, *splits) for name in ("one", "other"))
    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in other.iterdir()
    }
    again = pack(tmp_path / "again", *(Sharded(str(one), split) for split in ("train", "val")))
    assert (again / "train-00000.tar").read_bytes() == (one / "train-00000.tar").read_bytes()


def test_names_with_dots_long_names_arrays_and_turned_photos(tmp_path: Path) -> None:
    root, ids = tmp_path / "mine", np.array([[0, 1, 0], [1, 1, 0]], np.uint8)
    photo, pixels = Image.Exif(), np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    photo[0x0112] = 6  # turned by a quarter
    names = ("a.b", "100 %", "straße/ü.v2", "deep/" * 30 + "x", "turned", "array")
    for name in names:
        for kind in ("images", "masks"):
            path = root / kind / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(root / "masks" / "train" / f"{name}.png")
        if name == "array":
            np.save(root / "images/train/array.npy", pixels)
        elif name == "turned":
            Image.fromarray(pixels.transpose(1, 0, 2)[::-1].copy()).save(
                root / "images/train/turned.JPG", exif=photo, quality=100
            )
        else:
            Image.fromarray(pixels).save(root / "images" / "train" / f"{name}.png")
    (root / "classes.yaml").write_text("classes: [{name: a}, {name: b}]\n")
    original = Folder(str(root), "train")
    assert len(original) == len(names)
    folder = pack(tmp_path / "shards", original)
    require_same(original, Sharded(str(folder), "train"))
    fields = [tuple(key for key in sample if key[:1] != "_") for sample in read_by_webdataset(folder)]
    assert sorted(fields) == [("jpg", "mask.png"), *[("png", "mask.png")] * 5]


def drawn(stream: SegmentationDataset, count: int, **how: object) -> list[tuple[int, int]]:
    return list(itertools.islice(EndlessSampler(len(stream), seed=3, shuffle=stream.shuffle, **how), count))


class Shards(Sharded):
    """A stream of shards with so many samples each, without files."""

    def __init__(self, sizes: list[int], mixed: int) -> None:
        self.mixed, self._index = mixed, Path("index.json")
        shards = [SimpleShard(str(number)) for number, size in enumerate(sizes) for _ in range(size)]
        order = np.random.default_rng(0).permutation(len(shards))
        self.pairs = [FakePair(Part(shards[index], "", 0, 0, 0)) for index in order]

    def shard(self, index: int) -> int:
        return int(self.pairs[index].image.shard.digest)


class SimpleShard:
    def __init__(self, digest: str) -> None:
        self.digest, self.size = digest, 1


class FakePair:
    def __init__(self, image: Part) -> None:
        self.image = image


@pytest.mark.parametrize("sizes", [[20] * 25, [1, 60, 20, 20, 7] * 5], ids=["even", "uneven"])
def test_a_pass_shows_each_image_once_and_reads_each_shard_once(sizes: list[int]) -> None:
    stream = Shards(sizes, mixed=4)
    count = len(stream)
    indices = [index for _, index in drawn(stream, 3 * count)]
    for start in (0, count, 2 * count):
        one = indices[start : start + count]
        assert sorted(one) == list(range(count))
        kept: OrderedDict[int, None] = OrderedDict()  # the shards on a disk that holds few of them
        downloads = 0
        for index in one:
            shard = stream.shard(index)
            downloads += shard not in kept
            kept[shard] = None
            kept.move_to_end(shard)
            if len(kept) > 6 + 3 * (len(set(sizes)) > 1):
                kept.popitem(last=False)
        assert downloads <= 1.1 * len(sizes)
    assert indices[:count] != indices[count : 2 * count]


def test_images_of_several_shards_are_mixed_everywhere_in_a_pass() -> None:
    stream = Shards([50] * 40, mixed=8)
    shards = [stream.shard(index) for _, index in drawn(stream, len(stream))]
    distinct = [len(set(shards[start : start + 32])) for start in range(0, len(shards) - 31, 32)]
    assert min(distinct) >= 4  # the ends of a pass have half of the shards
    assert np.median(distinct) >= 8


def test_shards_that_are_all_mixed_give_the_order_of_files() -> None:
    stream = Shards([5] * 8, mixed=8)
    assert drawn(stream, 100) == list(itertools.islice(EndlessSampler(len(stream), seed=3), 100))
    assert drawn(Shards([5] * 8, mixed=7), 100) != drawn(stream, 100)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_the_order_and_resume_in_it(processes: int) -> None:
    stream = Shards([10] * 12, mixed=3)
    whole = drawn(stream, 360)
    parts = [drawn(stream, 360 // processes, rank=rank, world_size=processes) for rank in range(processes)]
    assert sorted(itertools.chain(*parts)) == whole
    first_pass = [index for part in parts for counter, index in part if counter < 120]
    assert sorted(first_pass) == list(range(120))
    assert drawn(stream, 100, start=217) == whole[217:317]


def test_repeated_images_stay_near_their_shard_and_are_shown_as_often_as_asked() -> None:
    stream = Shards([10] * 12, mixed=3)
    repeats = np.where(np.arange(120) % 3 == 0, 2.0, 1.0)
    indices = [index for _, index in drawn(stream, 160, repeats=repeats)]
    np.testing.assert_array_equal(np.bincount(indices), repeats)
    shards = [stream.shard(index) for index in indices]
    spans = [160 - shards[::-1].index(shard) - shards.index(shard) for shard in range(12)]
    assert max(spans) <= 65  # of three shards with 13 images each, and one more for uneven ones
    assert len(set(spans)) > 1


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.thorough), 2])
def test_loading_processes_read_from_a_store(store: Store, camvid: Path, tmp_path: Path, workers: int) -> None:
    original = CamVid(str(camvid), "train")
    stream = Sharded(store.put(pack(tmp_path / "shards", original), "shards"), "train")
    store.proxy.requests.clear()
    samples = [sample for batch in sample_loader(stream, 2, workers) for sample in batch]
    for sample, expected in zip(samples, original, strict=True):
        np.testing.assert_array_equal(sample.image, expected.image)
    downloads = [path for method, path, _ in store.proxy.requests if method == "GET"]
    assert sorted(downloads) == sorted(set(downloads))  # no shard twice, whoever asks for it first
    assert len(downloads) == len({pair.image.shard for pair in stream.pairs})


@pytest.mark.thorough
def test_a_cache_that_is_off_or_damaged_changes_nothing(
    store: Store, camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = CamVid(str(camvid), "train")
    address = store.put(pack(tmp_path / "shards", original), "shards")
    require_same(original, Sharded(address, "train"))
    for path in (tmp_path / "cache").glob("??/*"):
        if path.stat().st_size > 9000 and not path.read_bytes().startswith(b"{"):
            path.write_bytes(bytes(path.stat().st_size))
    require_same(original, Sharded(address, "train"))
    monkeypatch.setenv("SEGRNN_CACHE_GB", "0")
    local_cache.cache_clear()
    require_same(original, Sharded(address, "train"))


def test_a_cache_that_is_too_small_is_explained(
    store: Store, camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store.put(pack(tmp_path / "shards", CamVid(str(camvid), "train")), "shards")
    monkeypatch.setenv("SEGRNN_CACHE_GB", "0.00003")
    local_cache.cache_clear()
    with pytest.raises(DataError, match=r"holds 3e-05 GB, .* are needed at a time: set SEGRNN_CACHE_GB=\S+ or"):
        drawn(Sharded(address, "train"), 1)


@pytest.fixture
def packed(camvid: Path, tmp_path: Path) -> Path:
    return pack(tmp_path / "shards", CamVid(str(camvid), "train"), CamVid(str(camvid), "val"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(0, len(content), 512):
        content[place + 200] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (Path.unlink, r"train-00000\.tar does not exist, but index\.json beside it names it\. Copy"),
        (cut, r"train-00000\.tar has \d+ bytes, but index\.json says \d+: it was cut or changed\. Copy"),
        (
            change,
            r"train-00000\.tar(:\S+ is damaged: the CRC-32 of its \d+ bytes is \w{8}, but index\.json says \w{8} for|"
            r" has changed: its SHA-256 is \w{64}, but index\.json says \w{64}\. Copy)",
        ),
    ],
    ids=["missing", "cut", "changed"],
)
@pytest.mark.parametrize("place", ["disk", pytest.param("store", marks=pytest.mark.thorough)])
def test_a_damaged_shard_is_named(
    packed: Path, request: pytest.FixtureRequest, damage: Callable[[Path], object], told: str, place: str
) -> None:
    damage(packed / "train-00000.tar")
    root = str(packed)
    if place == "store":  # what an earlier test has put there is still there
        root = request.getfixturevalue("store").put(packed, damage.__name__)
    stream = Sharded(root, "train")
    with pytest.raises(DataError, match=told):
        list(stream)


def test_an_index_that_is_missing_or_of_something_else_is_named(packed: Path, store: Store) -> None:
    for root in (str(packed.parent), store.put(packed / "val-00000.tar", "elsewhere/val-00000.tar")):
        with pytest.raises(DataError, match=r"index\.json does not exist: data\.stream= needs the folder that python"):
            Sharded(root, "train")
    with pytest.raises(
        DataError, match=r"index\.json has no split 'vall' \(did you mean val\?\); it has train, val\. Pack"
    ):
        Sharded(str(packed), "vall")
    index = packed / "index.json"
    for content, told in (
        ('{"shards": []}', "says None None instead of webdataset 1"),
        ("[]", "instead of webdataset 1: it is not the index of a stream"),
        (index.read_text()[:-40], r"\(\d+ bytes\) is damaged: .*Copy it again, or write it by python -m segrnn"),
        (index.read_text().replace('"version":1', '"version":2'), "says webdataset 2 instead of webdataset 1"),
    ):
        index.write_text(content)
        with pytest.raises(DataError, match=told):
            Sharded(str(packed), "train")


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        (["labels"], None, "a part of it is missing or has another form"),
        (["splits"], 3, "a part of it is missing or has another form"),
        (["splits", "train", 0, "file"], "../train-00000.tar", "it needs the name of a file beside the index"),
        (["splits", "train", 0, "bytes"], "many", "has bytes: 'many'"),
        (["splits", "train", 0, "samples", 0], ["a", ".png", 1], "it needs a name, a suffix and six numbers"),
        (["splits", "train", 0, "samples", 0, 0], "../../evil", "which is not a path that every system allows"),
        (["splits", "train", 0, "samples", 0, 2], 10**9, "ends after the end of train-00000.tar"),
        (["splits", "train", 0, "samples", 0, 3], -5, "six whole numbers"),
    ],
)
def test_an_index_that_is_damaged_is_named(packed: Path, keys: list, value: object, told: str) -> None:
    index = packed / "index.json"
    content = json.loads(index.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    index.write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"index\.json is damaged: .*{told}"):
        Sharded(str(packed), "train")
