"""Films come into the library, and what people said of them stays."""

import shutil

import numpy as np
import pytest

from tests import project
from workbench import glossary, library
from workbench.errors import LibraryError, MediaError, SubtitleError
from workbench.runs import batch, ingest


def film(path, seed=0):
    y = np.random.default_rng(seed).normal(0, 0.1, 16_000).astype(np.float32)
    library.write_sound(path, y, sr=16_000)
    return path


def keys_of(episode, *dubs):
    return library.Key.parse(episode), [library.Key.parse(dub) for dub in dubs]


@pytest.mark.parametrize("left", ["", "# ours\ns:\n"])
def test_a_film_is_added_to_a_library_that_lists_nothing(place, tmp_path, left):
    (place / "params/library.yaml").write_text(left)
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, language="en", targets=["es"], series="s", name="e")
    assert library.Library(place).names() == {"s": {"e": ["es"]}}
    assert (place / "params/library.yaml").read_text().startswith(left[:6])


def test_nothing_is_added_to_a_library_that_cannot_be_read(place, tmp_path):
    (place / "params/library.yaml").write_text("s: [e]\n")
    with pytest.raises(LibraryError, match=r"read params/library.yaml: Expected"):
        ingest.add(place, film(tmp_path / "talk.wav"), language="en", targets=[], series="s", name="f")
    assert not (place / "data").exists()


def test_a_film_may_be_norwegian(place, tmp_path):
    said = {"language": "no", "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    for targets, speakers in ((["es"], None), (["es", "ca"], 2)):
        ingest.add(place, talk, targets=targets, speakers=speakers, **said)
        facts = library.episode("s/e", place).facts
        assert (facts.language, facts.speakers) == ("no", speakers)


def test_a_film_that_is_added_again_keeps_what_was_said_of_it(place, tmp_path):
    said = {"language": "en", "series": "s", "name": "e"}
    subtitles = tmp_path / "talk.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello.\n")
    talk = film(tmp_path / "talk.wav")
    ingest.add(
        place, talk, targets=["es"], speakers=2, transcript=subtitles, translations={"es": subtitles}, **said
    )
    facts = place / "data/s/e/given/episode.yaml"
    facts.write_text(facts.read_text() + "  tts: piper  # she has a voice\n")
    before = facts.read_text()
    assert ingest.add(place, talk, targets=["es", "ca"], **said) == keys_of("s/e", "s/e/es", "s/e/ca")
    assert facts.read_text() == before
    assert library.dub("s/e", "es", place).facts.engines == {"translate": "subtitles"}
    ingest.add(place, talk, targets=[], speakers=3, **said)
    assert facts.read_text() == before.replace("speakers: 2", "speakers: 3")


def test_a_transcript_that_names_its_speakers_says_who_speaks(place, tmp_path):
    talk, said = film(tmp_path / "talk.wav"), {"language": "en", "targets": ["es"], "series": "s"}
    cue = "1\n00:00:00,100 --> 00:00:00,900\n{}\n"
    files = {"named": "ANNA: Hello.", "plain": "Hello."}
    for name, text in files.items():
        subtitles = tmp_path / f"{name}.srt"
        subtitles.write_text(cue.format(text))
        ingest.add(place, talk, name=name, transcript=subtitles, **said)
    assert library.episode("s/named", place).facts.engines == {"asr": "subtitles", "diarize": "subtitles"}
    assert library.episode("s/plain", place).facts.engines == {"asr": "subtitles"}
    assert "speakers: null\n" in (place / "data/s/plain/given/episode.yaml").read_text()
    other = tmp_path / "named.vtt"
    other.write_text("WEBVTT\n\n00:00.100 --> 00:00.900\n<v Anna>Hello.\n")
    ingest.add(place, talk, name="named", transcript=other, **said)
    assert [path.name for path in (place / "data/s/named/given").iterdir() if "trans" in path.name] == [
        "transcript.vtt"
    ]
    other.write_text("no subtitles")
    with pytest.raises(SubtitleError):
        ingest.add(place, talk, name="new", translations={"es": other}, **said)
    assert not (place / "data/s/new").exists()


