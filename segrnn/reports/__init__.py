"""What a person looks at: tables and pictures."""

from segrnn.reports.costs import draw_receptive_fields, print_costs, write_costs
from segrnn.reports.machine import describe_machine
from segrnn.reports.pictures import draw_calibration, draw_lr_range, write_panels
from segrnn.reports.tables import print_official, print_scores, print_statistics, write_scores, write_statistics
from segrnn.reports.trials import TrialResult, print_trials, rank_trials, write_trials

__all__ = [
    "TrialResult",
    "describe_machine",
    "draw_calibration",
    "draw_lr_range",
    "draw_receptive_fields",
    "print_costs",
    "print_official",
    "print_scores",
    "print_statistics",
    "print_trials",
    "rank_trials",
    "write_costs",
    "write_panels",
    "write_scores",
    "write_statistics",
    "write_trials",
]
