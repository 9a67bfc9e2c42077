"""The configuration of each command: its keys, their types, defaults and ranges, and what they do."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.knobs import REQUIRED, Limits, knob
from segrnn.config.parsing import Config
from segrnn.config.search_space import read_space

_COUNT, _SHARE, _POSITIVE = Limits(at_least=1), Limits(share=True), Limits(above=0)
_SEED, _SIDES, _THREE = Limits(at_least=0), Limits(above=0, length=2), Limits(length=3)

_CKPT = "a checkpoint of a run, or the folder of a bundle"
_ALLOW = "import prefixes of your own code that may be named, e.g. allow=[my_package.]"
_KEEP = "keep freed memory for the next image or step, which saves time; false gives it back to the system at once"
_DEVICE = "auto, cpu, cuda, mps, ..."
_WORKERS = "processes, all cores by default; 0 does it all in one"
_SPLITS = Limits(filled="split")


@dataclass(kw_only=True)
class Trainer:
    """The settings of the trainer: how long, how and on which devices to train."""

    max_steps: int = knob("steps of the optimizer", 250, _COUNT)
    validate_every_n_steps: int = knob("how often the run validates", 50, _COUNT)
    micro_batch_size: int | None = knob(
        "images that one process takes at a time, adding up gradients; null takes its whole share", None, _COUNT
    )
    gradient_clip_val: float = knob("norm of the whole gradient; 0 does not clip", 1.0, Limits(at_least=0))
    precision: str = knob("32-true, bf16-mixed, 16-mixed or 64-true", "32-true")
    ema_decay: float = knob("e.g. 0.999: validate and save a moving average of the weights; 0 does not", 0.0, _SHARE)
    patience: int | None = knob("stop after so many validations without a better mIoU", None, _COUNT)
    max_minutes: float | None = knob(
        "save and end after them, with exit code 143; ckpt=auto goes on", None, Limits(above=0)
    )
    sync_batch_norm: bool = knob("compute the statistics of batch norms over all processes", True)
    compile: bool = knob("compile encoder and decoder by torch.compile; recurrent contexts stay as they are", False)
    channels_last: str = knob(
        "memory format: true, false, or auto, which is true on a CPU, where it is faster. On GPUs, try true with "
        "bf16-mixed",
        "auto",
        Limits(options=("auto", "true", "false")),
    )
    checkpoint_encoder: bool = knob("compute the encoder's activations twice instead of keeping them", False)
    max_train_images: int | None = knob("of the split, the first so many; null takes all", None, _COUNT)
    max_val_images: int | None = knob("of the split, the first so many; null takes all", None, _COUNT)
    profile: bool = knob("say where the time went, in <run>/fit-profile.txt", False)
    lr_range: bool = knob("draw the loss over learning rates; for schedule=lr_range", False)
    accelerator: str = knob("auto, cpu, gpu or mps; chosen by the group trainer")
    devices: int = knob(
        "how many of this machine, -1 for all; chosen by the group trainer", limits=Limits(at_least=1, or_all=True)
    )
    num_nodes: int = knob("how many machines; chosen by the group trainer", limits=_COUNT)
    strategy: str = knob("auto, ddp or fsdp; chosen by the group trainer")


@dataclass(kw_only=True)
class Checkpoint:
    """The settings of checkpoints."""

    every_n_steps: int = knob("how often checkpoints/last.ckpt is renewed between validations", 100, _COUNT)


@dataclass(kw_only=True)
class Data:
    """The settings that all datasets have in common. A file of ``conf/data/`` sets those that differ."""

    name: str = knob("of the dataset, for titles and files")
    root: str = knob("the folder, or the zip archive, that holds it")
    train_split: str = knob("what training sees", "train")
    split: str = knob("what validation and evaluation score", "val")
    batch_size: int = knob("crops of a step, over all processes", 16, _COUNT)
    eval_batch_size: int = knob(
        "images read at a time; each goes through the network alone, so it can't change a score", 8, _COUNT
    )
    workers: int = knob("processes that load data", 2, Limits(at_least=0))
    crop: list[int] = knob("height and width of what training sees", limits=_SIDES)
    base_size: list[int] | None = knob(
        "[short, long]: sides that every image is brought within first, its ratio kept; null keeps the file's",
        None,
        _SIDES,
    )
    scale: list[float] = knob("training scales, relative to the base size, or else to the file's", [0.5, 2.0], _SIDES)
    eval_scale: float = knob(
        "the size at which validation, evaluation and prediction see an image, relative to the same", 1.0, _POSITIVE
    )
    max_class_share: float = knob("a crop of which one class covers more is drawn again", 1.0, _SHARE)
    flip: float = knob("share of crops that are mirrored", 0.5, _SHARE)
    color: float = knob("how much brightness, contrast and saturation change", 0.3, _SHARE)
    stats: str | None = knob("what prepare stats wrote about the training split; repeat_threshold needs it", None)
    repeat_threshold: float = knob(
        "images with a class that fewer images than this share hold are shown more often", 0.0, _SHARE
    )
    dataset: dict[str, Any] = knob("the class that reads it, and its arguments")


@dataclass(kw_only=True)
class Encoder:
    """The choice of an encoder, and the normalisation of its images."""

    name: str = knob("of segmentation_models_pytorch; tu-... of timm")
    mean: list[float] = knob("of red, green and blue in 0 to 1", limits=_THREE)
    std: list[float] = knob("of red, green and blue", limits=Limits(above=0, length=3))
    weights: dict[str, Any] | None = knob("what loads trained weights; null trains from scratch")


@dataclass(kw_only=True)
class Examples:
    """The choice of images that are shown after a validation, in panels.png, report.html and on dashboards."""

    count: int = knob("images, spread over the split", 8, _COUNT)
    names: list[str] = knob("these instead", [])
    extremes: int = knob("and so many of the worst and of the best ones", 8, Limits(at_least=0))


@dataclass(kw_only=True)
class Train(Config):
    """The configuration `conf/train.yaml`. `instantiate` checks components against their signatures."""

    data: Data
    encoder: Encoder
    trainer: Trainer
    checkpoint: Checkpoint
    examples: Examples
    seed: int = knob("of weights, data and dropout", 0, _SEED)
    run_id: str = knob(
        "names the folder; by default the SLURM job, or else the time", "${oc.env:SEGRNN_RUN_ID,unnamed}"
    )
    ckpt: str | None = knob("go on from a checkpoint, or from the newest of this run's folder: ckpt=auto", None)
    weights: str | None = knob("start a new run from the weights of a checkpoint", None)
    load_head: bool = knob("whether weights= takes the head too; false for weights of other classes", True)
    model: dict[str, Any] = knob("decoder and head")
    context: dict[str, Any] = knob("what looks along rows and columns")
    auxiliary: dict[str, Any] = knob("a second classifier, in training only")
    loss: dict[str, Any] = knob("what training minimises")
    optimizer: dict[str, Any] = knob("how weights are stepped")
    schedule: dict[str, Any] = knob("how learning rates change")
    logger: dict[str, Any] = knob("where curves go, beside the CSV file")
    keep_memory: bool = knob(_KEEP, True)
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class Sampler:
    """The way in which a search chooses values."""

    seed: int = knob("of its random numbers", 0, _SEED)
    startup_trials: int = knob("drawn at random, before what has been seen guides the choice", 10, Limits(at_least=0))


@dataclass(kw_only=True)
class Pruner:
    """The pruning of trials: a search ends a trial whose best mIoU is below the others' median at the same step."""

    startup_trials: int = knob("come to their end first; as many as study.trials prunes nothing", 5, Limits(at_least=0))
    warmup_steps: int = knob("no trial is pruned before", 0, Limits(at_least=0))


