import dataclasses
import errno
import json
import os
import re
import time

import numpy as np
import pytest

from workbench import library, mix
from workbench.errors import LanguageError, LibraryError, MediaError, RecordError
from workbench.records import Maker, Segment, Table, Turn


def test_a_key_opens_a_place(root):
    dub = library.dub("s/e", "es", root)
    assert (dub.language, dub.episode.language, str(dub.episode.series.key), dub.key.name) == (
        "es", "en", "s", "es",
    )  # fmt: skip
    assert dub.stage("asr") == root / "data/s/e/asr"
    assert dub.stage("mix") == root / "data/s/e/es/mix"


@pytest.mark.parametrize(("key", "name"), [("s/e", "fr"), ("s/x", "es"), ("t/e", "es")])
def test_a_key_that_is_not_listed_is_refused(root, key, name):
    with pytest.raises(LibraryError, match=r"lists no such key\. Most like it are: s/e"):
        library.dub(key, name, root)


@pytest.mark.parametrize("key", ["s", "s/e"])
def test_what_is_no_dub_is_told_with_the_dubs_that_it_has(root, key):
    with pytest.raises(LibraryError, match="It has: s/e/es"):
        library.Library(root).dub(library.Key.parse(key))


@pytest.mark.parametrize("name", ["..", ".hidden", "voices", "a b", "x" * 65, "e/f/g"])
def test_a_listed_name_that_would_leave_its_place_is_refused(root, name):
    (root / "params/library.yaml").write_text(f"s: {{'{name}': [es]}}\n")
    with pytest.raises(LibraryError, match=r"name episode"):
        library.Library(root).keys()


@pytest.mark.parametrize("left", ["", "# ours\n", "s:\n", "s: {}\n"])
def test_a_library_may_list_nothing(root, left):
    (root / "params/library.yaml").write_text(left)
    assert library.Library(root).keys() == []


@pytest.mark.parametrize("wrong", ["s: [e]\n", "s: {e: es}\n", "s: 7\n", "s: {e: [[es]]}\n"])
def test_a_library_that_lists_no_keys_is_named(root, wrong):
    (root / "params/library.yaml").write_text(wrong)
    with pytest.raises(LibraryError, match=r"read params/library.yaml: Expected"):
        library.Library(root).keys()


def test_names_may_look_like_numbers_and_truth_values(root):
    (root / "params/library.yaml").write_text("1984: {no: [no, on]}\n")
    assert [str(key) for key in library.Library(root).keys()]  # noqa: SIM118 == ["1984/no", "1984/no/no", "1984/no/on"]


def test_a_key_stands_for_all_that_is_below_it(root):
    (root / "params/library.yaml").write_text("s: {e: [es, ca], f: []}\nt: {e: [es]}\n")
    of = library.Library(root)

    def below(*keys):
        return [str(key) for key in of.keys(*map(library.Key.parse, keys))]

    assert below("s/e/es") == ["s/e/es"]
    assert below("s/e") == ["s/e", "s/e/es", "s/e/ca"]
    assert below("s") == ["s/e", "s/e/es", "s/e/ca", "s/f"]
    assert below("t/e/es", "s/f") == ["s/f", "t/e/es"]
    assert len(below()) == 6


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
    with pytest.raises(LibraryError, match=r"read what segment made of s/e: .*workbench repro s/e"):
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
    (dub.given / "dub.yaml").write_text("language: es\nengines: {tts: other}\n")
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


class TestOptions:
    """What holds of params/ at a place, and who says so."""

    def say(self, path, options):
        text = path.read_text()
        path.write_text(text + f"options: {json.dumps(options)}\n")

    @pytest.fixture
    def files(self, root):
        return [
            root / "data/s/series.yaml",
            root / "data/s/e/given/episode.yaml",
            root / "data/s/e/es/given/dub.yaml",
        ]

    def test_the_dub_says_it_over_the_episode_and_that_over_the_series(self, root, files):
        dub, episode = library.dub("s/e", "es", root), library.episode("s/e", root)
        before = dub.options("mix", mix.Options)
        for path, target in zip(files, (-20.0, -19.0, -18.0), strict=True):
            self.say(path, {"mix": {"target_lufs": target}})
            assert dub.options("mix", mix.Options) == dataclasses.replace(before, target_lufs=target)
        assert episode.options("mix", mix.Options).target_lufs == -19.0
        values, whence = dub.in_force("mix")
        assert values["target_lufs"] == -18.0
        assert whence == {"target_lufs": "data/s/e/es/given/dub.yaml"}

    def test_an_engines_own_options_are_said_over_too(self, root, files):
        self.say(files[1], {"engines": {"tts": {"options": {"espeak": {"words_per_minute": 140}}}}})
        choice = library.dub("s/e", "es", root).choice("tts")
        assert choice.options["espeak"] == {"words_per_minute": 140}
        assert choice.engine == "espeak"

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"mix": {"loud": 1}}, "params/mix.yaml has no key 'loud'"),
            ({"engines": {"tts": {"options": {"espeak": {"x": 1}}}}}, "no key 'tts.options.espeak.x'"),
            ({"engines": {"tts": "piper"}}, "options of params/engines.yaml.tts are a str"),
        ],
    )
    def test_a_key_that_is_none_is_named_with_its_file(self, root, files, options, says):
        self.say(files[2], options)
        with pytest.raises(RecordError, match=f"read data/s/e/es/given/dub.yaml: .*{re.escape(says)}"):
            library.dub("s/e", "es", root).in_force(next(iter(options)))
