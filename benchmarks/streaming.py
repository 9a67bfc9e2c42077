"""Training samples a second from files and from shards, on a disk and in a store: ``python benchmarks/streaming.py``.

The store is moto's S3 server on this machine, so its rates are those of the server and not of a network. It needs the
packages of tests: ``pip install -e ".[dev]"``.
"""

import argparse
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory

import boto3
import numpy as np
import torch
from PIL import Image
from publish import publish, table
from torch.utils.data import DataLoader

from segrnn.config.augment import build_augmentation
from segrnn.config.composition import compose
from segrnn.config.data import build_dataset
from segrnn.config.schema import Train
from segrnn.datasets import Augmented, EndlessSampler
from segrnn.datasets.class_file import write_class_file
from segrnn.datasets.stream import start_loading, stop_threads_before_forks
from segrnn.images.object_store import local_cache
from segrnn.labels import CAMVID
from segrnn.reports import describe_machine

BUCKET = "benchmark"


def main() -> None:
    """Draw, pack, measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=800, help="the number of images")
    parser.add_argument("--workers", type=int, default=2, help="the number of loading processes")
    parser.add_argument("--shard-mb", type=float, default=2.0, help="the megabytes of a shard")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        megabytes = _draw(folder / "files", arguments.images)
        pack = ["prepare", "pack", "data=folder", f"data.root={folder}/files", f"output={folder}/shards"]
        _run([*pack, "format=webdataset", "splits=[train]", f"shard_mb={arguments.shard_mb}"])
        with _server() as address:
            _upload(folder, address)
            ways = {
                "files on the disk": f"data.root={folder}/files",
                "shards on the disk": f"data.stream={folder}/shards",
                "files in the store": f"data.root=s3://{BUCKET}/files",
                "shards in the store": f"data.stream=s3://{BUCKET}/shards",
                "shards in the store, second pass": f"data.stream=s3://{BUCKET}/shards",
            }
            rows = []
            for way, place in ways.items():
                os.environ["SEGRNN_CACHE"] = str(folder / "cache of" / place.partition("=")[2].replace("/", "_"))
                local_cache.cache_clear()
                load = os.getloadavg()[0]
                rate = _measure(place, arguments.workers)
                rows.append(
                    {
                        "": way,
                        "images/s": f"{rate:.0f}",
                        "MB/s": f"{rate * megabytes / arguments.images:.1f}",
                        "load before": f"{load:.0f}",
                    }
                )
    lines = [
        f"{arguments.images} images of 512 x 683 with masks, {1000 * megabytes / arguments.images:.0f} kB for each, "
        f"in shards of {arguments.shard_mb:g} MB;",
        f"{arguments.workers} loading processes, crops of 256 x 256; {describe_machine(torch.device('cpu'))}.",
        "Each way takes one pass, from the start of the loading processes to the last batch. The store begins with an",
        "empty cache. The load is the mean number of processes that ran or waited, in the minute before.",
        "",
        *table(rows),
    ]
    publish("streaming", lines, arguments.results)


def _measure(place: str, workers: int) -> float:
    """Load one pass, and return the images a second."""
    data = compose(Train, ["data=folder", place, "data.crop=[256,256]"]).data
    dataset = build_dataset(data, "train")
    augmented = Augmented(dataset, build_augmentation(data, dataset.labels.num_classes, seed=0))
    order = itertools.islice(EndlessSampler(len(dataset), seed=0, shuffle=dataset.shuffle), len(dataset))
    stop_threads_before_forks()
    loader = DataLoader(augmented, 16, sampler=list(order), num_workers=workers, worker_init_fn=start_loading)
    start = time.perf_counter()
    count = sum(len(images) for images, _ in loader)
    return count / (time.perf_counter() - start)


def _draw(root: Path, count: int) -> float:
    """Draw smooth pictures with the grain of a camera, and masks. Return their megabytes."""
    rng = np.random.default_rng(0)
    size = (683, 512)
    for kind in ("images", "masks"):
        (root / kind / "train").mkdir(parents=True)
    write_class_file(root / "classes.yaml", CAMVID)
    total = 0
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (9, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32)
        grain = rng.normal(scale=6, size=smooth.shape).astype(np.float32)
        image, mask = (root / f"{kind}/train/{number:06d}{suffix}" for kind, suffix in _FILES)
        Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8)).save(image)
        areas = Image.fromarray(rng.integers(0, 11, (12, 20), dtype=np.uint8))
        areas.resize(size, Image.Resampling.NEAREST).effect_spread(4).save(mask)
        total += image.stat().st_size + mask.stat().st_size
    return total / 1e6


_FILES = (("images", ".jpg"), ("masks", ".png"))


@contextmanager
def _server() -> Iterator[str]:
    """Start an S3 server in a process of its own, and put its address and keys into the environment."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    os.environ.update(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="us-east-1",
    )
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if server.poll() is not None:
                raise SystemExit('the S3 server has not started: pip install "moto[server]"')
            time.sleep(0.2)
        yield address
    finally:
        server.kill()
        server.wait()


def _upload(folder: Path, address: str) -> None:
    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket=BUCKET)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())


def _run(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", f"segrnn.{words[0]}", *words[1:]])
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with exit code {done.returncode}")


if __name__ == "__main__":
    main()
