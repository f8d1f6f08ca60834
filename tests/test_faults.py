"""A small version of the benchmark: each planted fault is found, and none is invented."""

import random

import pytest

from tests import dubs, faults
from workbench import qa

KIND, LANG = "dialogue with music", "es"


@pytest.fixture(scope="module")
def good() -> dubs.Dubbed:
    if reason := dubs.missing():
        pytest.skip(reason)
    return dubs.good(KIND, LANG, lines=8)


def test_nothing_is_found_in_a_good_dub(good: dubs.Dubbed):
    opts = dubs.options("qa", qa.Options)
    assert [row for row in dubs.scores(good, opts) if row.verdict in ("warn", "fail")] == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_none_invented(good: dubs.Dubbed, fault: faults.Fault):
    count = faults.Count()
    opts = dubs.options("qa", qa.Options)
    faults.judge(fault, good, opts=opts, share=0.25, draw=random.Random(fault.name), count=count)
    assert count.planted > 0
    assert (count.found, count.invented) == (count.planted, 0)
