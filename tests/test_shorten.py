"""Lines that lack time get shorter texts, in bounded rounds; offers are recorded; no word is lost."""

import shutil
from dataclasses import replace
from itertools import groupby, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import episodes
from tests.loopback import serving
from tests.recordings import Held, noise
from tests.structure import ROOT
from tests.test_llm import Model
from workbench import audio, fit, library, mix, params, qa, subtitles, tts, wording
from workbench.errors import EngineError, StageError
from workbench.fit import timing
from workbench.glossary import Guide, Term
from workbench.library import read_text
from workbench.params import Choice
from workbench.qa import evidence
from workbench.qa.material import Film, Sounds
from workbench.records import (
    Budget,
    Candidate,
    Casting,
    Clip,
    Cue,
    EngineVoice,
    Placement,
    Probe,
    Segment,
    Shot,
    Stream,
    Table,
    Take,
    Translation,
)
from workbench.runs import batch
from workbench.runs.rerun import lines as lines_of
from workbench.tts import shorten

SR = 8000
LONG = "Buenos días, ¿ha llegado ya el barco de la isla que esperábamos desde ayer por la tarde?"
SHORTER = "Buenos días, ¿ha llegado el barco de la isla?"


def options(name, kind):
    return params.read(kind, read_text(ROOT / "params" / f"{name}.yaml"), key=name, where=f"{name}.yaml")


FITTING, ROOM = options("fit", fit.Options), options("timing", timing.Options)
SPEECH = options("tts", tts.Options)


class Speaker:
    """A synthesiser of 80 ms a character, a noise of its own for each text."""

    name, identity = "fake", "fake 1"

    def voices(self, language):
        return (EngineVoice("one", "", 120.0),)

    def speak(self, text, *, voice, language, rate, seed):
        n = max(1, round(0.08 * SR * len(text) / rate))
        return noise(1, n, seed=sum(map(ord, text)), level=0.1)[0], SR


class Shelf(dict):
    def find(self, key):
        return self.get(key)

    def keep(self, key, y, *, sr):
        self[key] = (y[np.newaxis], sr)


class Shortener:
    """Answers each line by a function of it, and notes what it was asked."""

    name = "shortens"

    def __init__(self, answer=lambda line: line.present[: line.longest]):
        self.answer, self.asked, self.loaded = answer, [], 0

    def __call__(self):
        self.loaded += 1
        return self

    def shorten(self, lines, *, source, target, exchanges):
        assert (source, target) == ("en", "es")
        self.asked.append([line.id for line in lines])
        return [self.answer(line) for line in lines]


def scene(*texts, ms=3000, gap=0):
    """Lines of `ms` one after the other, with these translations; each translation's source is `line n`."""
    starts = [n * (ms + gap) for n in range(len(texts))]
    segments = [Segment(f"s{a:08d}", a, a + ms, "A", f"line {n} of the boat") for n, a in enumerate(starts)]
    rows = [Translation(s.id, t, "shortens", (), (), ()) for s, t in zip(segments, texts, strict=True)]
    return Table(Segment, segments), Table(Translation, rows)


def run(
    segments,
    translations,
    shortener,
    *,
    rounds=2,
    batch=16,
    terms=(),
    wishes=None,
    memo=None,
    ends=9000,
    fitting=FITTING,
):
    """Run the loop; return takes, candidates, and the sounds by file name."""
    duration, sounds, records = max(line.end for line in segments) + ends, {}, []
    for record, sound in shorten.lines(
        segments,
        translations,
        speak=lambda texts, only=None: tts.speak(
            segments,
            texts,
            Table(Casting, [Casting("A", "one", "fake", 1.0, "pitch")]),
            engine=Speaker(),
            memo=Shelf() if memo is None else memo,
            pronounce=str,
            language="es",
            duration=duration,
            opts=SPEECH,
            room=ROOM,
            wishes=wishes or {},
            only=only,
        ),
        place=lambda takes: place(segments, takes, ends=ends, fitting=fitting),
        fitting=fitting,
        translator=shortener,
        guide=Guide(terms),
        source="en",
        target="es",
        opts=shorten.Options(rounds=rounds, batch=batch),
        exchanges={},
        wishes=wishes or {},
    ):
        records.append(record)
        if sound is not None:
            assert record.sound not in sounds, "takes must not share a file"
            sounds[record.sound] = sound
    takes = Table(Take, [row for row in records if isinstance(row, Take)])
    return SimpleNamespace(
        takes=takes, candidates=[row for row in records if isinstance(row, Candidate)], sounds=sounds
    )


