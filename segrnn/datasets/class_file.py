"""The file ``classes.yaml``, which describes a user's own dataset: its classes, its tree and its splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segrnn.datasets.class_table import ClassTable, check_keys, parse_classes
from segrnn.datasets.layout import Layout
from segrnn.datasets.splits import (
    TRAIN,
    Division,
    Folds,
    Grouping,
    GroupTemplate,
    Shares,
    by_folder,
    by_itself,
    by_prefix,
)
from segrnn.datasets.templates import Template
from segrnn.errors import DataError
from segrnn.images.storage import File
from segrnn.labels import IGNORE_INDEX, LabelSpace
from segrnn.text import nearest

CLASS_FILE = "classes.yaml"
EXAMPLE = """\
  name: my streets    # only the names of the classes are required; all else may be missing
  classes:
    - {name: road, id: 0, color: [128, 64, 128]}
    - {name: car, id: 1}
  ignore: [255]       # ids that are neither trained nor scored; without this line, 255
  masks: ids          # or colors: masks are pictures in the colours above; other colours are ignored"""

_KEYS = ("name", "classes", "ignore", "other", "images", "masks", "lists", "split", "groups")
_CONTENTS = ("ids", "colors")
_GROUPINGS: dict[str, Grouping] = {"folder": by_folder, "prefix": by_prefix, "random": by_itself}
_IMAGES, _MASKS = "images/{split}/{name}.*", "masks/{split}/{name}.*"


@dataclass(frozen=True)
class ClassFile:
    """The contents of a ``classes.yaml``.

    Args:
        table: the classes, and how masks are read.
        layout: the description of the tree; None if the file describes no tree, which is the usual one then.
    """

    table: ClassTable
    layout: Layout | None


