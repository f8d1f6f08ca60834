"""AAC of a long sound in parts, so that after an edit only the parts that it reaches are encoded again.

Conventions
-----------
A packet is 1024 samples; packet `p` begins a packet's length before sample ``1024 * p`` and is heard in full
together with the one after it. A part is 256 packets. Each is encoded for itself, with sound before and
after it that is encoded too and left out: the encoder looks no further than a few packets around one to
choose its window, so that the windows of neighbouring parts fit together as if all had been encoded at once.
The bytes of a part depend on the sound in and around it alone.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
import msgspec
import numpy as np
from av.codec.context import Flags

from workbench import content
from workbench.audio import Kept, Keyed, Sound
from workbench.errors import MediaError

PACKET = 1024  # samples
PART = 256  # packets
LEAD = 16  # packets before and after a part; a window is chosen by the two before it and the one after
WARM = 3  # packets that a decoder is given before the first that counts
LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1", "6.1", "7.1")  # in the order of a WAV


@dataclass(frozen=True)
class Encoded:
    """A recording as AAC, with a gain: itself a recording, of what a player decodes.

    What was encoded before is in `kept`. Raises `MediaError` where AAC has no layout of so many channels.
    """

    recording: Keyed
    gain_db: float
    bits: int  # a second
    kept: Kept

    @property
    def sr(self) -> int:
        """The recording's rate in Hz."""
        return self.recording.sr

    @property
    def channels(self) -> int:
        """The recording's channels."""
        return self.recording.channels

    @property
    def frames(self) -> int:
        """The recording's length."""
        return self.recording.frames

    @property
    def count(self) -> int:
        """How many parts it has."""
        return max(1, -(-self._packets // PART))

    @property
    def _packets(self) -> int:
        """How many packets it has: one more than its sound fills."""
        return 1 + -(-self.frames // PACKET)

    def packets(self, part: int) -> list[bytes]:
        """Return the packets of a part, encoded now or before."""
        key = self._key(part)
        if (found := self.kept.get(key)) is None:
            self.kept[key] = found = msgspec.msgpack.encode(self._encoded(part))
        return msgspec.msgpack.decode(found, type=list[bytes])

    def read(self, start: int, stop: int) -> Sound:
        """Return samples `start` to `stop` as a player decodes them, shape ``(channels, stop - start)``."""
        first, last = self._needed(start, stop)
        parts = range(first // PART, (last - 1) // PART + 1)
        packets = list(itertools.chain.from_iterable(map(self.packets, parts)))
        before = parts[0] * PART
        decoder = av.CodecContext.create("aac", "r")
        decoder.extradata = self._coder().extradata
        heard = [
            frame.to_ndarray()
            for packet in packets[first - before : last - before]
            for frame in decoder.decode(av.Packet(packet))
        ]
        at = start - (first - 1) * PACKET
        return np.ascontiguousarray(np.concatenate(heard, axis=1)[:, at : at + stop - start])

    def key(self, start: int, stop: int) -> str:
        """Return a content address of samples `start` to `stop`."""
        first, last = self._needed(start, stop)
        parts = range(first // PART, (last - 1) // PART + 1)
        return content.address(
            "decoded", start - parts[0] * PART * PACKET, stop - start, *map(self._key, parts)
        )

    def _needed(self, start: int, stop: int) -> tuple[int, int]:
        """Return from which packet to which one decodes to hear samples `start` to `stop`."""
        return max(0, start // PACKET - WARM), min(self._packets, -(-stop // PACKET) + 1)

    def write(self, path: Path, *, language: str) -> None:
        """Write it as M4A, the same bytes each time; its track is of a language, in ISO 639-2/B."""
        options = {"fflags": "+bitexact", "movflags": "+faststart"}
        with av.open(str(path), "w", format="ipod", options=options) as container:
            stream = container.add_stream("aac", rate=self.sr, layout=self._layout)
            stream.metadata["language"] = language
            stream.codec_context.bit_rate = self.bits
            stream.codec_context.flags |= Flags.bitexact
            stream.codec_context.open()
            every = itertools.chain.from_iterable(map(self.packets, range(self.count)))
            for number, content in enumerate(every):
                packet = av.Packet(content)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, self.sr), True
                packet.pts = packet.dts = (number - 1) * PACKET
                packet.duration = min(PACKET, self.frames - packet.pts)
                container.mux(packet)

    @cached_property
    def _layout(self) -> str:
        if not 0 < self.channels <= len(LAYOUTS):
            raise MediaError(
                "encode the dub", f"AAC has no layout of {self.channels} channels", "Give a film with fewer."
            )
        return LAYOUTS[self.channels - 1]

    def _around(self, part: int) -> tuple[int, int]:
        """Return from which packet's sample to which a part is encoded."""
        whole = -(-self.frames // PACKET)
        return max(0, part * PART - LEAD), min(whole, (part + 1) * PART + LEAD)

    def _key(self, part: int) -> str:
        first, last = self._around(part)
        sound = self.recording.key(first * PACKET, min(last * PACKET, self.frames))
        return content.address("aac", sound, part * PART - first, self.gain_db, self.bits)

    def _coder(self) -> av.AudioCodecContext:
        coder = av.CodecContext.create("aac", "w")
        assert isinstance(coder, av.AudioCodecContext)
        coder.sample_rate, coder.layout, coder.format = self.sr, self._layout, "fltp"
        coder.bit_rate = self.bits
        coder.flags |= Flags.bitexact
        coder.open()
        return coder

    def _encoded(self, part: int) -> list[bytes]:
        """Encode a part: the packets of the sound around it, without those that belong to others."""
        first, last = self._around(part)
        y = self.recording.read(first * PACKET, min(last * PACKET, self.frames))
        y = y * np.float32(10 ** (self.gain_db / 20))
        coder = self._coder()
        packets: list[bytes] = []
        for at in range(0, y.shape[1], PACKET):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(y[:, at : at + PACKET]), format="fltp", layout=self._layout
            )
            frame.sample_rate, frame.pts = self.sr, at
            packets += map(bytes, coder.encode(frame))
        packets += map(bytes, coder.encode(None))
        own = part * PART - first
        return packets[own : own + PART]
