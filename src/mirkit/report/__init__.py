"""A data set as a folder of web pages that open from the disk: one for the set, one for each track.

No server and no network: scripts and styles are files of the folder, and data are scripts, since a browser lets a page
from the disk read nothing else. What is drawn is drawn from numbers by two small scripts in ``assets``.
"""

from mirkit.report.site import FOLDER, PageOutcome, ReportPlan, plan, write

__all__ = ["FOLDER", "PageOutcome", "ReportPlan", "plan", "write"]
