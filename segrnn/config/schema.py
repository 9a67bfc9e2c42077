"""The configuration of each command: its keys, their types, defaults and ranges, and what they do."""

from dataclasses import dataclass
from typing import Any

from segrnn.config.data_knobs import Data
from segrnn.config.encoder_knobs import TrainedEncoder
from segrnn.config.knobs import (
    ALLOW,
    CHECKPOINT,
    COMPARE,
    DEVICE,
    EXAMPLES,
    LOGGER,
    ONNXRUNTIME_WEB,
    REQUIRED,
    Limits,
    knob,
)
from segrnn.config.parsing import Config
from segrnn.config.search_space import read_space
from segrnn.config.study import Study
from segrnn.errors import ConfigError

_COUNT, _SHARE, _SEED = Limits(at_least=1), Limits(share=True), Limits(at_least=0)
_SIDES = Limits(above=0, length=2)

_TRAINED = f"{CHECKPOINT}, or an ONNX file of export; a list of them averages the probabilities of all networks"
_NETWORKS = Limits(filled="checkpoint", or_one=True)
_KEEP = "keep freed memory for the next image or step, which saves time; false returns it to the system at once"


@dataclass(kw_only=True)
class Trainer:
    """The settings of the trainer: how long, how and on which devices to train."""

    max_steps: int | None = knob(
        "the number of optimizer steps; null follows trainer.epochs, or takes 250 steps without it", None, _COUNT
    )
    epochs: float | None = knob(
        "in place of max_steps, the number of passes over the training images, such as 50 or 0.5", None, Limits(above=0)
    )
    validate_every_n_steps: int = knob("the number of steps between two validations", 50, _COUNT)
    micro_batch_size: int | None = knob(
        "the number of crops that a process computes at a time; their gradients are added up; null computes its whole "
        "share at once",
        None,
        _COUNT,
    )
    gradient_clip_val: float = knob(
        "the largest norm of the whole gradient; a larger gradient is scaled down to it; 0 does not clip",
        1.0,
        Limits(at_least=0),
    )
    precision: str = knob("the precision of numbers: 32-true, bf16-mixed, 16-mixed or 64-true", "32-true")
    ema_decay: float = knob(
        "the decay of a moving average of the weights, which is validated and saved, e.g. 0.999; 0 keeps no average",
        0.0,
        _SHARE,
    )
    patience: int | None = knob(
        "the number of validations without a better mIoU after which training stops; null never stops early",
        None,
        _COUNT,
    )
    max_minutes: float | None = knob(
        "the minutes after which the run saves a checkpoint and ends with exit code 143; ckpt=auto continues it",
        None,
        Limits(above=0),
    )
    sync_batch_norm: bool = knob("compute the statistics of batch norms over all processes together", True)
    compile: bool = knob(
        "compile the encoder and the decoder with torch.compile; recurrent contexts are not compiled", False
    )
    channels_last: str = knob(
        "use the channels_last memory format: true, false or auto; auto uses it on a CPU, where it is faster; on GPUs, "
        "try true with bf16-mixed",
        "auto",
        Limits(options=("auto", "true", "false")),
    )
    checkpoint_encoder: bool = knob(
        "compute the encoder's activations twice instead of keeping them, which saves memory and costs time", False
    )
    max_train_images: int | None = knob("train on the first so many images of the split; null uses all", None, _COUNT)
    max_val_images: int | None = knob("validate on the first so many images of the split; null uses all", None, _COUNT)
    profile: bool = knob("write how long each part of training took to <run>/fit-profile.txt", False)
    lr_range: bool = knob("draw the loss over the learning rate; it needs schedule=lr_range", False)
    accelerator: str = knob("the kind of device: auto, cpu, gpu or mps; the group trainer sets it")
    devices: int = knob(
        "the number of devices on each machine, or -1 for all of them; the group trainer sets it",
        limits=Limits(at_least=1, or_all=True),
    )
    num_nodes: int = knob("the number of machines; the group trainer sets it", limits=_COUNT)
    strategy: str = knob("how processes share the work: auto, ddp or fsdp; the group trainer sets it")

    def __post_init__(self) -> None:
        if self.max_steps is not None and self.epochs is not None:
            raise ConfigError(
                f"trainer.max_steps={self.max_steps} and trainer.epochs={self.epochs:g} both give the length of the "
                "run: remove one of the two. If a recipe gives one, take it back with trainer.max_steps=null or "
                "trainer.epochs=null"
            )


@dataclass(kw_only=True)
class Checkpoint:
    """The settings of checkpoints."""

    every_n_steps: int = knob(
        "the number of steps after which checkpoints/last.ckpt is written again between validations", 100, _COUNT
    )


@dataclass(kw_only=True)
class Examples:
    """The choice of images that are shown after a validation, in panels.png, report.html and on dashboards."""

    count: int = knob("the number of images that are shown, spread evenly over the split", 8, _COUNT)
    names: list[str] = knob("the names of images to show instead of these", [])
    extremes: int = knob(
        "the number of the worst images, and of the best ones, that are shown as well", 8, Limits(at_least=0)
    )


