"""The scripts of benchmarks/ in a fresh folder; those that need no licensed data as the page of results calls them."""

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SMALL

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"


def documented(script: str, *smaller: str) -> list[str]:
    """The command that docs/results.md has for a script, and options that overrule its own."""
    found = re.search(rf"`python (benchmarks/{script}[^`]*)`", (ROOT / "docs/results.md").read_text())
    assert found, f"docs/results.md has no command for {script}"
    path, *options = shlex.split(found[1])
    return [sys.executable, str(ROOT / path), *options, *smaller]


@pytest.mark.thorough
def test_the_comparison_resumes_where_it_stopped(camvid: Path, tmp_path: Path) -> None:
    small = ["encoder.weights=null", "model.width=16", "data.batch_size=2", "data.crop=[32,32]", "data.workers=0"]

    def compare(*contexts: str, steps: int = 1) -> subprocess.CompletedProcess[str]:
        arguments = ["--root", str(camvid), "--steps", str(steps), "--arms", *contexts, "--overrides", *small]
        script = [sys.executable, str(BENCHMARKS / "worth.py"), "camvid"]
        return subprocess.run([*script, *arguments], capture_output=True, text=True, cwd=tmp_path)

    first = compare("none")
    assert first.returncode == 0, first.stderr
    scores = tmp_path / "benchmarks/results/camvid/none-seed0.json"
    written = scores.stat().st_mtime_ns
    cut_off = tmp_path / "runs/camvid/renet_mingru-seed0/checkpoints"
    cut_off.mkdir(parents=True)

    second = compare("none", "renet_mingru")
    assert second.returncode == 0, second.stderr
    assert scores.stat().st_mtime_ns == written
    with (tmp_path / "benchmarks/results/camvid.csv").open() as file:
        none, mingru = csv.DictReader(file)
    assert (none["arm"], none["parameters in the context"]) == ("none", "0")
    assert mingru["arm"] == "renet_mingru"
    numbers = {key: int(mingru[key].replace(",", "")) for key in ("parameters", "parameters in the context")}
    none_parameters = int(none["parameters"].replace(",", ""))
    assert numbers["parameters"] - none_parameters == numbers["parameters in the context"] > 0
    page = (tmp_path / "benchmarks/results/camvid.md").read_text()
    assert "trainer.max_steps=1" in page
    assert "**Verdict**: undecided: renet_mingru is chosen, and no arm without recurrence shares a seed" in page
    assert (tmp_path / "benchmarks/results/camvid.png").exists()

    other = compare("none", steps=2)
    assert other.returncode != 0
    assert f"{scores.relative_to(tmp_path)} is of a run with other settings" in other.stderr

    scores.write_text("{}")
    broken = compare("none")
    assert broken.returncode != 0
    assert f"{scores.relative_to(tmp_path)} is not the record of a run" in broken.stderr


@pytest.mark.thorough
def test_the_comparison_says_what_is_missing(tmp_path: Path) -> None:
    script = [sys.executable, str(BENCHMARKS / "worth.py"), "pages", "--root"]
    nowhere = subprocess.run([*script, str(tmp_path / "pages")], capture_output=True, text=True)
    assert nowhere.returncode == 2
    assert f"--root: {tmp_path / 'pages'} is not there; data/README.md says how to get the images" in nowhere.stderr
    unknown = subprocess.run([*script, str(tmp_path), "--arms", "renet_gnu"], capture_output=True, text=True)
    assert unknown.returncode == 2
    assert "--arms: renet_gnu not among none, coordinate_convolutions" in unknown.stderr


@pytest.mark.thorough
def test_labelling_takes_less_memory_than_the_plain_way(tmp_path: Path) -> None:
    script = documented("inference_memory.py", "--size", "300", "400", "--repeats", "1")
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "benchmarks/results/inference_memory.md").read_text().splitlines()[-4:]
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")[2:-1]] for row in rows}
    assert all(own[-1] == "0" for own in cells.values())  # pixels that differ
    # where the network's own maps are not what takes most
    assert float(cells["PSPNet, ResNet-18"][2]) < 0.7
    assert float(cells["FCN, EfficientNet-Lite0"][2]) < 0.7


@pytest.mark.thorough
def test_ways_to_look_are_compared(run, camvid: Path, tmp_path: Path) -> None:
    small = [*SMALL, "data=camvid", f"data.root={camvid}", f"hydra.run.dir={tmp_path}/run"]
    assert run("train", *small) == 0
    script = [sys.executable, str(BENCHMARKS / "inference_choices.py"), "--ckpt", "run/checkpoints/last.ckpt"]
    done = subprocess.run([*script, "--windows", "16", "20"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "benchmarks/results/inference_choices.md").read_text().splitlines()[-6:]
    assert rows[0].startswith("| whole image | ")
    assert rows[1].startswith("| windows of 16 x 20, Gaussian weights | ")


@pytest.mark.thorough
def test_the_input_path_is_measured_beside_decoding(tmp_path: Path) -> None:
    script = documented("input_path.py", "--images", "1", "--rounds", "1")
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "benchmarks/results/input_path.md").read_text()
    assert table.rstrip() in done.stdout
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith(("| cityscapes", "| ade20k"))]
    assert len(rows) == 2
    assert all(float(row[1]) > 0 and float(row[2]) > 0 and float(row[4]) > 0 and float(row[6]) > 0 for row in rows)