def place(segments, takes, *, ends=9000, fitting=FITTING) -> Table[Placement]:
    duration = max(line.end for line in segments) + ends
    return fit.place(segments, takes, on=fit.Timeline(duration), opts=fitting, room=ROOM)


def test_a_line_that_lacks_time_gets_a_shorter_text_and_the_others_are_not_asked_for():
    segments, translations = scene("Hola.", LONG, "Hola.", "Adiós.")
    shortener = Shortener(lambda line: SHORTER)
    done = run(segments, translations, shortener)
    name = segments[1].id
    assert shortener.asked == [[name]]
    (candidate,) = done.candidates
    assert (candidate.segment, candidate.round, candidate.text) == (name, 1, SHORTER)
    assert (candidate.engine, candidate.refused) == ("shortens", "")
    first, second = (take for take in done.takes if take.segment == name)
    assert (first.sound, first.instead_of) == (f"{name}.wav", "")
    assert (second.sound, second.instead_of) == (f"{name}.1.wav", LONG)
    assert second.text_pre_pronunciation == SHORTER
    assert candidate.duration == second.duration < first.duration
    placed = place(segments, done.takes).by("segment")
    assert (placed[name].take, placed[name].lacking) == (1, 0)


def test_a_budget_asks_for_no_more_than_fits():
    segments, translations = scene("Hola.", LONG, "Hola.")
    asked, alone = [], replace(FITTING, max_pace=9.0)
    shortener = Shortener(lambda line: asked.append(line) or line.present[: line.longest])
    done = run(segments, translations, shortener, fitting=alone)
    (candidate,) = done.candidates
    (line,) = asked
    assert (line.text, line.present) == (segments[1].text, LONG)
    assert line.longest == candidate.characters == len(candidate.text) < len(LONG)
    assert candidate.duration <= candidate.longest
    assert not any(row.lacking for row in place(segments, done.takes, fitting=alone))


@pytest.mark.parametrize("rounds", [0, 1, 2, 5])
def test_the_rounds_are_bounded(rounds):
    segments, translations = scene(LONG, LONG, LONG, "Hola.", ms=1000)
    shortener = Shortener(lambda line: line.present[:-1])
    done = run(segments, translations, shortener, rounds=rounds)
    assert len(shortener.asked) == rounds
    assert [row.round for row in done.candidates] == sorted(3 * list(range(1, rounds + 1)))
    assert len(done.takes) == 4 + 3 * rounds


def test_a_later_round_asks_for_the_lines_that_still_lack_time_alone():
    segments, translations = scene(LONG, "Hola.", LONG, "Hola.")
    stubborn = segments[2].id
    shortener = Shortener(lambda line: line.present[:-1] if line.id == stubborn else SHORTER)
    run(segments, translations, shortener, rounds=3)
    assert shortener.asked == [[segments[0].id, stubborn], [stubborn], [stubborn]]


def test_a_line_that_is_heard_too_fast_is_shortened_though_it_has_its_time():
    text = LONG[:66]
    segments, translations = scene("Hola.", text, "Hola.")
    easy, hasty = (replace(FITTING, max_pace=pace) for pace in (1.3, 2.0))
    done = run(segments, translations, Shortener(), fitting=easy)
    (candidate,) = done.candidates
    assert candidate.segment == segments[1].id
    placed = place(segments, done.takes, fitting=easy)
    assert (placed[1].take, placed[1].lacking) == (1, 0)
    take = done.takes[3]
    assert take.duration * take.rate <= 1.3 * (placed[1].end - placed[1].start)
    assert run(segments, translations, Shortener(), fitting=hasty).candidates == []
    assert place(segments, done.takes, fitting=hasty)[1].take == 0


def test_lines_are_asked_for_in_batches():
    segments, translations = scene(*[LONG] * 5, "Hola.", ms=1500)
    shortener = Shortener(lambda line: "Sí.")
    run(segments, translations, shortener, batch=2)
    assert list(map(len, shortener.asked)) == [2, 2, 1]


def test_the_translator_is_loaded_only_where_a_line_lacks_time():
    segments, translations = scene("Hola.", "Adiós.")
    shortener = Shortener()
    done = run(segments, translations, shortener)
    assert (shortener.loaded, done.candidates, len(done.takes)) == (0, [], 2)


