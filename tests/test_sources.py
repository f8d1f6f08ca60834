import pytest

from workbench.engines.models.sources import Model
from workbench.errors import RecordError
from workbench.records import parse

HASH = "0" * 64
FILES = {"a": {"size": 1, "sha256": HASH}}
WHEEL = {"package": "big==1.0", "sha256": HASH, "size": 1, "members": {"a": "big/a"}}


def read(*sources, **more):
    entry = {"maker": "Somebody", "licence": "MIT", "size": 1, "sources": list(sources), **more}
    return parse(Model, entry, where="params/models.yaml, big")


def test_each_source_offers_what_it_has():
    wheels = read({"wheels": [WHEEL]}, files=FILES).sources[0]
    assert wheels.offered(["b", "a"]) == ["a"]
    assert str(wheels) == "the package big==1.0"
    commit = {"repo": "a/b", "revision": "0" * 40}
    assert read({**commit, "only": ["voices/*"]}, files=FILES).sources[0].offered(["a", "voices/b"]) == [
        "voices/b"
    ]
    assert read({"folder": "f"}, files=FILES).sources[0].offered(["b", "a"]) == ["b", "a"]
    there = read({"addresses": {"a": "https://example.org/a"}}, files=FILES).sources[0]
    assert there.offered(["b", "a"]) == ["a"]
    assert str(there) == "https://example.org/a"


@pytest.mark.parametrize(
    ("sources", "files", "found"),
    [
        ([], FILES, "at least one source"),
        ([{"repo": "a/b", "folder": "f"}], {}, "exactly one of"),
        ([{"only": ["*"]}], {}, "exactly one of"),
        ([{"repo": "a/b"}], FILES, "a commit of 40 digits"),
        ([{"folder": "f"}], {}, "nothing tells what the folder f should hold"),
        ([{"wheels": [WHEEL | {"package": "big"}]}], FILES, "'big' is no package with its version"),
        ([{"wheels": [WHEEL | {"package": "--index-url=x==1"}]}], FILES, "no package with its version"),
        ([{"npm": WHEEL | {"package": "git+ssh://host/x@1"}}], FILES, "no package with its version"),
        ([{"npm": WHEEL | {"package": "-g@1"}}], FILES, "no package with its version"),
        ([{"wheels": [WHEEL | {"sha256": "12"}]}], FILES, "sha256"),
    ],
)
def test_an_entry_that_cannot_be_right_is_refused(sources, files, found):
    with pytest.raises(RecordError, match=found):
        read(*sources, files=files)