@dataclass(kw_only=True)
class Study:
    """The settings of a search: its name, its number of trials, and what it varies."""

    name: str = knob("names the folder; the same command again goes on with the study in it", REQUIRED)
    trials: int = knob("in all, over all starts", 20, _COUNT)
    space: Any = knob("by override: {low, high} with log or step, or {choices}; see --help", REQUIRED)
    sampler: Sampler
    pruner: Pruner


@dataclass(kw_only=True)
class Search(Train):
    """The configuration `conf/search.yaml`."""

    study: Study

    def __post_init__(self) -> None:
        read_space(self.study.space)


@dataclass(kw_only=True)
class Windows:
    """The settings of sliding windows. Without a size, no windows are used."""

    size: list[int] | None = knob(
        "height and width of sliding windows, in pixels of the image; null sees the whole image, up to 16 million "
        "pixels",
        None,
        _SIDES,
    )
    stride: list[int] | None = knob("rows and columns from one window to the next; null is half the size", None, _SIDES)
    gaussian: bool = knob("a pixel counts less towards its window's border; false counts all alike", True)


@dataclass(kw_only=True)
class Inference(Config):
    """The settings of inference: how a trained network sees images."""

    ckpt: str = knob(f"{_CKPT}, or an ONNX file of export_model", REQUIRED)
    device: str = knob(_DEVICE, "auto")
    runtime: str = knob(
        "torch, or onnx: ONNX Runtime on the CPU, by a file that is exported once and kept beside the checkpoint",
        "torch",
        Limits(options=("torch", "onnx")),
    )
    scales: list[float] = knob(
        "sizes at which the network sees an image, whose probabilities are averaged, e.g. [0.75,1.0,1.25]",
        [1.0],
        Limits(above=0, filled="factor; [1.0] sees it once"),
    )
    flip: bool = knob("whether it sees the mirrored image, too", False)
    windows: Windows
    keep_memory: bool = knob(_KEEP, True)
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class Evaluate(Inference):
    """The configuration `conf/evaluate.yaml`."""

    data: dict[str, Any] = knob("what differs from the data that the checkpoint was trained on")
    examples: Examples


