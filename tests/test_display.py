"""Pictures show themselves, say nothing by colour alone, and are the same each time."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import episodes
from workbench import display
from workbench.fit import Cost
from workbench.records import Budget, Placement, Score, Segment, Table, Turn

FILM = episodes.flawed()
SCORES = [
    Score("a", "rate", "fail", 30, 24, "", ""),
    Score("b", "rate", "ok", 12, 19, "", ""),
    Score("", "drift", "ok", 0, 40, "", ""),
]
PICTURES = {
    "timeline": lambda: display.timeline(FILM.segments, FILM.placements),
    "turns": lambda: display.timeline(FILM.turns),
    "no timeline": lambda: display.timeline([]),
    "histogram": lambda: display.histogram(SCORES, {"a": 60, "b": 100}),
    "no scores": lambda: display.histogram([], {}),
}


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_the_same_each_time(draw):
    one, two = draw(), draw()
    assert one.svg() == two.svg()
    assert one._repr_png_() == (two.png(), {"alt": one.alt})
    assert two.png().startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES)
def test_a_picture_in_a_page_is_one_sound_element_in_the_pages_own_ink(draw):
    svg = draw().svg()
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg")
    assert root.get("viewBox")
    assert root.get("width") is None
    assert "currentColor" in svg
    assert display.INK not in svg


def test_a_timeline_has_two_lanes_a_speaker_and_marks_what_lacks_time():
    svg = display.timeline(FILM.segments, FILM.placements).svg()
    for name in ("S1 original", "S1 dub", "S2 original", "S2 dub"):
        assert name in svg
    assert "lacks time" in svg
    good = episodes.film()
    assert "lacks time" not in display.timeline(good.segments, good.placements).svg()


def test_a_long_film_goes_over_several_rows():
    lines = [episodes.segment(start, start + 900) for start in range(0, 600_000, 20_000)]
    assert len(display.timeline(lines).panels) > 1
    assert len(display.timeline(lines[:2]).panels) == 1


def test_names_are_shown_as_they_are_in_any_script():
    turns = [Turn(0, 900, name, "rttm") for name in ("$x^{", "<script>", "花子", "_hidden")]
    svg = display.timeline(turns).svg()
    shown = "".join(ElementTree.fromstring(svg).itertext())
    assert "<script>" not in svg
    for name in ("$x^{", "<script>", "花子", "_hidden"):
        assert name in shown


def test_clocks_read_as_people_say_them():
    assert [display.clock(ms) for ms in (0, 999, 59_999, 60_000, 3_600_100)] == [
        "0:00.0",
        "0:00.9",
        "0:59.9",
        "1:00.0",
        "1:00:00.1",
    ]


@settings(max_examples=8, deadline=None)
@given(starts=st.lists(st.integers(0, 7_200_000), max_size=5), tempo=st.floats(0.5, 2))
def test_any_film_has_a_timeline(starts: list[int], tempo: float):
    lines = [Segment(f"s{n}", start, start + 1000, f"S{n}", "") for n, start in enumerate(starts)]
    placements = [Placement(line.id, line.start, line.end, tempo, n % 2) for n, line in enumerate(lines)]
    assert len(display.timeline(lines, placements).panels) <= display.MOST_TIMELINE_ROWS


def test_costs_of_any_number_of_lines_are_drawn():
    for lines in (0, 1, 300):
        table = [Cost(f"s{n}", n, 1.1, 0.1, 0.2, 0.1, 0.3, 0.0) for n in range(lines)]
        picture = display.costs(table, [], max_pace=1.4)
        assert picture.png().startswith(b"\x89PNG")
        assert "wants a shorter text" not in picture.svg()


def test_of_costs_the_lines_that_want_a_shorter_text_are_marked():
    table = [Cost(f"s{n}", n, pace, 0.1, 0.2, 0.1, 0.3, 0.0) for n, pace in enumerate((1.0, 1.5, 1.2))]
    picture = display.costs(table, [Budget("s1", 900, 100, 20)], max_pace=1.4)
    *_, highest, marks = picture.panels[1].lines
    assert list(highest.get_ydata()) == [1.4, 1.4]
    assert (list(marks.get_xdata()), list(marks.get_ydata())) == ([1], [1.5])
    assert "wants a shorter text" in picture.svg()


def test_a_table_escapes_its_values_and_counts_what_it_leaves_out():
    turns = Table(Turn, [Turn(n, n + 1, "<b>", "rttm") for n in range(display.MOST_ROWS + 1)])
    html = display.table(turns)
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert f"the first {display.MOST_ROWS}" in html


def test_progress_passes_everything_on():
    assert list(display.progress(iter("abc"), label="letters")) == ["a", "b", "c"]


def test_every_template_is_part_of_the_package():
    names = [path.name for path in (Path(display.__file__).parent / "templates").iterdir()]
    assert {"table.html.j2", "qa.html.j2", "qa.css"} <= set(names)


@pytest.mark.parametrize("name", ["$\\nonsense$", "$A$", "A_$B"])
def test_a_name_is_drawn_as_it_is_written(name):
    picture = display.Picture(width=4, height=2)
    [panel] = picture.panels
    panel.barh([name, "S2"], [1, 2], label=name)
    panel.legend()
    panel.set_title(name)
    svg = picture.svg()
    assert svg.count(f">{name}<") == 3
    assert picture.png().startswith(b"\x89PNG")


def test_a_tables_texts_stand_to_the_left_and_its_numbers_to_the_right():
    html = display.table(Table(Turn, [Turn(0, 1, "A", "x")]), columns=("end", "speaker"))
    assert '<th scope="col">end</th><th scope="col" style="text-align: left">speaker</th>' in html
    assert '<td>1</td><td style="text-align: left">A</td>' in html
    assert "start" not in html


def test_a_legend_covers_nothing_that_is_drawn():
    scores = [Score(str(n), "rate", "fail", 30, 24, "", "") for n in range(30)]
    course = display.Course("Level", {name: [(0, 1.0), (9000, 2.0)] for name in ("dub", "original")})
    pictures = [display.courses([course]), display.histogram(scores, {row.segment: 5 for row in scores})]
    for picture in pictures:
        picture.canvas.draw()
        panel = picture.panels[0]
        assert panel.get_legend().get_window_extent().y0 >= panel.patch.get_window_extent().y1 - 0.5
