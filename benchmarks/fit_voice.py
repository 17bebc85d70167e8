"""Fit the network that tells a voice from instruments, and write its weights. Needs PyTorch and fluidsynth.

    python benchmarks/fit_voice.py FOLDER [--steps 1500] [--seed 0] [--write]

FOLDER is that of ``voice_corpus.py``. An example is five seconds: music without a voice, from recordings, renderings or
one instrument alone, and in half of them a voice at a random level. Both are mixed anew each time, in the power of the
bands: speed, formants, tone, reverberation, second voices, noise, and low-pass are drawn at random. Where the voice is
12 dB below the music, neither answer is wanted. Nothing that docs/how_good/voice.md judges on goes in. ``--write`` puts
the weights into ``src/mirkit/features/voice_weights.py``.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import voice_corpus as corpus
from scipy.ndimage import uniform_filter1d
from torch import nn
from torch.nn import functional

from mirkit.features import voice

FRAMES = 215  # of an example
CHANNELS = (12, 16, 24, 32)
BATCH, HIGHEST_RATE = 24, 4e-3
#: Share of the examples from songs, rendered pieces, recordings, rendered leads, and solos.
SHARES = (0.24, 0.18, 0.18, 0.12, 0.28)
#: How often the recorded voices are drawn, beside those of songs.
WEIGHTS = {"kerstin": 0.6, "speech": 1.0, "orks": 0.5, "bk_f": 0.4, "bk_m": 0.4, "bk_c": 0.3, "choir": 0.1}
OF_SONGS = 3.0
LEAST_ACTIVE, BELOW_LOUD_DB, HIDDEN_DB = 0.15, 34.0, -12.0
TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/features/voice_weights.py"


def power_of(levels: np.ndarray) -> np.ndarray:
    return 10 ** (levels.astype(np.float32) / 10)


def active(levels: np.ndarray) -> np.ndarray:
    """Whether a voice sounds, frame by frame."""
    loud = 10 * np.log10(uniform_filter1d(power_of(levels).sum(axis=1), 9) + 1e-12)
    return loud > np.percentile(loud, 97) - BELOW_LOUD_DB


class Mixer:
    """Draws examples."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.rng = rng
        found = (corpus.songs(folder, "backing"), corpus.rendered(folder), corpus.music(folder))
        self.pools = [list(levels.values()) for levels in (*found, corpus.leads(folder), corpus.solos(folder))]
        self.voices = [(v, active(v), OF_SONGS) for v in corpus.songs(folder, "vocals").values()]
        for name, levels in corpus.voices(folder).items():
            weight = next(weight for start, weight in WEIGHTS.items() if name.startswith(start))
            self.voices.append((levels, active(levels), weight))
        chance = np.array([min(len(levels), 8000) ** 0.5 * weight for levels, _, weight in self.voices])
        self.chance = chance / chance.sum()

    def example(self, *, sung: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Levels in dB, the wanted outputs, and their weights, by frame."""
        rng, wanted, weight = self.rng, np.zeros(FRAMES, np.float32), np.ones(FRAMES, np.float32)
        power = self._music()
        if sung:
            voiced, sounds = self._voice()
            loud = 10 ** rng.normal(0.2, 0.55) if rng.random() > 0.2 else 10 ** rng.uniform(2, 5)
            voiced *= loud / (voiced[sounds].mean() + 1e-12)
            ratio = 10 * np.log10(voiced[:, 6:60].sum(axis=1) / (power[:, 6:60].sum(axis=1) + 1e-12) + 1e-12)
            wanted[sounds] = 1
            weight[sounds & (ratio < HIDDEN_DB)] = 0
            power = power + voiced
        power *= self._tone(1.2)
        if rng.random() < 0.2:
            power *= rng.gamma(10, 0.1, power.shape).astype(np.float32)
        levels = 10 * np.log10(power + power.max() * 10 ** rng.uniform(-9, -5.5))
        if rng.random() < 0.3:  # a low-pass
            edge = int(rng.integers(55, 80))
            levels[:, edge:] -= np.linspace(3, 40, 80 - edge)
        return levels.astype(np.float32), wanted, weight

    def _music(self) -> np.ndarray:
        rng = self.rng
        which = int(rng.choice(len(self.pools), p=SHARES))
        while True:
            pool = self.pools[which]
            power = self._warped(power_of(self._part(pool[int(rng.integers(len(pool)))])[0]), 2)
            if power.sum() > 1e-3:
                break
        power *= self._tone(2.5)
        if which in (0, 4) and rng.random() < 0.3:  # over other music
            other = power_of(self._part(self.pools[1][int(rng.integers(len(self.pools[1])))])[0])
            power = power / power.mean() + other / (other.mean() + 1e-9) * 10 ** rng.uniform(-1, 1)
        return power / (power.mean() + 1e-12)

    def _voice(self) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        while True:
            levels, sounds, _ = self.voices[int(rng.choice(len(self.voices), p=self.chance))]
            part, at = self._part(levels)
            heard = np.zeros(FRAMES, np.bool_)
            heard[: len(sounds[at : at + FRAMES])] = sounds[at : at + FRAMES]
            if heard.mean() > LEAST_ACTIVE:
                break
        power = self._warped(power_of(part), 4) * self._tone(2.0)
        if rng.random() < 0.15:  # another voice
            levels, sounds, _ = self.voices[int(rng.choice(len(self.voices), p=self.chance))]
            part, at = self._part(levels)
            second = power_of(part)
            power = power + second / (second.mean() + 1e-12) * power.mean() * 10 ** rng.uniform(-1, 0)
            heard[: len(sounds[at : at + FRAMES])] |= sounds[at : at + FRAMES]
        if rng.random() < 0.4:  # reverberation
            decay, tail = np.exp(-1 / (43 * rng.uniform(0.05, 0.5))), np.zeros(80, np.float32)
            level, tails = 3 * rng.uniform(0.02, 0.3), np.zeros_like(power)
            for frame, now in enumerate(power):
                tail = tail * decay + now * (1 - decay)
                tails[frame] = tail
            power = power + level * tails
        return power, heard

    def _part(self, levels: np.ndarray) -> tuple[np.ndarray, int]:
        if len(levels) <= FRAMES:
            return np.pad(levels, ((0, FRAMES - len(levels)), (0, 0)), constant_values=-90), 0
        at = int(self.rng.integers(0, len(levels) - FRAMES))
        return levels[at : at + FRAMES], at

    def _warped(self, power: np.ndarray, most: float) -> np.ndarray:
        """Move the bands, as another speaker or instrument would."""
        at = np.arange(80) * self.rng.uniform(0.96, 1.04) + self.rng.uniform(-most, most)
        at = np.clip(at, 0, 79)
        low = np.minimum(at.astype(int), 78)
        share = (at - low).astype(np.float32)
        return power[:, low] * (1 - share) + power[:, low + 1] * share

    def _tone(self, spread: float) -> np.ndarray:
        steps = np.cumsum(self.rng.normal(0, spread, 9))
        decibels = np.interp(np.linspace(0, 8, 80), np.arange(9), steps - steps.mean())
        return (10 ** (decibels / 10)).astype(np.float32)


class Net(nn.Module):
    """The network of ``mirkit.features.voice``, to be fitted."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, hidden = CHANNELS
        self.c1 = nn.Conv2d(2, first, (5, 3), padding=(2, 1))
        self.c2 = nn.Conv2d(first, second, 3, padding=1)
        self.c3 = nn.Conv2d(second, third, 3, padding=1)
        self.d = nn.Conv1d(third * 6, hidden, 3, padding=1)
        self.o = nn.Conv1d(hidden, 1, 1)
        self.some, self.some_maps = nn.Dropout(0.3), nn.Dropout2d(0.1)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Log-odds, shape=(batch, values), of inputs, shape=(batch, 2, frames, bands)."""
        pool, rectified = functional.max_pool2d, functional.relu
        values = pool(rectified(self.c1(values)), (2, 2))
        values = pool(rectified(self.c2(self.some_maps(values))), (2, 3))
        values = pool(rectified(self.c3(self.some_maps(values))), (3, 2))
        count, maps, frames, bands = values.shape
        rows = values.permute(0, 1, 3, 2).reshape(count, maps * bands, frames)
        return self.o(self.some(rectified(self.d(self.some(rows)))))[:, 0]

    def layers(self) -> list[voice.Layer]:
        """Weights in the order of :func:`mirkit.features.voice.packed`."""
        state = {name: value.detach().numpy() for name, value in self.state_dict().items()}
        found = [(state[f"{n}.weight"].transpose(2, 3, 1, 0), state[f"{n}.bias"]) for n in ("c1", "c2", "c3")]
        hidden = state["d.weight"].reshape(CHANNELS[3], CHANNELS[2], 6, 3)  # maps before bands
        hidden = hidden.transpose(3, 2, 1, 0).reshape(3, 6 * CHANNELS[2], CHANNELS[3])
        return [*found, (hidden, state["d.bias"]), (state["o.weight"][:, :, 0].T, state["o.bias"])]


def fit(mixer: Mixer, steps: int) -> Net:
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, HIGHEST_RATE, total_steps=steps, pct_start=0.2)
    mean, started = 0.0, time.process_time()
    for step in range(1, steps + 1):
        net.train()
        examples = [mixer.example(sung=i % 2 == 0) for i in range(BATCH)]
        inputs = torch.from_numpy(np.stack([voice.inputs_of(levels).transpose(2, 0, 1) for levels, _, _ in examples]))
        wanted, weight = (torch.from_numpy(np.stack([_values(e[i]) for e in examples])) for i in (1, 2))
        odds = net(inputs)
        loss = functional.binary_cross_entropy_with_logits(odds, wanted * 0.96 + 0.02, reduction="none") * weight
        loss = loss.sum() / weight.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean = 0.97 * mean + 0.03 * float(loss.detach())
        if step % 100 == 0:
            print(f"{step}: loss {mean / (1 - 0.97**step):.4f}, {time.process_time() - started:.0f} CPU s", flush=True)
    return net


def _values(frames: np.ndarray) -> np.ndarray:
    """Means over the frames of each value."""
    return frames[: FRAMES // 12 * 12].reshape(-1, 12).mean(axis=1)


def source(net: Net) -> str:
    layers = net.layers()
    text = voice.packed(layers)
    lines = [f'    "{text[i : i + 112]}"' for i in range(0, len(text), 112)]
    shapes = "".join(f"    {weights.shape},\n" for weights, _ in layers)
    return (
        '"""The fitted weights of the voice detector. Written by ``benchmarks/fit_voice.py``."""\n\n'
        f"#: Shape of the weights of each layer; the last dimension is that of its outputs.\nSHAPES = (\n{shapes})\n"
        "#: See ``voice.packed``.\nWEIGHTS = (\n" + "\n".join(lines) + "\n)\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    net = fit(Mixer(args.folder, np.random.default_rng(args.seed)), args.steps)
    torch.save(net.state_dict(), args.folder / "voice.pt")
    if args.write:
        TARGET.write_text(source(net))


if __name__ == "__main__":
    main()
