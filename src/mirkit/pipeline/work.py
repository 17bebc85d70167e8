"""What a worker is started with: it loads the analysis, its parent does not."""

from mirkit.pipeline.job import Job
from mirkit.pipeline.outcome import Outcome


def work(job: Job) -> Outcome:
    """Do a job."""
    if job.url:
        from mirkit.pipeline.away import process_away

        return process_away(job)
    from mirkit.pipeline.process import process

    return process(job)