def test_a_name_stays_with_its_film(place, tmp_path):
    said = {"targets": ["es"], "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, language="en", **said)
    before = project.contents(place)
    other = film(tmp_path / "other.wav", seed=1)
    for path in (other, shutil.copyfile(other, tmp_path / "other.flac")):
        with pytest.raises(LibraryError, match="another film has that name"):
            ingest.add(place, path, language="en", **said)
    with pytest.raises(LibraryError, match=r"in fr: it is there, in en\. Correct data/s/e/given"):
        ingest.add(place, talk, language="fr", **said)
    assert project.contents(place) == before


def test_a_name_stays_with_its_film_where_that_is_not_pulled(place, tmp_path):
    said = {"language": "en", "targets": ["es"], "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, **said)
    source = place / "data/s/e/source.wav"
    source.unlink()
    with pytest.raises(LibraryError, match="another film has that name"):
        ingest.add(place, film(tmp_path / "other.wav", seed=1), **said)
    assert not source.exists()
    ingest.add(place, talk, **said)
    assert source.read_bytes() == talk.read_bytes()


def test_a_new_style_guide_shows_how_its_rules_are_written(place, tmp_path):
    ingest.add(place, film(tmp_path / "talk.wav"), language="en", targets=["es"], series="s", name="e")
    guides = library.episode("s/e", place).series.style_guide("es")
    assert set(guides) == {"style_guide.yaml", "style_guide.es.yaml"}
    assert glossary.read(guides) == glossary.Guide()
    shown = [line.removeprefix("#   ") for line in guides["style_guide.es.yaml"].splitlines()]
    guide = glossary.read({"shown": "\n".join(["version: 1", "project: s", *shown[1:5]])})
    assert guide.glossary_terms == (glossary.Term("lighthouse", "faro"),)
    assert [rule.tts for rule in guide.pronunciation_lexicon] == ["otan"]
    assert library.episode("s/e", place).series.facts == library.SeriesFacts("s", {})


@pytest.mark.parametrize(
    ("targets", "translated", "says"),
    [(["en"], [], "dub s/e into en: that is its own language"), (["es"], ["ca"], "Add: --to ca")],
)
def test_a_dub_that_nobody_can_want_is_refused(place, tmp_path, targets, translated, says):
    subtitles = tmp_path / "talk.srt"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nHello.\n")
    before = project.contents(place)
    with pytest.raises(LibraryError, match=says):
        ingest.add(
            place, film(tmp_path / "talk.wav"), language="en", targets=targets, series="s", name="e",
            translations=dict.fromkeys(translated, subtitles),
        )  # fmt: skip
    assert project.contents(place) == before


def test_a_film_that_was_removed_is_missed_by_name_and_comes_back(place, tmp_path):
    said = {"language": "en", "targets": ["es"], "series": "s", "name": "e"}
    talk = film(tmp_path / "talk.wav")
    ingest.add(place, talk, **said)
    source = place / "data/s/e/source.wav"
    source.unlink()
    with pytest.raises(MediaError, match=r"source\.wav is not there\. Bring it back with: dvc checkout"):
        batch.reproduce(place, [("qa", library.Key.parse("s/e/es"))])
    ingest.add(place, talk, **said)
    assert source.read_bytes() == talk.read_bytes()


@pytest.mark.parametrize("series", ["1984", "no"])
def test_a_series_may_have_any_name_that_a_folder_may(place, tmp_path, series):
    talk = film(tmp_path / "talk.wav")
    key, dubs = ingest.add(place, talk, language="en", targets=["no"], series=series, name="e")
    assert (key, dubs) == keys_of(f"{series}/e", f"{series}/e/no")
    dub = library.dub(str(key), "no", place)
    assert dub.episode.series.facts.title == series
    assert dub.language == "no"
    assert glossary.read(dub.style_guide()) == glossary.Guide()
