"""The page over the library."""

import msgspec

from workbench import library
from workbench.report import index


def made(root, **lines):
    dub = library.dub("s/e", "es", root)
    facts = {
        "film": {"duration": 61_000, "lines": sum(lines.values())},
        "lines": {"fail": 0, "warn": 0, **lines},
    }
    library.write_text(dub.stage("qa") / "summary.json", msgspec.json.encode(facts).decode())


def written(root):
    index.write(library.Library(root))
    return (root / "reports/index.html").read_text()


def test_a_dub_is_shown_with_its_length_its_marks_and_its_report(root):
    made(root, fail=1, warn=2, ok=3)
    text = written(root)
    for shown in ("English → Spanish", "1:01", "1 fail", "2 warn", 'href="s/e/es/qa.html"'):
        assert shown in text


def test_a_dub_that_was_not_made_says_what_makes_it(root):
    assert "workbench repro s/e/es" in written(root)


def test_titles_are_text_and_nothing_else(root):
    facts = root / "data/s/e/given/episode.yaml"
    facts.write_text(facts.read_text() + "title: '<script>alert(1)</script>'\nseason: 2\nnumber: 3\n")
    text = written(root)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "season 2, episode 3" in text


def test_the_same_library_gives_the_same_page(root):
    made(root, ok=1)
    assert written(root) == written(root)


def test_an_empty_library_says_how_to_begin(root):
    (root / "params/library.yaml").write_text("")
    assert "workbench dub FILM" in written(root)
