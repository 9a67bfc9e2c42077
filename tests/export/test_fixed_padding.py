"""Padding that is known beforehand is the padding that timm works out."""

import pytest
import torch

from segrnn.compat import Conv2dSame
from segrnn.export.fixed_padding import FixedPadding, with_fixed_padding
from segrnn.export.graph import Exported
from segrnn.models import FCN, Segmenter


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_it_is_the_same_where_the_stride_divides_the_map(kernel: int, stride: int, dilation: int) -> None:
    convolution = Conv2dSame(3, 4, kernel, stride=stride, dilation=dilation)
    x = torch.rand(2, 3, 8 * stride, 5 * stride)
    assert torch.equal(FixedPadding(convolution)(x), convolution(x))


def test_a_network_of_tensorflow_stays_what_it_is() -> None:
    model = Segmenter(FCN("tu-tf_efficientnet_lite0", classes=3, width=8, encoder_depth=3)).eval()
    exported = Exported(model, None, argmax=False)
    copied = with_fixed_padding(exported)
    assert any(isinstance(module, FixedPadding) for module in copied.modules())
    assert not any(isinstance(module, FixedPadding) for module in exported.modules())
    for size in ((45, 61), (1, 1), (64, 96)):
        image = torch.rand(1, 3, *size)
        assert torch.equal(copied(image), exported(image))
