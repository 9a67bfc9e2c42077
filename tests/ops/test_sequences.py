import pytest
import torch

from segrnn.ops import from_sequences, to_sequences

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
    assert torch.equal(to_sequences(x, axis=2)[:, 6 + 3], x[1, :, :, 3].T)  # second image, column 3
    assert torch.equal(to_sequences(x, axis=3)[:, 5 + 2], x[1, :, 2, :].T)  # second image, row 2
