import pytest
import torch

from segrnn.ops import from_sequences, to_sequences

pytestmark = pytest.mark.usefixtures("poisoned_memory")

SIZES = [(1, 1), (1, 9), (9, 1), (7, 13)]


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_there_and_back(axis: int, size: tuple[int, int]) -> None:
    x = torch.rand(3, 4, *size)
    sequences = to_sequences(x, axis)
    assert sequences.shape == (x.shape[axis], 3 * x.shape[5 - axis], 4)
    assert torch.equal(from_sequences(sequences, axis, batch=3), x)


def test_a_sequence_is_a_column_or_a_row() -> None:
    x = torch.rand(2, 4, 5, 6)
    assert torch.equal(to_sequences(x, axis=2)[:, 2 * 3 + 1], x[1, :, :, 3].T)  # column 3 of the second image
    assert torch.equal(to_sequences(x, axis=3)[:, 2 * 2 + 1], x[1, :, 2, :].T)  # row 2 of the second image


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_layout_in_memory_changes_nothing(axis: int, size: tuple[int, int]) -> None:
    x = torch.rand(3, 4, *size)
    for other in (x.to(memory_format=torch.channels_last), x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)):
        sequences = to_sequences(other, axis)
        assert torch.equal(sequences, to_sequences(x, axis))
        assert torch.equal(from_sequences(sequences, axis, batch=3, channels_last=True), x)
