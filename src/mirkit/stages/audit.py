"""The stage ``audit``: what is wrong with the file of the mix."""

from mirkit.analysis import TrackAnalysis
from mirkit.audio import Audio, resample
from mirkit.features.audit.findings import Finding, verdict
from mirkit.features.audit.lossy import SECONDS, Excerpt, LossyOrigin, codec_rates, excerpt_times, find_origin
from mirkit.features.types import Window
from mirkit.stages import Result, fact, register
from mirkit.store import Settings


@register("audit")
def audit(track: TrackAnalysis, settings: Settings) -> Result:
    """Look for faults of the source; all results are metadata."""
    findings: list[Finding] = list(track.series("full_mix", "audit"))
    # A lossy file is what it says it is.
    if track.source_info.lossless and (origin := _lossy_origin(track.open_native(), track.duration)):
        findings.insert(0, Finding("lossy", str(origin)))
    listed = [{"name": finding.name, "text": finding.text} for finding in findings]
    notes = tuple(f"fault of the source: {finding.text}" for finding in findings if finding.is_fault)
    return Result(facts={"audit": fact({"verdict": verdict(findings), "findings": listed})}, notes=notes)


def _lossy_origin(audio: Audio, duration: float) -> LossyOrigin | None:
    """Look for traces of codecs at the rate of the file, then at those from which it may have been resampled."""
    times = excerpt_times(duration)
    windows = [Window(time, time + SECONDS) for time in times]
    native = [samples.copy() for samples in audio.windows(windows)]
    for rate, codecs in codec_rates(audio.rate).items():
        excerpts = [
            Excerpt(round(time * rate), resample(samples, audio.rate, rate))
            for time, samples in zip(times, native, strict=True)
        ]
        if origin := find_origin(excerpts, rate, codecs):
            return origin
    return None