def test_without_a_translator_that_can_each_line_has_its_one_take():
    segments, translations = scene("Hola.", LONG)
    for translator in (None, lambda: SimpleNamespace(name="cannot", translate=None)):
        done = run(segments, translations, translator)
        assert [take.sound for take in done.takes] == [f"{line.id}.wav" for line in segments]
        assert done.candidates == []


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("", "there is no shorter one"),
        (" … ", "there is no shorter one"),
        (LONG, "no fewer than"),
        (LONG + "!", "no fewer than"),
        ("Buenos días, ¿ha llegado ya?", "it loses the style guide's barco"),
        ("Good morning, has the barco come in yet?", "in another language, it seems en"),
    ],
)
def test_what_will_not_do_is_recorded_with_the_reason_and_asked_for_no_more(text, refused):
    segments, translations = scene("Hola.", LONG, "Hola.")
    shortener = Shortener(lambda line: text)
    done = run(segments, translations, shortener, rounds=3, terms=[Term("boat", "barco")])
    (candidate,) = done.candidates
    assert refused in candidate.refused
    assert candidate.duration is None
    assert len(done.takes) == 3
    assert len(shortener.asked) == 1


def test_a_text_with_fewer_letters_that_takes_no_less_time_is_refused():
    segments, translations = scene("Hola.", LONG, "Hola.")

    class Slow(Speaker):
        def speak(self, text, **how):
            return super().speak(LONG if text == SHORTER else text, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.test_shorten.Speaker", Slow)
        done = run(segments, translations, Shortener(lambda line: SHORTER))
    (candidate,) = done.candidates
    assert "it takes no less time" in candidate.refused
    assert candidate.duration == done.takes[1].duration
    assert len(done.takes) == len(done.sounds) == 3


def test_nobody_shortens_what_a_reviewer_wrote_or_the_take_that_a_line_keeps():
    segments, translations = scene(LONG, LONG, LONG, "Hola.", ms=1000)
    first = replace(translations[0], engine="review")
    memo = Shelf()
    spoken = run(segments, translations, None, memo=memo)
    kept = spoken.takes[1]
    wishes = {segments[1].id: tts.Wish(kept, tts.digest(spoken.sounds[kept.sound]))}
    shortener = Shortener()
    done = run(
        segments,
        Table(Translation, [first, *translations[1:]]),
        shortener,
        memo=memo,
        wishes=wishes,
        rounds=1,
    )
    assert shortener.asked == [[segments[2].id]]
    assert len(done.takes) == 5


def test_a_kept_take_that_says_a_shorter_text_goes_on_saying_it():
    segments, translations = scene("Hola.", LONG, "Hola.")
    memo = Shelf()
    spoken = run(segments, translations, Shortener(lambda line: SHORTER), memo=memo)
    kept = spoken.takes[3]
    wishes = {kept.segment: tts.Wish(kept, tts.digest(spoken.sounds[kept.sound]))}
    shortener = Shortener()
    done = run(segments, translations, shortener, memo=memo, wishes=wishes)
    assert shortener.asked == []
    assert (done.takes[1].text_pre_pronunciation, done.takes[1].instead_of) == (SHORTER, LONG)


def test_a_translator_that_fails_says_for_which_lines_and_what_is_spoken_is_kept():
    segments, translations = scene("Hola.", LONG, "Hola.")

    def fails(line):
        raise EngineError("ask the model", "it is down", "Start it.")

    memo = Shelf()
    with pytest.raises(
        EngineError, match=rf"shorten {segments[1].id} with shortens: ask the model.*it is down"
    ):
        run(segments, translations, Shortener(fails), memo=memo)
    assert {y.shape[1] for y, _ in memo.values()}
    spoken = dict(memo)
    run(segments, translations, None, memo=memo)
    assert spoken == memo, "nothing is spoken twice"


def test_too_few_answers_are_an_error():
    segments, translations = scene("Hola.", LONG, "Hola.")
    shortener = Shortener()
    shortener.shorten = lambda lines, **how: []
    with pytest.raises(EngineError, match="0 texts came back"):
        run(segments, translations, shortener)


words = st.lists(st.sampled_from(["sí", "no", "barco", "mañana", "esperábamos"]), min_size=1, max_size=25)


@settings(max_examples=40, deadline=None)
@given(st.lists(words, min_size=1, max_size=6), st.integers(0, 3), st.integers(0, 10**6))
def test_whatever_is_offered_every_line_keeps_all_its_texts_whole(texts, rounds, seed):
    segments, translations = scene(*map(" ".join, texts), ms=1200)
    draw = np.random.default_rng(seed)
    shortener = Shortener(lambda line: line.present[: draw.integers(0, len(line.present) + 2)])
    done = run(segments, translations, shortener, rounds=rounds, ends=60_000)
    assert len(shortener.asked) <= rounds
    alone = done.takes[: len(segments)]
    budgets = fit.budgets(place(segments, alone, ends=60_000), segments, alone, opts=FITTING)
    assert {name for asked in shortener.asked[:1] for name in asked} <= {row.segment for row in budgets}
    assert [take.text_pre_pronunciation for take in done.takes[: len(segments)]] == [
        t.text for t in translations
    ]
    further = sorted(done.takes, key=lambda take: take.segment)
    for _, own in groupby(further, key=lambda take: take.segment):
        for before, after in pairwise(own):
            assert after.duration * after.rate < before.duration * before.rate
            assert len(after.text_pre_pronunciation) < len(before.text_pre_pronunciation)
    assert len(done.takes) - len(segments) == sum(not row.refused for row in done.candidates)
    placed = place(segments, done.takes, ends=60_000)
    heard = wording.heard(done.takes, placed).by("segment")
    for row in placed:
        assert (row.end - row.start) * row.tempo == pytest.approx(
            heard[row.segment].duration, rel=1e-3, abs=1
        )


def test_the_last_word_of_every_line_is_heard_and_read_to_its_end():
    """Takes go through fit, mix, subtitles and quality control: the one that was chosen, all of it."""
    last = {0: "Hola, Ana.", 1: LONG, 2: "Muy bien.", 3: LONG.replace("tarde", "noche"), 4: "Adiós."}
    segments, translations = scene(*last.values(), ms=3000, gap=200)
    done = run(segments, translations, Shortener(lambda line: f"{line.present[: line.longest - 6]} fin."))
    placed = place(segments, done.takes)
    heard = wording.heard(done.takes, placed).by("segment")
    assert [row.take > 0 for row in placed] == [False, True, False, True, False]

    duration = max(row.end for row in placed) + 1000
    fitted = {}
    for row in placed:
        y = audio.resample(done.sounds[heard[row.segment].sound], sr=SR, to=fit.SAMPLE_RATE)
        length = audio.samples(row.end - row.start, sr=fit.SAMPLE_RATE)
        fitted[row.segment] = Held(fit.stretch(y, sr=fit.SAMPLE_RATE, length=length)[np.newaxis])
    silence = np.zeros((2, audio.samples(duration, sr=fit.SAMPLE_RATE)), np.float32)
    bed = Held(silence)
    opts = options("mix", mix.Options)
    lines = mix.lines(placed, segments, fitted, bed, kept={}, opts=opts)
    film = mix.Mix(bed, lines, fitted, [], opts)
    for row in placed:
        a, b = audio.samples(row.end - 300, sr=film.sr), audio.samples(row.end, sr=film.sr)
        own = fitted[row.segment].y[0, -(b - a) :]
        assert np.corrcoef(film.read(a, b)[0], own)[0, 1] > 0.999

    tables = {
        Candidate: Table(Candidate, done.candidates),
        Segment: segments, Translation: translations, Take: done.takes, Placement: placed,
        Budget: fit.budgets(placed, segments, done.takes, opts=FITTING),
    }  # fmt: skip
    empty = episodes.film(0)
    rest = {
        kind.kind: kind
        for kind in vars(empty).values()
        if isinstance(kind, Table) and kind.kind not in tables
    }
    sounds = Sounds(bed, bed, bed, Held(film.read(0, film.frames)), fitted.__getitem__, lambda take: None)
    dub = Film.read(
        lambda kind: tables.get(kind, rest.get(kind)), sounds, Guide(()),
        {kind: Choice(engine, (), {}) for kind, engine in episodes.CHOSEN.items()},
        language="es", target_lufs=-23.0,
    )  # fmt: skip
    said = {row.segment: row.text for row in dub.translations}
    assert said[segments[1].id].endswith("fin.")
    cues = subtitles.cues(
        dub.translations, placed, duration=duration, opts=options("subtitles", subtitles.Options)
    )
    for name, text in said.items():
        read = " ".join(cue.text for cue in cues if cue.segment == name).split()
        assert read == text.split()
        assert text == heard[name].text_pre_pronunciation
    checked = evidence.lines(dub, {}, prints_by="")
    verdicts = [qa.lines.take(line, options("qa", qa.Options)) for line in checked]
    assert [found.verdict for found in verdicts] == ["ok"] * 5


class TestTheNotebooks:
    """From tts to the panel, with eSpeak NG and a language model that this test plays."""

    @pytest.fixture
    def model(self):
        model = Model()
        model.spoil = lambda found, asked: [{**row, "text": SHORTER} for row in found]
        with serving(model) as model.address:
            yield model

    @pytest.fixture
    def dub(self, root, model):
        shutil.copytree(ROOT / "notebooks", root / "notebooks")
        path = root / "params" / "engines.yaml"
        path.write_text(path.read_text().replace("http://127.0.0.1:11434", model.address))
        dub = library.dub("s/e", "es", root)
        library.write_text(dub.given / "dub.yaml", "language: es\nengines: {translate: llm}\n")
        segments, translations = scene("Hola.", LONG, "Adiós.", ms=2000)
        sound = Stream(0, "audio", "pcm", "en", 48000, 2, 0, 0, 0.0)
        for place, stage, tables in (
            (dub.episode, "media", [Table(Probe, [Probe("wav", 8000, (sound,), 0)]), Table(Shot, [])]),
            (dub.episode, "segment", [segments]),
            (dub.episode, "voices", [Table(Clip)]),
            (dub, "cast", [Table(Casting, [Casting("A", "f2", "espeak", None, "x")])]),
            (dub, "translate", [Table(Translation, [replace(row, engine="llm") for row in translations])]),
        ):
            with place.writing(stage) as out:
                for table in tables:
                    out.table(table)
        return dub

    @staticmethod
    def made(dub, *stages):
        for stage in stages:
            batch.run_stage(dub.root, stage, dub.key)
        return {
            str(path.relative_to(dub.folder)): path.read_bytes()
            for stage in stages
            for path in sorted(dub.stage(stage).rglob("*"))
            if path.is_file()
        }

    def test_speak_place_and_show_the_shorter_text_and_ask_for_it_once(self, dub, model):
        first = self.made(dub, "tts", "fit", "subtitles")
        (asked,) = model.asked
        name = dub.read(Segment)[1].id
        assert [(line["id"], line["present"]) for line in asked["lines"]] == [(name, LONG)]
        (candidate,) = dub.read(Candidate)
        assert (candidate.text, candidate.refused, candidate.engine) == (SHORTER, "", "llm")
        assert len([file for file in first if file.startswith("tts/exchanges/llm-")]) == 1
        assert f"tts/{name}.1.wav" in first
        placed = dub.read(Placement).by("segment")
        assert (placed[name].take, placed[name].lacking) == (1, 0)
        assert not dub.read(Budget)
        assert " ".join(dub.read(Cue)[1].text.split()) == SHORTER

        [line] = [line for line in lines_of(dub, []).values() if line.id == name]
        assert (line.text, line.take.key) == (SHORTER, dub.read(Take)[3].key)
        assert not line.flags, "it is spoken as it reads"

        assert self.made(dub, "tts", "fit", "subtitles") == first
        assert len(model.asked) == 1

    def test_ask_for_what_fits_between_the_cuts_as_they_are_placed_in_the_end(self, dub, model):
        name = dub.read(Segment)[1].id
        model.spoil = lambda found, asked: [{**row, "text": LONG[:-1] + "!"} for row in found]  # no shorter
        fitting = dub.root / "params" / "fit.yaml"
        fitting.write_text(fitting.read_text().replace("shot: 2.0", "shot: 1000.0"))
        asked = []
        for cuts in ([], [2000, 4000]):
            with dub.episode.writing("media") as out:
                out.table(dub.read(Probe))
                out.table(Table(Shot, map(Shot, cuts)))
            self.made(dub, "tts", "fit")
            (candidate,), (budget,) = dub.read(Candidate), dub.read(Budget)
            assert (candidate.segment, budget.segment) == (name, name)
            assert (candidate.longest, candidate.characters) == (budget.duration, budget.characters)
            asked.append(budget.characters)
        assert asked[1] < asked[0], "cuts leave it less time"

    def test_leave_a_reviewers_shorter_text_as_it_is(self, dub, model):
        rows = list(dub.read(Translation))
        words = "Buenos días. ¿Ha llegado ya el barco que esperábamos?"
        with dub.writing("translate") as out:
            out.table(Table(Translation, [rows[0], replace(rows[1], text=words, engine="review"), rows[2]]))
        self.made(dub, "tts")
        assert model.asked == []
        assert len(dub.read(Candidate)) == 0
        assert dub.read(Take)[1].text_pre_pronunciation == words

    def test_keep_the_earlier_takes_where_the_model_is_down(self, dub, model):
        before = self.made(dub, "tts")
        model.statuses = [401]
        shutil.rmtree(dub.root / ".cache" / "exchanges")
        with pytest.raises(StageError, match=rf"shorten {dub.read(Segment)[1].id} with llm.*the token"):
            self.made(dub, "tts")
        after = {name: (dub.folder / name).read_bytes() for name in before}
        assert after == before
