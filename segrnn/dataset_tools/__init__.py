"""The tools of ``prepare``: downloading, extracting, checking and packing datasets, and importing weights of kraken."""

from segrnn.dataset_tools.checking import find_problems
from segrnn.dataset_tools.cityscapes_download import download_packages
from segrnn.dataset_tools.download import WebFile, download_files
from segrnn.dataset_tools.extract import extract_archive
from segrnn.dataset_tools.kraken_weights import read_kraken
from segrnn.dataset_tools.occurrence import describe_occurrence, look, look_at_some
from segrnn.dataset_tools.packing import Pack, new_pack
from segrnn.dataset_tools.parallel import for_each

__all__ = [
    "Pack",
    "WebFile",
    "describe_occurrence",
    "download_files",
    "download_packages",
    "extract_archive",
    "find_problems",
    "for_each",
    "look",
    "look_at_some",
    "new_pack",
    "read_kraken",
]
