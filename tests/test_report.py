"""The report shows everything, lets nothing in, and opens from disk alone."""

import dataclasses
import io
import json
import re
import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from tests import episodes
from tests.test_qa import OPTS
from workbench import qa, report, review
from workbench.qa.material import Film
from workbench.records import (
    Casting,
    Decision,
    LineWord,
    Loudness,
    Maker,
    Placement,
    Product,
    Score,
    Segment,
    Separation,
    Table,
)

CHROMIUM = shutil.which("chromium")
PLAYABLE = """
Promise.all([...document.querySelectorAll('audio')].slice(0, 2).map(player => new Promise(done => {
    player.onloadedmetadata = () => done(player.duration > 1)
    player.onerror = () => done(false)
    player.preload = 'metadata'
    player.load()
})))"""
ASIDE = """[...document.querySelectorAll('.stack')].map(table => table.parentElement)
    .filter(box => box.scrollWidth > box.clientWidth).map(box => box.ariaLabel)"""
KEPT: dict[str, bytes] = {}  # what was measured, so that the tests measure it once
AT = "2026-01-31T12:00:00.000000Z"
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> [a](javascript:1) | *b*"


def page_of(
    film: Film, title: str = "harbour/e01", *, decisions: Sequence[Decision] = (), **changes: Any
) -> str:
    opts = dataclasses.replace(OPTS, **changes)
    lines = episodes.gather(film, opts=opts, kept=KEPT)
    scores = Table(Score, qa.check(film, lines, opts=opts))
    sounds = episodes.listening(*episodes.tapes(film), episodes.fitted(film))
    about = report.About(
        title,
        "en",
        "../beside",
        "../films",
        2 * [Maker("tts", "espeak", EVIL, EVIL)],
        {f"data/{EVIL}": "0" * 32},
    )
    return report.page(
        film,
        lines,
        scores,
        about,
        clips=dict(report.clips(film, scores, sounds, kept={}, opts=opts)),
        reviewed=review.fold(decisions, film.segments, film.translations, film.takes),
        opts=opts,
    )


def without_speech() -> Film:
    return episodes.film(
        0,
        loudness=Table(Loudness, [Loudness(None, None, None, 0.0)]),
        separation=Table(Separation, [Separation("mask", None, None, 0)]),
        products=Table(Product, [Product("dub.mp4", "film", "mp4", 5000, None, None, "")]),
    )


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    return page_of(episodes.flawed())


def test_a_page_is_the_same_each_time(page: str):
    assert page_of(episodes.flawed()) == page


def test_a_container_that_has_many_names_is_told_by_two():
    film = episodes.flawed()
    film = dataclasses.replace(
        film, probe=episodes.change(film.probe, 0, container="mov,mp4,m4a,3gp,3g2,mj2")
    )
    assert '<dd class="note">mov/mp4, ' in page_of(film)


def test_a_page_asks_nothing_of_a_network_and_runs_no_script(page: str):
    tags = Tags(page).tags
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in tags}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    places = [a[key] for _, a in tags for key in ("src", "href", "xlink:href") if a.get(key)]
    assert places
    assert all(re.match(r"data:audio/ogg;base64,|#|\.\./films/", place) for place in places)
    assert "url(http" not in page


def test_a_page_links_the_films_that_the_dub_made_and_no_other():
    film = episodes.film(2)
    names = ["film.mkv", "film.mp4", "preview.mp4", "a b?#.wav"]
    made = [dataclasses.replace(film.products[0], file=name) for name in names]
    film = dataclasses.replace(film, products=Table(Product, made))
    links = [a["href"] for tag, a in Tags(page_of(film)).tags if tag == "a"]
    ways = [f"../films/{name}" for name in (*names[:3], "a%20b%3F%23.wav")]
    assert [link for link in links if not link.startswith("#")] == [*ways, *ways]
    film = dataclasses.replace(film, products=Table(Product, []))
    assert "../films" not in page_of(film)


