"""What a stranger's file can have built: known classes with structural arguments, and nothing that reaches out."""

import inspect
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from torch import nn

import segrnn.context
import segrnn.models
from segrnn.compat import smp, timm
from segrnn.errors import CheckpointError, ConfigError
from segrnn.images import Preprocessing
from segrnn.inference import ModelInfo, Predictor, load_trained
from segrnn.inference.bundle import _digest_description
from segrnn.labels import CAMVID
from segrnn.models.architecture import MODEL_TARGETS, STRUCTURAL, build_segmenter

FCN = {
    "_target_": "segrnn.models.FCN",
    "_partial_": True,
    "encoder_name": "tu-test_resnet",
    "encoder_depth": 3,
    "width": 8,
}
RENET = {"_target_": "segrnn.context.ReNet", "_partial_": True, "hidden": 4, "stride": 8}
NONE = {"_target_": None, "stride": 8}
CONTEXTS = sorted(
    f"segrnn.context.{name}" for name in segrnn.context.__all__ if issubclass(getattr(segrnn.context, name), nn.Module)
)
NETWORKS = [target for target in MODEL_TARGETS if not target.endswith(".") and not target.endswith("Auxiliary")]
OWN_ENCODER = "segrnn.models.BLLA"  # it takes no encoder's name
REACHING = {  # what timm, SMP and the hub take, with what a stranger might ask for
    "encoder_weights": "imagenet",
    "weights": "imagenet",
    "pretrained": True,
    "pretrained_cfg": {"url": "http://127.0.0.1:1/x.pth", "hf_hub_id": ""},
    "pretrained_cfg_overlay": {"url": "http://127.0.0.1:1/x.pth", "hf_hub_id": ""},
    "pretrained_strict": False,
    "pretrained_custom_load": True,
    "pretrained_model_args": {"url": "http://127.0.0.1:1/x.pth"},
    "checkpoint_path": "/etc/passwd",
    "cache_dir": "stolen",
    "repo_id": "somebody/something",
    "pretrained_model_name_or_path": "somebody/something",
    "model_id": "somebody/something",
    "local_dir": "stolen",
    "token": "secret",
    "revision": "main",
    "aux_params": {"classes": 3},
    "activation": "sigmoid",
    "device": "meta",
}
LIBRARY_FUNCTIONS = (
    smp.encoders.get_encoder,
    smp.encoders.timm_universal.TimmUniversalEncoder,
    smp.from_pretrained,
    timm.create_model,
    timm.models.build_model_with_cfg,
    timm.models.load_checkpoint,
    timm.models.load_state_dict_from_hf,
    huggingface_hub.hf_hub_download,
    huggingface_hub.snapshot_download,
    huggingface_hub.PyTorchModelHubMixin.from_pretrained,
)
EVIL_ENCODERS = (
    "tu-hf-hub:somebody/something",
    "tu-hf_hub:somebody/something",
    "tu-local-dir:/etc",
    "hf-hub:somebody/something",
    "http://127.0.0.1:1/x.pth",
    "../../resnet18",
    "tu-",
    "",
    7,
    None,
    ["resnet18"],
)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty folder to be in, and a network that notes who asks for it."""
    asked: list[object] = []

    def refuse(*args: object, **_: object) -> None:
        asked.append(args)
        raise OSError("no network here")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder = tmp_path / "outside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(folder / "cache"))
    yield folder
    assert not asked
    assert not list(folder.iterdir())


def write_checkpoint(path: Path, architecture: dict[str, Any]) -> Path:
    config = {"auxiliary": {"_target_": None}, "data": {"split": "val"}, **architecture}
    kept = {
        "version": "0",
        "config": config,
        "labels": CAMVID.to_dict(),
        "preprocessing": Preprocessing((0.5,) * 3, (0.5,) * 3).to_dict(),
    }
    torch.save({"segrnn": kept, "state_dict": {}, "global_step": 1}, path)
    return path


def write_bundle(folder: Path, architecture: dict[str, Any]) -> Path:
    """A real bundle, whose description is then replaced, with a digest that fits."""
    if not folder.exists():
        model = build_segmenter({"model": FCN, "context": NONE}, CAMVID.num_classes)
        info = ModelInfo({"model": FCN, "context": NONE}, CAMVID, Preprocessing((0.5,) * 3, (0.5,) * 3))
        Predictor(model, info).save(folder)
    content = json.loads((folder / "config.json").read_text()) | {"architecture": architecture}
    content["sha256"]["description"] = _digest_description(content)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def network(target: str) -> dict[str, Any]:
    return {"_target_": target} if target == OWN_ENCODER else {"_target_": target, "encoder_name": "resnet18"}


def class_of(target: str) -> type[nn.Module]:
    room, _, name = target.rpartition(".")
    return getattr({"segrnn.context": segrnn.context, "segrnn.models": segrnn.models}.get(room, smp), name)


def arguments_of(target: str) -> dict[str, Any]:
    """Each argument that a target might pass on to something that reaches out, with a value that asks for it."""
    names = set(REACHING)
    for function in (*LIBRARY_FUNCTIONS, class_of(target)):
        names |= set(inspect.signature(function).parameters)
    names -= set(inspect.signature(class_of(target)).parameters) if target.startswith("segrnn.") else set()
    names -= {"self", "cls", "kwargs", "args", "classes", *STRUCTURAL}
    return {name: REACHING.get(name, "somebody/something") for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("target", [*NETWORKS, *CONTEXTS])
def test_no_argument_makes_a_file_reach_out(target: str, outside: Path, tmp_path: Path) -> None:
    for name, value in arguments_of(target).items():
        if target in NETWORKS:
            architecture = {"model": {**network(target), name: value}, "context": NONE}
        else:
            architecture = {"model": FCN, "context": {"_target_": target, "stride": 8, name: value}}
        with pytest.raises(CheckpointError, match="is not an argument of the architecture"):
            load_trained(write_checkpoint(tmp_path / "evil.ckpt", architecture))
    with pytest.raises(CheckpointError, match="is not an argument of the architecture"):
        load_trained(write_bundle(tmp_path / "bundle", architecture))


@pytest.mark.parametrize("target", NETWORKS)
def test_no_encoder_is_asked_for_elsewhere(target: str, outside: Path, tmp_path: Path) -> None:
    for name in EVIL_ENCODERS:
        architecture = {"model": {"_target_": target, "encoder_name": name}, "context": NONE}
        refused = "is not an argument of" if target == OWN_ENCODER else r"there is no encoder|must be a text|unhashable"
        with pytest.raises(CheckpointError, match=refused):
            load_trained(write_checkpoint(tmp_path / "evil.ckpt", architecture))


@pytest.mark.parametrize("target", NETWORKS)
def test_networks_are_built_without_their_weights(target: str, outside: Path, tmp_path: Path) -> None:
    """The defaults of segmentation_models_pytorch are to download them."""
    model = network(target)
    with pytest.raises(
        CheckpointError, match="the checkpoint belongs to another model"
    ):  # built, but no tensor is there
        load_trained(write_checkpoint(tmp_path / "empty.ckpt", {"model": model, "context": NONE}))


@pytest.mark.parametrize(
    ("part", "target"),
    [
        ("model", "segrnn.inference.bundle.load_bundle"),
        ("model", "segrnn.inference.bundle.write_bundle"),
        ("model", "segrnn.inference.Predictor.load"),
        ("model", "segrnn.load"),
        ("model", "segrnn.models.pretrained_weights.from_hub"),
        ("model", "segrnn.models.pretrained_weights.lite0_from_package"),
        ("model", "segrnn.inference.read_checkpoint"),
        ("model", "segmentation_models_pytorch.from_pretrained"),
        ("model", "segmentation_models_pytorch.create_model"),
        ("model", "segmentation_models_pytorch.encoders.get_encoder"),
        ("model", "timm.create_model"),
        ("model", "huggingface_hub.snapshot_download"),
        ("context", "segrnn.context.arguments.positive"),
        ("context", "segrnn.context.sweep.partial"),
        ("context", "torch.hub.load"),
        ("context", "torch.nn.Identity"),
        ("context", ["segrnn.context.ReNet"]),
        ("auxiliary", "segrnn.datasets.Demo"),
        ("auxiliary", "segrnn.context.arguments.heads"),
    ],
)
def test_a_loader_is_no_network(part: str, target: object, outside: Path, tmp_path: Path) -> None:
    evil = {"_target_": target, "source": "somebody/something", "stride": 8}
    architecture = {"model": FCN, "context": NONE, part: evil}
    with pytest.raises(CheckpointError, match=rf"{part}\._target_"):
        load_trained(write_checkpoint(tmp_path / "evil.ckpt", architecture))


def test_a_component_inside_an_argument_is_refused(outside: Path) -> None:
    inner = {"_target_": "segrnn.inference.bundle.load_bundle", "source": "somebody/something"}
    for value in (inner, [inner], {"deeper": [inner]}):
        with pytest.raises(ConfigError, match=r"model\.width.* holds a component"):
            build_segmenter({"model": {**FCN, "width": value}, "context": NONE}, 4)


def test_the_callers_own_class_is_guarded_too(outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the caller's word that its code may run; what the file asks of it is not."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "careless.py").write_text(
        "from pathlib import Path\n"
        "from torch import nn\n"
        "class Writer(nn.Module):\n"
        "    def __init__(self, channels, path='here.txt'):\n"
        "        super().__init__()\n"
        "        Path(path).write_text('x')\n"
    )
    monkeypatch.syspath_prepend(code)
    architecture = {"model": FCN, "context": {"_target_": "careless.Writer", "path": "there.txt", "stride": 8}}
    path = write_checkpoint(tmp_path / "evil.ckpt", architecture)
    with pytest.raises(CheckpointError, match=r"'careless.Writer' is not allowed"):
        load_trained(path)
    with pytest.raises(CheckpointError, match=r"tried to open there\.txt for writing"):
        load_trained(path, allow=["careless."])


def test_arguments_of_our_own_classes_are_structural() -> None:
    """They are allowed by their declaration, so none may be the name of something outside."""
    reaching = ("weight", "pretrain", "url", "path", "file", "folder", "cache", "hub", "token", "checkpoint", "repo")
    for target in [*CONTEXTS, OWN_ENCODER, "segrnn.models.FCN", "segrnn.models.ReSeg", "segrnn.models.Auxiliary"]:
        for argument, parameter in inspect.signature(class_of(target)).parameters.items():
            assert parameter.kind is not parameter.VAR_KEYWORD
            if (target, argument) != ("segrnn.models.Auxiliary", "weight"):  # of its loss
                assert not any(word in argument for word in reaching), f"{target}.{argument}"


def test_structural_arguments_still_work() -> None:
    model = {"_target_": "segmentation_models_pytorch.PSPNet", "encoder_name": "resnet18", "encoder_weights": None}
    network = build_segmenter({"model": {**model, "encoder_depth": 5, "output_stride": 8}, "context": RENET}, 4)
    assert network.encoder.output_stride == 8
