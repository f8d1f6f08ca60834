"""Property tests first: what a placement may never do, on random films."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tests.recordings import Held
from workbench import audio, fit
from workbench.errors import SpeechError
from workbench.fit import timing
from workbench.records import Placement, Segment, Table, Take

ROOM = timing.Options(max_early=300, max_late=600, min_gap=80)
OPTS = fit.Options(
    min_tempo=0.85,
    max_tempo=1.25,
    last_resort=2.0,
    max_pace=9.0,
    max_push=500,
    naturalness=4.0,
    smoothness=0.3,
    slowness=3.0,
    onset=1.5,
    pause=0.5,
    long_pause=300,
    shot=2.0,
    off_screen=0.2,
)


def line(start: int, end: int, speaker: str = "A") -> Segment:
    return Segment(f"s{start:08d}-{end}-{speaker}", start, end, speaker, "…")


def take(segment: Segment, ms: int, sr: int = 22_050) -> Take:
    samples = ms * sr // 1000
    return Take(segment.id, f"{segment.id}.wav", samples, sr, "…", "…", "f2", "espeak", 1.0, "key")


def place(
    lines: list[Segment], lengths: list[int], *, duration: int, shots=(), off_screen=(), **costs: float
) -> list[Placement]:
    takes = [take(one, ms) for one, ms in zip(lines, lengths, strict=True)]
    table = fit.place(
        Table(Segment, lines),
        Table(Take, takes),
        on=fit.Timeline(duration, shots, off_screen),
        opts=replace(OPTS, **costs),
        room=ROOM,
    )
    return list(table)


def overlap(one, other) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def in_order(placed: list[Placement], lines: dict[str, Segment]) -> bool:
    """Say whether each speaker's lines lie in their order in the source."""
    said = [(lines[one.segment].speaker, lines[one.segment].start) for one in placed]
    return all(
        [at for who, at in said if who == speaker] == sorted(at for who, at in said if who == speaker)
        for speaker in "ABC"
    )


