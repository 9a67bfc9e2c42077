"""What goes wrong with the machine ends a command with one line and the way out."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import SMALL, Run
from torch.utils.data import get_worker_info

import segrnn.dataset_tools.packing
from segrnn.atomic import new_folder
from segrnn.claims import claimed
from segrnn.datasets import Augmented
from segrnn.errors import OutputError
from segrnn.models import Segmenter
from segrnn.termination import Terminated, tidy
from segrnn.trouble import explain_trouble, is_out_of_memory


@pytest.fixture
def arguments(camvid: Path) -> list[str]:
    kept = [argument for argument in SMALL if not argument.startswith("data.workers")]
    return [*kept, "data=camvid", f"data.root={camvid}", "run_id=run"]


def caused(error: Exception) -> Exception:
    """An error that another one has led to."""
    try:
        try:
            raise error
        except Exception as first:
            raise RuntimeError("something else") from first
    except RuntimeError as second:
        return second


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "the memory is too small. Use less of it"),
        (MemoryError("Unable to allocate 9.31 GiB for an array"), "(Unable to allocate 9.31 GiB for an array)"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "the memory is too small",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "the memory is too small (CUDA out of memory. Tried)"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "the memory is too small"),
        (
            RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
            "was killed, as the memory was probably full",
        ),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "data.workers=0"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. It is"), "/dev/shm"),
        (RuntimeError("unable to mmap 100 bytes from file </torch_7>: Cannot"), "/dev/shm"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
        (
            OSError(
                "Caught OSError in DataLoader worker process 0.\nTraceback\nOSError: [Errno 24] Too many open files"
            ),
            "ulimit",
        ),
        (caused(MemoryError()), "the memory is too small"),
    ],
)
def test_trouble_is_explained(error: Exception, words: str) -> None:
    explanation = explain_trouble(error)
    assert explanation is not None
    assert words in explanation
    assert "\n" not in explanation


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), KeyError("x"), OSError(errno.ENOENT, "No such file")])
def test_other_errors_keep_their_traceback(error: Exception) -> None:
    assert explain_trouble(error) is None
    assert not is_out_of_memory(error)


def test_too_little_memory_on_a_cpu(run: Run, arguments: list[str], monkeypatch, capsys) -> None:
    def full(model: Segmenter, image: torch.Tensor) -> None:
        torch.empty(2**60, dtype=torch.uint8)  # no machine has so much

    monkeypatch.setattr(Segmenter, "forward_with_auxiliary", full)
    assert run("train", *arguments, "data.workers=0") == 2
    error = capsys.readouterr().err
    assert "too small for 4 crops of 32 x 32 at a time" in error
    assert "trainer.micro_batch_size=2" in error


LIMITED = """
import resource, sys
import torch, pytorch_lightning, segmentation_models_pytorch, segrnn.inference, segrnn.training, segrnn.reports
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (900 << 20), resource.RLIM_INFINITY))
from importlib import import_module
command, sys.argv = sys.argv[1], sys.argv[1:]
import_module(f"segrnn.{command}").main()
"""


@pytest.mark.thorough
def test_a_process_whose_memory_is_limited(run: Run, arguments: list[str], camvid: Path) -> None:
    assert run("train", *arguments, "data.workers=0", "trainer.max_steps=1") == 0
    from PIL import Image

    Path("large").mkdir()
    Image.new("RGB", (8000, 8000)).save("large/a.png")
    others = [each for each in arguments if not each.startswith(("run_id", "data.crop"))]
    ckpt = "ckpt=runs/train/run/checkpoints/last.ckpt"
    for command, *overrides in [
        ("train", *others, "data.workers=0", "run_id=other", "data.crop=[2048,2048]"),
        ("predict", ckpt, "input=large", "output=masks"),
    ]:
        started = [sys.executable, "-c", LIMITED, command, *overrides]
        done = subprocess.run(started, capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "memory" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_a_killed_loading_process(run: Run, arguments: list[str], monkeypatch, capsys) -> None:
    original = Augmented.__getitem__

    def killed(self: Augmented, index: tuple) -> tuple:
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, index)

    monkeypatch.setattr(Augmented, "__getitem__", killed)
    assert run("train", *arguments, "data.workers=1") == 2
    error = capsys.readouterr().err
    assert "a process that loads data was killed, as the memory was probably full" in error
    assert "data.workers=0" in error
    assert "Traceback" not in error


@pytest.mark.thorough
def test_too_many_open_files(run: Run, arguments: list[str], monkeypatch, capsys) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    original = Segmenter.forward_with_auxiliary
    held: list[int] = []

    def full(model: Segmenter, image: torch.Tensor) -> object:
        if not held and torch.is_grad_enabled():  # in the first step
            held.append(os.open("/dev/null", os.O_RDONLY))
            resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, limits[1]))
        return original(model, image)

    monkeypatch.setattr(Segmenter, "forward_with_auxiliary", full)
    try:
        # the loading processes of the first validation find no room for their pipes
        assert run("train", *arguments, "data.workers=2", "trainer.validate_every_n_steps=1") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(held[0])
    error = capsys.readouterr().err
    assert "too many files are open at once: allow more (ulimit -n 4096), lower data.workers" in error
    assert "Traceback" not in error


@pytest.mark.thorough
@pytest.mark.parametrize("command", ["train", "benchmark"])
def test_a_machine_without_a_compiler(command: str, run: Run, arguments: list[str]) -> None:
    environment = {**os.environ, "PATH": str(Path().resolve()), "TORCHINDUCTOR_CACHE_DIR": str(Path("cache").resolve())}
    overrides = {
        "train": [*arguments, "trainer.compile=true"],
        "benchmark": ["inference", "runtimes=[compiled]", "sizes=[[32,32]]", "encoder.weights=null"],
    }[command]
    started = [sys.executable, "-m", f"segrnn.{command}", *overrides]
    done = subprocess.run(started, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "networks can't be compiled here" in done.stderr
    assert "apt-get install g++" in done.stderr
    assert not Path("runs/train/run/checkpoints").exists()


@pytest.mark.thorough
def test_an_encoder_that_wants_another_size(run: Run, arguments: list[str], monkeypatch, capsys) -> None:
    others = [each for each in arguments if not each.startswith("model.")]
    assert run("train", *others, "model=unet", "encoder.name=tu-swin_tiny_patch4_window7_224", "context.stride=8") == 2
    assert "Input height (128) doesn't match model (224)" in capsys.readouterr().err

    def narrow(model: Segmenter, image: torch.Tensor) -> None:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)\nand more")

    monkeypatch.setattr(Segmenter, "forward_with_auxiliary", narrow)
    assert run("train", *arguments, "data.workers=0") == 2
    error = capsys.readouterr().err
    assert (
        "can't be trained on 4 crops of 32 x 32: The size of tensor a (3) must match the size of tensor b (4)" in error
    )
    assert "Traceback" not in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_nothing(number: int, run: Run, camvid: Path, monkeypatch, capsys) -> None:
    def ended(*_: object) -> int:
        signal.raise_signal(number)
        return 0

    monkeypatch.setattr(segrnn.dataset_tools.packing.Pack, "__call__", ended)
    arguments = ["data=camvid", f"data.root={camvid}", "output=packed", "workers=0"]
    before = signal.signal(number, signal.SIG_DFL)  # under nohup, the tests themselves ignore one of them
    try:
        assert run("prepare", "pack", *arguments) == 143
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert f"ended by {signal.Signals(number).name}\n" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with tidy():
            signal.raise_signal(signal.SIGHUP)
        with pytest.raises(Terminated), tidy():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, former)


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from segrnn.atomic import new_folder
with new_folder(Path(sys.argv[1])) as draft:
    (draft / "half").write_bytes(b"")
    os.kill(os.getpid(), 9)
"""
    folder = tmp_path / "made"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / ".made.draft" / "draft" / "half").exists()
    with new_folder(folder) as draft:
        assert list(draft.iterdir()) == []
        (draft / "whole").write_bytes(b"")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_two_processes_do_not_write_one_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("segrnn.claims._BEAT", 0.2)
    with (
        claimed(tmp_path / ".made.draft", print),
        pytest.raises(OutputError, match="belongs to process"),
        new_folder(tmp_path / "made"),
    ):
        pass
