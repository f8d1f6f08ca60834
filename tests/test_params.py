from dataclasses import dataclass

import pytest
import yaml

from tests.structure import ROOT
from workbench import cast, fit, mix, params, separate, subtitles, translate, voices
from workbench.errors import RecordError


@dataclass(frozen=True)
class Options:
    rate: float
    name: str


def test_options_are_read_whole():
    assert params.read(Options, "mix: {rate: 2, name: a}", key="mix", where="f") == Options(2.0, "a")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mix: {rate: 1.5}", "missing required field `name`"),
        ("mix: {rate: 1.5, name: a, other: 1}", "unknown key other"),
        ("mix: {rate: fast, name: a}", "Expected `float`"),
        ("other: {}", "its top keys are other"),
        ("", "its top keys are nothing"),
        ("- a", "its top is a list"),
        ("a", "its top is a single value"),
        ("mix: [", "not YAML"),
        ("mix: {rate: 1.5, name: a, rate: 2.5}", "the key 'rate' stands twice"),
        ("mix: {}\nmix: {rate: 1.5, name: a}", "the key 'mix' stands twice"),
        pytest.param("mix: " + "[" * 5000, "not YAML", id="deep"),
        pytest.param("mix: " + "9" * 5000, "not YAML", id="long number"),
        ("mix: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_a_wrong_file_is_refused_and_named(text, says):
    with pytest.raises(RecordError, match=says) as raised:
        params.read(Options, text, key="mix", where="params/mix.yaml")
    assert "params/mix.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("stage", "kind", "names"),
    [
        ("fit", fit.Options, ("min_tempo", "max_tempo", "last_resort", "max_pace")),
        ("mix", mix.Options, ("speech_step_db", "gain_step_db")),
        ("separate", separate.Options, ("fade", "piece")),
        ("subtitles", subtitles.Options, ("max_columns", "max_lines", "max_speed")),
        ("translate", translate.Options, ("batch",)),
        ("voices", voices.Options, ("longest_clip", "lowest_hz", "highest_hz")),
        ("cast", cast.Options, ("alike",)),
    ],
)
def test_what_is_divided_by_is_not_nought(stage, kind, names):
    document = yaml.safe_load((ROOT / "params" / f"{stage}.yaml").read_text(encoding="utf-8"))
    assert params.read(kind, yaml.safe_dump(document), key=stage, where=stage)
    for name in names:
        text = yaml.safe_dump({stage: document[stage] | {name: 0}})
        with pytest.raises(RecordError, match=rf"{name}`"):
            params.read(kind, text, key=stage, where=stage)
