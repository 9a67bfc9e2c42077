"""What a person looks at: tables and pictures."""

from segrnn.reports.pictures import write_panels
from segrnn.reports.tables import print_scores, write_scores

__all__ = ["print_scores", "write_panels", "write_scores"]
