"""From an image to its mask: nothing is there at full size that would not fit, and nothing is lost by it."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from segrnn.compat import smp
from segrnn.context import ReNet
from segrnn.errors import DataError
from segrnn.images import Preprocessing, as_array
from segrnn.inference import PICTURES, ModelInfo, Notices, Predictor, Windows
from segrnn.inference import predictor as predictor_module
from segrnn.inference import views as views_module
from segrnn.inference.views import Part, View, winner
from segrnn.inference.windows import blend
from segrnn.labels import CAMVID, Label, LabelSpace
from segrnn.models import BLLA, FCN, ReSeg, add_context

RGB = LabelSpace("rgb", [Label(name, i, i, (i, i, i)) for i, name in enumerate(("red", "green", "blue"))])


class Eye(nn.Module):
    """Sees in each pixel its strongest colour: an identity network."""

    def __init__(self) -> None:
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))

    def coarse_logits(self, image: Tensor) -> Tensor:
        return image

    def upsample(self, coarse: Tensor, size: tuple[int, int]) -> Tensor:
        assert coarse.shape[-2:] == tuple(size)
        return coarse


def eye(labels: LabelSpace = RGB, factor: float = 1.0, **how: object) -> Predictor:
    info = ModelInfo({}, labels, Preprocessing((0.0,) * 3, (1 / 255,) * 3, factor))
    return Predictor(Eye(), info, **how)  # type: ignore[arg-type]


def trained(network: nn.Module, labels: LabelSpace = CAMVID, scale: float = 1.0) -> Predictor:
    torch.manual_seed(0)
    model = add_context(network, partial(ReNet, hidden=4), 4 if isinstance(network, BLLA | ReSeg) else 8)
    for branch in model.context.values():
        nn.init.normal_(branch.project.weight, std=0.1)  # opens the branch
    return Predictor(model, ModelInfo({}, labels, Preprocessing((0.5,) * 3, (0.25,) * 3, scale)))


def seeing(predictor: Predictor, **how: object) -> Predictor:
    """The same network with other views."""
    return Predictor(predictor.network, predictor.info, **how)  # type: ignore[arg-type]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def plain(model: Predictor, image: np.ndarray) -> Tensor:
    """All logits at full size: what a few lines would do."""
    with torch.inference_mode():
        logits = model.segmenter.eval()(model.info.preprocessing(image)[None])
        if logits.shape[-2:] != image.shape[:2]:
            logits = F.interpolate(logits, image.shape[:2], mode="bilinear")
    return logits[0]


NETWORKS = {
    "fcn": lambda: FCN("tu-test_resnet", classes=11, width=16),
    "fpn": lambda: smp.FPN("tu-test_resnet", encoder_weights=None, classes=11),
    "unet": lambda: smp.Unet("tu-test_resnet", encoder_weights=None, classes=11),
    "reseg": lambda: ReSeg("vgg11", classes=11, hidden=4, filters=4),
    "blla": lambda: BLLA(classes=11, width=8, hidden=4, groups=4),
}


CASES = [((45, 61), 1.0), ((45, 61), 0.6), ((1, 1), 1.0), ((33, 200), 1.3)]


@pytest.mark.parametrize(
    ("name", "size", "scale"),
    [
        pytest.param(name, *case, marks=() if i == j else pytest.mark.thorough)
        for i, name in enumerate(NETWORKS)
        for j, case in enumerate(CASES)
    ],
)
def test_masks_are_those_of_the_plain_way(name: str, size: tuple[int, int], scale: float, monkeypatch) -> None:
    monkeypatch.setattr(views_module, "_PART_BYTES", 3 * 4 * size[0] * size[1])  # three classes at a time
    model, image = trained(NETWORKS[name](), scale=scale), picture(*size)
    logits = plain(model, image)
    mask, confidence = model.mask_with_confidence(image)
    assert torch.equal(mask, logits.argmax(dim=0).byte())
    assert torch.equal(model.mask(image), mask)
    with_logits, found = model.mask_with_logits(image, most=logits.numel())
    assert torch.equal(with_logits, mask)
    torch.testing.assert_close(found, logits)
    assert torch.equal(model.mask_with_logits(image, most=logits.numel() - 1)[0], mask)
    assert model.mask_with_logits(image, most=logits.numel() - 1)[1] is None
    torch.testing.assert_close(confidence, logits.softmax(dim=0).amax(dim=0), rtol=1e-5, atol=1e-6)


class Ties(nn.Module):
    """Enlarges as heads do, by any factor."""

    def __init__(self, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def upsample(self, coarse: Tensor, size: tuple[int, int]) -> Tensor:
        return F.interpolate(coarse, size, mode="bilinear", align_corners=self.align_corners)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("classes", [1, 3, 19, pytest.param(150, marks=pytest.mark.thorough)])
@pytest.mark.parametrize(
    ("seen", "size"),
    [
        ((1, 1), (1, 1)),
        ((7, 9), (7, 9)),
        ((131, 301), (131, 301)),
        ((5, 8), (301, 233)),
        ((140, 203), (133, 150)),
        ((201, 180), (250, 285)),
    ],
)
def test_ties_are_broken_as_argmax_breaks_them(seen, size, classes, align_corners, threads, monkeypatch) -> None:
    """Also where an image is small, is seen smaller or larger than it is, and whatever kernel torch chooses."""
    monkeypatch.setattr(views_module, "_PART_BYTES", 2**20)  # up to 27 parts
    generator = torch.Generator().manual_seed(classes)
    height, width = (max(1, side // 4) for side in seen)
    coarse = torch.randint(-2, 3, (1, classes, height, width), generator=generator).float()  # few values, many ties
    head = Ties(align_corners)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = head.upsample(coarse, seen)
        whole = whole[0] if seen == size else F.interpolate(whole, size, mode="bilinear")[0]
        look = View(head.upsample, coarse, seen, size, flipped=False)
        mask, best = winner(look.parts(), size)
        assert torch.equal(mask, whole.argmax(dim=0).byte())
        assert torch.equal(best, whole.amax(dim=0))
        assert torch.equal(torch.cat([part.values for part in look.parts()]), whole)
        torch.testing.assert_close(look.log_sum, whole.logsumexp(dim=0))
    finally:
        torch.set_num_threads(before)


def test_windows_rebuild_what_an_identity_network_sees() -> None:
    rng = np.random.default_rng(0)
    for i in range(50):
        height, width = (int(side) for side in rng.integers(1, 90, 2))
        size = [int(side) for side in rng.integers(1, 60, 2)]
        stride = [int(rng.integers(1, side + 1)) for side in size]
        windows = Windows(size, stride if i % 3 else None, gaussian=i % 2 == 0)
        values = torch.from_numpy(rng.standard_normal((5, height, width))).float()

        def cut(ys: slice, xs: slice, values: Tensor = values) -> Iterator[Part]:
            yield Part(0, 0, values[:2, ys, xs])
            yield Part(2, 0, values[2:, ys, xs])

        parts = []
        for part in blend(windows, values.shape, values.device, cut):
            assert part.first_row == sum(before.shape[1] for before in parts)
            parts.append(part.values.clone())
        assert torch.equal(torch.cat(parts, dim=1), values)  # to the bit

        image = picture(height, width, seed=i)
        mask = eye(windows=windows).mask(image)
        assert np.array_equal(mask.numpy(), image.argmax(axis=-1))


def test_where_windows_differ_the_weighted_mean_of_their_probabilities_counts() -> None:
    model, image = trained(NETWORKS["fpn"]()), picture(70, 101)
    windows = Windows((48, 64), (22, 37), gaussian=True)
    rows, columns = windows.places(70, 101)
    assert [(place.start, place.stop) for place in rows] == [(0, 48), (22, 70)]
    assert [(place.start, place.stop) for place in columns] == [(0, 64), (37, 101)]
    total, mean = torch.zeros(70, 101, dtype=torch.float64), torch.zeros(11, 70, 101, dtype=torch.float64)
    for ys in rows:
        for xs in columns:
            mean[:, ys, xs] += windows.weights(48, 64) * plain(model, image[ys, xs]).softmax(dim=0)
            total[ys, xs] += windows.weights(48, 64)
    mean /= total
    predictor = seeing(model, windows=windows)
    parts = [part._replace(values=part.values.clone()) for part in predictor.probabilities(image)]
    found = torch.cat([part.values for part in parts], dim=1)
    torch.testing.assert_close(found, mean.float(), rtol=1e-5, atol=1e-6)
    assert torch.equal(predictor.mask(image), found.argmax(dim=0).byte())
    assert torch.equal(predictor.mask_with_confidence(image)[1], found.amax(dim=0))


def test_looks_are_averaged_in_probability() -> None:
    model, image = trained(NETWORKS["fcn"](), scale=0.7), picture(50, 71)
    expected = []
    for scale in (0.5, 1.0, 1.5):
        for flip in (False, True):
            with torch.inference_mode():
                pixels = model.info.preprocessing.resize(image, 0.7 * scale)[None]
                logits = model.segmenter.eval()(pixels.flip(-1) if flip else pixels)
                logits = F.interpolate(logits, (50, 71), mode="bilinear")[0]
            expected.append((logits.flip(-1) if flip else logits).softmax(dim=0))
    mean = torch.stack(expected).mean(dim=0)
    predictor = seeing(model, scales=[0.5, 1.0, 1.5], flip=True)
    found = torch.cat([part.values for part in predictor.probabilities(image)])
    torch.testing.assert_close(found, mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sum(dim=0), torch.ones(50, 71))
    assert torch.equal(predictor.mask(image), found.argmax(dim=0).byte())
    entropy = -(mean * mean.log()).sum(dim=0) / np.log(11)
    torch.testing.assert_close(predictor.uncertainty(image), entropy, rtol=1e-4, atol=1e-5)


def test_the_mirrored_image_gives_the_mirrored_mask() -> None:
    predictor = seeing(trained(NETWORKS["fpn"]()), flip=True)
    image = picture(40, 64)
    torch.testing.assert_close(predictor.uncertainty(image[:, ::-1].copy()), predictor.uncertainty(image).flip(-1))


def test_a_model_in_training_stays_in_training() -> None:
    predictor = trained(NETWORKS["fcn"]())
    model = predictor.segmenter.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    mask = predictor.mask(picture(32, 48))
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.eval()
    assert torch.equal(mask, predictor.mask(picture(32, 48)))


def test_pictures() -> None:
    image = np.array([[[200, 0, 0], [0, 0, 90]]], np.uint8)
    rows = [("a", 7, (128, 64, 128)), ("b", 9, (1, 1, 1)), ("c", 26, (0, 0, 142))]
    labels = LabelSpace("odd", [Label(name, id_, i, rgb) for i, (name, id_, rgb) in enumerate(rows)])
    predictor = eye(labels)
    assert PICTURES["label_ids"](predictor, image).tolist() == [[7, 26]]
    assert PICTURES["train_ids"](predictor, image).tolist() == [[0, 2]]
    assert PICTURES["color"](predictor, image).tolist() == [[[128, 64, 128], [0, 0, 142]]]
    assert PICTURES["overlay"](predictor, image).tolist() == [[[164, 32, 64], [0, 0, 116]]]
    assert PICTURES["uncertainty"](predictor, image).tolist() == [[0, 0]]
    grey = np.full((1, 1, 3), 50, np.uint8)
    assert PICTURES["uncertainty"](predictor, grey).tolist() == [[255]]


def test_pictures_in_any_form(tmp_path) -> None:
    image = picture(9, 7)
    Image.fromarray(image).save(tmp_path / "a.png")
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    for form in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(image), image, tensor):
        assert np.array_equal(as_array(form), image)
    assert np.array_equal(as_array(np.dstack([image, image[..., 0]])), image)
    assert np.array_equal(as_array(image[..., 0]), np.repeat(image[..., :1], 3, axis=-1))
    deep = Image.fromarray(image[..., 0].astype(np.uint16) * 256 + 3)
    assert np.array_equal(as_array(deep), np.repeat(image[..., :1], 3, axis=-1))
    for wrong in (image / 255.0, image[None], image[..., :2], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(DataError, match=r"an image must be an array \(H, W, 3\) or \(H, W\) of uint8, got"):
            as_array(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 4), None), "size must be two numbers of at least 1"),
        (((4, 4, 4), None), "size must be two numbers of at least 1"),
        (((4, 4), (5, 4)), r"stride \[5, 4\] must not exceed size \[4, 4\]: it would leave gaps"),
        (((4, 4), (0, 4)), "stride must be two numbers of at least 1"),
    ],
)
def test_windows_that_cannot_be(arguments, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Windows(*arguments)


def test_scales_that_cannot_be() -> None:
    for scales in ([], [0.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="scales must be numbers above 0"):
            eye(scales=scales)


def test_each_part_of_the_network_keeps_its_mode() -> None:
    """A frozen encoder is in evaluation mode while the rest is trained."""
    predictor = trained(FCN("tu-test_resnet", classes=11, width=8))
    model = predictor.segmenter.train()
    model.encoder.eval()
    before = {name: module.training for name, module in model.named_modules()}
    assert set(before.values()) == {False, True}
    predictor.mask(picture(20, 30))
    assert {name: module.training for name, module in model.named_modules()} == before


def test_images_too_large_for_a_whole_get_windows_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "MOST_WHOLE", 40 * 60)
    monkeypatch.setattr(predictor_module, "_WINDOW", 32)
    monkeypatch.setattr(predictor_module, "_STRIDE", 24)
    model = trained(FCN("tu-test_resnet", classes=11, width=8))
    for size, windows in [((40, 60), None), ((41, 60), Windows((32, 32), (24, 24)))]:
        image = picture(*size)
        assert model.windows_for(image) == windows
        assert torch.equal(model.mask(image), seeing(model, windows=windows).mask(image))
    said: list[str] = []
    own = Windows((64, 64))
    for predictor in (model, seeing(model, windows=own)):
        large = Notices(predictor, said.append)
        for name in ("small", "first", "second"):
            large.note(picture(*((8, 8) if name == "small" else (41, 60))), name)
    assert len(said) == 1
    assert said[0].startswith("first is 60 x 41: the network would see more than ")
    assert "windows of 32 x 32 every 24 x 24" in said[0]
    assert seeing(model, windows=own).windows_for(picture(41, 60)) == own


def test_what_counts_is_the_size_that_the_network_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "MOST_WHOLE", 40 * 60)
    half = trained(FCN("tu-test_resnet", classes=11, width=8), scale=0.5)
    assert half.windows_for(picture(80, 120)) is None
    assert half.windows_for(picture(80, 122)) == Windows((2048, 2048), (1536, 1536))
    assert seeing(half, scales=(1.0, 2.0)).windows_for(picture(41, 60)) == Windows((1024, 1024), (768, 768))


def test_windows_are_lower_where_many_classes_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "MOST_WHOLE", 100)
    monkeypatch.setattr(predictor_module, "_HELD", 11 * 256 * 64)
    windows = trained(FCN("tu-test_resnet", classes=11, width=8)).windows_for(picture(40, 64))
    assert windows == Windows((256, 1024), (192, 768))