@st.composite
def films(draw, beyond=(0, 400, 5000)):
    """Lines of three speakers with gaps, zero gaps, overlaps and nesting, and how long their takes are.

    The film ends so many ms `beyond` its last line.
    """
    at, lines, lengths = 0, {}, []
    for _ in range(draw(st.integers(1, 12))):
        at = max(0, at + draw(st.sampled_from([-900, -300, 0, 0, 1, 50, 200, 800, 3000])))
        length = draw(st.integers(80, 4000))
        one = line(at, at + length, draw(st.sampled_from("ABC")))
        if one.id in lines:
            continue
        lines[one.id] = one
        lengths.append(draw(st.integers(60, max(61, int(1.9 * length)))))
        at = draw(st.sampled_from([at + length, at + length, at + length // 2]))
    order = sorted(zip(lines.values(), lengths, strict=True), key=lambda pair: pair[0].start)
    film = max(1, max(one.end for one in lines.values()) + draw(st.sampled_from(beyond)))
    return [one for one, _ in order], [ms for _, ms in order], film


@settings(max_examples=150, deadline=None)
@given(films(beyond=(-3000, -400, 0, 400, 5000)), st.sampled_from([1.0, 5.0, 1000.0]))
def test_whatever_is_placed_keeps_the_rules(film, naturalness):
    lines, lengths, duration = film
    try:
        placed = place(lines, lengths, duration=duration, naturalness=naturalness)
    except SpeechError:  # the film is too short for them; see below
        reject()
    by_id = {one.id: one for one in lines}
    spoken = {one.id: take(one, ms).duration for one, ms in zip(lines, lengths, strict=True)}
    assert sorted(one.segment for one in placed) == sorted(by_id)
    assert [one.start for one in placed] == sorted(one.start for one in placed)
    for one in placed:
        assert 0 <= one.start < one.end <= duration
        length = one.end - one.start
        assert one.tempo == round(spoken[one.segment] / length, 4)
        assert 0.84 <= one.tempo <= (2.0 if one.lacking else 1.25)
        assert one.lacking == max(0, -(-spoken[one.segment] * 100 // 125) - length)
    for k, one in enumerate(placed):
        for other in placed[:k]:
            source = overlap(by_id[one.segment], by_id[other.segment])
            assert overlap(one, other) <= source, (one, other)
    assert in_order(placed, by_id)
    assert placed == place(lines, lengths, duration=duration, naturalness=naturalness)


@settings(max_examples=100, deadline=None)
@given(films())
def test_takes_as_long_as_their_lines_stay_where_the_lines_are(film):
    lines, _, duration = film
    lengths = [one.end - one.start for one in lines]
    placed = {one.segment: one for one in place(lines, lengths, duration=duration)}
    for one in lines:
        assert abs(placed[one.id].start - one.start) <= 1
        assert abs(placed[one.id].end - one.end) <= 1


@settings(max_examples=100, deadline=None)
@given(films())
def test_a_short_take_is_found_where_its_line_starts(film):
    lines, lengths, duration = film
    lengths = [min(ms, one.end - one.start) for one, ms in zip(lines, lengths, strict=True)]
    placed = {one.segment: one for one in place(lines, lengths, duration=duration, smoothness=0)}
    for one in lines:
        assert abs(placed[one.id].start - one.start) <= 1


def test_a_long_take_ends_later_in_the_silence_behind_its_line():
    (one,) = place([line(1000, 2000)], [1500], duration=9000)
    assert one.end > 2200
    assert one.lacking == 0


def test_a_take_too_long_for_the_silence_behind_its_line_is_played_faster_and_then_starts_earlier():
    long, longer, longest = (place([line(1000, 2000)], [ms], duration=9000)[0] for ms in (1500, 1900, 2200))
    assert long.start == longer.start == 1000
    assert 700 <= longest.start < 1000
    assert 1 < long.tempo < longer.tempo < longest.tempo <= 1.25


def test_a_short_take_is_played_slower_within_the_limit():
    (short,) = place([line(1000, 3000)], [1800], duration=9000)
    (shorter,) = place([line(1000, 3000)], [900], duration=9000, slowness=0.5)
    assert 0.88 < short.tempo < 1
    assert shorter.tempo == pytest.approx(0.85, abs=0.001)


def test_the_more_natural_the_pace_shall_be_the_more_silence_is_used_before_speed():
    tempos = [
        place([line(1000, 2000)], [1500], duration=9000, naturalness=cost)[0].tempo for cost in (2, 4, 8, 1e3)
    ]
    assert tempos == sorted(tempos, reverse=True)
    assert tempos[-1] == 1.0


def test_a_voice_that_nothing_hurries_keeps_one_pace_where_naturalness_comes_first():
    lines = [line(2000 * k, 2000 * k + 1000, "AB"[k % 2]) for k in range(8)]
    lengths = [900, 990, 850, 980, 1100, 1200, 800, 900]
    tempo = {one.segment: one.tempo for one in place(lines, lengths, duration=20_000, naturalness=100)}
    for speaker in "AB":
        own = [tempo[one.id] for one in lines if one.speaker == speaker]
        assert max(own) - min(own) < 0.002
        assert max(own) < 1


def test_pace_counts_how_fast_the_engine_spoke_already():
    segment = line(1000, 2000)
    hurried = replace(take(segment, 1000), rate=1.25)
    (one,) = fit.place(
        Table(Segment, [segment]), Table(Take, [hurried]), on=fit.Timeline(9000), opts=OPTS, room=ROOM
    )
    assert 0.85 <= one.tempo < 1


def test_smoothness_spreads_haste_over_the_lines_of_a_speaker_and_leaves_others_alone():
    lines = [line(0, 2000, "A"), line(2080, 4080, "B"), line(4160, 6160, "A")]
    lengths = [2000, 2000, 2900]
    even = place(lines, lengths, duration=6160, smoothness=50)
    uneven = place(lines, lengths, duration=6160, smoothness=0)
    assert even[2].tempo - even[0].tempo < uneven[2].tempo - uneven[0].tempo - 0.05
    assert even[0].tempo > uneven[0].tempo
    assert even[1].tempo == pytest.approx(uneven[1].tempo, abs=0.03)


def test_speech_stays_on_its_side_of_a_shot_change():
    lines = [line(1000, 2000), line(3000, 4000, "B")]
    for onset, edge in ((0.5, "start"), (1.5, "end")):  # what gives way where nothing is cut
        free = place(lines, [1250, 1250], duration=9000, onset=onset)
        cut = place(lines, [1250, 1250], duration=9000, onset=onset, shots=[990, 2010, 2990, 4010])
        for one, other, source in zip(free, cut, lines, strict=True):
            assert abs(getattr(one, edge) - getattr(source, edge)) > 50
            assert abs(getattr(other, edge) - getattr(source, edge)) <= 10
        assert place(lines, [1250, 1250], duration=9000, onset=onset, shots=[1500, 3500]) == free


def test_a_line_whose_speaker_is_not_seen_leaves_its_time_for_a_more_natural_pace():
    lines = [line(1000, 2000)]
    (seen,) = place(lines, [1500], duration=9000)
    (unseen,) = place(lines, [1500], duration=9000, off_screen={lines[0].id})
    assert 1 <= unseen.tempo < seen.tempo


def test_a_pause_of_the_source_is_kept_where_it_costs_more_than_speed():
    lines = [line(1000, 2000), line(2300, 3300, "B")]
    loose, _ = place(lines, [1300, 1000], duration=9000, pause=0)
    kept, _ = place(lines, [1300, 1000], duration=9000, pause=100)
    assert kept.end < loose.end


def test_an_episode_in_parts_keeps_the_rules_at_the_seams():
    lines, lengths, at = [], [], 0
    for k in range(700):
        gap = 1700 if k % 50 == 49 else 40
        lines.append(line(at + gap, at + gap + 400, "AB"[k % 2]))
        lengths.append(900 if k % 50 in (48, 0) else 430)
        at = lines[-1].end
    placed = place(lines, lengths, duration=at + 500)
    assert [one.segment for one in placed] == [one.id for one in lines]
    assert all(one.end <= later.start for one, later in pairwise(placed))


def test_a_take_that_tempo_cannot_hold_pushes_the_next_line():
    first, second = place([line(0, 1000, "A"), line(1000, 2000, "B")], [1700, 900], duration=9000)
    assert first.lacking == second.lacking == 0
    assert first.tempo == pytest.approx(1.25, abs=0.001)
    assert 1000 < first.end == second.start <= 1500


def test_the_push_is_bounded_and_then_the_tempo_is_exceeded_and_told():
    lines = [line(0, 1000, "A"), line(1000, 2000, "B")]
    first, second = place(lines, [2400, 900], duration=9000)
    assert second.start == 1500
    assert (first.end - first.start, first.lacking) == (1500, 1920 - 1500)


def test_what_cannot_fit_leaves_the_lines_around_it_good():
    lines = [line(1000 * k, 1000 * k + 920, "AB"[k % 2]) for k in range(9)]
    lengths = [920] * 4 + [2400] + [920] * 4
    placed = place(lines, lengths, duration=9000)
    assert [one.lacking > 0 for one in placed] == [k == 4 for k in range(9)]
    assert all(one.tempo <= 1.25 for k, one in enumerate(placed) if k != 4)
    assert max(abs(one.start - each.start) for one, each in zip(placed, lines, strict=True)) <= 500
    assert placed[0].start == pytest.approx(0, abs=30)


def test_rather_than_lose_a_word_a_line_is_pushed_further_than_permitted():
    first, second = place([line(0, 1000, "A"), line(1000, 2000, "B")], [4000, 900], duration=9000)
    assert (first.end - first.start, first.tempo) == (2000, 2.0)
    assert second.start == 2000


def test_the_last_line_ends_with_the_film():
    first, second = place([line(0, 1000, "A"), line(1000, 2000, "B")], [900, 1400], duration=2000)
    assert second.end == 2000
    assert second.tempo <= 1.25
    assert second.start >= first.end


def test_a_line_inside_another_stays_inside_and_is_played_in_its_own_time():
    lines = [line(0, 5000, "A"), line(2000, 2500, "B")]
    outer, inner = place(lines, [5000, 800], duration=9000)
    assert outer.start == 0
    assert outer.end == pytest.approx(5000, abs=150)
    assert (inner.start, inner.end, inner.lacking) == (2000, 2500, 140)


def test_a_line_inside_another_that_is_far_too_long_waits_for_the_end():
    lines = [line(0, 5000, "A"), line(2000, 2100, "B"), line(3000, 3500, "C")]
    outer, inside, waiting = place(lines, [5000, 900, 400], duration=9000)
    assert outer.start == 0
    assert inside.segment.endswith("C")
    assert waiting.start >= outer.end - 100
    assert waiting.lacking == 0


def test_a_line_that_waits_for_the_end_of_another_is_not_overtaken_by_its_own_speaker():
    lines = [line(0, 5000, "A"), line(2000, 2100, "B"), line(3000, 3500, "B")]
    outer, waiting, after = place(lines, [5000, 900, 400], duration=9000)
    assert (waiting.segment, after.segment) == (lines[1].id, lines[2].id)
    assert waiting.start >= outer.end - 100


def test_a_take_longer_than_the_film_names_the_line_and_what_it_lacks():
    with pytest.raises(SpeechError, match=r"place s00000000-900-A.*needs 1500 ms.*may have 1000 ms"):
        place([line(0, 900)], [3000], duration=1000)


def test_of_several_takes_the_first_that_fits_is_placed_or_the_last():
    lines = [line(1000 * k, 1000 * k + 920) for k in range(5)]
    lengths = [(920,), (3000, 2900, 950), (920, 500), (920,), (3400, 3000)]
    takes = [take(one, ms) for one, each in zip(lines, lengths, strict=True) for ms in each]
    placed = fit.place(Table(Segment, lines), Table(Take, takes), on=fit.Timeline(6000), opts=OPTS, room=ROOM)
    assert [one.take for one in placed] == [0, 2, 0, 0, 1]
    assert [one.lacking > 0 for one in placed] == [False, False, False, False, True]


def test_a_line_that_is_heard_faster_than_permitted_gives_way_to_a_shorter_take_and_has_a_budget():
    lines = [line(3000 * k, 3000 * k + 2920) for k in range(3)]
    takes = [
        take(lines[0], 2900),
        replace(take(lines[1], 2900), rate=1.4, text_pre_pronunciation="a" * 100),
        replace(take(lines[1], 2900), rate=1.1, text_pre_pronunciation="a" * 75),
        take(lines[2], 2900),
    ]

    def placed(takes, pace):
        opts = replace(OPTS, max_pace=pace)
        tables = Table(Segment, lines), Table(Take, takes)
        rows = fit.place(
            *tables, on=fit.Timeline(9000), opts=opts, room=replace(ROOM, max_late=0, max_early=0)
        )
        return rows[1], list(fit.budgets(rows, *tables, opts=opts))

    assert placed(takes, 1.5) == (placed(takes, 9.0)[0], [])
    assert placed(takes, 1.5)[0].take == 0
    assert placed(takes, 1.2)[0].take == 1
    alone, (budget,) = placed([takes[0], takes[1], takes[3]], 1.2)
    assert alone.lacking == 0
    assert budget.duration == int((alone.end - alone.start) * 1.2 / 1.4)
    assert budget.lacking == 2900 - budget.duration
    assert budget.characters <= 100 * budget.duration / 2900 + 1


def test_a_budget_says_how_long_a_text_would_fit():
    lines = [line(0, 1000), line(1000, 2000), line(9000, 11_000)]
    texts = ["a" * 15, "b" * 60, "c" * 30]
    takes = [
        replace(take(one, ms), text_pre_pronunciation=text)
        for one, ms, text in zip(lines, [1000, 4000, 2000], texts, strict=True)
    ]
    tables = Table(Segment, lines), Table(Take, takes)
    placed = fit.place(
        *tables, on=fit.Timeline(11_000), opts=replace(OPTS, max_push=0), room=replace(ROOM, max_late=0)
    )
    crowded = [replace(one, end=2600, lacking=1600) if one.segment == lines[1].id else one for one in placed]
    (budget,) = fit.budgets(Table(Placement, crowded), *tables, opts=OPTS)
    start = crowded[1].start
    assert budget.segment == lines[1].id
    assert budget.duration == int((2600 - start) * 1.25)
    assert budget.lacking == 4000 - budget.duration
    assert budget.characters == budget.duration * 15 // 1000


@settings(max_examples=50, deadline=None)
@given(films())
def test_every_line_that_lacks_time_has_a_budget_below_what_it_is(film):
    lines, lengths, duration = film
    tables = (
        Table(Segment, lines),
        Table(Take, [take(one, 2 * ms) for one, ms in zip(lines, lengths, strict=True)]),
    )
    placed = fit.place(*tables, on=fit.Timeline(duration + sum(lengths)), opts=OPTS, room=ROOM)
    found = fit.budgets(placed, *tables, opts=OPTS)
    assert [one.segment for one in found] == [one.segment for one in placed if one.lacking]
    assert all(one.lacking > 0 and one.characters <= 1 for one in found)


def test_costs_are_of_what_was_placed():
    lines = [line(0, 1000), line(5000, 6000)]
    takes = [take(one, ms) for one, ms in zip(lines, [1000, 1250], strict=True)]
    placed = [Placement(lines[0].id, 0, 1000, 1.0, 0), Placement(lines[1].id, 4900, 6100, 1.0417, 0)]
    tables = Table(Placement, placed), Table(Segment, lines), Table(Take, takes)
    shots = fit.Timeline(9000, [500, 4970, 6040, 7000])
    first, second = fit.costs(*tables, on=shots, opts=replace(OPTS, smoothness=10))
    assert first == fit.Cost(lines[0].id, 0, 1.0, 0, 0, 0, 0, 0)
    assert second.pace == pytest.approx(1250 / 1200, abs=1e-3)
    assert (second.onset, second.ending) == pytest.approx((1.5 * 0.1, 0.1))
    assert (second.haste, second.smoothness) == pytest.approx((4 * 1.25 * 0.0016, 4 * 10 * 0.04))
    assert second.shot == pytest.approx(2 * 0.13)
    _, unseen = fit.costs(*tables, on=fit.Timeline(9000, off_screen={lines[1].id}), opts=OPTS)
    assert (unseen.onset, unseen.ending) == pytest.approx((0.2 * second.onset, 0.2 * second.ending))


def test_a_fitted_take_is_the_take_stretched_and_named_by_what_went_in():
    speech = np.sin(np.arange(16_000) / 20).astype(np.float32)[np.newaxis]
    take, louder = Held(speech, 16_000), Held(2 * speech, 16_000)
    fitted = fit.Fitted(take, 40_000)
    at_its_rate = audio.resample(speech[0], sr=16_000, to=fit.SAMPLE_RATE)
    stretched = fit.stretch(at_its_rate, sr=fit.SAMPLE_RATE, length=40_000)
    assert np.array_equal(fitted.read(0, fitted.frames)[0], stretched)
    assert np.array_equal(fitted.read(100, 200)[0], stretched[100:200])
    others = [fit.Fitted(take, 40_001), fit.Fitted(louder, 40_000), fit.Fitted(take, 40_000)]
    keys = [other.key(0, 40_000) for other in (fitted, *others)]
    assert len(set(keys)) == 3
    assert keys[0] == keys[3]


def test_lines_and_takes_must_be_the_same():
    lines = Table(Segment, [line(0, 900), line(1000, 1900)])
    takes = Table(Take, [take(lines[0], 500)])
    with pytest.raises(SpeechError, match=f"differ in {lines[1].id}"):
        fit.place(lines, takes, on=fit.Timeline(9000), opts=OPTS, room=ROOM)


def test_a_line_that_is_longer_than_the_film_is_placed_in_it():
    (one,) = place([line(0, 9000)], [900], duration=1000)
    assert 0 <= one.start < one.end <= 1000
    (one,) = place([line(5000, 9000)], [900], duration=1000)
    assert 0 <= one.start < one.end <= 1000


def test_no_lines_are_no_placements():
    assert place([], [], duration=9000) == []


def voice(seconds: float, sr: int) -> np.ndarray:
    """A buzz that starts and ends abruptly, as a plosive may."""
    t = np.arange(int(seconds * sr)) / sr
    harmonics = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 20))
    return (0.2 * harmonics).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seconds=st.floats(0.06, 2.5), tempo=st.floats(1.002, 2.0), sr=st.sampled_from([22_050, 48_000]))
def test_a_stretched_take_is_of_the_exact_length_and_whole(seconds, tempo, sr):
    y = voice(seconds, sr)
    length = int(y.size / tempo)
    out = fit.stretch(y, sr=sr, length=length)
    assert out.dtype == np.float32
    assert out.shape == (length,)
    if length < y.size:
        edge = int(min(0.05, seconds / 3) * sr)
        short = int(edge / tempo)
        for before, after in ((y[:edge], out[:short]), (y[-edge:], out[-short:]), (y, out)):
            assert abs(audio.level_db(after) - audio.level_db(before)) < 4
        assert np.array_equal(out, fit.stretch(y, sr=sr, length=length))


def test_at_its_own_length_a_take_is_left_as_it_is():
    y = voice(0.5, 48_000)
    out = fit.stretch(y, sr=48_000, length=y.size + 17)
    assert np.array_equal(out[: y.size], y)
    assert not out[y.size :].any()


@pytest.mark.parametrize("tempo", [0.4, 5.0])
def test_a_tempo_that_is_no_speech_is_refused(tempo):
    y = voice(0.5, 48_000)
    with pytest.raises(SpeechError, match="no speech"):
        fit.stretch(y, sr=48_000, length=round(y.size / tempo))


def test_a_stretched_sine_keeps_its_pitch():
    t = np.arange(48_000) / 48_000
    out = fit.stretch(np.sin(2 * np.pi * 200 * t).astype(np.float32), sr=48_000, length=40_000)
    spectrum = np.abs(np.fft.rfft(out * np.hanning(out.size)))
    assert abs(np.argmax(spectrum) * 48_000 / out.size - 200) < 2


@settings(max_examples=100, deadline=None)
@given(films(), st.integers(1, 6))
def test_where_the_film_goes_on_long_enough_every_take_is_placed_however_long(film, times):
    lines, lengths, duration = film
    lengths = [times * ms for ms in lengths]
    placed = place(lines, lengths, duration=duration + sum(lengths))
    assert len(placed) == len(lines)
    by_id = {one.id: one for one in lines}
    for k, one in enumerate(placed):
        for other in placed[:k]:
            assert overlap(one, other) <= overlap(by_id[one.segment], by_id[other.segment])
    assert in_order(placed, by_id)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(200, 2000), st.integers(100, 6000)), min_size=1))
def test_only_what_cannot_be_played_in_the_film_is_refused(drawn):
    at, lines, lengths = 0, [], []
    for gap, slot, ms in drawn:
        lines.append(line(at + gap, at + gap + slot))
        lengths.append(ms)
        at += gap + slot
    gaps = sum(min(80, later.start - one.end) for one, later in pairwise(lines))
    needed = gaps + sum(-(-take(one, ms).duration // 2) for one, ms in zip(lines, lengths, strict=True))
    if needed > at:
        with pytest.raises(SpeechError, match="at the fastest"):
            place(lines, lengths, duration=at)
    elif needed <= at - max(0, lines[0].start):
        placed = place(lines, lengths, duration=at)
        assert placed[-1].end <= at
