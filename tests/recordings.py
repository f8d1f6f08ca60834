"""Sounds for the tests of the stages that read film-long sound."""

import hashlib

import numpy as np

from workbench import content


class Held:
    """A sound in memory as an `audio.Recording`."""

    def __init__(self, y, sr=48000):
        self.y, self.sr = y, sr
        self.channels, self.frames = y.shape

    def read(self, start, stop):
        return self.y[:, start:stop]

    def key(self, start, stop):
        part = np.ascontiguousarray(self.y[:, start:stop])
        return content.address(self.sr, part.shape, hashlib.sha256(part).hexdigest())


def read_in_blocks(recording, size):
    """Read a whole recording, `size` samples at a time."""
    starts = range(0, recording.frames, size)
    blocks = [recording.read(a, min(a + size, recording.frames)) for a in starts]
    return np.concatenate([np.zeros((recording.channels, 0), np.float32), *blocks], axis=1)


def noise(channels, n, *, seed=0, level=0.1):
    """Make noise in steps of 24 bits, as a file holds it."""
    y = np.random.default_rng(seed).standard_normal((channels, n)) * level
    return (np.round(np.clip(y, -1, 0.99) * 2**23) / 2**23).astype(np.float32)
