"""What a context costs, and what it sees."""

from segrnn.measure.cost import Cost, count_macs, count_parameters, measure_costs, peak_memory
from segrnn.measure.receptive_field import effective_receptive_field

__all__ = ["Cost", "count_macs", "count_parameters", "effective_receptive_field", "measure_costs", "peak_memory"]
