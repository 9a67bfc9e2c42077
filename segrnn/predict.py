"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from segrnn.config.command import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segrnn.labels import LabelSpace
    from segrnn.labels.space import ByteArray

SUBMISSION = "submission"


def predict(cfg: DictConfig) -> list[Path]:
    """Write a PNG for each image, or one archive of them for a benchmark's server.

    Images that can't be read are left out and named at the end; of an archive, none may be missing.

    Args:
        cfg: composed from ``conf/predict.yaml``.

    Returns:
        The files that were written.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault.
    """
    from segrnn.config.command import nearest
    from segrnn.config.schema import Predict, check
    from segrnn.errors import ConfigError
    from segrnn.inference import FORMATS

    config = check(cfg, Predict)
    formats = [*FORMATS, SUBMISSION]
    name = config["format"]
    if name not in formats:
        raise ConfigError(f"format={name} must be one of {', '.join(formats)}{nearest(name, formats)}")
    return _submit(config) if name == SUBMISSION else _predict_files(config)


def _predict_files(config: dict[str, Any]) -> list[Path]:
    from rich.progress import track

    from segrnn.datasets import read_image
    from segrnn.errors import DataError
    from segrnn.inference import FORMATS, plan, write_png

    name = config["format"]
    jobs = plan(Path(config["input"]), Path(config["output"]), config["overwrite"], config["inside"])
    predict_image, labels = _load(config)
    written, broken = [], []
    for job in track(jobs, description="predict"):
        try:
            image = read_image(job.image)
        except DataError as error:
            broken.append(str(error))
            continue
        write_png(job.mask, FORMATS[name](predict_image(image), image, labels))
        written.append(job.mask)
    print(f"{len(written)} masks ({name}) in {config['output']}")
    if broken:
        raise DataError(f"{len(broken)} of {len(jobs)} images have no mask:\n" + "\n".join(broken))
    return written


def _submit(config: dict[str, Any]) -> list[Path]:
    from rich.progress import track

    from segrnn.datasets import read_image
    from segrnn.errors import DataError, OutputError
    from segrnn.inference import find_images, rules_for, write_submission

    output = Path(config["output"])
    if output.suffix != ".zip":
        raise OutputError(f"output={output}: a submission is one zip archive, output=<name>.zip")
    if output.exists() and not config["overwrite"]:
        raise OutputError(f"{output} exists already: choose another output, or replace it with overwrite=true")
    images = find_images(Path(config["input"]), config["inside"])
    predict_image, labels = _load(config)
    rules = rules_for(labels)

    def masks() -> "Iterator[tuple[str, ByteArray]]":
        for name, file in track(images.items(), description="predict"):
            image = read_image(file)
            if rules.size not in (None, image.shape[:2]):
                height, width = rules.size
                raise DataError(
                    f"{file} is {image.shape[1]} x {image.shape[0]}; {labels.name} wants masks of {width} x {height}"
                )
            yield name, predict_image(image)

    count = write_submission(output, rules, masks())
    print(f"{output}: {count} masks; names, sizes, modes and ids are as {labels.name} wants them")
    if rules.splits and count not in rules.splits.values():
        wanted = ", ".join(f"{images} of {split}" for split, images in rules.splits.items())
        print(f"mind that the benchmark wants all images of a split: {wanted}")
    return [output]


def _load(config: dict[str, Any]) -> "tuple[Callable[[ByteArray], ByteArray], LabelSpace]":
    """What labels an image, and the table of its classes."""
    from segrnn.config.model import load_checkpoint
    from segrnn.inference import choose_device, predict_mask

    device = choose_device(config["device"])
    trained = load_checkpoint(config["ckpt"])
    model = trained.model.to(device)
    return lambda image: predict_mask(model, trained.preprocessing, image, device).cpu().numpy(), trained.labels


def main() -> None:
    """The command."""
    run_command(lambda cfg, _: predict(cfg), "predict")


if __name__ == "__main__":
    main()
