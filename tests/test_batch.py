"""Adding films to a library: what is written, and what stays."""

import shutil

import numpy as np
import pytest
import soundfile

from workbench import batch, glossary, library
from workbench.errors import LibraryError

pytestmark = pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffmpeg is not installed")
CUE = "1\n00:00:00,100 --> 00:00:00,900\nHello.\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "params").mkdir()
    (tmp_path / "params/library.yaml").write_text("# ours\nepisodes: {}\ndubs: {}\n")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = True\n")
    return tmp_path


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.wav"
    soundfile.write(path, np.zeros(8000, np.float32), 8000)
    return path


def add(root, film, **wanted):
    return batch.add(
        root, film, **{"language": "en", "targets": ["es"], "series": "films", "name": "e01"} | wanted
    )


@pytest.mark.parametrize("series", ["1984", "no"])
def test_a_series_may_have_any_name_that_a_folder_may(root, film, series):
    key, dubs = add(root, film, series=series, targets=["no"])
    assert (key, dubs) == (f"{series}/e01", [f"{series}/e01/no"])
    dub = library.dub(key, "no", root)
    assert dub.episode.series_facts.title == series
    assert dub.language == "no"
    guides = dub.episode.style_guide("no")
    assert len(guides) == 2
    assert glossary.read(guides) == glossary.Guide()


def test_adding_a_film_again_keeps_what_people_said_of_it(root, film, tmp_path):
    transcript = tmp_path / "said.srt"
    transcript.write_text(CUE)
    add(root, film, speakers=2, transcript=transcript, translations={"es": transcript})
    episode = library.episode("films/e01", root)
    said = episode.given / "episode.yaml"
    said.write_text("# two of them\n" + said.read_text().replace("asr:", "diarize: rttm\n  asr:"))
    before = said.read_text()
    _, dubs = add(root, film, targets=["es", "ca"])
    assert dubs == ["films/e01/es", "films/e01/ca"]
    assert said.read_text() == before
    assert library.dub("films/e01", "es", root).facts.engines == {"translate": "subtitles"}
    assert library.dub("films/e01", "ca", root).facts.engines == {}
    add(root, film, speakers=3)
    assert (episode.facts.speakers, episode.facts.engines) == (3, {"diarize": "rttm", "asr": "subtitles"})


def test_a_film_is_not_added_again_in_another_language(root, film):
    add(root, film)
    with pytest.raises(LibraryError, match="its language is en"):
        add(root, film, language="fr")


def test_a_translation_that_no_dub_takes_is_refused_before_anything_is_added(root, film, tmp_path):
    subtitles = tmp_path / "fr.srt"
    subtitles.write_text(CUE)
    with pytest.raises(LibraryError, match="translations into fr: the dubs wanted are: es"):
        add(root, film, translations={"fr": subtitles})
    assert not (root / "data").exists()
