"""Listening: any media file → English words with times, as far as PocketSphinx hears them.

Run as a program it is one worker's child process: a path a line on stdin, a Heard as JSON a line on
stdout. It never writes anything else, and is gone as soon as its stdin is closed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import av
from pocketsphinx import Decoder, Endpointer

from scriptixd.sandbox.records import Heard, Word

SAMPLE_RATE = 16_000  # Hz, what the model was trained on
SAMPLE_BYTES = 2
FRAMES_PER_SECOND = 100  # the decoder counts time in hundredths of a second
LONGEST_UTTERANCE = 20.0  # s; endless speech is cut, so that words and memory keep coming
NICENESS = 5  # listening gives way to answering
FOREIGN_PROTOCOLS = {"protocol_whitelist": "file"}  # a playlist must not make us fetch what it names


class Listener:
    """One loaded model; hears one file after the other, each as if it were the first."""

    def __init__(self) -> None:
        self._decoder = Decoder(logfn=os.devnull, samprate=float(SAMPLE_RATE))
        self._voice_of_nobody = self._decoder.get_cmn(False)

    def hear(self, media: Path) -> Heard:
        """The words of the file, or why there are none."""
        try:
            if not media.stat().st_size:
                return Heard(error="The file is empty, there is nothing to transcribe.")
            with av.open(str(media), options=FOREIGN_PROTOCOLS) as container:
                if not container.streams.audio:
                    return Heard(error="The file has no sound, there is nothing to transcribe.")
                return self._transcribe(Sound(container))
        except (av.error.FFmpegError, OSError) as error:
            reason = error.strerror or "it cannot be decoded"
            return Heard(error=f"The file cannot be read as audio or video: {reason}.")

    def _transcribe(self, sound: Sound) -> Heard:
        # The decoder adapts to the voice and the noise it hears; the next file begins without that.
        self._decoder.reinit_feat()
        self._decoder.set_cmn(self._voice_of_nobody)
        utterances = tuple(words for words in self._utterances(sound) if words)
        if sound.trouble and not sound.duration:
            return Heard(error=f"The sound of the file cannot be decoded: {sound.trouble}.")
        return Heard(round(sound.start + sound.duration, 3), utterances)

    def _utterances(self, sound: Sound) -> Iterator[tuple[Word, ...]]:
        """Splits at the silences; each utterance is decoded while it is being read."""
        endpointer = Endpointer(sample_rate=SAMPLE_RATE)
        start: float | None = None  # s, where the running utterance began
        length = 0.0
        for frame in sound.frames(endpointer.frame_bytes):
            speech = endpointer.process(frame)
            if speech is None:
                continue
            if start is None:
                start, length = endpointer.speech_start, 0.0
                self._decoder.start_utt()
            self._decoder.process_raw(speech, no_search=False, full_utt=False)
            length += _seconds(len(speech))
            if endpointer.in_speech and length < LONGEST_UTTERANCE:
                continue
            yield self._words(sound.start + start)
            start = start + length if endpointer.in_speech else None
            if start is not None:
                length = 0.0
                self._decoder.start_utt()
        if start is not None:
            if speech := endpointer.end_stream(sound.rest):
                self._decoder.process_raw(speech, no_search=False, full_utt=False)
            yield self._words(sound.start + start)

    def _words(self, offset: float) -> tuple[Word, ...]:
        self._decoder.end_utt()
        return tuple(
            Word(
                text=segment.word.partition("(")[0],  # "(2)" marks the second way to pronounce it
                start=round(offset + segment.start_frame / FRAMES_PER_SECOND, 3),
                stop=round(offset + (segment.end_frame + 1) / FRAMES_PER_SECOND, 3),
                confidence=round(min(max(segment.prob, 0.0), 1.0), 4),
            )
            for segment in self._decoder.seg()
            if segment.word[0] not in "<[+"  # <s>, </s>, <sil>, [NOISE], ++UH++
        )


class Sound:
    """The first sound track of a container as 16 kHz mono samples, in constant memory.

    `start` and `duration` are seconds; `trouble` is why decoding ended early, if it did: what was
    decoded until then is kept.
    """

    def __init__(self, container: av.container.InputContainer) -> None:
        self._container = container
        self.start = 0.0
        self.duration = 0.0
        self.rest = bytes(SAMPLE_BYTES)  # one silent sample: the endpointer takes no empty end
        self.trouble: str | None = None

    def frames(self, size: int) -> Iterator[bytes]:
        """Frames of exactly `size` bytes; afterwards `rest` is what did not fill one."""
        held = bytearray()
        for samples in self._decoded():
            self.duration += _seconds(len(samples))
            held += samples
            whole = len(held) - len(held) % size
            for at in range(0, whole, size):
                yield bytes(held[at : at + size])
            del held[:whole]
        if held:
            self.rest = bytes(held)

    def _decoded(self) -> Iterator[bytes]:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        first = True
        try:
            for frame in self._container.decode(audio=0):
                if first:
                    self.start, first = max(frame.time or 0.0, 0.0), False
                for part in resampler.resample(frame):
                    yield _bytes(part)
        except av.error.FFmpegError as error:
            self.trouble = error.strerror or "the decoder gives no reason"
        if not first:
            for part in resampler.resample(None):
                yield _bytes(part)


def _bytes(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]  # planes are padded


def _seconds(size: int) -> float:
    return size / (SAMPLE_RATE * SAMPLE_BYTES)


def _read_paths(paths: queue.SimpleQueue[Path]) -> None:
    for line in sys.stdin:
        paths.put(Path(json.loads(line)))
    # Whoever asked is gone, perhaps by kill -9: nobody waits for the rest.
    os._exit(0)


def main() -> None:
    os.nice(NICENESS)
    paths: queue.SimpleQueue[Path] = queue.SimpleQueue()
    threading.Thread(target=_read_paths, args=(paths,), daemon=True).start()
    listener = Listener()
    while True:
        heard = listener.hear(paths.get())
        print(json.dumps(dataclasses.asdict(heard)), flush=True)  # noqa: T201 - the answer to the parent


if __name__ == "__main__":
    main()