def test_no_text_of_a_film_becomes_markup():
    film = episodes.film(2)
    line = Segment(film.segments[0].id, 1000, 3400, EVIL, EVIL)
    words = [dataclasses.replace(word, text=EVIL, engine=EVIL, confidence=0.1) for word in film.line_words]
    film = dataclasses.replace(
        film,
        segments=Table(Segment, [line, film.segments[1]]),
        line_words=Table(LineWord, words),
        castings=Table(Casting, [Casting(EVIL, EVIL, "espeak", None, EVIL)]),
        translations=episodes.change(film.translations, 0, text=EVIL, unknown=(EVIL,), engine=EVIL),
        products=episodes.change(film.products, 0, file=EVIL, container=EVIL, note=EVIL),
    )
    [line, *_] = review.fold([], film.segments, film.translations, film.takes).values()
    decided = [
        review.decide("approve", line, who="<b>ana</b>", at=AT, text=f"{EVIL} once"),
        review.decide("note", line, who="<b>ana</b>", at=AT, text=EVIL),
    ]
    page = page_of(film, title=EVIL, decisions=decided)
    assert "script" not in {tag for tag, _ in Tags(page).tags}
    assert "img" not in {tag for tag, _ in Tags(page).tags}
    assert Tags(page).text.count(EVIL) >= 8
    issues = report.top_issues(
        Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS)),
        film.segments,
        film.translations,
        opts=OPTS,
    )
    assert "<script" not in issues
    assert "\\[a\\](javascript:1) \\| \\*b\\*" in issues


def test_the_worst_lines_come_first_each_with_two_sounds(page: str):
    film = episodes.flawed()
    scores = Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS))
    order = report.worst_first(scores, film.segments, opts=OPTS)
    verdicts = qa.worst(scores)
    ranks = [qa.VERDICTS.index(verdicts[line.id]) for line in order]
    assert ranks == sorted(ranks, reverse=True)
    at = [page.index(f"{line.id} · mark") for line in order]
    assert at == sorted(at)
    players = [attributes["aria-label"] for tag, attributes in Tags(page).tags if tag == "audio"]
    assert players[:2] == [f"Original of line {order[0].id}", f"Dub of line {order[0].id}"]
    assert len(players) == 2 * len(order)


def test_texts_stand_in_their_language(page: str):
    languages = [attributes.get("lang") for tag, attributes in Tags(page).tags if tag == "p"]
    assert languages.count("en") == languages.count("es") == 20


def test_lines_past_the_wanted_number_have_no_players():
    page = page_of(episodes.flawed(), clips=3)
    assert page.count("<audio") == 6
    assert "17 best lines have no players" in page


def test_a_film_without_speech_has_a_clear_report():
    page = page_of(without_speech())
    text = " ".join(Tags(page).text.split())
    assert "There is nothing to dub: no speech was found in this film, and none was made up." in text
    assert "<audio" not in page


def test_a_film_finding_is_not_hidden_by_good_lines():
    text = Tags(page_of(episodes.film(2, duration=7000))).text
    assert "The film as a whole has 1 finding." in text


@pytest.mark.parametrize("sr", [8000, 22_050, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_clip_is_short_whole_and_the_same_each_time(sr: int, channels: int):
    y = np.tile(episodes.voice(5000, sr=sr), (channels, 1))
    sound = report.clip(y, sr=sr)
    assert sound == report.clip(y, sr=sr)
    assert len(sound) < 26_000
    heard, rate = soundfile.read(io.BytesIO(sound))
    assert heard.shape[0] / rate == pytest.approx(5.0, abs=0.01)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(y**2)), rel=0.05)


def test_no_sound_makes_no_player():
    assert report.clip(np.zeros((2, 0), np.float32), sr=48_000) == b""
    film = episodes.film(1, placements=Table(Placement, [Placement("s00001000", 90_000, 91_000, 1.0, 0)]))
    assert page_of(film).count("<audio") == 1


def test_a_line_that_is_not_placed_sounds_where_the_original_did():
    film = episodes.film(1, placements=Table(Placement, []))
    sounds = episodes.listening(*episodes.tapes(film), episodes.fitted(film))
    scores = Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS))
    [(name, pair)] = report.clips(film, scores, sounds, kept={}, opts=OPTS)
    heard, rate = soundfile.read(io.BytesIO(pair.dub))
    assert name == film.segments[0].id
    assert heard.shape[0] / rate == pytest.approx(2.4, abs=0.01)


def test_linked_sounds_lie_beside_the_scores_and_the_page_is_small():
    film = episodes.flawed()
    opts = dataclasses.replace(OPTS, sound="linked")
    sounds = episodes.listening(*episodes.tapes(film), episodes.fitted(film))
    scores = Table(Score, qa.check(film, episodes.gather(film, opts=opts), opts=opts))
    clips = dict(report.clips(film, scores, sounds, kept={}, opts=opts))
    names = {name for name in report.files(film, scores, clips, opts=opts) if name.startswith("clips/")}
    linked = {a["src"] for tag, a in Tags(page_of(film, sound="linked")).tags if tag == "audio"}
    assert len(names) == 40
    assert linked == {f"../beside/{name}" for name in names}
    assert not [name for name in report.files(film, scores, clips, opts=OPTS) if name.startswith("clips/")]


