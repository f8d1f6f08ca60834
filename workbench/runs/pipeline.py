"""The pipeline of an episode: which of its stages reads what, as a ``dvc.yaml`` in the episode's own folder.

Conventions
-----------
One table, `SOURCE` and `TARGET`, is the template of all of them. A path stands as it
is seen from the episode's folder; ``{dub}`` is a dub's name, and ``{language}`` its language. A stage of a
dub is named ``stage-dub``. Each stage depends, beside what stands in the table, on its code (``data/.code``)
and on its options (`options`), which hold the parameters and facts that it reads: so an edit of either runs
what it reaches and nothing else.

Outputs persist: a stage replaces its own folder whole, and one that fails leaves the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workbench import library
from workbench.library import SOURCE_STAGES, STAGES, TARGET_STAGES, Dub, Episode, Key

FILE = "dvc.yaml"
OPTIONS = "options"  # the stage that writes down what the others are to do
GUIDES = ("../style_guide.yaml", "../style_guide.{language}.yaml")
SOURCE: dict[str, tuple[str, ...]] = {
    "media": ("{source}",),
    "separate": ("media",),
    "asr": ("media",),
    "diarize": ("media",),
    "segment": ("review/segment.jsonl", "media", "asr", "diarize"),
    "voices": ("media", "separate", "diarize"),
}
TARGET: dict[str, tuple[str, ...]] = {
    "translate": (*GUIDES, "{dub}/review/translate.jsonl", "segment"),
    "cast": ("{dub}/review/cast.jsonl", "diarize", "voices"),
    "tts": (
        *GUIDES, "review/segment.jsonl", "{dub}/review/tts.jsonl",
        "media", "segment", "voices", "{dub}/translate", "{dub}/cast",
    ),
    "fit": ("review/segment.jsonl", "media", "segment", "{dub}/tts"),
    "mix": ("separate", "segment", "{dub}/fit"),
    "subtitles": ("media", "{dub}/translate", "{dub}/tts", "{dub}/fit"),
    "export": ("{source}", "media", "{dub}/mix", "{dub}/subtitles"),
    "qa": (
        *GUIDES, "review", "{dub}/review", "{source}",
        *SOURCE_STAGES, *(f"{{dub}}/{stage}" for stage in TARGET_STAGES if stage != "qa"),
    ),
}  # fmt: skip


def document(episode: Episode, dubs: Iterable[Dub]) -> dict[str, Any]:
    """Return what the ``dvc.yaml`` of an episode with these dubs says."""
    facts = {"source": episode.facts.source}
    stages = {OPTIONS: _options(episode.key, "given", ".options")}
    stages |= {stage: _stage(stage, episode.key, deps, facts) for stage, deps in SOURCE.items()}
    for dub in dubs:
        name = dub.key.name
        own = facts | {"dub": name, "language": dub.language}
        stages[target(OPTIONS, dub.key)] = _options(dub.key, f"{name}/given", f"{name}/.options", "given")
        stages |= {
            target(stage, dub.key): _stage(stage, dub.key, deps, own) for stage, deps in TARGET.items()
        }
        stages[target("qa", dub.key)]["outs"].append(
            {f"../../../reports/{dub.key}/qa.html": {"persist": True}}
        )
    return {"stages": stages}


def _options(key: Key, given: str, out: str, *more: str) -> dict[str, Any]:
    return {
        "cmd": f"workbench options {key} --write",
        "deps": ["../../../params", "../series.yaml", *more, given, "../../.code/options.txt"],
        "outs": [{out: {"persist": True}}],
    }


def _stage(stage: str, key: Key, deps: Iterable[str], facts: dict[str, str]) -> dict[str, Any]:
    folder = f"{key.name}/" if key.level == "dub" else ""
    reads = [dep.format(**facts) for dep in deps]
    return {
        "cmd": f"workbench run {stage} {key}",
        "deps": [*reads, f"{folder}.options/{stage}.json", f"../../.code/{stage}.txt"],
        "outs": [{f"{folder}{stage}": {"persist": True}}],
    }


def target(stage: str, key: Key) -> str:
    """Return the name of a stage in the pipeline of its episode.

    >>> target("mix", Key("demo", "e01", "es"))
    'mix-es'
    """
    return f"{stage}-{key.name}" if key.level == "dub" and stage not in SOURCE_STAGES else stage


def stage_of(name: str, episode: Key) -> tuple[str, Key]:
    """Return which stage of which place a name in an episode's pipeline means."""
    stage, _, dub = name.partition("-")
    return stage, episode.child(dub) if dub else episode


def last(key: Key) -> tuple[str, ...]:
    """Return the stages that nothing of a place comes after."""
    return ("qa",) if key.level == "dub" else ("segment", "voices")


def write(of: library.Library, episode: Key) -> None:
    """Write the pipeline of an episode, where it is not what facts and template give."""
    from io import StringIO

    from ruamel.yaml import YAML

    place = of.episode(episode)
    dubs = [of.dub(key) for key in of.keys(episode) if key.level == "dub"]
    path = place.folder / FILE
    text = StringIO()
    text.write(f"# Made from a template for {episode}; what it says is in workbench/runs/pipeline.py.\n")
    YAML(typ="safe").dump(document(place, dubs), text)
    if not path.is_file() or library.read_text(path) != text.getvalue():
        library.write_text(path, text.getvalue())


assert (*SOURCE, *TARGET) == STAGES
