"""What a sidecar may be called: pure, in the order of preference."""

from __future__ import annotations

from typing import Final

WHOLE_SET_MARK: Final = "json"  # written last: where it lies, the set is complete


def candidates(source_path: str, output: str) -> tuple[str, str]:
    """`talk.srt`, or `talk.mp4.srt` where that is somebody else's; decided before anything is paid."""
    directory, slash, name = source_path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return f"{directory}{slash}{stem}.{output}", f"{source_path}.{output}"


def last_resort(source_path: str, output: str) -> str:
    """Where both names were taken after the job was paid for."""
    return f"{source_path}.scriptix.{output}"


def in_order(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The order of writing: the JSON last."""
    return tuple(sorted(outputs, key=lambda output: output == WHOLE_SET_MARK))
