"""Sounds are measured once, and again only where they changed."""

import numpy as np
import pytest

from tests import episodes
from tests.test_qa import OPTS
from workbench import qa
from workbench.errors import EngineError, LanguageError
from workbench.params import Choice
from workbench.qa import measurement
from workbench.records import Score, Table, Word


class Prints:
    """A print of two numbers, made of the pitch."""

    name, shortest = "prints", 200

    def __init__(self):
        self.asked = 0

    def prints(self, sounds, *, sr):
        self.asked += len(sounds)
        crossings = [np.mean(np.diff(np.signbit(y))) for y in sounds]
        return np.array([[np.cos(x), np.sin(x)] for x in crossings], np.float32)


class Ear:
    """A recogniser that hears what it is told to."""

    name = "ear"

    def __init__(self, *texts, knows=("es",)):
        self.texts, self.knows = list(texts), knows

    def words(self, speech, *, sr, language, spans):
        if language not in self.knows:
            raise LanguageError(f"hear {language!r}", "it knows none of it", "Choose another.")
        return [Word(0, 90, text, 0.9, "ear") for text in self.texts.pop(0).split()]


def ready(engine) -> measurement.Instrument:
    return measurement.Instrument(engine, "1")


def instruments(*, prints=None, hearer=None) -> measurement.Instruments:
    none = episodes.NO_ENGINE
    return measurement.Instruments(ready(prints) if prints else none, none, ready(hearer) if hearer else none)


def test_nothing_is_measured_twice():
    kept: dict[str, bytes] = {}
    film, ear = episodes.film(6), Prints()
    first = episodes.gather(film, opts=OPTS, kept=kept, instruments=instruments(prints=ear))
    measured, asked = len(kept), ear.asked
    assert episodes.gather(film, opts=OPTS, kept=kept, instruments=instruments(prints=ear)) == first
    assert len(kept) == measured > 0
    assert ear.asked == asked == 6


def test_after_one_edit_one_line_and_its_neighbours_are_measured():
    kept: dict[str, bytes] = {}
    film, ear = episodes.film(20), Prints()
    episodes.gather(film, opts=OPTS, kept=kept, instruments=instruments(prints=ear))
    before, asked = set(kept), ear.asked
    fitted, (dub, *_) = episodes.fitted(film), episodes.tapes(film)
    name, placement = film.segments[7].id, film.placements[7]
    old, new = fitted[name], episodes.voice(placement.end - placement.start, seed=77)
    at = placement.start * dub.sr // 1000
    dub.y[:, at : at + new.size] += np.float32(10 ** (2 / 20)) * (new - old)
    episodes.gather(
        film, opts=OPTS, kept=kept, instruments=instruments(prints=ear), fitted={**fitted, name: new}, dub=dub
    )
    assert ear.asked == asked + 1
    assert 0 < len(set(kept) - before) < 0.15 * len(before)  # three lines of twenty


def test_a_missing_engine_is_told_and_nothing_else_is_lost():
    def load():
        raise EngineError("use the prints engine 'x'", "x is not installed", "Install it.")

    found = measurement.Instrument.ready(load, str, Choice("x", (), {}))
    assert (found.engine, found.reason) == (None, "x is not installed")
    scores = Table(Score, qa.check(episodes.film(2), episodes.gather(episodes.film(2), opts=OPTS), opts=OPTS))
    [voice, _] = [row for row in scores if row.check == "voice"]
    assert (voice.verdict, voice.evidence) == ("info", "could not be checked: no engine is here")


def test_what_one_engine_measured_is_not_taken_for_anothers():
    class Engine:
        def __init__(self, name, version):
            self.name, self.version = name, version

    settings = {"one": {"hop": 1}, "two": {"hop": 1}}
    choices = [Choice("one", ("two",), settings), Choice("one", (), settings | {"one": {"hop": 2}})]
    made = [
        (Engine("one", "1"), 0),
        (Engine("two", "1"), 0),
        (Engine("one", "2"), 0),
        (Engine("one", "1"), 1),
    ]
    found = [
        measurement.Instrument.ready(lambda e=engine: e, lambda e: e.version, choices[which]).identity
        for engine, which in made
    ]
    assert len(set(found)) == len(made)
    other = Choice("two", (), settings | {"two": {"hop": 9}})
    assert measurement.Instrument.ready(lambda: made[0][0], lambda e: e.version, other).identity == found[0]


def test_a_word_that_the_film_lacks_is_found_by_a_recogniser():
    film = episodes.film(2)
    texts = [row.text for row in film.translations]
    ear = Ear(texts[0], texts[1].replace("saliera", ""))
    scores = qa.check(film, episodes.gather(film, opts=OPTS, instruments=instruments(hearer=ear)), opts=OPTS)
    good, bad = (row for row in scores if row.check == "heard")
    assert good.verdict == "ok"
    assert bad.verdict == "warn"
    assert "lost: saliera" in bad.evidence


@pytest.mark.parametrize("knows", [(), ("en",)])
def test_where_no_recogniser_knows_the_language_the_finding_says_so(knows):
    film = episodes.film(1)
    ear = Ear(knows=knows)
    scores = qa.check(film, episodes.gather(film, opts=OPTS, instruments=instruments(hearer=ear)), opts=OPTS)
    [row] = [row for row in scores if row.check == "heard"]
    assert row.verdict == "info"
    assert "no recogniser is ready (hear 'es': it knows none of it)" in row.evidence
