"""What the minimal GRU is for: the same sweep, at less than half the time."""

import pytest
import torch

from segrnn.context import Sweep
from segrnn.measure import measure_costs


@pytest.mark.slow  # and alone: beside other tests the times say little
def test_mingru_is_faster_than_gru_and_takes_no_more_memory() -> None:
    """On a 128 x 256 map of 128 channels, 64 units per direction; the count of operations allows 2.25.

    Half of that is asked for here, so that a busy machine does not fail the test; `python -m segrnn.benchmark` and
    `benchmarks/mingru.py` print the figures.
    """
    torch.manual_seed(0)
    sweeps = {cell: Sweep(128, 64, axis=3, cell=cell) for cell in ("gru", "mingru")}
    gru, mingru = measure_costs(sweeps, torch.randn(1, 128, 128, 256), repeats=3)
    assert gru.macs / mingru.macs == 2.25
    assert gru.training_ms / mingru.training_ms > 1.125
    assert mingru.peak_mib <= gru.peak_mib