@pytest.mark.thorough
def test_mingru_is_measured_beside_the_gru() -> None:
    done = subprocess.run(documented("mingru.py"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ratios = re.findall(r"^axis \d  ratio +([\d.]+) ", done.stdout, re.MULTILINE)
    assert ratios == ["2.25", "2.25"]  # of multiply-accumulates, for each axis


@pytest.mark.thorough
def test_sweeps_are_measured_in_parts_and_beside_the_limits(tmp_path: Path) -> None:
    script = documented("sweeps.py", "--device", "cpu", "--repeats", "3", "--crop", "64x96", "--channels", "24")
    script += ["--hidden", "16", "--maps", "33x47", "--dtypes", "float32", "bfloat16"]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "benchmarks/results/sweeps.md").read_text()
    assert table.rstrip() in done.stdout
    titles = [line for line in table.splitlines() if line.endswith(("forward:", "training:"))]
    assert titles == ["float32, forward:", "float32, training:", "bfloat16, forward:", "bfloat16, training:"]
    lines = [[cell.strip() for cell in line.split("|")[2:-1]] for line in table.splitlines() if "2x24x33x47" in line]
    rows = [line for line in lines if line[0] in ("gru16", "lstm16")]
    assert len([line for line in lines if line[0] == "lateral_sweep 16"]) == 2  # whole contexts, in each precision
    assert [cell for cell, *_ in rows] == ["gru16", "lstm16"] * 4
    for _, copies, products, steps, whole, floor, bound, ratio, peak in rows:
        parts = float(copies) + float(products) + float(steps)
        assert 0.3 < parts / float(whole) < 3  # these machines are noisy
        assert float(floor) > 0
        assert bound in ("bytes", "products", "steps")
        assert float(ratio) > 0
        assert float(peak) > 0


@pytest.mark.thorough
def test_training_is_measured_beside_a_plain_loop(tmp_path: Path) -> None:
    script = documented("train_loop.py", "--steps", "15", "--start", "5", "--pairs", "1")
    small = ["data.crop=[64,64]", "data.workers=0"]  # batch norms over fewer values would blow rounding up
    done = subprocess.run([*script, "--overrides", *small], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "benchmarks/results/train_loop.md").read_text()
    assert table.rstrip() in done.stdout
    rows = [line.split("|")[2:-1] for line in table.splitlines() if line.startswith("| encoder")]
    assert len(rows) == 2
    for *rates, waiting, memory in rows:
        assert all(float(figure) > 0 for figure in rates)
        assert 0 <= float(waiting) <= 100
        assert not memory.strip()  # only a GPU's memory is measured


@pytest.mark.thorough
def test_the_cost_of_logging_is_measured(tmp_path: Path) -> None:
    small = ["model.width=16", "data.crop=[32,32]", "data.batch_size=2", "trainer.max_val_images=2"]
    script = [sys.executable, str(BENCHMARKS / "logging_cost.py"), "--steps", "3", "--overrides", *small]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "benchmarks/results/logging_cost.md").read_text()
    assert table.rstrip() in done.stdout
    rows = [[cell.strip(" `%") for cell in line.split("|")[1:-1]] for line in table.splitlines() if "| `" in line]
    assert [row[0] for row in rows] == ["csv", "tensorboard", "wandb", "mlflow"]
    for _, training, logging, share, page, _ in rows:
        assert 0 < float(logging) < float(training)
        assert 0 < float(share) < 100
        assert float(page) >= 0


@pytest.mark.thorough
def test_ways_on_a_cpu_are_measured_side_by_side(tmp_path: Path) -> None:
    script = documented("cpu.py", "--scale", "0.1", "--rounds", "1", "--only", "512 x 1024", "--threads", "1")
    subprocess.run([*script, "--results", "."], check=True, cwd=tmp_path)
    rows = [
        line.strip("| ").split(" | ") for line in (tmp_path / "cpu.md").read_text().splitlines() if line[:2] == "| "
    ]
    header, *ways = rows
    assert header[0] == "way"
    assert [way[0] for way in ways] == [
        "all off",
        "huge pages (THP_MEM_ALLOC_ENABLE=1)",
        "memory kept",
        "memory kept, network prepared (the default)",
        "ONNX Runtime (runtime=onnx), memory kept",
    ]
    assert float(ways[0][2]) == 1
    assert all(float(way[1]) > 0 and float(way[3]) > 0 for way in ways)


@pytest.mark.thorough
def test_labelling_is_measured_with_and_without_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason='pip install "segrnn[ray]"')
    script = documented("bulk_prediction.py", "--images", "4", "--processes", "1")
    subprocess.run([*script, "--results", "."], check=True, cwd=tmp_path)
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "bulk_prediction.md").read_text().splitlines()[6:]]
    assert [row[0] for row in rows] == [
        "one process of 1 threads",
        "torchrun, 1 processes of one thread",
        "Ray, 1 actors of one thread",
    ]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in rows)


@pytest.mark.thorough
def test_shards_are_measured_beside_files(tmp_path: Path) -> None:
    script = documented("streaming.py", "--images", "6", "--workers", "1", "--shard-mb", "0.1")
    subprocess.run([*script, "--results", "."], check=True, cwd=tmp_path)
    rows = [line.strip("| ").split(" | ") for line in (tmp_path / "streaming.md").read_text().splitlines()[7:]]
    assert [row[0] for row in rows] == [
        "files on the disk",
        "shards on the disk",
        "files in the store",
        "shards in the store",
        "shards in the store, second pass",
    ]
    assert all(float(row[1]) > 0 for row in rows)
