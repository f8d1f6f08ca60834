"""The rules of the house: one word, one room; imports go one way; DVC knows what each stage reads."""

from __future__ import annotations

import ast
import re
import sys

import pytest
from ruamel.yaml import YAML

from tests.structure import CODE, PACKAGE, ROOT, needs
from workbench import library
from workbench.library import SOURCE_STAGES, STAGES
from workbench.runs import digests, options, pipeline

FORBIDDEN = {"utils", "helpers", "common", "misc", "base", "core"}
TOP = {
    "notebooks", "workbench", "params", "dvc.yaml", "dvc.lock", "tests", "reports", "environment.yml",
    "README.md", "data", "pyproject.toml", "requirements.lock", "Makefile", ".dvc", ".dvcignore", ".ci",
    ".gitattributes", ".gitignore", "LICENSE",
}  # fmt: skip

NOUNS = {"content", "errors", "records", "params", "audio", "activity", "writing"}
KNOWLEDGE = {"align", "glossary", "loudness", "review", "wording", *STAGES}
SHELL = {"library", "display"}
DESK = "review.desk"  # what a reviewer does: a room of its own, as it writes, and knows what an engine takes
FACES = {"panels", "report"}
TOPMOST = {"cli", "demo", "runs"}
# room -> the rooms below it, which it may import; `media` and `export` run ffmpeg and open files
MAY_IMPORT = {
    **{name: NOUNS for name in NOUNS},
    **{name: NOUNS | KNOWLEDGE for name in KNOWLEDGE},
    "media": NOUNS | {"media"},
    "export": NOUNS | {"export", "media", "loudness", "subtitles"},
    "library": NOUNS | {"library"},
    "display": NOUNS | KNOWLEDGE,
    "report": NOUNS | KNOWLEDGE | SHELL | {"report"},
    DESK: NOUNS | KNOWLEDGE | SHELL | {"engines"},
    "panels": NOUNS | KNOWLEDGE | SHELL | FACES | {DESK},
    **{name: NOUNS | KNOWLEDGE | SHELL | FACES | TOPMOST | {DESK, "engines"} for name in TOPMOST},
}


def short(name: str) -> str:
    room = name.partition(".")[2]
    return DESK if room == DESK else room.partition(".")[0]


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_its_notebook_module_params_and_test(stage):
    assert CODE.notebooks[stage].is_file()
    assert (PACKAGE / f"{stage}.py").is_file() or (PACKAGE / stage / "__init__.py").is_file()
    assert (ROOT / "params" / f"{stage}.yaml").is_file()
    assert (ROOT / "tests" / f"test_{stage}.py").is_file()


def test_notebooks_are_numbered_in_the_order_of_the_stages():
    numbered = sorted((ROOT / "notebooks").glob("[0-9][0-9][0-9]_*.ipynb"))
    assert [path.stem[4:] for path in numbered] == list(STAGES)


def test_the_top_level_holds_only_what_was_agreed():
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed, "git lists no file"
    assert {line.split("/")[0] for line in listed.splitlines()} <= TOP


def test_imports_go_one_way():
    checked = 0
    for name in CODE.modules:
        if name == "workbench" or name.startswith("workbench.engines"):
            continue
        room = short(name)
        assert room in MAY_IMPORT, f"{name} has no room: say in this test what it may import"
        for target in CODE.imported(name) - {name}:
            lazily_drawn = room == "records" and short(target) == "display"
            assert lazily_drawn or short(target) in MAY_IMPORT[room], f"{name} imports {target}"
            checked += 1
    assert checked > 20


def test_engines_import_nouns_and_engines_alone():
    found = [name for name in CODE.modules if name.startswith("workbench.engines")]
    assert found
    for name in found:
        rooms = {short(target) for target in CODE.imported(name)}
        if name == "workbench.engines.given":  # takes people's subtitles: there is one reader, and it is pure
            rooms -= {"subtitles"}
        assert rooms <= NOUNS | {"engines"}, f"{name} imports {rooms - NOUNS}"


