"""The tools of ``prepare``: downloading, extracting, checking and packing datasets, and importing weights of kraken."""

from segrnn.dataset_tools.checking import examine
from segrnn.dataset_tools.cityscapes_download import download_packages
from segrnn.dataset_tools.download import WebFile, download_files
from segrnn.dataset_tools.extract import extract_archive
from segrnn.dataset_tools.kraken_weights import read_kraken
from segrnn.dataset_tools.near_duplicates import describe_same_files, describe_shared
from segrnn.dataset_tools.occurrence import describe_counts, describe_occurrence, describe_small, look_at_some
from segrnn.dataset_tools.packing import Pack, new_pack
from segrnn.dataset_tools.parallel import for_each

__all__ = [
    "Pack",
    "WebFile",
    "describe_counts",
    "describe_occurrence",
    "describe_same_files",
    "describe_shared",
    "describe_small",
    "download_files",
    "download_packages",
    "examine",
    "extract_archive",
    "for_each",
    "look_at_some",
    "new_pack",
    "read_kraken",
]
