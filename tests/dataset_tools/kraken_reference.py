"""What kraken itself computes for the page of kraken_files.py. Run this file in an environment with kraken.

::

    python3 -m venv kraken && kraken/bin/pip install kraken==7.1.1
    kraken/bin/python tests/dataset_tools/kraken_reference.py

It writes kraken_heatmaps.npz: ``small``, from the small file with random weights, and ``blla``, from the weights in
kraken's wheel, ``(4, H/4, W/4)`` each. The page has kraken's height for the small file. For the other one, it goes into
kraken's network as it is, without being enlarged to 1800 rows.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from kraken_files import SIZE, page, write
from PIL import Image

FOLDER = Path(__file__).parent


def heatmap(file: Path) -> np.ndarray:
    # kraken is not there when pytest looks for examples in this file
    from kraken.lib.dataset import ImageInputTransforms
    from kraken.lib.vgsl import TorchVGSLModel

    model = TorchVGSLModel.load_model(str(file)).eval()
    image = ImageInputTransforms(1, SIZE[0], 0, 3, (0, 0), valid_norm=False)(Image.fromarray(page()))
    assert image.shape[1:] == SIZE
    with torch.no_grad():
        return torch.sigmoid(model.nn(image[None])[0])[0].numpy()


def main() -> None:
    import kraken

    with tempfile.TemporaryDirectory() as folder:
        small = heatmap(write(Path(folder) / "small.mlmodel"))
    blla = heatmap(Path(kraken.__file__).parent / "blla.mlmodel")
    np.savez(FOLDER / "kraken_heatmaps.npz", small=small, blla=blla)
    for name, found in {"small": small, "blla": blla}.items():
        print(name, found.shape, f"from {found.min():.3f} to {found.max():.3f}, deviation {found.std():.3f}")


if __name__ == "__main__":
    main()
