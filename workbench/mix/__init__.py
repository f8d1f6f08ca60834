"""Mix the dub: the placed takes over the bed, at the loudness that was asked for.

Conventions
-----------
Sounds are float32 ``(channels, n)`` at the bed's rate; a take has one channel. A mix is an
`audio.Recording`: it is computed where it is read, so that memory does not grow with the film, and a
sample is the same however it is read. Every sample of every take is in it. Where the dub is silent, the
mix before its loudness gain is the bed, bit for bit.

A mix also names what it holds (`audio.Keyed`): the key of a stretch is made from the keys of all that
sounds in it, so that a stretch that no edit reached is known without being read. Gains are multiples of
a step, so that one edited line seldom moves a speaker's or the film's.
"""

from workbench import content
from workbench.mix.bed import Duck, ducks
from workbench.mix.film import Mix
from workbench.mix.limiter import Limited
from workbench.mix.mastering import master
from workbench.mix.options import Options
from workbench.mix.speech import Line, front, lines, voices

__all__ = [
    "Duck",
    "Limited",
    "Line",
    "Mix",
    "Options",
    "ducks",
    "front",
    "lines",
    "master",
    "version",
    "voices",
]


def version() -> str:
    """Return the content address of the code that computes a mix: what another made is not to be kept."""
    return content.of_code(__name__, libraries=("numpy", "scipy"))
