from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workbench.fit import timing
from workbench.records import Segment

OPTS = timing.Options(max_early=300, max_late=600, min_gap=80)


def line(start: int, end: int) -> Segment:
    return Segment(f"s{start:08d}-{end}", start, end, "A", "")


def spans(*lines: Segment, duration: int = 99_000) -> list[tuple[int, int]]:
    rooms = timing.rooms(lines, duration=duration, opts=OPTS)
    return [rooms[one.id] for one in lines]


def test_a_lonely_line_has_the_silence_around_it_within_the_limits():
    assert spans(line(5000, 6000)) == [(4700, 6600)]


def test_the_first_line_may_start_with_the_film_and_the_last_end_with_it():
    assert spans(line(100, 6000), duration=6200) == [(0, 6200)]


def test_room_ends_a_gap_before_the_next_line_whoever_speaks():
    assert spans(line(0, 1000), line(1200, 2000)) == [(0, 1120), (1080, 2600)]


def test_lines_without_silence_between_them_have_their_own_time():
    assert spans(line(0, 1000), line(1000, 2000)) == [(0, 1000), (1000, 2600)]


def test_overlapping_lines_keep_their_overlap_and_no_more():
    assert spans(line(0, 1000), line(800, 2000)) == [(0, 1000), (800, 2600)]


def test_a_line_inside_another_has_its_own_time_and_takes_none_from_the_other():
    assert spans(line(0, 5000), line(2000, 2500), line(5400, 6000)) == [(0, 5320), (2000, 2500), (5100, 6600)]


def test_the_longer_of_two_lines_that_start_together_comes_first():
    short, long = line(0, 500), line(0, 900)
    assert timing.ordered([short, long]) == [long, short]
    assert timing.inside(short, long)


def test_separation_is_the_gap_the_smaller_gap_of_the_source_or_the_overlap():
    lines = [line(0, 1000), line(1030, 2000), line(1900, 3000), line(5000, 6000)]
    apart = [timing.separation(one, other, min_gap=80) for one, other in pairwise(lines)]
    assert apart == [30, -100, 80]


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 400)), max_size=20))
def test_overlaps_are_all_pairs_that_share_time(drawn):
    lines = timing.ordered(line(start, start + length) for start, length in drawn)
    pairs = [(i, j) for j in range(len(lines)) for i in range(j)]
    shared = [(i, j) for i, j in pairs if lines[j].start < lines[i].end]
    assert sorted(timing.overlaps(lines)) == sorted(shared)


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 4000)), max_size=15))
def test_a_room_holds_its_line(drawn):
    lines = [line(start, start + length) for start, length in drawn]
    for one, (start, end) in zip(lines, spans(*lines), strict=True):
        assert max(0, one.start - 300) <= start <= one.start
        assert one.end <= end <= one.end + 600
