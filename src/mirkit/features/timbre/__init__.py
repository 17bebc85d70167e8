"""Timbre: the eight timbral models of the Audio Commons project, on any stretch of sound.

Models, regression coefficients and constants are those of deliverable D5.8 of the Audio Commons project (A. Pearce,
S. Safavi, T. Brookes, R. Mason, W. Wang, M. Plumbley: "Release of timbral characterization tools for semantically
annotating non-musical content", Institute of Sound Recording, University of Surrey, 2019) as upstream published them:
https://github.com/AudioCommons/timbral_models, commit 6a97eec, Apache-2.0, copyright Andy Pearce and the University of
Surrey. The code here is new, for speed; values agree to a few thousandths.

The models were fitted to ratings of short single sounds (0-100, larger is more so). On music they are applied without
change: results per note are averaged over all notes, and results per frame over all frames.

Peculiarities of upstream that affect values are reproduced, with a comment at each place. Channels are added, not
averaged, and only the first three; a sound is normalized to -24 LUFS first, unless that clips (not for reverberation);
if only one note is found, the whole sound is used; sums, weights and clipping are unchanged. If upstream fails, the
value is unknown.
"""

from mirkit.features.timbre.timbre import Timbre, TimbreExtractor, timbre

__all__ = ["Timbre", "TimbreExtractor", "timbre"]