def test_vendors_are_imported_when_an_engine_is_loaded():
    light = {*sys.stdlib_module_names, "numpy", "scipy", "langcodes", "regex", "msgspec"}
    for name, path in CODE.modules.items():
        if not name.startswith("workbench.engines"):
            continue
        for node in ast.parse(path.read_text()).body:
            names = (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )  # fmt: skip
            heavy = [found for found in names if found.split(".")[0] not in light | {"workbench"}]
            assert not heavy, f"{name} imports {heavy} at its top"


def test_no_module_has_a_forbidden_name_or_is_too_long():
    for name, path in CODE.modules.items():
        assert not FORBIDDEN & set(name.split(".")), f"{name} says nothing"
        assert len(path.read_text().splitlines()) <= 500, f"{name} is too long: make it a package"


def test_code_outside_engines_names_no_engine():
    from workbench.engines import ENGINES

    vendors = re.compile(r"\b(pocketsphinx|espeak|apertium|resemblyzer|silero)\b", re.IGNORECASE)
    assert ENGINES
    for name, path in CODE.modules.items():
        if name.startswith("workbench.engines") or name in ("workbench.runs.preload", "workbench.demo"):
            continue
        constants = [
            node.value
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        named = [text for text in constants if vendors.fullmatch(text.strip())]
        assert not named, f"{name} names {named}"


def test_dvc_has_one_stage_a_word():
    root = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(root) == {"code", "demo", "page"}
    assert set(root["page"]["deps"]) == {
        "data/.code/page.txt",
        *(f"reports/{name}" for name in library.Library(ROOT).names()),
    }  # fmt: skip
    assert (*pipeline.SOURCE, *pipeline.TARGET) == STAGES
    assert root["code"]["deps"] == ["notebooks", "workbench"]
    assert set(root["demo"]["deps"]) == {"data/.code/demo.txt", "params/demo.yaml"}


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_knows_everything_that_a_stage_reads(stage):
    told = (pipeline.SOURCE | pipeline.TARGET)[stage]
    wanted = {other if other in SOURCE_STAGES else f"{{dub}}/{other}" for other in needs(stage)}
    missing = wanted - set(told)
    assert not missing, f"add to what {stage} reads in runs/pipeline.py: {sorted(missing)}"
    code = digests.cells(CODE.notebooks[stage])
    logs = [name for name in ("segment", "translate", "cast", "tts") if f'review("{name}")' in code]
    for name in logs:
        own = "" if name in SOURCE_STAGES else "{dub}/"
        assert f"{own}review/{name}.jsonl" in told or f"{own}review" in told
    assert ("style_guide()" in code) == (pipeline.GUIDES[0] in told)
    assert (".source" in code) == ("{source}" in told) or stage == "qa"
    assert not (".given" in code and stage not in options.GIVEN) or stage in ("separate", "cast")


def test_the_pipeline_of_the_demo_is_what_its_template_gives():
    of = library.Library(ROOT)
    for key in of.keys():  # noqa: SIM118
        if key.level == "episode":
            dubs = [of.dub(each) for each in of.keys(key) if each.level == "dub"]
            document = YAML(typ="safe").load((of.episode(key).folder / pipeline.FILE).read_text())
            assert document == pipeline.document(of.episode(key), dubs)
            for name, stage in document["stages"].items():
                what, place = pipeline.stage_of(name, key)
                assert stage["cmd"].split()[-1 if what != "options" else 2] == str(place)
                assert all(next(iter(out.values())) == {"persist": True} for out in stage["outs"])


def test_keys_are_joined_and_split_in_one_module():
    joins = re.compile(r"""split\("/"|partition\("/"|count\("/"\)""")
    found = {name for name, path in CODE.modules.items() if joins.search(path.read_text())}
    assert found == {
        "workbench.library.keys",
        "workbench.review.decisions",
    }  # of which the second splits paths


def test_notebook_code_is_found():
    assert all(digests.cells(CODE.notebooks[stage]).strip() for stage in STAGES)
    assert CODE.imports(ast.parse("from workbench import asr, records")) == {
        "workbench.asr",
        "workbench.records",
    }
