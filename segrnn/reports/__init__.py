"""What a person looks at: tables and pictures."""

from segrnn.reports.costs import draw_receptive_fields, print_costs, write_costs
from segrnn.reports.machine import describe_machine
from segrnn.reports.pictures import draw_calibration, write_panels
from segrnn.reports.tables import print_official, print_scores, print_statistics, write_scores, write_statistics

__all__ = [
    "describe_machine",
    "draw_calibration",
    "draw_receptive_fields",
    "print_costs",
    "print_official",
    "print_scores",
    "print_statistics",
    "write_costs",
    "write_panels",
    "write_scores",
    "write_statistics",
]
