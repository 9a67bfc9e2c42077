"""The versions of segrnn and of the libraries that a result can depend on, found without importing them."""

from importlib import metadata

from segrnn import __version__

_LIBRARIES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "segmentation-models-pytorch",
    "timm",
    "albumentations",
    "numpy",
)


def list_versions() -> dict[str, str]:
    """Return the versions of segrnn and of the libraries that a score can depend on.

    Example:
        >>> list(list_versions())[:3]
        ['segrnn', 'torch', 'torchvision']
    """
    return {"segrnn": __version__, **{name: metadata.version(name) for name in _LIBRARIES}}


def describe_versions() -> str:
    """Return what ``--version`` prints: the versions of segrnn, torch and Lightning.

    Example:
        >>> describe_versions().split()[0]
        'segrnn'
    """
    return f"segrnn {__version__}, torch {metadata.version('torch')}, Lightning {metadata.version('pytorch-lightning')}"
