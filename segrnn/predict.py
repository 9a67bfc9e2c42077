"""Write masks: ``python -m segrnn.predict ckpt=... input=... output=...``."""

from pathlib import Path

from omegaconf import DictConfig

from segrnn.config.command import run_command


def predict(cfg: DictConfig) -> list[Path]:
    """Write a PNG for each image; images that can't be read are left out and named at the end.

    Args:
        cfg: composed from ``conf/predict.yaml``.

    Returns:
        The files that were written.

    Raises:
        SegrnnError: the checkpoint, the configuration, the output or an image is at fault.
    """
    from rich.progress import track

    from segrnn.config.command import nearest
    from segrnn.config.model import load_checkpoint
    from segrnn.config.schema import Predict, check
    from segrnn.datasets import read_image
    from segrnn.errors import ConfigError, DataError
    from segrnn.inference import FORMATS, choose_device, plan, predict_mask, write_png

    config = check(cfg, Predict)
    name = config["format"]
    if name not in FORMATS:
        raise ConfigError(f"format={name} must be one of {', '.join(FORMATS)}{nearest(name, FORMATS)}")
    render = FORMATS[name]
    jobs = plan(Path(config["input"]), Path(config["output"]), config["overwrite"])
    device = choose_device(config["device"])
    trained = load_checkpoint(config["ckpt"])
    model = trained.model.to(device)

    written, broken = [], []
    for job in track(jobs, description="predict"):
        try:
            image = read_image(job.image)
        except DataError as error:
            broken.append(str(error))
            continue
        mask = predict_mask(model, trained.preprocessing, image, device).cpu().numpy()
        write_png(job.mask, render(mask, image, trained.labels))
        written.append(job.mask)
    print(f"{len(written)} masks ({name}) in {config['output']}")
    if broken:
        raise DataError(f"{len(broken)} of {len(jobs)} images have no mask:\n" + "\n".join(broken))
    return written


def main() -> None:
    """The command."""
    run_command(lambda cfg, _: predict(cfg), "predict")


if __name__ == "__main__":
    main()
