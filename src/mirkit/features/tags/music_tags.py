"""Tags of music over time, as the two networks of musicnn give them.

*Measured*: for each three seconds, the probability of 50 tags that listeners of MagnaTagATune gave, and of the 50 most
frequent tags of Last.fm's users in the Million Song Dataset. *Reading*: tags are not exclusive, and a probability says
how often such music had the tag in those data sets: 0.3 is much for a tag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import TOO_SHORT, FloatArray, Unknown, Window

#: Seconds of a row: 187 frames of 256 samples at 16 kHz.
ROW_SECONDS = 187 * 256 / 16000

_MAGNATAGATUNE = (
    "guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat, violin, "
    "vocal, synth, female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud, quiet, flute, "
    "woman, male vocal, no vocal, pop, soft, sitar, solo, man, classic, choir, voice, new age, dance, male "
    "voice, female vocal, beats, harp, cello, no voice, weird, country, metal, female voice, choral"
)
_MILLION_SONG = (
    "rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock, jazz, "
    "beautiful, metal, chillout, male vocalists, classic rock, soul, indie rock, Mellow, electronica, 80s, "
    "folk, 90s, chill, instrumental, punk, oldies, blues, hard rock, ambient, acoustic, experimental, female "
    "vocalist, guitar, Hip-Hop, 70s, party, country, easy listening, sexy, catchy, funk, electro, heavy metal, "
    "Progressive rock, 60s, rnb, indie pop, sad, House, happy"
)
#: Tags of MagnaTagATune, and of the Million Song Dataset, in the order of the networks' outputs.
MAGNATAGATUNE, MILLION_SONG = tuple(_MAGNATAGATUNE.split(", ")), tuple(_MILLION_SONG.split(", "))
#: All tags, each with the data set that it comes from, because both have some.
TAGS = (*(f"magnatagatune/{name}" for name in MAGNATAGATUNE), *(f"million_song/{name}" for name in MILLION_SONG))


@dataclass(frozen=True)
class MusicTags:
    """Probabilities of tags over time.

    Attributes
    ----------
    probabilities : float16, shape=(rows, 100)
        Of ``TAGS``; row ``i`` begins at ``i * ROW_SECONDS``. The rest of the track after the last row has none.
    """

    probabilities: npt.NDArray[np.float16]

    @classmethod
    def of(cls, rows: Sequence[FloatArray]) -> "MusicTags":
        """Collect rows.

        Parameters
        ----------
        rows : sequence of array, shape=(100,)
            Probabilities of ``TAGS``.

        Returns
        -------
        MusicTags
        """
        return cls(np.array(rows, np.float16).reshape(-1, len(TAGS)))

    def mean(self, window: Window) -> FloatArray | Unknown:
        """Return the mean of each tag's probability over a window.

        Parameters
        ----------
        window : Window

        Returns
        -------
        float64 array, shape=(100,), or Unknown
            Rows count by how much of them lies in the window. ``too short`` where no row does.
        """
        starts = np.arange(len(self.probabilities)) * ROW_SECONDS
        inside = np.minimum(starts + ROW_SECONDS, window.end) - np.maximum(starts, window.start)
        weights = np.maximum(inside, 0.0)
        if not weights.sum() > 0:
            return TOO_SHORT
        mean: FloatArray = weights @ self.probabilities.astype(np.float64) / weights.sum()
        return mean
