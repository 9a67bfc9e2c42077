"""Ask what pseudo labels add: ``python benchmarks/pseudo_labels.py --root <camvid>``.

Every third training frame of CamVid keeps its label. With each seed, a network is trained on these frames. It labels
the other frames, and pixels of which it is not sure become void. Another network is trained on both. A third one has
all true labels. Each finished run leaves a record in the folder of results, and is not trained again.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from publish import publish, table
from records import Record, compose_settings, is_recorded, place, read
from worth import train

from segrnn.labels import CAMVID

RECIPE = [
    *("experiment=camvid_quick", "context=none", "trainer.max_steps=160", "trainer.validate_every_n_steps=160"),
    "trainer.channels_last=true",
]
EVERY = 3
CONFIDENCE = 0.9
"""Below it, a pixel is void. It is no option, because records of runs don't hold it."""
VOID = 11
"""CamVid's id of void."""
ARMS = {
    "labelled": "a third of the labels",
    "pseudo": "a third, and pseudo labels for the rest",
    "all": "all labels",
}


def main() -> None:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the folder of CamVid, see data/README.md")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="what is trained")
    parser.add_argument("--runs", type=Path, default=Path("runs/pseudo_labels"), help="the folder for the runs")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="the folder for the table")
    arguments = parser.parse_args()
    if not (arguments.root / "train").is_dir():
        parser.error(f"--root: {arguments.root} holds no CamVid; data/README.md says how to get it")

    root, runs, records = arguments.root.resolve(), arguments.runs.resolve(), arguments.results / "pseudo_labels"
    frames = sorted(path.name for path in (root / "train").iterdir())
    labelled = write_tree(runs / "labelled_third", root, frames[::EVERY])
    for seed in arguments.seeds:
        settings = compose_settings(RECIPE, seed)
        train_once("labelled", settings, labelled, runs, records)
        if "pseudo" in arguments.arms and not is_recorded(place(records, "pseudo", seed), settings):
            teacher = runs / f"labelled-seed{seed}" / "checkpoints" / "last.ckpt"
            if not teacher.exists():
                raise SystemExit(f"error: {teacher} is not there: delete {place(records, 'labelled', seed)}")
            both = label_rest(runs / f"third_and_pseudo{seed}", root, frames, teacher)
            train("pseudo", RECIPE, settings, both, runs, records)
        if "all" in arguments.arms:
            train_once("all", settings, root, runs, records)
    report(records, arguments.seeds, len(frames), arguments.results)


def train_once(arm: str, settings: dict[str, Any], root: Path, runs: Path, records: Path) -> None:
    """Train, unless the record of the run is there."""
    if not is_recorded(place(records, arm, settings["seed"]), settings):
        train(arm, RECIPE, settings, root, runs, records)


def write_tree(folder: Path, root: Path, frames: list[str]) -> Path:
    """Make a CamVid tree with some of the training frames, as copies."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("train", "trainannot"):
        (folder / part).mkdir(parents=True)
        for name in frames:
            shutil.copy(root / part / name, folder / part / name)
    (folder / "train.txt").write_text("".join(f"{name}\n" for name in frames))
    for part in ("val", "valannot"):
        shutil.copytree(root / part, folder / part)
    shutil.copy(root / "val.txt", folder)
    return folder


def label_rest(folder: Path, root: Path, frames: list[str], teacher: Path) -> Path:
    """Make a tree with a third of the true labels and with a network's labels for all other frames."""
    write_tree(folder, root, frames)
    rest, pseudo = folder / "rest", folder / "pseudo"
    rest.mkdir()
    for name in set(frames) - set(frames[::EVERY]):
        shutil.copy(root / "train" / name, rest / name)
    ask = [f"ckpt={teacher}", f"input={rest}", f"output={pseudo}", "format=pseudo", f"confidence={CONFIDENCE}"]
    subprocess.run([sys.executable, "-m", "segrnn.predict", *ask], check=True)
    for path in (pseudo / "masks").rglob("*.png"):
        ids = np.array(Image.open(path))
        label = folder / "trainannot" / path.name
        label.unlink()
        Image.fromarray(np.where(ids < CAMVID.num_classes, ids, VOID).astype(np.uint8)).save(label)
    return folder


def report(records: Path, seeds: list[int], frames: int, results: Path) -> None:
    """Write the table."""
    rows = []
    for arm, what in ARMS.items():
        found: list[Record] = [read(path) for seed in seeds if (path := place(records, arm, seed)).exists()]
        if not found:
            continue
        rows.append(
            {
                "trained on": what,
                "val mIoU": f"{statistics.mean(record.miou for record in found):.2f}",
                "of each seed": ", ".join(f"{record.miou:.2f}" for record in found),
            }
        )
    kept = len(range(0, frames, EVERY))
    lines = [
        f"CamVid, the validation frames at 360 x 480, in percent, with the seeds {seeds}.",
        f"{kept} of {frames} training frames keep their labels. Pixels of the others are void below a confidence of",
        f"{CONFIDENCE}.",
        "",
        f"`{' '.join(RECIPE)}`",
        "",
        *table(rows),
    ]
    publish("pseudo_labels", lines, results)


if __name__ == "__main__":
    main()
