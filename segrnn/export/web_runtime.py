"""ONNX Runtime for browsers: the files that a page needs of its npm package, which is checked before it is unpacked."""

import hashlib
import tarfile
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from segrnn.errors import ExportError

VERSION = "1.30.0"
TARBALL = f"onnxruntime-web-{VERSION}.tgz"
URL = f"https://registry.npmjs.org/onnxruntime-web/-/{TARBALL}"
SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
"""The digest of the package. ``npm view onnxruntime-web@1.30.0 dist.integrity`` prints it in base 64."""


class Build(NamedTuple):
    """The files of a build: the module that a script imports, and the two files that this module loads."""

    module: str
    glue: str
    binary: str


BUILDS = {
    "wasm": Build("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": Build("ort.jspi.min.mjs", "ort-wasm-simd-threaded.jspi.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
}
"""The build for CPUs, and the one that computes with WebGPU, too. A browser downloads one of them. The package has a
second build for WebGPU, for browsers without JavaScript Promise Integration, but its file has 27 MB instead of 17."""


def unpack_runtime(tarball: Path, folder: Path) -> None:
    """Write the files of all builds into a folder. Nothing else of the package is read.

    Args:
        tarball: the npm package, as ``npm pack onnxruntime-web@<version>`` makes it.
        folder: the folder for the files. It must exist.

    Raises:
        ExportError: the tarball is missing, or is another file than this version's.
    """
    fix = f"npm pack onnxruntime-web@{VERSION} downloads the right file"
    if not tarball.is_file():
        raise ExportError(f"{tarball} does not exist: {fix}")
    with tarball.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha512").hexdigest()
    if found != SHA512:
        raise ExportError(f"{tarball} has sha512:{found}, but {TARBALL} has sha512:{SHA512}: {fix}")
    with tarfile.open(tarball) as package:
        for name in chain.from_iterable(BUILDS.values()):
            member = package.extractfile(str(PurePosixPath("package", "dist", name)))
            assert member is not None  # the digest is right
            (folder / name).write_bytes(member.read())
