"""What must hold on a CUDA device: everything gives what it gives on the CPU. Skipped where there is none."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SMALL, composed, draw_camvid
from context.test_contexts import CHANNELS, CONTEXTS
from losses.test_all_losses import LOSSES, batch, gradient
from PIL import Image
from torch import nn

from segrnn.config.model import build_untrained
from segrnn.inference import ModelInfo, Predictor
from segrnn.labels import IGNORE_INDEX
from segrnn.metrics import ConfusionMatrix
from segrnn.models import Segmenter

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
CUDA = torch.device("cuda")
NETWORKS = {
    "fcn": ["model=fcn_stride8", "encoder=lite0", "context=renet_gru"],
    "fpn": ["model=fpn", "encoder=resnet18", "context=renet_lstm"],
    "deeplab": ["model=deeplabv3plus", "encoder=resnet18", "context=none"],
    "dilated": ["model=fcn_dilated", "encoder=resnet18", "context=renet_mingru", "auxiliary=fcn"],
    "reseg": ["model=reseg", "encoder=vgg16", "context=none"],
    "blla": ["model=blla"],
}


@pytest.fixture(autouse=True)
def exact() -> None:
    """Single precision is single precision: no TF32."""
    torch.manual_seed(1)
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def outcome(module: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Output and all gradients, on the CPU. ReSeg does not train its encoder."""
    x = x.detach().requires_grad_()
    y = module(x)
    weight = torch.linspace(-1, 1, y.numel(), device=y.device, dtype=y.dtype).view_as(y)
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(y, [x, *learned], weight, materialize_grads=True)
    return [tensor.detach().cpu() for tensor in (y, *gradients)]


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("size", [(1, 1), (7, 13), (40, 33)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-4), (torch.float64, 1e-9)])
def test_contexts(name: str, size: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    module = CONTEXTS[name]().to(dtype).train()
    twin = copy.deepcopy(module).to(CUDA)
    x = torch.randn(2, CHANNELS, *size, dtype=dtype)
    expected = outcome(module, x)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        found = outcome(twin, x.to(CUDA).contiguous(memory_format=memory_format))
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(1, other.abs().max().item()))


@pytest.mark.parametrize("name", CONTEXTS)
def test_bfloat16_autocast(name: str) -> None:
    module = CONTEXTS[name]().train().to(CUDA)
    x = torch.randn(2, CHANNELS, 7, 13, device=CUDA).contiguous(memory_format=torch.channels_last)
    exact = module(x)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        y = module(x)
    torch.testing.assert_close(y.float(), exact, rtol=0.1, atol=0.1 * exact.abs().max().item())
    y.float().square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in module.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    loss = LOSSES[name]()
    logits, target = batch(5, (2, 33, 47))
    expected, found = gradient(loss, logits, target), gradient(loss.to(CUDA), logits.to(CUDA), target.to(CUDA))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-4, atol=1e-6)


def test_counts() -> None:
    prediction, target = torch.randint(0, 7, (2, 3, 101, 57), dtype=torch.uint8)
    target[0, :20] = IGNORE_INDEX
    counts = []
    for device in (torch.device("cpu"), CUDA):
        matrix = ConfusionMatrix(7)
        matrix.update(prediction.to(device), target.to(device))
        counts.append(matrix.counts.cpu())
    assert torch.equal(*counts)


def network(name: str) -> tuple[Segmenter, ModelInfo]:
    return build_untrained(composed(*NETWORKS[name], "encoder.weights=null"), 19)


@pytest.mark.parametrize("name", NETWORKS)
def test_masks_are_equal_but_for_ties(name: str) -> None:
    """A pixel may differ only where the two largest logits are as close as rounding."""
    model, info = network(name)
    model.eval()
    image = np.random.default_rng(0).integers(0, 256, (123, 211, 3), np.uint8)
    mask = Predictor(model, info).mask(image)
    with torch.no_grad():
        logits = model(info.preprocessing.normalize(torch.from_numpy(image).permute(2, 0, 1)[None]))[0]
    first, second = logits.topk(2, dim=0).values
    found = Predictor(model.to(CUDA), info).mask(image).cpu()
    tied = first - second < 1e-4 * logits.abs().max()
    assert not ((found != mask) & ~tied).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_training_steps_are_those_of_the_cpu(name: str) -> None:
    model = network(name)[0].double().train()
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d):
            module.p = 0.0
    twin = copy.deepcopy(model).to(CUDA)
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    for one, other in zip(outcome(_Main(twin), x.to(CUDA)), outcome(_Main(model), x), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-8 * max(1, other.abs().max().item()))


class _Main(nn.Module):
    """The logits of training, plus those of the auxiliary head, so that every parameter has a gradient."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits, auxiliary = self.model.forward_with_auxiliary(x)
        return logits if auxiliary is None else logits + auxiliary


GPU = ["trainer=gpu", "data=camvid", "data.workers=2"]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch.compile looks at it
@pytest.mark.parametrize(
    "options",
    [[], ["trainer.precision=bf16-mixed", "trainer.compile=true", "trainer.channels_last=true"]],
    ids=["float32", "bf16_compiled_channels_last"],
)
def test_a_run_and_its_masks(run: Callable[..., int], tmp_path: Path, options: list[str]) -> None:
    """Train on the GPU, then label there and on the CPU: the masks differ at few pixels of an untrained network."""
    small = [option for option in SMALL if not option.startswith(("trainer.accelerator", "data.workers"))]
    camvid = draw_camvid(tmp_path / "camvid")
    command = [*small, *GPU, f"data.root={camvid}", f"hydra.run.dir={tmp_path}/run", *options]
    assert run("train", *command) == 0
    ckpt = f"ckpt={tmp_path}/run/checkpoints/last.ckpt"
    for device in ("cuda", "cpu"):
        folder = f"{tmp_path}/masks_{device}"
        assert run("predict", ckpt, f"input={camvid}/val", f"output={folder}", f"device={device}") == 0
        assert run("evaluate", ckpt, f"device={device}", f"hydra.run.dir={tmp_path}/scores_{device}") == 0
    names = sorted(path.relative_to(tmp_path / "masks_cpu") for path in (tmp_path / "masks_cpu").rglob("*.png"))
    assert names
    for name in names:
        one, other = (np.asarray(Image.open(tmp_path / f"masks_{device}" / name)) for device in ("cuda", "cpu"))
        assert (one != other).mean() < 0.01
