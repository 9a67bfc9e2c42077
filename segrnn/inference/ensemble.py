"""Ensembles: several trained networks make one mask."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from segrnn.inference.agreement import facts_of_use, require_agreement
from segrnn.inference.info import ModelInfo
from segrnn.inference.predictor import SINGLE, Network, Predictor
from segrnn.inference.windows import Windows
from segrnn.models import Segmenter


class Member(NamedTuple):
    """A trained network in an ensemble."""

    name: str
    """The name of its file, for messages."""
    network: Network
    """It makes logits."""
    info: ModelInfo
    """Its classes, its preprocessing and its origin."""


class Ensemble(Predictor):
    """Several trained networks as one `Predictor`. Their probabilities are averaged, all with the same weight.

    Logits are not averaged: those of two networks have no common scale. The probabilities of each network are computed
    at the image's size, and averaged over its views before they are averaged over the networks. An ensemble of one
    network gives what a `Predictor` with this network gives, to the last bit.

    Args:
        members: the networks, on one device. ``info`` is that of the first one.
        scales: as for a `Predictor`.
        flip: as for a `Predictor`.
        windows: as for a `Predictor`.
        precision: as for a `Predictor`.

    Raises:
        CheckpointError: two networks have other classes or another preprocessing. The message says which.
        ValueError: there is no network or no scale, or a scale is not above 0.

    Example:
        >>> from segrnn.images import Preprocessing
        >>> from segrnn.labels import CAMVID
        >>> from segrnn.models import FCN
        >>> info = ModelInfo({}, CAMVID, Preprocessing((0.5,) * 3, (0.5,) * 3))
        >>> networks = {name: Segmenter(FCN("resnet18", classes=11, width=8)) for name in ("a.ckpt", "b.ckpt")}
        >>> ensemble = Ensemble([Member(name, network, info) for name, network in networks.items()], flip=True)
        >>> ensemble(np.zeros((45, 61, 3), np.uint8)).shape
        (45, 61)
    """

    def __init__(
        self,
        members: Sequence[Member],
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        windows: Windows | None = None,
        precision: str = SINGLE,
    ) -> None:
        if not members:
            raise ValueError("an ensemble needs at least one network, got none")
        require_agreement(
            "an ensemble needs networks of the same classes and preprocessing",
            [member.name for member in members],
            [facts_of_use(member.info) for member in members],
        )
        super().__init__(members[0].network, members[0].info, scales, flip, windows, precision)
        self.members = tuple(members)
        self.networks = tuple(member.network for member in members)

    @property
    def segmenter(self) -> Segmenter:
        """Return the network of an ensemble of one.

        Raises:
            ValueError: there are several networks, or the network is not a `Segmenter`.
        """
        if len(self.members) > 1:
            raise ValueError(
                f"this needs one network, but the ensemble has {len(self.members)}: take one of them, or average their "
                "weights with segrnn.inference.load_average"
            )
        return super().segmenter


def load_ensemble(sources: Sequence[str | Path], allow: Sequence[str] = ()) -> Ensemble:
    """Load several trained networks as one predictor, in evaluation mode on the CPU.

    Args:
        sources: checkpoints, folders of bundles and addresses, as `Predictor.load` takes them.
        allow: import paths of your own code that the files may name.

    Raises:
        CheckpointError: a file is missing or damaged, or two networks have other classes or another preprocessing.
        ValueError: there is no source.
    """
    loaded = [(str(source), Predictor.load(source, allow)) for source in sources]
    return Ensemble([Member(name, predictor.network, predictor.info) for name, predictor in loaded])
