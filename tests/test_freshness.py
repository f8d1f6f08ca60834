"""What is fresh is what DVC says is fresh, found with less; and it is found anew where anything changed."""

import random

import pytest

from tests import libraries
from workbench import library
from workbench.runs import freshness, pipeline, reproduce

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")]
CHANGES = 30
EPISODE = library.Key("s", "e000")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("libraries")
    libraries.environment(folder)
    return libraries.library(folder, 2)


def plain(root):
    """Return the stages of the first episode that DVC, with all pipelines in view, says have changed."""
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        names = repo.status()
    return {name.rpartition(":")[2] for name in names if str(EPISODE) in name}


def change(root, draw):
    """Change something of an episode, or of what all share; return what, and how to undo it."""
    episode = root / "data" / str(EPISODE)
    kind = draw.choice(["given", "facts", "params", "decision", "code", "deleted", "lock", "output", "film"])
    stage = draw.choice(list(pipeline.TARGET))
    path = {
        "given": episode / "es/given/translation.srt",
        "facts": episode / "given/episode.yaml",
        "params": root / f"params/{stage}.yaml",
        "decision": episode / "es/review" / f"{draw.choice(['translate', 'cast', 'tts'])}.jsonl",
        "code": root / f"data/.code/{stage}.txt",
        "deleted": episode / f"es/{stage}/made",
        "lock": episode / "dvc.lock",
        "output": episode / f"ca/{stage}/made",
        "film": episode / "source.wav",
    }[kind]
    before = path.read_bytes() if path.exists() else None
    if kind == "deleted":
        path.unlink()
    elif kind == "lock":
        digest = draw.choice([line for line in before.decode().splitlines() if "md5: " in line])
        path.write_bytes(before.replace(digest.encode(), digest[:-6].encode() + b"000000", 1))
    else:
        path.write_bytes((before or b"") + f"# {draw.random()}\n".encode())

    def undo():
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)

    return f"{kind} {path.relative_to(root)}", undo


def test_it_is_what_dvc_says_after_any_change(root):
    of, draw = library.Library(root), random.Random(0)
    file = f"data/{EPISODE}/{pipeline.FILE}"
    told = set()
    assert freshness.stale(of, [EPISODE])[EPISODE] == plain(root) == set()
    for _ in range(CHANGES):
        what, undo = change(root, draw)
        with reproduce.in_view(root, file) as repo:
            changed = set(reproduce.changed(repo))
        assert changed == plain(root), what
        found = freshness.stale(of, [EPISODE])[EPISODE]
        assert changed <= found, what
        assert bool(changed) == bool(found), what
        assert freshness.stale(of, [EPISODE])[EPISODE] == found, what
        told.add(what.split()[0])
        undo()
    assert len(told) >= 8
    assert freshness.stale(of, [EPISODE])[EPISODE] == set()


def test_a_change_makes_all_that_comes_after_it_stale(root):
    of, log = library.Library(root), root / "data" / str(EPISODE) / "es/review/tts.jsonl"
    before = log.read_text()
    log.write_text("{}\n")
    try:
        after = ("tts", "fit", "mix", "subtitles", "export", "qa")
        assert freshness.stale(of, [EPISODE])[EPISODE] == {f"{stage}-es" for stage in after}
    finally:
        log.write_text(before)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"s/e000": 1}', b"\x00\xff"])
def test_what_was_kept_and_is_damaged_is_found_anew(root, damage):
    (root / freshness.KEPT).write_bytes(damage)
    assert freshness.stale(library.Library(root), [EPISODE])[EPISODE] == set()


def test_episodes_that_are_added_leave_the_others_fresh(root):
    listed = root / "params/library.yaml"
    before = listed.read_text()
    listed.write_text(before + "  e999: []\n")
    assert plain(root) == set()
    listed.write_text(before)
