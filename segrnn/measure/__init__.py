"""Measurements of networks and contexts: their cost, their latency and their receptive field."""

from segrnn.measure.cost import (
    Cost,
    count_macs,
    count_parameters,
    measure_costs,
    peak_memory,
    run_forward,
    run_training,
    seconds,
)
from segrnn.measure.latency import Latency, measure_latencies
from segrnn.measure.receptive_field import effective_receptive_field

__all__ = [
    "Cost",
    "Latency",
    "count_macs",
    "count_parameters",
    "effective_receptive_field",
    "measure_costs",
    "measure_latencies",
    "peak_memory",
    "run_forward",
    "run_training",
    "seconds",
]
