import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings import Held, noise, read_in_blocks
from workbench.mix.effects import Room, impulse

SR = 48000


def room(take, **how):
    return Room(Held(take), **{"decay": 300, "delay": 8, "level_db": -12.0, **how})


def test_a_click_is_answered_by_the_impulse():
    take = np.zeros((1, 100), np.float32)
    take[0, 0] = 1.0
    sound = room(take)
    y = sound.read(0, sound.frames)[0]
    answer = impulse(sr=SR, decay=300, delay=8, level_db=-12.0)
    assert y[0] == 1.0
    assert y[: len(answer)][100:] == pytest.approx(answer[100:], abs=1e-6)
    assert np.abs(y[1:384]).max() < 1e-6


def test_the_room_falls_by_60_db_over_its_decay():
    answer = impulse(sr=SR, decay=400, delay=0, level_db=0.0)
    first, last = (float(np.sum(np.square(part))) for part in (answer[:960], answer[-960:]))
    assert 10 * np.log10(first / last) == pytest.approx(57, abs=3)


def test_the_room_is_as_loud_as_was_asked():
    take = noise(1, 3 * SR)
    wet = room(take, level_db=-6.0).read(0, 3 * SR) - take
    assert 20 * np.log10(wet[:, SR:].std() / take.std()) == pytest.approx(-6.0, abs=0.5)


def test_the_take_itself_is_all_there():
    take = noise(1, SR)
    sound = room(take)
    assert sound.frames == SR + 384 + 14_400 - 1
    assert np.allclose(sound.read(0, 384), take[:, :384], atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 30_000), size=st.integers(500, 40_000), decay=st.integers(1, 400))
def test_the_room_is_the_same_however_it_is_read(n, size, decay):
    sound = room(noise(1, n), decay=decay)
    assert np.array_equal(read_in_blocks(sound, size), sound.read(0, sound.frames))


def test_another_room_has_another_key():
    take = noise(1, 1000)
    keys = {room(take, **how).key(0, 500) for how in ({}, {"decay": 200}, {"delay": 9}, {"level_db": -6.0})}
    assert len({*keys, room(-take).key(0, 500), room(take).key(0, 501)}) == 6
    assert room(take).key(0, 500) == room(take.copy()).key(0, 500)