def read_class_file(file: File, fold: int | None = None) -> ClassFile:
    """Read a ``classes.yaml``.

    Args:
        file: the file.
        fold: the fold that is validated, in place of the one in the file.

    Raises:
        DataError: the file is not YAML, a key is unknown or missing, or a value is not possible.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} can't be read: {error}. data.dataset.classes needs the path of a YAML file") from error
    try:
        return _parse(yaml.safe_load(text), fold)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # PyYAML raises them all
        quoted = isinstance(error, yaml.YAMLError) and b"{name}" in text
        hint = '; a template such as "photos/{name}.jpg" needs quotation marks' if quoted else ""
        raise DataError(f"{file} can't be understood: {error}{hint}. It should look like\n\n{EXAMPLE}") from error


def write_class_file(path: Path, labels: LabelSpace, tree: Mapping[str, Any] | None = None) -> None:
    """Write a ``classes.yaml`` with a label table, which `read_class_file` reads back.

    Args:
        path: the file.
        labels: the table. Its ids without a class become ``ignore``.
        tree: the keys that describe the tree; None describes none, which is the usual tree then.
    """
    void = [label.id for label in labels.labels if label.train_id == IGNORE_INDEX and label.id >= 0]
    classes = [{"name": label.name, "id": label.id, "color": list(label.color)} for label in labels.classes]
    content = {"name": labels.name, **(tree or {}), "classes": classes, "ignore": void}
    path.write_text(
        yaml.safe_dump(content, sort_keys=False, default_flow_style=None, allow_unicode=True), encoding="utf-8"
    )


def _parse(content: Any, fold: int | None) -> ClassFile:
    if not isinstance(content, dict) or not isinstance(content.get("classes"), list):
        raise ValueError("it has no list of classes")
    check_keys(content, _KEYS, "it")
    held, mask_paths = _parse_masks(content.get("masks", "ids"))
    if "ignore" in content and content["ignore"] is None:
        raise ValueError("ignore is None; it needs a list of ids, such as [255] or []")
    table = parse_classes(
        str(content.get("name", CLASS_FILE)),
        content["classes"],
        content.get("ignore"),
        content.get("other"),
        in_colors=held == "colors",
    )
    if mask_paths is None and not content.keys() & {"images", "lists", "split", "groups"}:
        if fold is not None:
            raise ValueError(f"fold is {fold}, but no split: {{folds: 5}} is described")
        return ClassFile(table, None)
    return ClassFile(table, _parse_layout(content, mask_paths, fold))


def _parse_masks(value: Any) -> tuple[str, Any]:
    """Return what masks hold, and the templates of their paths or None."""
    if isinstance(value, dict):
        check_keys(value, ("paths", "hold"), "masks")
        held, paths = value.get("hold", "ids"), value.get("paths")
    elif isinstance(value, list) or (isinstance(value, str) and "{" in value):
        held, paths = "ids", value
    else:
        held, paths = value, None
    if held not in _CONTENTS:
        raise ValueError(
            f'masks is {held!r}; it can be ids or colors, or the path of a mask, such as "gt/{{name}}_mask.png"'
        )
    return held, paths


def _parse_layout(content: dict[str, Any], mask_paths: Any, fold: int | None) -> Layout:
    images, masks = content.get("images"), mask_paths
    divided = "lists" in content or "split" in content
    whole = divided or (images is not None and "{split}" not in str(images))
    lists, division, by = content.get("lists"), None, None
    if "split" in content:
        division, by = _parse_split(content["split"], fold)
    elif fold is not None:
        raise ValueError(f"fold is {fold}, but no split: {{folds: 5}} is described")
    return Layout(
        _parse_templates(_default(_IMAGES, divided) if images is None else images, "images"),
        _parse_templates(_default(_MASKS, whole) if masks is None else masks, "masks"),
        None if lists is None else _parse_lists(lists),
        division,
        _parse_groups(content.get("groups"), by),
    )


def _default(template: str, whole: bool) -> str:
    """Return the usual template, without the folder of the split if the tree has none."""
    return template.replace("{split}/", "") if whole else template


def _parse_templates(value: Any, key: str) -> tuple[Template, ...]:
    texts = value if isinstance(value, list) and value else [value]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                f'{key} holds {text!r}; it needs a path in quotation marks, such as "photos/{{name}}.jpg", or a list '
                "of such paths"
            )
    return tuple(Template(text.replace("\\", "/").removeprefix("./")) for text in texts)


def _parse_lists(value: Any) -> dict[str, str] | str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and value and all(isinstance(part, str) for pair in value.items() for part in pair):
        return value
    raise ValueError(
        f"lists is {value!r}; it needs the file of each split, such as {{train: train.txt, val: val.txt}}, or one CSV "
        "file with the columns image, mask and split"
    )


def _parse_split(value: Any, fold: int | None) -> tuple[Division, Any]:
    """Return the rule for splits, and how groups are found or None."""
    if not isinstance(value, dict):
        raise ValueError(f"split is {value!r}; it needs shares, such as {{val: 0.15, by: folder}}")
    rest = {key: part for key, part in value.items() if key not in ("by", "seed")}
    seed = _whole(value.get("seed", 0), "seed")
    if rest.keys() & {"folds", "fold"}:
        check_keys(value, ("folds", "fold", "by", "seed"), "split with folds")
        if "folds" not in rest:
            raise ValueError(
                f"split has fold: {rest['fold']!r} without folds; it needs both, such as folds: 5, fold: 0"
            )
        number = _whole(rest.get("fold", 0), "fold") if fold is None else fold
        return Folds(_whole(rest["folds"], "folds"), number, seed), value.get("by")
    if fold is not None:
        raise ValueError(f"fold is {fold}, but split has no folds: write split: {{folds: 5, by: folder}}")
    return Shares(_parse_shares(rest), seed), value.get("by")


def _parse_shares(value: dict[Any, Any]) -> dict[str, float]:
    for split, share in value.items():
        if not isinstance(share, int | float) or isinstance(share, bool):
            raise ValueError(
                f"split has {split}: {share!r}{nearest(str(split), ('by', 'seed', 'folds', 'fold'))}; it needs the "
                "share of each split, such as val: 0.15"
            )
    shares = {str(split): float(share) for split, share in value.items()}
    total = sum(shares.values())
    if TRAIN in shares and abs(total - 1) > 1e-6:
        raise ValueError(f"the shares in split are {total:g} together; with train they must be 1, or leave train out")
    shares.pop(TRAIN, None)
    if not shares:
        raise ValueError("split gives no share; it needs one for each split except train, such as val: 0.15")
    return shares


def _parse_groups(template: Any, by: Any) -> Grouping | None:
    if template is not None and by is not None:
        raise ValueError("groups and by both say which images belong together: remove one of them")
    if template is not None:
        return GroupTemplate(str(template))
    if by is not None and by not in _GROUPINGS:
        near = nearest(str(by), _GROUPINGS)
        raise ValueError(f"split has by: {by!r}{near}; it can be {', '.join(_GROUPINGS)}")
    return None if by is None else _GROUPINGS[by]


def _whole(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"split has {key}: {value!r}; it must be a whole number")
    return value
