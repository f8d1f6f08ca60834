from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import Held, noise, read_in_blocks
from tests.test_fit import films, place
from workbench import audio, fit, loudness, mix, params
from workbench.errors import MediaError, RecordError
from workbench.records import Placement, Segment

SR = 48000
PARAMS = Path(__file__).parent.parent / "params"
OPTS = params.read(
    mix.Options, (PARAMS / "mix.yaml").read_text(encoding="utf-8"), key="mix", where="mix.yaml"
)


class Scene:
    """A bed, its dialogue, and takes of random length placed at given times."""

    def __init__(self, starts, lengths, *, channels=2, seconds=2.0, opts=OPTS, level=0.1, apart=True):
        frames = round(seconds * SR)
        self.bed = Held(noise(channels, frames, level=0.02))
        self.dialogue = Held(noise(channels, frames, seed=1, level=0.05) if apart else self.bed.y)
        self.takes, self.segments, self.placements = {}, [], []
        for k, (start, n) in enumerate(zip(starts, lengths, strict=True)):
            name, end = f"s{k}", start + -(-n * 1000 // SR)
            self.takes[name] = Held(noise(1, n, seed=k, level=level))
            self.segments.append(Segment(name, start, end, "AB"[k % 2], "text"))
            self.placements.append(Placement(name, start, end, 1.0, 0))
        self.opts = opts

    def lines(self):
        return mix.lines(self.placements, self.segments, self.takes, self.dialogue, kept={}, opts=self.opts)

    def film(self, *, ducked=True):
        lines = self.lines()
        ducks = mix.ducks(lines, self.segments, self.bed, self.dialogue, kept={}, opts=self.opts)
        return mix.Mix(self.bed, lines, self.takes, ducks if ducked else [], self.opts)


def heard(film):
    """Return the loudness of a recording."""
    return loudness.programme(loudness.listen(film, kept={}))


def mastered(film, opts=OPTS):
    """Return a film at its loudness, and that loudness as it was told."""
    return mix.master(film, list(loudness.listen(film, kept={})), kept={}, opts=opts)


@st.composite
def scenes(draw):
    """Draw lines anywhere in two seconds: overlapping, touching, to the film's very end, or none at all."""
    count = draw(st.integers(0, 5))
    starts = draw(st.lists(st.integers(0, 1999), min_size=count, max_size=count))
    lengths = draw(st.lists(st.integers(1, 40_000), min_size=count, max_size=count))
    if count > 1 and draw(st.booleans()):  # no gap at all between the first two
        starts[1] = min(1999, starts[0] + -(-lengths[0] * 1000 // SR))
    lengths = [min(n, 2 * SR - start * SR // 1000) for start, n in zip(starts, lengths, strict=True)]
    return Scene(starts, lengths, channels=draw(st.sampled_from([1, 2, 6])), apart=draw(st.booleans()))


@settings(max_examples=40, deadline=None)
@given(scene=scenes())
def test_every_sample_of_every_take_is_in_the_mix(scene):
    film = scene.film(ducked=False)
    out = film.read(0, film.frames).astype(np.float64)
    out[:, : scene.bed.frames] -= scene.bed.y
    wanted = np.zeros(film.frames)
    for line in film.lines:
        take = scene.takes[line.segment].y[0]
        assert line.stop - line.start == len(take)
        wanted[line.start : line.stop] += take * 10 ** (line.gain_db / 20)
    for channel in out[mix.front(film.channels)]:
        assert np.abs(channel - wanted).max() < 1e-5
        assert channel.sum() == pytest.approx(wanted.sum(), abs=1e-2)
    silent = np.delete(out, range(*mix.front(film.channels).indices(film.channels)), axis=0)
    assert not silent.any()


@settings(max_examples=15, deadline=None)
@given(film=films(), channels=st.sampled_from([1, 2, 6]))
def test_the_samples_in_the_mix_are_those_of_the_takes_after_their_stretch(film, channels):
    segments, lengths, duration = film
    placed = place(segments, lengths, duration=duration)
    spoken = {
        one.id: noise(1, ms * 16, seed=ms, level=0.1) for one, ms in zip(segments, lengths, strict=True)
    }
    takes = {
        one.segment: fit.Fitted(Held(spoken[one.segment], 16_000), audio.samples(one.end - one.start, sr=SR))
        for one in placed
    }
    bed = Held(np.zeros((channels, audio.samples(duration, sr=SR)), np.float32))
    lines = mix.lines(placed, segments, takes, bed, kept={}, opts=OPTS)
    out = mix.Mix(bed, lines, takes, [], OPTS).read(0, bed.frames)
    wanted = np.zeros(bed.frames)
    for one, laid in zip(placed, lines, strict=True):
        y = fit.stretch(
            audio.resample(spoken[one.segment][0], sr=16_000, to=SR),
            sr=SR,
            length=audio.samples(one.end - one.start, sr=SR),
        )
        at = audio.samples(one.start, sr=SR)
        wanted[at : at + y.size] += y * 10 ** (laid.gain_db / 20)
    for channel in out[mix.front(channels)]:
        assert np.abs(channel - wanted).max() < 1e-5
        assert channel.sum(dtype=np.float64) == pytest.approx(wanted.sum(), abs=1e-2)


@settings(max_examples=40, deadline=None)
@given(scene=scenes())
def test_where_the_dub_is_silent_the_mix_is_the_bed_bit_for_bit(scene):
    film = scene.film()
    out = film.read(0, film.frames)
    free = np.ones(film.frames, bool)
    before, after = (audio.samples(ms, sr=SR) for ms in (OPTS.duck_attack, OPTS.duck_release))
    for duck in film.ducks:
        free[max(0, duck.start - before) : duck.stop + after] = False
    for line in film.lines:
        assert not free[line.start : line.stop].any()
    free = free[: scene.bed.frames]
    assert np.array_equal(out[:, : scene.bed.frames][:, free], scene.bed.y[:, free])


@settings(max_examples=25, deadline=None)
@given(scene=scenes(), size=st.integers(5000, 100_000))
def test_the_size_of_blocks_does_not_change_a_sample(scene, size):
    film = scene.film()
    assert np.array_equal(read_in_blocks(film, size), film.read(0, film.frames))
    master = mix.Limited(film, 30.0, -1.5, 5, 60)
    assert np.array_equal(read_in_blocks(master, size), master.read(0, master.frames))


def test_only_the_takes_that_a_block_needs_are_asked_for():
    scene = Scene([0, 500, 1500], [20_000, 20_000, 20_000])
    film = scene.film()
    scene.takes["s0"].read = scene.takes["s2"].read = None
    assert film.read(30_000, 40_000).any()


def test_stereo_is_each_channel_mixed_alone():
    scene = Scene([100, 900], [30_000, 30_000])
    film = scene.film()
    together = film.read(0, film.frames)
    for i in range(2):
        alone = replace(film, bed=Held(scene.bed.y[i : i + 1])).read(0, film.frames)
        assert np.array_equal(together[i], alone[0])


def test_speech_goes_to_the_centre_where_there_is_one():
    assert [mix.front(n) for n in (1, 2, 6, 8)] == [slice(0, 1), slice(0, 2), slice(2, 3), slice(2, 3)]
    assert mix.front(4) == slice(0, 2)  # of four channels one may not know which is the centre


def test_a_bed_without_dialogue_falls_a_little_and_looks_ahead():
    scene = Scene([1000], [24_000], seconds=4)
    film = replace(scene.film(), lines=())
    gain = film.read(0, film.frames)[0] / np.where(scene.bed.y[0] == 0, 1, scene.bed.y[0])
    heard = np.abs(scene.bed.y[0]) > 0.01
    assert gain[SR : SR + 24_000][heard[SR : SR + 24_000]] == pytest.approx(
        10 ** (OPTS.duck_db / 20), rel=1e-3
    )
    attack = audio.samples(OPTS.duck_attack, sr=SR)
    assert (gain[: SR - attack][heard[: SR - attack]] == 1).all()
    assert (gain[SR - attack // 2 : SR][heard[SR - attack // 2 : SR]] < 0.9).all()


@pytest.mark.parametrize("taken", ["untouched", "missed"])
def test_a_bed_that_holds_the_original_falls_far_and_under_the_original_too(taken):
    scene = Scene([1000], [24_000], seconds=4, apart=False)
    scene.segments = [replace(scene.segments[0], start=700, end=1200)]
    if taken == "missed":
        scene.dialogue = Held(np.zeros_like(scene.bed.y))
    assert [(d.start, d.stop, d.gain_db) for d in scene.film().ducks] == [
        (audio.samples(700, sr=SR), audio.samples(1500, sr=SR), OPTS.duck_full_db)
    ]


def test_a_short_pause_stays_ducked_and_a_long_one_does_not():
    room = OPTS.duck_attack + OPTS.duck_release
    lengths = [audio.samples(300, sr=SR)] * 2
    assert len(Scene([0, 300 + room], lengths, seconds=4).film().ducks) == 1
    assert len(Scene([0, 301 + room], lengths, seconds=4).film().ducks) == 2


def test_each_speaker_reaches_the_loudness_of_the_original():
    scene = Scene([0, 3000, 6000, 9000], [2 * SR] * 4, seconds=12)
    scene.dialogue.y[:, 3 * SR : 5 * SR] *= 0.3
    scene.dialogue.y[:, 9 * SR : 11 * SR] *= 0.3
    for line in scene.lines():
        a, b = line.start, line.stop
        take = scene.takes[line.segment].y[0] * np.float32(10 ** (line.gain_db / 20))
        laid = loudness.measure(np.stack([take, take]), sr=SR).integrated_lufs
        wanted = loudness.measure(scene.dialogue.y[:, a:b], sr=SR).integrated_lufs
        assert laid == pytest.approx(wanted, abs=OPTS.speech_step_db / 2 + 0.05)
    gains = {line.speaker: line.gain_db for line in scene.lines()}
    assert gains["A"] - gains["B"] == pytest.approx(10.5, abs=0.5)


def test_a_speaker_that_cannot_be_measured_gets_the_loudness_of_the_parameters():
    scene = Scene([0], [2 * SR], seconds=3)
    scene.dialogue.y[:] = 0
    (line,) = scene.lines()
    take = scene.takes["s0"].y[0] * np.float32(10 ** (line.gain_db / 20))
    found = loudness.measure(np.stack([take, take]), sr=SR).integrated_lufs
    assert found == pytest.approx(OPTS.speech_lufs, abs=OPTS.speech_step_db / 2 + 0.05)


def test_a_speakers_gain_has_bounds():
    scene = Scene([0], [2 * SR], seconds=3, level=1e-3)
    assert [line.gain_db for line in scene.lines()] == [OPTS.max_speech_gain_db]


def test_a_take_of_an_unknown_segment_is_an_error():
    scene = Scene([0], [SR])
    scene.segments = []
    with pytest.raises(RecordError, match="s0: no such segment is known"):
        scene.lines()


def test_a_take_of_another_rate_is_an_error():
    scene = Scene([0], [SR])
    scene.takes["s0"].sr = 22050
    with pytest.raises(MediaError, match="s0: it has 22050 Hz and the film 48000 Hz"):
        scene.lines()


@pytest.mark.parametrize("target", [-23.0, -16.0, -30.0])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_dub_reaches_its_loudness_and_keeps_its_peak(target, channels):
    opts = replace(OPTS, target_lufs=target)
    film = Scene([500, 2500], [SR, SR], channels=channels, seconds=5, opts=opts).film()
    master, told = mastered(film, opts)
    found = heard(master)
    assert found.integrated_lufs == pytest.approx(target, abs=opts.gain_step_db / 2 + 0.01)
    assert found.true_peak_db < opts.max_true_peak_db + 0.1
    assert (told.integrated_lufs, told.true_peak_db) == pytest.approx(
        (found.integrated_lufs, found.true_peak_db), abs=0.011
    )
    assert told.gain_db == master.gain_db
    assert master.frames == film.frames


def test_the_gain_makes_up_for_what_the_limiter_takes():
    film = Scene([], [], seconds=5).film()
    film.bed.y[:, ::4800] = 0.9
    master, told = mastered(film, replace(OPTS, target_lufs=-14.0))
    found = heard(master)
    assert heard(film).true_peak_db - heard(film).integrated_lufs > 14
    assert found.integrated_lufs == told.integrated_lufs == pytest.approx(-14, abs=0.11)
    assert found.true_peak_db == told.true_peak_db < -1.4


def test_only_what_is_limited_is_heard_again():
    film = Scene([], [], seconds=30).film()
    film.bed.y[:, 12 * SR] = 0.9
    parts, kept = list(loudness.listen(film, kept={})), {}
    master, told = mix.master(film, parts, kept=kept, opts=replace(OPTS, target_lufs=-20.0))
    assert len(parts) == 6
    assert len(kept) == 3  # the part with the peak, and those beside it
    assert told == replace(heard(master), gain_db=told.gain_db)


def test_without_speech_the_dub_is_the_bed_with_one_gain():
    film = Scene([], [], seconds=3).film()
    assert np.array_equal(film.read(0, film.frames), film.bed.y)
    master, _ = mastered(film)
    assert np.array_equal(
        master.read(0, 1000), film.bed.y[:, :1000] * np.float32(10 ** (master.gain_db / 20))
    )


def test_a_silent_programme_gets_no_gain():
    film = Scene([], [], seconds=3).film()
    film.bed.y[:] = 0
    master, told = mastered(film)
    assert master.gain_db == told.gain_db == 0
    assert told.integrated_lufs is None
    assert not master.read(0, master.frames).any()


def test_hardly_any_sound_is_not_raised_without_bounds():
    film = Scene([], [], seconds=3).film()
    film.bed.y *= np.float32(0.01)
    assert mastered(film)[0].gain_db == OPTS.max_gain_db


def test_a_line_that_does_not_end_within_the_film_is_an_error():
    assert Scene([1000], [SR], seconds=2).film().frames == 2 * SR
    with pytest.raises(MediaError, match=r"take of s0: it ends 1\.0 ms after the film"):
        Scene([1001], [SR], seconds=2).film()


def test_a_film_without_a_sample_is_no_case_of_its_own():
    film = Scene([], [], seconds=0).film()
    master, told = mastered(film)
    assert master.read(0, 0).shape == (2, 0)
    assert told.integrated_lufs is None


def test_two_runs_give_the_same_bytes():
    runs = []
    for _ in range(2):
        master, _ = mastered(Scene([100, 700], [30_000, 20_000]).film())
        runs.append(master.read(0, master.frames).tobytes())
    assert runs[0] == runs[1]


@settings(max_examples=40, deadline=None)
@given(scene=scenes(), data=st.data())
def test_stretches_of_equal_key_hold_equal_samples(scene, data):
    film = scene.film()
    other = deepcopy(film)
    _edit(other, data)
    masters = [mix.Limited(one, 24.0, -1.5, 5, 60) for one in (film, other)]
    same = 0
    for start in range(0, film.frames, 4000):
        stop = min(start + 4000, film.frames)
        for before, after in ((film, other), masters):
            if before.key(start, stop) == after.key(start, stop):
                assert np.array_equal(before.read(start, stop), after.read(start, stop))
                same += 1
    if not film.lines:
        assert same == 2 * -(-film.frames // 4000)


def _edit(film, data):
    """Change one line: its sound, its place or its gain."""
    if not film.lines:
        return
    index = data.draw(st.integers(0, len(film.lines) - 1))
    line = film.lines[index]
    match data.draw(st.sampled_from(["sound", "place", "gain", "duck"])):
        case "sound":
            film.takes[line.segment].y[:, : data.draw(st.integers(1, 100))] *= -0.5
        case "place":
            shift = data.draw(st.integers(-line.start, film.frames - line.stop))
            film.lines[index] = replace(line, start=line.start + shift, stop=line.stop + shift)
        case "gain":
            film.lines[index] = replace(line, gain_db=line.gain_db + 0.5)
        case "duck":
            last = film.ducks[-1]
            film.ducks[-1] = replace(last, stop=data.draw(st.integers(last.start + 1, last.stop)))


def test_a_stretch_that_no_edit_reaches_keeps_its_key():
    scene = Scene([1000, 1400, 8000], [20_000, 20_000, 20_000], seconds=12)
    film = scene.film()
    longer = deepcopy(film)
    longer.ducks[0] = replace(longer.ducks[0], stop=longer.ducks[0].stop + SR)
    inside, across, after = (57_600, 62_400), (57_600, 96_000), (7 * SR, 12 * SR)
    assert film.key(*inside) == longer.key(*inside)  # the bed is as low in both
    assert film.key(*across) != longer.key(*across)
    assert film.key(*after) == longer.key(*after)


def test_a_gain_in_steps_stays_when_a_line_changes_by_little():
    scene = Scene([0, 3000, 6000, 9000], [2 * SR] * 4, seconds=12)
    before = [line.gain_db for line in scene.lines()]
    scene.takes["s1"].y *= np.float32(1.001)
    assert [line.gain_db for line in scene.lines()] == before
    assert all(gain % OPTS.speech_step_db == 0 for gain in before)


def test_what_was_heard_before_is_not_read_again():
    scene, kept = Scene([0, 3000], [2 * SR, 2 * SR], seconds=6), {}
    how = {"kept": kept, "opts": OPTS}
    lines = mix.lines(scene.placements, scene.segments, scene.takes, scene.dialogue, **how)
    ducks = mix.ducks(lines, scene.segments, scene.bed, scene.dialogue, **how)
    scene.dialogue.read = scene.bed.read = scene.takes["s0"].read = None
    assert mix.lines(scene.placements, scene.segments, scene.takes, scene.dialogue, **how) == lines
    assert mix.ducks(lines, scene.segments, scene.bed, scene.dialogue, **how) == ducks


def test_other_code_has_another_version(monkeypatch):
    now = mix.version()
    assert now == mix.version()
    monkeypatch.setattr("workbench.content.meaning", repr)
    assert mix.version() != now


@settings(max_examples=10, deadline=None)
@given(scene=scenes(), size=st.integers(5000, 60_000))
def test_a_room_adds_to_the_takes_and_ends_with_the_film(scene, size):
    opts = replace(OPTS, room_decay=300)
    film = scene.film()
    roomy = replace(film, takes=mix.voices(scene.takes, opts=opts))
    y = roomy.read(0, film.frames)
    assert y.shape == film.bed.y.shape
    assert np.array_equal(read_in_blocks(roomy, size), y)
    sounding = any(line.stop < film.frames - 1000 for line in film.lines)
    assert (not np.array_equal(y, film.read(0, film.frames))) or not sounding
    assert mix.voices(scene.takes, opts=OPTS) is scene.takes


def test_of_5_1_each_channel_is_mixed_as_if_alone():
    scene = Scene([100, 900], [30_000, 30_000], channels=6)
    film = scene.film()
    together = film.read(0, film.frames)
    for channel in range(6):
        lines = film.lines if channel == 2 else ()  # the centre alone speaks
        alone = replace(film, bed=Held(scene.bed.y[channel : channel + 1]), lines=lines)
        assert np.array_equal(together[channel], alone.read(0, film.frames)[0])
