"""Reports for people: tables, pictures and pages."""

from segrnn.reports.comparison_page import Compared, write_comparison
from segrnn.reports.costs import draw_receptive_fields, print_costs, write_costs
from segrnn.reports.evaluation_page import Report, write_report
from segrnn.reports.example_files import ExampleFile, read_examples, write_examples
from segrnn.reports.gallery import Example, Gallery, spread
from segrnn.reports.latencies import print_latencies, write_latencies
from segrnn.reports.machine import describe_machine, find_commit
from segrnn.reports.pictures import (
    OUTCOMES,
    draw_calibration,
    draw_lr_range,
    errors,
    outcomes,
    write_panels,
    write_sheet,
)
from segrnn.reports.rows import draw_rows, write_rows
from segrnn.reports.run_metadata import gather_metadata
from segrnn.reports.search_results import TrialResult, print_trials, rank_trials, write_trials
from segrnn.reports.tables import (
    name_official,
    print_figures,
    print_scores,
    print_statistics,
    write_image_scores,
    write_json,
    write_scores,
    write_statistics,
)

__all__ = [
    "OUTCOMES",
    "Compared",
    "Example",
    "ExampleFile",
    "Gallery",
    "Report",
    "TrialResult",
    "describe_machine",
    "draw_calibration",
    "draw_lr_range",
    "draw_receptive_fields",
    "draw_rows",
    "errors",
    "find_commit",
    "gather_metadata",
    "name_official",
    "outcomes",
    "print_costs",
    "print_figures",
    "print_latencies",
    "print_scores",
    "print_statistics",
    "print_trials",
    "rank_trials",
    "read_examples",
    "spread",
    "write_comparison",
    "write_costs",
    "write_examples",
    "write_image_scores",
    "write_json",
    "write_latencies",
    "write_panels",
    "write_report",
    "write_rows",
    "write_scores",
    "write_sheet",
    "write_statistics",
    "write_trials",
]