@dataclass(kw_only=True)
class Train(Config):
    """The configuration `conf/train.yaml`. `instantiate` checks components against their signatures."""

    data: Data
    encoder: TrainedEncoder
    trainer: Trainer
    checkpoint: Checkpoint
    examples: Examples
    seed: int = knob("the seed of all random numbers: weights, data and dropout", 0, _SEED)
    run_id: str = knob(
        "the name of the run's folder; by default, the id of the SLURM job or, without one, the time",
        "${oc.env:SEGRNN_RUN_ID,unnamed}",
    )
    ckpt: str | None = knob(
        "the checkpoint that the run continues from; ckpt=auto takes the newest one in the run's folder", None
    )
    from_run: str | None = knob(
        "the folder of a run whose configuration a new run starts from; on the command line it is from=<run>", None
    )
    weights: str | None = knob(
        "the checkpoint or bundle whose weights a new run starts from: its path, or its address, hf://, "
        "s3://, gs://, https://...#sha256= or wandb://",
        None,
    )
    load_head: bool = knob("whether weights= loads the head too; use false if the weights are for other classes", True)
    model: dict[str, Any] = knob("the decoder and the head")
    context: dict[str, Any] = knob("the context module, which looks along rows and columns")
    auxiliary: dict[str, Any] = knob("a second classifier, which is used in training only")
    loss: dict[str, Any] = knob("the loss that training minimises")
    optimizer: dict[str, Any] = knob("the optimizer, which changes the weights")
    schedule: dict[str, Any] = knob("the schedule of the learning rates")
    logger: dict[str, Any] = knob("where curves are written, beside the CSV file")
    callbacks: list[dict[str, Any]] = knob(
        "further callbacks of Lightning, each with its _target_ and its arguments", []
    )
    log_level: str = knob(
        "the least level of what <run>/train.log holds: debug, which adds the loss of every tenth step, info, warning "
        "or error",
        "info",
        Limits(options=("debug", "info", "warning", "error")),
    )
    keep_memory: bool = knob(_KEEP, True)
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class Search(Train):
    """The configuration `conf/search.yaml`."""

    study: Study
    storage: str | None = knob(
        "the address of a database, such as sqlite:///study.db, or the path of a journal, for a study that several "
        "processes share; null keeps it in the search's folder, for one process",
        None,
    )

    def __post_init__(self) -> None:
        read_space(self.study.space)


@dataclass(kw_only=True)
class Windows:
    """The settings of sliding windows. Without a size, no windows are used."""

    size: list[int] | None = knob(
        "height and width of sliding windows, in pixels of the image; with null, the network sees the whole image if "
        "it has at most 16 million pixels",
        None,
        _SIDES,
    )
    stride: list[int] | None = knob(
        "the rows and columns from one window to the next; null takes half of the size", None, _SIDES
    )
    gaussian: bool = knob(
        "give pixels near the border of a window less weight; false gives all pixels the same weight", True
    )


@dataclass(kw_only=True)
class Inference(Config):
    """The settings of inference: how a trained network sees images."""

    device: str = knob(DEVICE, "auto")
    runtime: str = knob(
        "torch, or onnx for ONNX Runtime on the CPU; its file is exported once and kept beside the checkpoint",
        "torch",
        Limits(options=("torch", "onnx")),
    )
    scales: list[float] = knob(
        "the scales at which the network sees an image; probabilities are averaged over them, e.g. [0.75,1.0,1.25]",
        [1.0],
        Limits(above=0, filled="factor; with [1.0], the network sees the image once"),
    )
    flip: bool = knob("average the probabilities with those of the mirrored image, too", False)
    windows: Windows
    precision: str = knob(
        "the precision of convolutions: 32-true, bf16-mixed, or 16-mixed on a GPU; the command says how many pixels "
        "of the first image half precision changes",
        "32-true",
        Limits(options=("32-true", "bf16-mixed", "16-mixed")),
    )
    keep_memory: bool = knob(_KEEP, True)
    allow: list[str] = knob(ALLOW, [])


@dataclass(kw_only=True)
class Evaluate(Inference):
    """The configuration `conf/evaluate.yaml`."""

    ckpt: list[str] | None = knob(f"{_TRAINED}; null with masks=", None, _NETWORKS)
    masks: str | None = knob(
        "a folder or zip archive of masks to score in place of a network: one for each image, with its name and with "
        "label ids, as predict writes them",
        None,
    )
    data: dict[str, Any] = knob("the settings that differ from the data that the checkpoint was trained on")
    metrics: list[dict[str, Any]] = knob(
        "further metrics, each with its _target_ and its arguments; segrnn.metrics.Metric says what they look like", []
    )
    logger: dict[str, Any] = knob(LOGGER)
    examples: Examples

    def __post_init__(self) -> None:
        if bool(self.ckpt) == bool(self.masks):
            both = (
                f"ckpt={', '.join(map(str, self.ckpt))} and masks={self.masks} are both given"
                if self.ckpt
                else "nothing to score is given"
            )
            raise ConfigError(f"{both}: choose a network with ckpt=<checkpoint>, or masks with masks=<folder or zip>")


