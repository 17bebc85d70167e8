"""What a worker is started with: it loads the analysis, its parent does not."""

from mirkit.pipeline.job import TrackJob
from mirkit.pipeline.outcome import TrackOutcome


def work(job: TrackJob) -> TrackOutcome:
    """Do a job."""
    if job.url:
        from mirkit.remote.task import process_away

        return process_away(job)
    from mirkit.pipeline.track_task import process

    return process(job)
