"""The questions that ``benchmarks/worth.py`` asks: a recipe for each, and its arms."""

from collections.abc import Sequence
from dataclasses import dataclass

RECURRENT = {
    "renet_rnn",
    "renet_gru",
    "renet_lstm",
    "renet_mingru",
    "lateral_sweep",
    "scnn",
    "local_global",
    "small_renet",
    "blla",
}
"""The arms with recurrent context."""


@dataclass(frozen=True)
class Comparison:
    """A question: a recipe, and what each arm changes in it."""

    title: str
    recipe: Sequence[str]
    size: tuple[int, int]
    """Height and width of the image that is timed."""
    arms: dict[str, Sequence[str]]
    steps: int = 160
    front: Sequence[str] = ()
    """Arms that should lie on the front of score against time and against parameters."""
    whole: str = ""
    """The arm of an ablation that has every part: the others are compared with it, and there is no verdict."""


def _contexts(hidden: dict[str, int]) -> dict[str, Sequence[str]]:
    """Return an arm for each context, with its hidden size, and one without a context."""
    sized = {name: [f"context={name}", f"context.hidden={size}"] for name, size in hidden.items()}
    return {"none": ["context=none"], **sized}


# A mirrored page does not exist. Crops are whole pages, so that absolute places mean something.
_PAGES = ["data=folder", "data.crop=[640,448]", "data.scale=[0.75,1.25]", "data.flip=0", "data.batch_size=8"]
_PAGES += ["loss=cross_entropy_dice", "trainer.channels_last=true"]
_SMALL = ["model=fcn_stride8", "optimizer.lr=8e-3", "optimizer.recurrent_lr=16e-3"]
_WHOLE = ["optimizer.lr=2e-3", "optimizer.recurrent_lr=2e-3"]

COMPARISONS = {
    # No rival has fewer parameters than the largest of the recurrent contexts (renet_lstm).
    # The encoder only as far as stride 8: deeper stages see most of an image by themselves.
    "camvid": Comparison(
        "CamVid, the validation frames at 360 x 480",
        ["experiment=camvid_quick", *_SMALL],
        (360, 480),
        _contexts(
            {
                "convolutions": 152,
                "pyramid_pooling": 142,
                "aspp": 80,
                "renet_rnn": 64,
                "renet_gru": 64,
                "renet_lstm": 64,
                "renet_mingru": 64,
                "local_global": 64,
            }
        ),
    ),
    # The CamVid recipe at a third of its length, and without one of its parts at a time, or with a context.
    "camvid_recipe": Comparison(
        "CamVid, the validation frames at 360 x 480, without one part of the recipe at a time",
        ["experiment=camvid"],
        (360, 480),
        {
            "recipe": [],
            "strong_augmentation": ["augment=strong"],
            "classifier_at_stride_8": ["model.detail=null"],
            "cross_entropy": ["loss=cross_entropy"],
            "last_weights": ["trainer.ema_decay=0"],
            "encoder_trained_whole": ["encoder.freeze=false"],
            "encoder_at_a_quarter_of_the_rate": ["optimizer.encoder_lr=5e-4"],
            "renet_gru": ["context=renet_gru", "context.hidden=64"],
        },
        steps=500,
        whole="recipe",
    ),
    # All contexts have as many parameters as renet_gru, within 5 %.
    "pages": Comparison(
        "Book pages with zones, the validation pages, in a small network",
        [*_PAGES, *_SMALL],
        (640, 448),
        _contexts(
            {
                "coordinate_convolutions": 112,
                "dilated_convolutions": 52,
                "pyramid_pooling": 104,
                "strip_pooling": 294,
                "axial_attention": 120,
                "axial_decay": 140,
                "renet_gru": 64,
                "renet_lstm": 56,
                "lateral_sweep": 27,
                "local_global": 53,
            }
        ),
        steps=250,
    ),
    # The same on crops of pages.
    "page_crops": Comparison(
        "Book pages with zones, the validation pages, 640 pixels high",
        [
            *("data=folder", "model=fcn_stride8", "data.crop=[320,320]", "data.scale=[0.75,1.33]", "data.flip=0"),
            *("data.batch_size=8", "optimizer.lr=8e-3", "optimizer.recurrent_lr=16e-3"),
        ],
        (640, 448),
        _contexts(
            {
                "convolutions": 116,
                "pyramid_pooling": 104,
                "axial_attention": 120,
                "axial_decay": 140,
                "lateral_sweep": 27,
                "scnn": 60,
                "renet_gru": 64,
                "renet_lstm": 56,
                "renet_mingru": 108,
            }
        ),
        steps=400,
    ),
    "pages_whole": Comparison(
        "Book pages with zones, the validation pages, with a whole encoder",
        [*_PAGES, "model=fcn", *_WHOLE],
        (640, 448),
        _contexts(
            {
                "coordinate_convolutions": 112,
                "dilated_convolutions": 52,
                "pyramid_pooling": 104,
                "axial_attention": 120,
                "renet_gru": 64,
                "renet_lstm": 56,
                "lateral_sweep": 27,
            }
        ),
        steps=250,
    ),
    # What a user would take instead. Each arm has the learning rate of its size.
    "pages_sizes": Comparison(
        "Book pages with zones, the validation pages, in networks of several sizes",
        _PAGES,
        (640, 448),
        {
            "small_renet": [*_SMALL, "context=renet_lstm", "context.hidden=56"],
            "small_dilated": [*_SMALL, "context=dilated_convolutions", "context.hidden=52"],
            "blla": ["model=blla", "optimizer.lr=2e-3", "optimizer.recurrent_lr=2e-3"],
            "whole_none": ["model=fcn", *_WHOLE, "context=none"],
            "whole_renet": ["model=fcn", *_WHOLE, "context=renet_lstm", "context.hidden=56"],
            "unet": ["model=unet", *_WHOLE, "context=none"],
        },
        steps=250,
        front=["small_renet"],
    ),
}
