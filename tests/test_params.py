from dataclasses import dataclass

import pytest

from workbench import params
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