def test_the_report_says_who_approved_what_and_what_changed_since():
    film = episodes.flawed()
    lines = list(review.fold([], film.segments, film.translations, film.takes).values())
    decided = [
        review.decide("approve", lines[0], who="ana", at=AT),
        review.decide("approve", lines[1], who="ana", at=AT, text="Otro texto.", take="0" * 64),
        review.decide("reject", lines[2], who="eva", at=AT),
    ]
    text = " ".join(Tags(page_of(film, decisions=decided)).text.split())
    assert "ana 2 0 2026-01-31 12:00" in text
    assert "eva 0 1 2026-01-31 12:00" in text
    assert "1 line changed since they were approved" in text
    assert f"Otro texto. {film.translations[1].text} another take" in text
    assert "Nobody has approved" in Tags(page_of(film)).text


def test_the_report_names_versions_and_digests(page: str):
    text = Tags(page).text
    assert text.count(f"tts espeak {EVIL}") == 1
    assert f"data/{EVIL}" in text
    assert "0" * 32 in text


def test_every_line_can_be_filtered_by_what_it_is(page: str):
    film = episodes.flawed()
    tags = Tags(page).tags
    rows = [a["class"].split() for tag, a in tags if tag == "tr" and "line" in (a.get("class") or "")]
    assert len(rows) == len(film.segments)
    speakers = [a["id"] for tag, a in tags if tag == "input" and "only-speaker" in (a.get("id") or "")]
    assert len(speakers) == 2
    for choice in speakers:
        of = choice.replace("only-", "of-")
        assert sum(of in row for row in rows) == 10
        assert f"#{choice}:checked) .line:not(.{of})" in page


def test_a_summary_counts_what_the_scores_say():
    film = episodes.flawed()
    scores = Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS))
    facts = json.loads(msgspec.json.encode(report.summary(film, scores, opts=OPTS)))
    assert sum(facts["lines"].values()) == facts["film"]["lines"] == len(facts["marks"]) == 20
    assert sum(n for counts in facts["checks"].values() for n in counts.values()) == len(scores)
    assert facts["verdict"] == "fail"
    assert facts["engines"]["made"]["translate"] == {"apertium": 19, "subtitles": 1}


def test_top_issues_of_a_good_dub_are_none():
    film = episodes.film(1)
    scores = Table(Score, qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS))
    assert "None was found" in report.top_issues(scores, film.segments, film.translations, opts=OPTS)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_finds_the_page_accessible_and_still(page: str, tmp_path: Path):
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    film = episodes.flawed()
    lines = review.fold([], film.segments, film.translations, film.takes).values()
    decided = [review.decide("approve", line, who="ana", at=AT, text="Otro.") for line in list(lines)[:3]]
    pages = {"flawed": (page_of(film, decisions=decided), 2), "silent": (page_of(without_speech()), 0)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, (text, players) in pages.items():
            path = tmp_path / f"{name}.html"
            path.write_text(text, encoding="utf-8")
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            asked, said = [], []
            tab.on("request", lambda request, asked=asked: asked.append(request.url))
            tab.on("console", lambda message, said=said: said.append(message.text))
            tab.goto(path.as_uri())
            assert tab.evaluate(PLAYABLE) == [True] * players
            for scheme in ("light", "dark"):
                tab.emulate_media(color_scheme=scheme)
                results = Axe().run(tab)
                assert results.violations_count == 0, results.generate_report()
            if players:
                tab.locator("#only-verdict-0").focus()
                tab.keyboard.press("Space")
                worst = qa.worst(qa.check(film, episodes.gather(film, opts=OPTS, kept=KEPT), opts=OPTS))
                failed = sum(verdict == "fail" for name, verdict in worst.items() if name)
                assert tab.locator("tr.line:visible").count() == failed > 0
            for width in (1920, 1280, 420):
                tab.set_viewport_size({"width": width, "height": 900})
                assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate(ASIDE) == [], "a phone shows a line without scrolling sideways"
            results = Axe().run(tab)
            assert results.violations_count == 0, results.generate_report()
            assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
            assert said == []
        browser.close()
