import errno
import os
import time

import numpy as np
import pytest

from workbench import library
from workbench.errors import LanguageError, LibraryError, MediaError, RecordError
from workbench.records import Maker, Segment, Table, Turn


def test_a_key_opens_a_place(root):
    dub = library.dub("s/e", "es", root)
    assert (dub.language, dub.episode.language, dub.episode.series, dub.episode.name) == (
        "es",
        "en",
        "s",
        "e",
    )
    assert dub.stage("asr") == root / "data/s/e/asr"
    assert dub.stage("mix") == root / "data/s/e/es/mix"


@pytest.mark.parametrize(("key", "lang"), [("s/e", "fr"), ("s/x", "es"), ("../e", "es"), ("", "es")])
def test_a_key_that_is_not_listed_is_refused(root, key, lang):
    with pytest.raises(LibraryError, match="lists no such key"):
        library.dub(key, lang, root)


@pytest.mark.parametrize(
    "key", ["s", "s/e/es/x", "../e", "s/..", "s/.hidden", "s/mix", "s/a b", "s/" + "x" * 65]
)
def test_a_listed_key_that_would_leave_its_place_is_refused(root, key):
    (root / "params/library.yaml").write_text(f"episodes: {{'{key}': {{source: x}}}}\ndubs: {{}}\n")
    with pytest.raises(LibraryError, match=r"cannot be a folder's name|has \d parts"):
        library.listing(root)


@pytest.mark.parametrize("left", ["", "episodes:\ndubs:\n", "episodes: {}\n"])
def test_a_library_may_list_nothing(root, left):
    (root / "params/library.yaml").write_text(left)
    assert library.listing(root) == {"episodes": {}, "dubs": {}}


@pytest.mark.parametrize("wrong", ["episodes: [s/e]\n", "dubs: s/e/es\n", "dubs: 7\n"])
def test_a_library_that_lists_no_keys_is_named(root, wrong):
    (root / "params/library.yaml").write_text(wrong)
    with pytest.raises(LibraryError, match=r"read \w+ of params/library.yaml: it is a"):
        library.listing(root)


def test_a_source_outside_the_episode_is_refused(root):
    (root / "data/s/outside.wav").write_text("x")
    facts = root / "data/s/e/given/episode.yaml"
    facts.write_text(facts.read_text().replace("source.wav", "../outside.wav"))
    with pytest.raises(MediaError, match="not a file in"):
        _ = library.episode("s/e", root).source


@pytest.mark.parametrize("tag", ["", "xx-", "english", "e", "zzzz"])
def test_an_unknown_language_is_refused(tag):
    with pytest.raises(LanguageError):
        library.check_language(tag)


def test_a_language_gets_its_standard_form():
    assert library.check_language("pt-br") == "pt-BR"


def test_records_come_back(root):
    episode = library.episode("s/e", root)
    table = Table(Turn, [Turn(0, 1, "A", "x")])
    with episode.writing("diarize") as out:
        out.table(table)
    assert episode.read(Turn) == table
    assert library.dub("s/e", "es", root).read(Turn) == table


def test_records_that_are_not_there_yet_name_the_stage_to_run(root):
    with pytest.raises(LibraryError, match=r"read what segment made of s/e: .*dvc repro segment@s/e"):
        library.episode("s/e", root).read(Segment)