@dataclass(kw_only=True)
class Scored(Config):
    """The data that `evaluate` uses: the checkpoint's configuration, changed by the user's choices."""

    data: Data


@dataclass(kw_only=True)
class Polygons:
    """The settings of polygons, for the formats that have them."""

    tolerance: float = knob(
        "how far, in pixels, an outline may be from the edges of the pixels; 0 follows them; coco is always exact",
        1.0,
        Limits(at_least=0),
    )
    leave_out: list[str] = knob("the classes that get no polygons", ["background"])


@dataclass(kw_only=True)
class Predict(Inference):
    """The configuration `conf/predict.yaml`."""

    ckpt: list[str] = knob(_TRAINED, REQUIRED, _NETWORKS)
    input: str = knob(
        "an image, a folder (it is searched with its subfolders), a zip archive or a video; or the address of one: "
        "s3://, gs:// or https://; or a Parquet file with addresses or paths in its column url; or a stream, rtsp://; "
        "or camera:0, a camera of this machine",
        REQUIRED,
    )
    inside: str = knob("the folder inside the input that is searched; an empty text searches all of it", "")
    output: str = knob(
        "the folder for the masks, with the same subfolders as the input, or its address in a store, s3:// or gs://; "
        "for a submission, the zip archive to write; for coco, the JSON file; for pseudo, a new folder",
        REQUIRED,
    )
    format: str = knob(
        "what to write: label_ids, train_ids, color, overlay, uncertainty, probabilities, geotiff or submission; or "
        "polygons: pagexml, alto, geojson or coco; or pseudo, a folder of pictures and masks to train on",
        "label_ids",
    )
    confidence: float = knob(
        "for pseudo: pixels become void if the probability of their class is lower", 0.9, Limits(above=0, share=True)
    )
    polygons: Polygons
    archive_size: int = knob(
        "the number of masks in each zip archive of the output; 0 writes each mask as a file of its own",
        0,
        Limits(at_least=0),
    )
    overwrite: bool = knob("replace masks that exist already", False)
    logger: dict[str, Any] = knob(LOGGER)
    engine: dict[str, Any] = knob("what shares out the images to processes; the group engine chooses it")
    max_pixels: int = knob(
        "an image that claims to have more pixels is refused, because it may fill the memory", 300_000_000, _COUNT
    )


@dataclass(kw_only=True)
class Export(Config):
    """The configuration `conf/export.yaml`."""

    ckpt: str | None = knob(f"{CHECKPOINT}; null with average=", None)
    average: list[str] = knob(
        "two or more checkpoints or bundles of one architecture, in place of ckpt: the means of their weights are "
        "exported",
        [],
    )
    compare: str | None = knob(COMPARE, None)
    format: str = knob("the format of the export: bundle, onnx, torch_export, web or space", "bundle")
    output: str = knob(
        "the folder of the bundle, of the site or of the Space, or the file, which ends in .onnx or .pt2", REQUIRED
    )
    size: list[int] | None = knob(
        "height and width of the images that the file takes; null takes images of any size", None, _SIDES
    )
    normalize: bool = knob(
        "the file takes pixels and normalises them itself; with false, it takes normalised values", True
    )
    argmax: bool = knob("the file returns train ids; with false, it returns logits", False)
    int8: bool = knob(
        "8-bit weights: in a second file for onnx, in place of the others for web; the mIoU of both is measured", False
    )
    calibrate: bool = knob(
        "learn a temperature on the split, which makes probabilities as sure as they are right, and keep it in the "
        "exported weights; no mask changes",
        False,
    )
    examples: list[str] = knob(EXAMPLES, [])
    onnxruntime_web: str | None = knob(ONNXRUNTIME_WEB, None)
    max_images: int | None = knob(
        "the number of images for int8 and calibrate, from the start of the split; null takes all", None, _COUNT
    )
    data: dict[str, Any] = knob("the data for int8 and calibrate")
    allow: list[str] = knob(ALLOW, [])

    def __post_init__(self) -> None:
        if self.ckpt and self.average:
            listed = ",".join(map(str, self.average))
            raise ConfigError(
                f"ckpt={self.ckpt} and average=[{listed}] are both given: put the checkpoint into the list, or remove "
                "one of the two"
            )
        if not self.ckpt and not self.average:
            raise ConfigError("ckpt needs a value: add ckpt=<value>, or average=[<value>,<value>]. See --help")
        if len(self.average) == 1:
            raise ConfigError(
                f"average=[{self.average[0]}] has one network, and a mean needs two or more: name another one, or "
                f"export this one with ckpt={self.average[0]}"
            )


@dataclass(kw_only=True)
class Runs(Config):
    """The configuration `conf/runs.yaml`."""

    folder: str = knob("the folder that is searched for trainings, with its subfolders", "runs")


@dataclass(kw_only=True)
class Report(Config):
    """The configuration `conf/report.yaml`."""

    runs: list[str] = knob(
        "the folder of a training or an evaluation, or up to eight of them to compare; differences are those to the "
        "first one",
        REQUIRED,
        Limits(or_one=True),
    )
    output: str = knob("the HTML file to write", "comparison.html")
    overwrite: bool = knob("replace a file that exists already", False)
