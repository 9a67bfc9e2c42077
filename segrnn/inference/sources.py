"""Where trained networks come from: a path on this machine, or an address that says where to download from."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urldefrag, urlsplit

import torch

from segrnn.atomic import write_atomically
from segrnn.errors import CheckpointError, DataError
from segrnn.images.object_store import Remote, remote
from segrnn.inference.bundle import CONFIG, download_bundle
from segrnn.inference.checkpoint import WEIGHTS
from segrnn.text import tell

_STORES = ("s3://", "gs://")
PREFIXES = ("hf://", "https://", "http://", "wandb://", *_STORES)
"""The beginnings of addresses. Nothing is downloaded for any other text."""


def locate(source: str) -> str:
    """Return the path of a trained network. A network with an address is downloaded, unless it is in the cache.

    Args:
        source: a path, or one of these addresses: ``hf://owner/name`` for a bundle on the Hugging Face hub,
            ``https://host/file#sha256=<64 digits>`` for a checkpoint or an ONNX file on a web server,
            ``wandb://entity/project/artifact:alias`` for a checkpoint that a run has logged to W&B, and
            ``s3://bucket/best.ckpt`` or ``gs://bucket/best.ckpt`` for a file or the folder of a bundle in a store.

    Raises:
        CheckpointError: the address is incomplete, nothing can be downloaded there, or the file is another one.

    Example:
        >>> locate("runs/train/first/checkpoints/best.ckpt")
        'runs/train/first/checkpoints/best.ckpt'
        >>> locate("https://example.org/best.ckpt")
        Traceback (most recent call last):
        segrnn.errors.CheckpointError: https://example.org/best.ckpt: add #sha256=<the 64 digits that sha256sum prints>
    """
    if not source.startswith(PREFIXES):
        return source
    name = source.partition("://")[2]
    if source.startswith(_STORES):
        return str(_from_store(source))
    if source.startswith("hf://"):
        return str(download_bundle(name))
    return str(_from_wandb(name) if source.startswith("wandb://") else _from_web(source))


def _from_web(source: str) -> Path:
    address, fragment = urldefrag(source)
    found = re.fullmatch(r"sha256=([0-9a-f]{64})", fragment.lower())
    if found is None:
        raise CheckpointError(f"{source}: add #sha256=<the 64 digits that sha256sum prints>")
    path = Path(torch.hub.get_dir(), "segrnn", found[1], Path(urlsplit(address).path).name or "network")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        tell(f"downloading {address}")
        try:
            torch.hub.download_url_to_file(address, str(path), hash_prefix=found[1])
        except RuntimeError as error:  # torch's word for another checksum
            raise CheckpointError(
                f"{address} is not the file with this sha256: it was changed, or the server sent a page in its place "
                f"({error})"
            ) from error
        except (URLError, OSError) as error:
            raise CheckpointError(f"{address} can't be downloaded: {error}") from error
    return path


def _from_store(source: str) -> Path:
    """Return a file, or the folder of a bundle. Another state of it in the store gets another folder in the cache."""
    try:
        place = remote(source)
        below = place.names()
        parts = [place / CONFIG, place / WEIGHTS] if below else [place]
        files = [file.look_up() for file in parts]
        folder = _cache_for(files)
        for file in files:
            path = folder / file.name
            if not path.exists():
                tell(f"downloading {file}")
                write_atomically(path, partial(_download, file))
    except FileNotFoundError as error:
        raise CheckpointError(f"{source} does not exist, or is a folder without a bundle") from error
    except DataError as error:
        raise CheckpointError(str(error)) from error
    return folder if below else folder / place.name


def _download(file: Remote, path: Path) -> None:
    path.write_bytes(file.open().read())


def _cache_for(files: Sequence[Remote]) -> Path:
    state = "\0".join(f"{file}\0{file.version}" for file in files)
    return Path(torch.hub.get_dir(), "segrnn", hashlib.sha256(state.encode()).hexdigest())


def _from_wandb(name: str) -> Path:
    import wandb  # takes seconds to import, and is only needed here

    try:
        folder = Path(wandb.Api().artifact(name, type="model").download())
    except Exception as error:  # W&B has many kinds of errors, and wandb.Error is not above all of them
        raise CheckpointError(f"wandb://{name} can't be downloaded: {error}; wandb login, or check the name") from error
    found = sorted(folder.rglob("*.ckpt"))
    if len(found) != 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise CheckpointError(f"wandb://{name} must hold one checkpoint, but it holds these: {listed}")
    return found[0]
