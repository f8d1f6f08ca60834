import shutil
from copy import deepcopy
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import Held, noise
from tests.test_mix import OPTS, mastered, scenes
from workbench import audio, library
from workbench.errors import LibraryError, MediaError
from workbench.library.blocks import KeyedParts, KeyedSound, Store, join, renew, splice

SMALL = 4000  # samples; so that two seconds have many blocks


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(audio, "BLOCK", SMALL)


def written(film, folder, *, earlier=None, kept=None):
    """Write a film and return the bytes of its parts, and how many blocks were read from it."""
    blocks = splice(film, folder, earlier=earlier or folder / "none", kept={} if kept is None else kept)
    rendered = sum(blocks)
    return [path.read_bytes() for path in sorted(folder.iterdir())], rendered


def sound(n=10 * SMALL + 7, channels=2):
    return Held(noise(channels, n))


def test_a_splice_holds_what_a_writer_writes(small, tmp_path):
    film = sound()
    found, rendered = written(film, tmp_path / "a")
    for number, part in enumerate(found):
        library.write_sound(
            tmp_path / "whole.wav", film.y[:, number * SMALL : (number + 1) * SMALL], sr=film.sr
        )
        assert part == (tmp_path / "whole.wav").read_bytes()
    assert len(found) == rendered == 11


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_only_blocks_that_changed_are_read(small, tmp_path, channels):
    film, kept = sound(channels=channels), {}
    written(film, tmp_path / "a", kept=kept)
    film.y[:, 4 * SMALL] += 0.1
    found, rendered = written(film, tmp_path / "b", earlier=tmp_path / "a", kept=kept)
    assert rendered == 1
    assert found == written(film, tmp_path / "c")[0]
    assert written(film, tmp_path / "d", earlier=tmp_path / "b", kept=kept) == (found, 0)


def test_what_did_not_change_stays_the_file_that_it_was(small, tmp_path):
    film, kept = sound(), {}
    written(film, tmp_path / "a", kept=kept)
    film.y[:, 4 * SMALL] += 0.1
    written(film, tmp_path / "b", earlier=tmp_path / "a", kept=kept)
    same = [path.samefile(tmp_path / "b" / path.name) for path in sorted((tmp_path / "a").iterdir())]
    assert same == [number != 4 for number in range(11)]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 3 * SMALL), span=st.tuples(st.integers(0, 3 * SMALL), st.integers(0, 3 * SMALL)))
def test_parts_are_read_as_one_sound(n, span, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    film, (start, stop) = sound(n=n), sorted(span)
    with patch.object(audio, "BLOCK", SMALL):
        written(film, folder / "a")
        library.write_sound(folder / "whole.wav", film.y, sr=film.sr)
        parts, whole = KeyedParts(folder / "a", kept={}), library.SoundFile(folder / "whole.wav")
    assert (parts.sr, parts.channels, parts.frames) == (whole.sr, whole.channels, n)
    assert np.array_equal(parts.read(start, min(stop, n)), whole.read(min(start, n), min(stop, n)))


@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 9 * SMALL), n=st.integers(1, 3 * SMALL), at=st.integers(0, 10 * SMALL - 1))
def test_the_key_of_parts_changes_where_their_samples_do(start, n, at, tmp_path_factory):
    folder, film = tmp_path_factory.mktemp("keys"), sound()
    with patch.object(audio, "BLOCK", SMALL):
        written(film, folder / "a")
        film.y[0, at] = -film.y[0, at] or 0.5
        written(film, folder / "b")
        a, b = (KeyedParts(folder / name, kept={}).key(start, start + n) for name in "ab")
    inside = start // SMALL <= at // SMALL <= (start + n - 1) // SMALL
    assert (a != b) == inside


