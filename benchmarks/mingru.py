"""The minimal GRU beside the GRU: one sweep over a 128 x 256 map of 128 channels, 64 units per direction, on the CPU.

``python benchmarks/mingru.py``. The limit is the count of multiply-accumulates: 2.25 times fewer.
"""

import torch

from segrnn.context import Sweep
from segrnn.measure import measure_costs
from segrnn.reports import describe_machine


def main() -> None:
    """Print times, their ratios and the peak memory, along each axis."""
    print(describe_machine(torch.device("cpu")))
    torch.manual_seed(0)
    for axis in (2, 3):
        sweeps = {cell: Sweep(128, 64, axis, cell) for cell in ("gru", "mingru")}
        gru, mingru = measure_costs(sweeps, torch.randn(1, 128, 128, 256), repeats=15)
        for cost in (gru, mingru):
            print(
                f"axis {axis}  {cost.name:6}  {cost.macs / 1e9:.2f} GMAC  forward {cost.forward_ms:.1f} ms"
                f"  forward and backward {cost.training_ms:.1f} ms  peak {cost.peak_mib:.0f} MiB"
            )
        print(
            f"axis {axis}  ratio   {gru.macs / mingru.macs:.2f}       forward {gru.forward_ms / mingru.forward_ms:.2f}"
            f"     forward and backward {gru.training_ms / mingru.training_ms:.2f}"
        )


if __name__ == "__main__":
    main()
