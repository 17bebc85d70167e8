"""A data set as a folder of web pages that open from the disk: one for the set, one for each track.

The pages need no server and no network: scripts and styles are files of the folder, and data are scripts too, because a
browser lets a page from the disk read no other files. Two small scripts in ``assets`` draw the charts.
"""

from mirkit.report.site import FOLDER, PageOutcome, ReportPlan, plan_report, write_report

__all__ = ["FOLDER", "PageOutcome", "ReportPlan", "plan_report", "write_report"]