def test_parts_are_joined_to_one_file(small, tmp_path):
    film = sound()
    written(film, tmp_path / "a")
    blocks = len(list(join(KeyedParts(tmp_path / "a", kept={}), tmp_path / "joined.wav")))
    library.write_sound(tmp_path / "whole.wav", film.y, sr=film.sr)
    assert blocks == 11
    assert (tmp_path / "joined.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


@pytest.mark.parametrize("harm", ["the first", "one within", "all"])
def test_parts_of_which_one_is_missing_are_an_error(small, tmp_path, harm):
    written(sound(), tmp_path / "a")
    names = {"the first": ["00000.wav"], "one within": ["00004.wav"], "all": sorted(tmp_path.glob("a/*"))}
    for name in names[harm]:
        (tmp_path / "a" / name).unlink()
    missing = "00004" if harm == "one within" else "00000"
    with pytest.raises(MediaError, match=f"{missing}.wav: it is not there"):
        KeyedParts(tmp_path / "a", kept={})


@settings(max_examples=30, deadline=None)
@given(scene=scenes(), data=st.data())
def test_a_spliced_dub_is_the_one_that_is_rendered_whole(scene, data, tmp_path_factory):
    folder, kept = tmp_path_factory.mktemp("dub"), {}
    opts = replace(OPTS, target_lufs=data.draw(st.sampled_from([-23.0, -10.0])))
    with patch.object(audio, "BLOCK", SMALL):
        before, _ = mastered(scene.film(), opts)
        written(before, folder / "a", kept=kept)
        for _ in range(data.draw(st.integers(1, 3))):
            scene = _edited(scene, data)
            after, _ = mastered(scene.film(), opts)
            found, rendered = written(after, folder / "b", earlier=folder / "a", kept=kept)
            assert found == written(after, folder / "c")[0]
            assert rendered <= max(1, -(-after.frames // SMALL))
            for name in "ac":
                shutil.rmtree(folder / name)
            (folder / "b").rename(folder / "a")


def _edited(scene, data):
    """Change a line, take one away, or leave the scene as it is."""
    scene = deepcopy(scene)
    if scene.placements:
        index = data.draw(st.integers(0, len(scene.placements) - 1))
        line = scene.placements[index]
        match data.draw(st.sampled_from(["sound", "place", "remove", "leave"])):
            case "sound":
                scene.takes[line.segment].y[:] *= np.float32(data.draw(st.sampled_from([0.0, -1.0, 0.99])))
            case "place":
                earlier = data.draw(st.integers(0, line.start))
                scene.placements[index] = replace(line, start=earlier)
            case "remove":
                del scene.placements[index]
    return scene


@pytest.mark.parametrize("damage", ["a sample", "the head", "the length", "all", "another rate"])
def test_an_earlier_file_that_was_changed_by_hand_leaves_no_trace(small, tmp_path, damage):
    film, kept, path = sound(), {}, tmp_path / "a" / "00005.wav"
    wanted, _ = written(film, path.parent, kept=kept)
    y, sr = library.read_sound(path)
    match damage:
        case "a sample":
            y[:, 5] = 0.5
            library.write_sound(path, y, sr=sr)
        case "the head":
            with soundfile.SoundFile(path, "w", sr, 2, subtype="PCM_24") as tagged:
                tagged.title = "mine"
                tagged.write(y.T)
        case "the length":
            library.write_sound(path, y[:, :-1], sr=sr)
        case "all":
            path.write_bytes(b"no sound at all")
        case "another rate":
            library.write_sound(path, y, sr=44100)
    found, rendered = written(film, tmp_path / "b", earlier=path.parent, kept=kept)
    assert found == wanted
    assert rendered == 1


def test_without_what_was_kept_all_is_read_again(small, tmp_path):
    film = sound()
    found, _ = written(film, tmp_path / "a")
    assert written(film, tmp_path / "b", earlier=tmp_path / "a") == (found, 11)


def test_parts_that_were_not_finished_leave_no_trace(small, tmp_path):
    film, kept = sound(), {}
    written(film, tmp_path / "a", kept=kept)
    film.y[:] *= np.float32(0.5)
    blocks = splice(film, tmp_path / "b", earlier=tmp_path / "a", kept=kept)
    next(blocks)
    blocks.close()
    found, rendered = written(film, tmp_path / "c", earlier=tmp_path / "a", kept=kept)
    assert rendered == 11
    assert found == written(film, tmp_path / "d")[0]


def test_a_sound_without_a_sample_is_written(tmp_path):
    found, rendered = written(Held(np.zeros((2, 0), np.float32)), tmp_path / "a")
    assert ([len(part) for part in found], rendered) == ([44], 1)


def test_the_earlier_files_are_not_touched(small, tmp_path):
    film, kept = sound(), {}
    before, _ = written(film, tmp_path / "a", kept=kept)
    (tmp_path / "cache.wav").hardlink_to(tmp_path / "a" / "00000.wav")
    film.y[:, 0] += 0.1
    after, rendered = written(film, tmp_path / "b", earlier=tmp_path / "a", kept=kept)
    assert rendered == 1
    assert (tmp_path / "cache.wav").read_bytes() == before[0] != after[0]


@pytest.mark.parametrize("subtype", ["PCM_24", "FLOAT"])
@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 9 * SMALL), n=st.integers(1, SMALL), at=st.integers(0, 10 * SMALL - 1))
def test_a_sounds_key_changes_where_its_samples_do(subtype, start, n, at, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    y = noise(2, 10 * SMALL)
    library.write_sound(folder / "a.wav", y, sr=48000, subtype=subtype)
    y[0, at] = -y[0, at] or 0.5
    library.write_sound(folder / "b.wav", y, sr=48000, subtype=subtype)
    with patch.object(audio, "BLOCK", SMALL):
        a, b = (KeyedSound(folder / name, kept={}) for name in ("a.wav", "b.wav"))
        inside = start // SMALL <= at // SMALL <= (start + n - 1) // SMALL
        assert (a.key(start, start + n) != b.key(start, start + n)) == inside


def test_a_file_that_did_not_change_is_not_hashed_again(small, tmp_path):
    library.write_sound(tmp_path / "a.wav", sound().y, sr=48000)
    kept = {}
    first = KeyedSound(tmp_path / "a.wav", kept=kept).hashes
    with patch("xxhash.xxh3_128", side_effect=AssertionError):
        assert KeyedSound(tmp_path / "a.wav", kept=kept).hashes == first
    library.write_sound(tmp_path / "a.wav", -sound().y, sr=48000)
    assert KeyedSound(tmp_path / "a.wav", kept=kept).hashes != first


def test_a_file_that_is_no_wav_is_an_error(tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(2, 1000).T, 48000, format="FLAC")
    with pytest.raises(MediaError, match="it is no WAV"):
        KeyedSound(tmp_path / "a.flac", kept={}).key(0, 1000)


def test_a_store_finds_again_what_it_kept(tmp_path):
    Store(tmp_path, "mix", version="1")["a"] = b"x"
    store = Store(tmp_path, "mix", version="1")
    assert store.get("a") == b"x"
    store["a"] = b"y"
    assert store.get("a") == b"y"
    assert store.get("b") is None


def test_a_store_finds_nothing_of_another_version(tmp_path):
    Store(tmp_path, "mix", version="1")["a"] = b"x"
    assert Store(tmp_path, "mix", version="2").get("a") is None


def test_a_full_disk_is_an_error_that_says_so(tmp_path):
    store = Store(tmp_path, "mix", version="1")
    store["a"] = b"x"
    store._file.execute("PRAGMA max_page_count = 3")
    with pytest.raises(LibraryError, match=r"keep what was measured in \.cache: .*full"):
        store["b"] = bytes(100_000)


def test_a_store_does_not_grow_when_a_file_is_written_again(tmp_path):
    kept = {}
    for level in (0.1, 0.2, 0.3):
        (tmp_path / "a.wav").touch()
        library.write_sound(tmp_path / "a.wav", noise(1, 5000, level=level), sr=48000)
        KeyedSound(tmp_path / "a.wav", kept=kept).key(0, 5000)
    assert len(kept) == 1


@pytest.mark.parametrize("page", [1, 2, 5, 20])
def test_a_store_that_was_damaged_while_it_was_open_or_cut_short_counts_as_none(tmp_path, page):
    store = Store(tmp_path, "mix", version="1")
    for number in range(200):
        store[str(number)] = bytes([number]) * 1000
    path = tmp_path / ".cache/mix/kept.sqlite"
    whole = path.read_bytes()
    for damaged in (
        whole[: page * 4096 + 7],
        whole[: page * 4096] + bytes(4096) + whole[(page + 1) * 4096 :],
    ):
        path.write_bytes(damaged)
        store = Store(tmp_path, "mix", version="1")
        for number in range(200):
            assert store.get(str(number)) in (None, bytes([number]) * 1000)
        store["new"] = b"x"
        assert store.get("new") == b"x"


def test_a_damaged_value_counts_as_none(tmp_path):
    Store(tmp_path, "mix", version="1")["a"] = b"measured"
    path = tmp_path / ".cache/mix/kept.sqlite"
    path.write_bytes(path.read_bytes().replace(b"measured", b"measurer"))
    assert Store(tmp_path, "mix", version="1").get("a") is None


def test_a_damaged_store_counts_as_none(tmp_path):
    Store(tmp_path, "mix", version="1")["a"] = b"x"
    (tmp_path / ".cache" / "mix" / "kept.sqlite").write_bytes(b"no database" * 1000)
    store = Store(tmp_path, "mix", version="1")
    assert store.get("a") is None
    store["a"] = b"z"
    assert store.get("a") == b"z"


def renewed(take, folder, name, *, earlier="none", kept):
    done = renew(take, folder / name, earlier=folder / earlier, kept=kept)
    return done, (folder / name).read_bytes()


def test_a_short_sound_that_is_the_same_stays_the_file_that_it_was(tmp_path):
    take, kept = sound(n=7000, channels=1), {}
    assert renewed(take, tmp_path, "a.wav", kept=kept)[0]
    with patch.object(Held, "read", side_effect=AssertionError):
        assert not renewed(take, tmp_path, "b.wav", earlier="a.wav", kept=kept)[0]
        (tmp_path / "a.wav").unlink()
        done, found = renewed(take, tmp_path, "c.wav", earlier="b.wav", kept=kept)
    assert not done
    assert found == renewed(take, tmp_path, "anew.wav", kept={})[1]


@pytest.mark.parametrize("harm", ["another", "cut", "gone", "forgotten"])
def test_a_short_sound_is_written_where_the_earlier_file_is_not_the_same(tmp_path, harm):
    take, kept, path = sound(n=7000, channels=1), {}, tmp_path / "a.wav"
    _, wanted = renewed(take, tmp_path, "a.wav", kept=kept)
    if harm == "another":
        library.write_sound(path, take.y * 0.5, sr=take.sr, subtype="FLOAT")
    elif harm == "cut":
        path.write_bytes(wanted[:-400])
    elif harm == "gone":
        path.unlink()
    else:
        kept = {}
    assert renewed(take, tmp_path, "b.wav", earlier="a.wav", kept=kept) == (True, wanted)


def test_a_store_that_grew_too_large_forgets_what_was_used_longest_ago(tmp_path):
    days = iter(range(0, 10**9, 100_000))
    with patch("time.time", lambda: next(days)):
        for number in range(8):
            Store(tmp_path, "mix", version="1")[str(number)] = bytes(10_000)
        store = Store(tmp_path, "mix", version="1")
        assert store.get("0")
        store = Store(tmp_path, "mix", version="1", limit=70_000)
        kept = [number for number in range(8) if store.get(str(number))]
    assert kept == [0, 6, 7] or kept == [0, 5, 6, 7]
    size = (tmp_path / ".cache/mix/kept.sqlite").stat().st_size
    assert size < 70_000
    assert Store(tmp_path, "mix", version="1").get("0")
