"""The report: web pages about a data set that open from the disk, one for the data set and one for each track.

The pages need no server and no network: scripts and styles are files of the folder. The data are scripts too, because
browsers do not let a page that was opened from the disk read other files. Two small scripts in ``assets`` draw the
charts.
"""

from mirkit.report.site import FOLDER, PageOutcome, ReportPlan, plan_report, write_report

__all__ = ["FOLDER", "PageOutcome", "ReportPlan", "plan_report", "write_report"]
