"""Images per second of segrnn.predict by one process, by torchrun and by Ray: ``python benchmarks/bulk_prediction.py``.

All ways use the same cores. The masks must be the same, byte for byte.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from publish import publish, table

from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import CAMVID
from segrnn.models.architecture import build_segmenter
from segrnn.reports import describe_machine


def main() -> None:
    """Measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=500, help="the number of images")
    parser.add_argument("--size", type=int, default=256, help="the height and width of an image")
    parser.add_argument(
        "--processes", type=int, default=2, help="the number of processes, and of threads of a single one"
    )
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    count, size, processes = arguments.images, arguments.size, arguments.processes
    launched = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    ways = {
        f"one process of {processes} threads": (["-m", "segrnn.predict"], processes),
        f"torchrun, {processes} processes of one thread": ([*launched, "-m", "segrnn.predict"], 1),
        f"Ray, {processes} actors of one thread": (
            ["-m", "segrnn.predict", "engine=ray", f"engine.actors={processes}"],
            1,
        ),
    }
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        _save_network(folder / "bundle")
        _draw(folder / "photos", count, size)
        for number, (way, (words, threads)) in enumerate(ways.items()):
            output = folder / str(number)
            start, load = time.perf_counter(), os.getloadavg()[0]
            _run([*words, f"ckpt={folder}/bundle", f"input={folder}/photos", f"output={output}", "device=cpu"], threads)
            seconds = time.perf_counter() - start
            masks = sorted(output.glob("*.png"))
            if [mask.read_bytes() for mask in masks] != [
                mask.read_bytes() for mask in sorted((folder / "0").glob("*.png"))
            ]:
                raise SystemExit(f"{way}: the masks are not those of the first way")
            times = [mask.stat().st_mtime for mask in masks]
            rate = (count - 1) / (max(times) - min(times))
            rows.append(
                {"": way, "images/s": f"{rate:.1f}", "s in all": f"{seconds:.0f}", "load before": f"{load:.0f}"}
            )
    lines = [
        f"{count} images of {size} x {size}, FCN with ResNet-18 and ReNet; {describe_machine(torch.device('cpu'))}.",
        "The rate is that from the first mask to the last one. All seconds include the start of processes.",
        "The load is the mean number of processes that ran or waited, in the minute before.",
        "",
        *table(rows),
    ]
    publish("bulk_prediction", lines, arguments.results)


def _save_network(folder: Path) -> None:
    fcn = {"_target_": "segrnn.models.FCN", "_partial_": True, "encoder_name": "resnet18", "encoder_depth": 3}
    renet = {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 32, "stride": 8}
    architecture = {"model": {**fcn, "width": 64}, "context": renet}
    torch.manual_seed(0)
    network = build_segmenter(architecture, CAMVID.num_classes)
    Predictor(network, ModelInfo(architecture, CAMVID, Preprocessing((0.5,) * 3, (0.25,) * 3))).save(folder)


def _draw(folder: Path, count: int, size: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(folder / f"{number:06d}.jpg")


def _run(words: Sequence[str], threads: int) -> None:
    own = {"OMP_NUM_THREADS": str(threads), "RAY_worker_niceness": "0"}  # Ray lets other work come first otherwise
    done = subprocess.run([sys.executable, *words], env={**os.environ, **own})
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} ended with exit code {done.returncode}")


if __name__ == "__main__":
    main()