@dataclass(kw_only=True)
class Scored(Config):
    """The data that `evaluate` uses: the checkpoint's configuration, changed by the user's choices."""

    data: Data


@dataclass(kw_only=True)
class Predict(Inference):
    """The configuration `conf/predict.yaml`."""

    input: str = knob("an image, a folder that is searched with its subfolders, a zip archive or a video", REQUIRED)
    inside: str = knob("the folder of the input that is searched; empty takes all", "")
    output: str = knob(
        "the folder for the masks, which mirrors the input's subfolders; for a submission, a zip archive", REQUIRED
    )
    format: str = knob("label_ids, train_ids, color, overlay, uncertainty, probabilities or submission", "label_ids")
    overwrite: bool = knob("whether what is there is replaced", False)
    max_pixels: int = knob(
        "an image that claims to have more is refused, as it may fill the memory", 300_000_000, _COUNT
    )


@dataclass(kw_only=True)
class ExportModel(Config):
    """The configuration `conf/export_model.yaml`."""

    ckpt: str = knob(_CKPT, REQUIRED)
    format: str = knob("bundle, onnx or torch_export", "bundle")
    output: str = knob("the bundle's folder; a file that ends in .onnx or .pt2", REQUIRED)
    size: list[int] | None = knob("height and width that the file takes; null takes any", None, _SIDES)
    normalize: bool = knob("the file takes pixels, and normalises them itself; false takes normalised values", True)
    argmax: bool = knob("the file gives train ids; false gives logits", False)
    int8: bool = knob("beside an ONNX file, another with 8-bit weights, and the mIoU of both", False)
    max_images: int | None = knob("of the split, for these mIoUs; null takes all", None, _COUNT)
    data: dict[str, Any] = knob("the data for these mIoUs")
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class BenchmarkInference(Config):
    """The configuration `conf/benchmark_inference.yaml`."""

    ckpt: str | None = knob("a checkpoint or a bundle; null measures an untrained network of the groups", None)
    model: dict[str, Any] = knob("of an untrained network")
    context: dict[str, Any] = knob("of an untrained network")
    encoder: Encoder
    classes: int = knob("of an untrained network", 19, _COUNT)
    sizes: list[list[int]] = knob("height and width of the image", [[360, 480], [1024, 2048]])
    runtimes: list[str] = knob(
        "eager, prepared as for predict, compiled, onnx, onnx_int8", ["eager", "prepared", "compiled", "onnx"]
    )
    repeats: int = knob("rounds, of which the medians count", 5, _COUNT)
    seed: int = knob("of weights", 0, _SEED)
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class BenchmarkContexts(Config):
    """The configuration `conf/benchmark_contexts.yaml`."""

    contexts: list[str] = knob("files of conf/context/; empty measures all of them", [])
    hidden: int | None = knob("for all of them; null takes each file's own", 64, _COUNT)
    channels: int = knob("of the map", 128, _COUNT)
    batch: int = knob("maps at a time", 1, _COUNT)
    sizes: list[list[int]] = knob("height and width of the map, not of the image", [[32, 64], [64, 128], [128, 256]])
    field_size: list[int] = knob("of the map whose centre's receptive field is drawn", [64, 128], _SIDES)
    repeats: int = knob("rounds, of which the medians count", 5, _COUNT)
    device: str = knob(_DEVICE, "auto")
    seed: int = knob("of weights", 0, _SEED)
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class PrepareDownload(Config):
    """The configuration `conf/prepare_download.yaml`."""

    data: Data
    download: dict[str, Any] = knob("what fetches it, of conf/download/")
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class PrepareExtract(Config):
    """The configuration `conf/prepare_extract.yaml`."""

    archive: str = knob("a zip file", REQUIRED)
    output: str = knob("the folder to make; if it exists, it must be empty", REQUIRED)
    inside: str = knob("the folder of the archive that becomes the output; empty takes all", "")


@dataclass(kw_only=True)
class PrepareCheck(Config):
    """The configuration `conf/prepare_check.yaml`."""

    data: Data
    splits: list[str] = knob("which parts of it", ["train", "val"], _SPLITS)
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class PrepareStats(Config):
    """The configuration `conf/prepare_stats.yaml`."""

    data: Data
    output: str = knob("the file", "runs/stats/${data.name}_${data.train_split}.json")
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(_ALLOW, [])


@dataclass(kw_only=True)
class PreparePack(Config):
    """The configuration `conf/prepare_pack.yaml`."""

    data: Data
    output: str = knob("a folder that is new or empty", REQUIRED)
    splits: list[str] = knob("which parts of it", ["train", "val"], _SPLITS)
    workers: int | None = knob(_WORKERS, None, Limits(at_least=0))
    allow: list[str] = knob(_ALLOW, [])


def schema_of(config_name: str) -> type[Config] | None:
    """Return the class of a configuration by the name of its file in ``conf/``, or None.

    Example:
        >>> schema_of("prepare_check").__name__
        'PrepareCheck'
    """
    return globals().get("".join(word.capitalize() for word in config_name.split("_")))
