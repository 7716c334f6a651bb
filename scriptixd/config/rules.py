"""What holds for the files of a folder: its defaults, its own settings and its rules, merged and checked.

Pure. A block's own settings win over those under it, one by one; of rules, the first that matches wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from scriptixd.captions.layout import Numbers
from scriptixd.captions.manner import Manner, Writing
from scriptixd.captions.style import Style
from scriptixd.config.document import Location
from scriptixd.config.findings import Findings, name_of
from scriptixd.config.model import (
    AfterDoneBlock,
    AskAboveBlock,
    Block,
    BoundsBlock,
    CaptionsBlock,
    FolderBlock,
    FolderDefaults,
    FolderLimitsBlock,
    OutputBlock,
    PathBlock,
    RuleBlock,
    ScriptixBlock,
    WebhookBlock,
)
from scriptixd.config.settings import Newline, PathSettings
from scriptixd.config.values import JSON_OUTPUT
from scriptixd.jobs.bounds import Bounds
from scriptixd.jobs.job import AfterDone, DocumentType, Labels, OutputPlace, Request, Webhook
from scriptixd.jobs.timetable import Rates
from scriptixd.roots.root import FileAccess

REQUIRED: Final = {"language": "what is spoken, such as nl", "document_type": "caption or document"}
MERGED: Final = (ScriptixBlock, AskAboveBlock, FolderLimitsBlock, OutputBlock, CaptionsBlock)
EVERYTHING: Final = frozenset({"*", "**", "**/*"})  # patterns that match every file

Inner = TypeVar("Inner", bound=Block)


def over(under: Block, own: Inner) -> Inner:
    """A block with what it does not set itself taken from the one under it; so, too, the blocks in it."""
    update: dict[str, object] = {}
    for name in under.model_fields_set & type(own).model_fields.keys():
        theirs, ours = getattr(under, name), getattr(own, name)
        if name not in own.model_fields_set:
            update[name] = theirs
        elif any(_merges(theirs, kind, ours) for kind in MERGED):
            update[name] = over(theirs, ours)
    return own.model_copy(update=update)


def _merges(theirs: object, kind: type[Block], ours: object) -> bool:
    return isinstance(theirs, kind) and isinstance(ours, kind)


def check(block: FolderDefaults, place: Location, findings: Findings) -> None:
    """What a block and its rules set themselves, as far as one value alone does not tell."""
    _check(block, place, findings)
    check_bounds(block.limits, (*place, "limits"), findings)
    first: dict[str, int] = {}
    for index, rule in enumerate(block.rules):
        here = (*place, "rules", index)
        _check(rule, here, findings)
        if rule.match is None:
            findings.add_missing((*here, "match"), "is required: a pattern such as 'en/**' for the files it is about")
            continue
        before = next((first[pattern] for pattern in (rule.match, *sorted(EVERYTHING)) if pattern in first), None)
        if before is not None:
            other = name_of((*place, "rules", before))
            findings.warn((*here, "match"), f"can never decide: {other} before it matches the same files")
        first.setdefault(rule.match, index)


def _check(block: PathBlock, place: Location, findings: Findings) -> None:
    if block.include is not None and not block.include:
        findings.add((*place, "include"), "must name at least one pattern; null means all audio and video files")
    if block.outputs is not None and JSON_OUTPUT not in block.outputs:
        findings.add((*place, "outputs"), "must contain 'json': it is written last, as the mark that all are there")
    if block.outputs is not None and len(set(block.outputs)) < len(block.outputs):
        findings.add((*place, "outputs"), "names an output twice")
    if refusal := _refusal(block.captions):
        findings.add((*place, "captions"), refusal)
    webhook = block.scriptix.webhook
    if webhook is not None and webhook.url is None:
        findings.add_missing((*place, "scriptix", "webhook", "url"), "is required: the address to call")
    if block.after_done is not None:
        _check_command(block.after_done.command, (*place, "after_done", "command"), findings)


def _check_command(command: tuple[str, ...] | None, place: Location, findings: Findings) -> None:
    program = command[0] if command else ""
    if command is None:
        findings.add_missing(place, "is required: a program and its arguments, as [/usr/local/bin/publish, council]")
    elif not program or ("/" in program and not program.startswith("/")):
        findings.add(place, "must begin with a program: its absolute path, or its name alone if it is in PATH")


def check_bounds(block: BoundsBlock, place: Location, findings: Findings) -> None:
    if block.bandwidth is not None and not block.bandwidth:
        findings.add_missing((*place, "bandwidth"), "must have at least one line, as '\"19:00\": 20MiB/s'")


def check_hours(block: FolderBlock, of_all: BoundsBlock, index: int, findings: Findings) -> None:
    """Of a merged block: hours of the day that leave no minute in which anything may be sent."""
    ours, others = block.limits.upload_hours, of_all.upload_hours
    if ours is not None and others is not None and not ours.meets(others):
        place = ("folders", index, "limits", "upload_hours")
        findings.add(
            place, f"has no minute in common with limits.upload_hours ({others.written}): nothing is ever sent"
        )


def check_contact(block: FolderBlock, own: FolderBlock, index: int, findings: Findings) -> None:
    """Of a merged block: somebody to ask, named where nothing is written that would say so."""
    if own.contact and not block.problem_note:
        findings.warn(("folders", index, "contact"), "is told nobody: set 'problem_note: true', whose file names it")


def check_sizes(block: PathBlock, place: Location, findings: Findings) -> None:
    """Of a merged block: `place` is where a size was set that does not fit the other."""
    if block.min_size > block.max_size:
        findings.add((*place, "max_size"), "must not be smaller than 'min_size'")


def check_captions(block: PathBlock, under: PathBlock, place: Location, findings: Findings) -> None:
    """Of a merged block: numbers that are right by themselves, and cannot be kept together with those under them."""
    if not _refusal(under.captions) and (refusal := _refusal(block.captions)):
        findings.add((*place, "captions"), refusal)


def check_required(
    block: FolderBlock, rules: Sequence[RuleBlock], index: int, rules_at: Location, findings: Findings
) -> None:
    """What has to be asked of the service: told by the folder, by its defaults, or by every rule."""
    for name, meaning in REQUIRED.items():
        here = ("folders", index, name)
        if getattr(block, name) is not None or not findings.leaves_out(("defaults", name)):
            continue
        absent = [place for place, rule in enumerate(rules) if getattr(rule, name) is None]
        lacking = [(*rules_at, place, name) for place in absent if findings.leaves_out((*rules_at, place, name))]
        if len(lacking) == len(rules):
            by_rules = ", or by every rule" if rules else ""
            findings.add_missing(here, f"is required, here or in 'defaults'{by_rules}: {meaning}")
        elif findings.leaves_out(here):
            for location in lacking:
                sentence = f"is required in this rule, since the folder has no {name} of its own: {meaning}"
                findings.add_missing(location, sentence)


def lacks(block: PathBlock) -> str:
    """The first required setting that a block does not have; empty if it has them all."""
    return next((name for name in REQUIRED if getattr(block, name) is None), "")


def settings_by(rule: RuleBlock) -> PathSettings | None:
    """What holds where a merged rule matches; None if it is not whole."""
    request = request_of(rule)
    if rule.match is None or request is None:
        return None
    return PathSettings(
        rule=rule.match,
        include=rule.include,
        exclude=rule.exclude,
        settle=rule.settle,
        min_size=rule.min_size,
        max_size=rule.max_size,
        existing=rule.existing,
        changed=rule.changed,
        outputs=outputs_of(rule),
        output=place_of(rule.output),
        manner=manner_of(rule.captions),
        request=request,
        labels=labels_of(rule.scriptix),
        filename=rule.scriptix.filename,
        erase_after=rule.delete_remote,
        after_done=after_done_of(rule.after_done),
    )


def request_of(block: PathBlock) -> Request | None:
    """What the service is asked; None if a required setting is not there."""
    if block.language is None or block.document_type is None:
        return None
    return Request(
        language=block.language,
        document_type=block.document_type,
        punctuation=block.scriptix.punctuation,
        multichannel=block.scriptix.multichannel,
        diarization=block.scriptix.diarization,
        document=block.scriptix.document,
    )


def bounds_of(block: BoundsBlock) -> Bounds:
    return Bounds(
        bandwidth=Rates(tuple(sorted(block.bandwidth.items()))) if block.bandwidth else None,
        upload_hours=block.upload_hours,
        files_per_day=block.files_per_day,
        hours_per_day=block.hours_per_day,
        hours_per_month=block.hours_per_month,
    )


def outputs_of(block: PathBlock) -> tuple[str, ...]:
    """In the order of writing, the JSON last; by themselves they are those that fit what is asked for."""
    fitting = (JSON_OUTPUT, "srt", "txt") if block.document_type is DocumentType.DOCUMENT else (JSON_OUTPUT, "srt")
    outputs = fitting if block.outputs is None else block.outputs
    return tuple(sorted(outputs, key=lambda name: name == JSON_OUTPUT))


def manner_of(block: CaptionsBlock) -> Manner:
    """What is made of a transcript; the language is each file's own. Numbers that were refused are the profile's."""
    try:
        style = _style_of(block)
    except ValueError:
        style = Style("", block.profile, speaker_labels=block.speaker_labels)
    return Manner(style, Writing(block.srt_bom, block.srt_newline is Newline.CRLF, block.vtt_note))


def _refusal(block: CaptionsBlock) -> str:
    """Why no captions can be made with these numbers; empty if they can."""
    try:
        _style_of(block)
    except ValueError as error:
        return f"cannot be kept: {error}"
    return ""


def _style_of(block: CaptionsBlock) -> Style:
    """Raises ValueError for numbers with which no cue could be made."""
    numbers = Numbers.in_seconds(
        block.max_chars,
        block.max_lines,
        block.min_duration,
        block.max_duration,
        block.chars_per_second,
        block.gap,
        block.chain,
    )
    return Style("", block.profile, numbers, block.speaker_labels)


def place_of(block: OutputBlock) -> OutputPlace:
    return OutputPlace(block.directory, block.suffix, FileAccess(block.mode, block.group))


def after_done_of(block: AfterDoneBlock | None) -> AfterDone | None:
    return AfterDone(block.command, block.timeout) if block is not None and block.command else None


def labels_of(scriptix: ScriptixBlock) -> Labels:
    return Labels(
        filename=None,
        keep_source=scriptix.keep_source,
        folder_id=scriptix.folder_id,
        metadata=tuple(sorted(scriptix.metadata.items())),
        webhook=_webhook(scriptix.webhook) if scriptix.webhook is not None else None,
    )


def _webhook(block: WebhookBlock) -> Webhook | None:
    if block.url is None:
        return None
    headers = tuple(f"{name}: {value}" for name, value in block.headers.items())
    return Webhook(block.url, block.method.value, headers)
