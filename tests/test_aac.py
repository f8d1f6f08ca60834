"""AAC in parts: as good as encoded at once, and after an edit little of it anew."""

import av
import numpy as np
import pytest

from tests.recordings import Held
from workbench import audio, content
from workbench.errors import MediaError
from workbench.export import aac

SR = 48_000
SEAM = aac.PART * aac.PACKET  # samples


class Sound(Held):
    """A recording in memory that can name what it holds."""

    def key(self, start, stop):
        return content.address(self.read(start, stop).tobytes())


def clicks(seconds: float = 18, channels: int = 2) -> np.ndarray:
    """A swelling chord, and hard clicks all around the seams between parts, where windows change."""
    t, rng = np.arange(int(seconds * SR)) / SR, np.random.default_rng(3)
    n = t.size
    chord = sum(np.sin(2 * np.pi * hz * t * (1 + 0.02 * np.sin(t))) for hz in (220, 331, 447, 1210, 2900))
    y = np.outer(0.5 + np.arange(channels), 0.03 * chord * (0.6 + 0.4 * np.sin(5 * t)))
    for seam in range(SEAM, n, SEAM):
        for offset in rng.integers(-6000, 6000, 12):
            y[:, seam + offset : seam + offset + 40] += 0.5
    return y.astype(np.float32)


def encoded(y, kept, **changes):
    return aac.Encoded(Sound(y, SR), **{"gain_db": 0.0, "bits": 96_000 * len(y), "kept": kept, **changes})


def at_once(y):
    """The same encoder, over the whole sound in one go, and decoded."""
    whole = aac.Encoded(Sound(y, SR), 0.0, 96_000 * len(y), {})
    coder, heard = whole._coder(), []
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = coder.extradata
    packets = []
    for at in range(0, y.shape[1], aac.PACKET):
        part = np.ascontiguousarray(y[:, at : at + aac.PACKET])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SR, at
        packets += coder.encode(frame)
    packets += coder.encode(None)
    heard = [frame.to_ndarray() for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    return np.concatenate(heard, axis=1)[:, aac.PACKET : aac.PACKET + y.shape[1]]


def noise_db(y, heard, span):
    return audio.level_db((heard - y)[:, span]) - audio.level_db(y[:, span])


def test_seams_are_as_clean_as_if_all_had_been_encoded_at_once():
    y = clicks()
    parts, whole = encoded(y, {}), at_once(y)
    heard = parts.read(0, parts.frames)
    seams = range(SEAM, y.shape[1], SEAM)
    assert len(seams) >= 3
    for seam in seams:
        near = slice(seam - 4 * aac.PACKET, seam + 4 * aac.PACKET)
        assert noise_db(y, heard, near) < noise_db(y, whole, near) + 2
    assert noise_db(y, heard, slice(None)) < noise_db(y, whole, slice(None)) + 0.5


def test_after_an_edit_only_the_parts_that_it_reaches_are_encoded_again(tmp_path):
    y, kept = clicks(40), {}
    first = encoded(y, kept)
    first.write(tmp_path / "first.m4a", language="spa")
    assert len(kept) == first.count >= 7
    y[:, 3 * SEAM + 20_000 : 3 * SEAM + 90_000] *= 0.5
    encoded(y, kept).write(tmp_path / "edited.m4a", language="spa")
    assert len(kept) == first.count + 1
    encoded(y, {}).write(tmp_path / "anew.m4a", language="spa")
    assert (tmp_path / "edited.m4a").read_bytes() == (tmp_path / "anew.m4a").read_bytes()


def test_what_is_decoded_is_named_by_what_was_encoded():
    y, kept = clicks(), {}
    before = encoded(y, kept)
    y = y.copy()
    y[:, 2 * SEAM + 50_000] += 0.1
    after, softer = encoded(y, kept), encoded(y, kept, gain_db=-1.0)
    spans = [(start, start + 10_000) for start in range(0, y.shape[1] - 10_000, 10_000)]
    moved = [start for start, stop in spans if before.key(start, stop) != after.key(start, stop)]
    assert moved
    assert all(SEAM < start < 4 * SEAM for start in moved)
    assert all(after.key(*span) != softer.key(*span) for span in spans)
    for start, stop in spans[::9]:
        assert np.allclose(before.read(start, stop), before.read(0, stop)[:, start:], atol=1e-3)


def test_a_player_hears_it_from_its_first_sample_to_its_last(tmp_path):
    y = clicks(6.1)
    sound = encoded(y, {})
    sound.write(tmp_path / "sound.m4a", language="spa")
    with av.open(str(tmp_path / "sound.m4a")) as file:
        heard = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], axis=1)
        assert file.streams[0].start_time == 0
    assert 0 <= heard.shape[1] - y.shape[1] < aac.PACKET
    assert np.allclose(heard[:, : y.shape[1]], sound.read(0, sound.frames), atol=1e-3)


@pytest.mark.parametrize("samples", [1, 1023, 1024, 1025, SEAM - 1, SEAM, SEAM + 1])
def test_a_sound_of_any_length_is_whole(samples):
    y = clicks(7, channels=1)[:, :samples]
    sound = encoded(y, {})
    counts = [len(sound.packets(part)) for part in range(sound.count)]
    assert sum(counts) == 1 + -(-samples // aac.PACKET)
    assert sound.read(0, samples).shape == (1, samples)


def test_more_channels_than_aac_has_are_refused():
    with pytest.raises(MediaError, match="no layout of 9 channels"):
        encoded(clicks(1, channels=9), {}).packets(0)