def test_a_failed_run_leaves_the_earlier_output(root):
    episode = library.episode("s/e", root)
    with episode.writing("asr") as out:
        out.text("a.txt", "old")

    def fail():
        with episode.writing("asr") as out:
            out.text("a.txt", "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (episode.stage("asr") / "a.txt").read_text() == "old"
    assert sorted(path.name for path in episode.folder.iterdir()) == ["asr", "es", "given"]


def test_a_full_disk_is_said_and_leaves_the_earlier_output(root):
    episode = library.episode("s/e", root)
    with episode.writing("asr") as out:
        out.text("a.txt", "old")

    def fill():
        with episode.writing("asr"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(LibraryError, match="the disk is full"):
        fill()
    assert (episode.stage("asr") / "a.txt").read_text() == "old"


def test_what_came_out_the_same_stays_the_file_that_it_was(root):
    place = library.episode("s/e", root)
    for text in ("first", "second"):
        before = {path.name: path.stat() for path in place.stage("tts").rglob("*.txt")}
        with place.writing("tts") as out:
            out.text("same.txt", "the same")
            out.text("deep/same too.txt", "the same")
            out.text("edited.txt", text)
            out.text(f"{text}.txt", "the same")
    after = {path.name: path.stat() for path in place.stage("tts").rglob("*.txt")}
    same = {name for name, stat in after.items() if name in before and stat.st_ino == before[name].st_ino}
    assert same == {"same.txt", "same too.txt"}
    assert all(after[name].st_mtime_ns == before[name].st_mtime_ns for name in same)
    assert all(stat.st_nlink == 1 for stat in after.values())
    assert library.read_text(place.stage("tts") / "edited.txt") == "second"


def test_a_run_killed_between_its_two_renames_is_made_good(root):
    episode = library.episode("s/e", root)
    aside = episode.folder / ".asr.old.partial"
    aside.mkdir()
    (aside / "a.txt").write_text("old")

    def fail():
        with episode.writing("asr"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (episode.stage("asr") / "a.txt").read_text() == "old"


def test_an_output_stays_in_its_folder(root):
    with library.episode("s/e", root).writing("asr") as out, pytest.raises(LibraryError, match="outside"):
        out.text("../../x.txt", "")


def test_engines_are_chosen_by_the_params_the_episode_and_the_dub(root):
    dub = library.dub("s/e", "es", root)
    assert dub.choice("tts").engine == "espeak"
    (dub.given / "dub.yaml").write_text("engines: {tts: other}\n")
    assert dub.choice("tts").engine == "other"
    with pytest.raises(LibraryError, match="no key 'nothing'"):
        dub.choice("nothing")


def test_facts_with_an_unknown_key_are_refused(root):
    episode = library.episode("s/e", root)
    facts = episode.given / "episode.yaml"
    facts.write_text(facts.read_text() + "audiotrack: 1\n")
    with pytest.raises(RecordError, match="unknown key audiotrack"):
        _ = episode.facts


def test_the_engines_of_earlier_stages_are_listed_each_once_and_none_of_later_ones(root):
    dub = library.dub("s/e", "es", root)
    vad, asr, tts = Maker("vad", "a", "a 1"), Maker("asr", "b", ""), Maker("tts", "c", "c 2")
    assert dub.makers(before="qa") == Table(Maker, [])
    for place, stage, makers in (
        (dub, "tts", [tts]),
        (dub.episode, "diarize", [vad]),
        (dub.episode, "asr", [vad, asr]),
        (dub, "qa", [asr]),
    ):
        with place.writing(stage) as out:
            out.table(Table(Maker, makers))
    assert dub.makers(before="qa") == Table(Maker, [vad, asr, tts])
    assert dub.makers(before="tts") == Table(Maker, [vad, asr])


def test_sound_comes_back(tmp_path):
    y = np.linspace(-0.5, 0.5, 999, dtype=np.float32).reshape(3, 333)
    library.write_sound(tmp_path / "a.wav", y, sr=48000, subtype="FLOAT")
    back, sr = library.read_sound(tmp_path / "a.wav")
    assert sr == 48000
    assert np.array_equal(back, y)
    part, _ = library.read_sound(tmp_path / "a.wav", start=10, stop=20)
    assert np.array_equal(part, y[:, 10:20])
    (tmp_path / "b.wav").write_text("no sound")
    with pytest.raises(MediaError, match=r"b\.wav"):
        library.read_sound(tmp_path / "b.wav")


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24", "PCM_16"])
def test_equal_sounds_are_equal_bytes_whenever_they_are_written(tmp_path, subtype):
    y = np.linspace(-0.5, 0.5, 999, dtype=np.float32)
    library.write_sound(tmp_path / "a.wav", y, sr=48000, subtype=subtype)
    time.sleep(1.1)
    library.write_sound(tmp_path / "b.wav", y, sr=48000, subtype=subtype)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_memo_keeps_sounds_bit_equal_and_forgets_damaged_ones(tmp_path):
    memo = library.Memo(tmp_path)
    y = np.random.default_rng(0).normal(size=(1, 500)).astype(np.float32)
    assert memo.find("ab12") is None
    memo.keep("ab12", y, sr=22050)
    found = memo.find("ab12")
    assert found is not None
    assert np.array_equal(found[0], y)
    next(tmp_path.rglob("*.wav")).write_text("damaged")
    assert memo.find("ab12") is None


def test_a_memo_that_grew_too_large_forgets_what_was_used_longest_ago(tmp_path):
    memo, y = library.Memo(tmp_path), np.zeros((1, 1000), np.float32)
    for hour, key in enumerate(("aa", "bb", "cc")):
        memo.keep(key, y, sr=8000)
        os.utime(tmp_path / ".cache" / "takes" / key / f"{key}.wav", (3600 * hour, 3600 * hour))
    assert memo.find("aa")
    assert library.Memo(tmp_path, limit=9000).keys() == {"aa", "cc"}


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"abc\xe9"])
def test_a_text_that_is_not_utf8_is_named(tmp_path, data):
    (tmp_path / "x.yaml").write_bytes(data)
    with pytest.raises(LibraryError, match="not UTF-8"):
        library.read_text(tmp_path / "x.yaml")


@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24"])
def test_a_sound_that_the_disk_does_not_take_is_named(tmp_path, subtype):
    (tmp_path / "a.wav").symlink_to("/dev/full")
    with pytest.raises(MediaError, match=r"write a\.wav: the disk took no more of it"):
        library.write_sound(tmp_path / "a.wav", np.zeros(100_000, np.float32), sr=8000, subtype=subtype)
