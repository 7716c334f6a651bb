"""The one place where statuses and requests' exceptions become kinds of trouble, each with its sentence.

Never retries, and never lets the key, a header or a webhook into a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum, auto
from types import MappingProxyType

from requests import exceptions
from urllib3.exceptions import HTTPError as Urllib3Error

from scriptixd.errors import AccountTrouble, Away, FileTrouble, FolderTrouble, QuotaTrouble, Stopped, Trouble
from scriptixd.service.access import Access
from scriptixd.service.reply import Complaint, Reply

PASSING = ("ERR_UPLOAD_INTERRUPTED", "ERR_UPLOAD_STOPPED", "ERR_UNEXPECTED_EOF")  # what tusd serves as 400
CHECK_URL = "check api.url, then restart scriptixd"
CHECK_KEY = "check the key, api.url and api.auth, then restart scriptixd; keys are valid for one, two or five years"


class Asked(StrEnum):
    """What a request was for, as a sentence says it."""

    CREATE = "the opening of an upload"
    OFFSET = "the question how much of an upload it has"
    SEND = "a part of an upload"
    DISCARD = "the giving up of an upload"
    SESSION = "the question which session an upload became"
    RESULT = "the question for a transcript"
    LIST = "the question for a list of sessions"
    ERASE = "the erasing of a session"
    PROBE = "a question that tries the key"


class Cause(StrEnum):
    """Whom an exception of requests is about."""

    NETWORK = auto()  # the service or the network between: Away
    ADDRESS = auto()  # the configured address: AccountTrouble
    OURS = auto()  # nothing that we ask requests for can raise it: our bug, not translated


CAUSES: Mapping[type[Exception], Cause] = MappingProxyType(
    {
        exceptions.RequestException: Cause.NETWORK,
        exceptions.ConnectionError: Cause.NETWORK,
        exceptions.ProxyError: Cause.NETWORK,
        exceptions.SSLError: Cause.NETWORK,
        exceptions.Timeout: Cause.NETWORK,
        exceptions.ConnectTimeout: Cause.NETWORK,
        exceptions.ReadTimeout: Cause.NETWORK,
        exceptions.ChunkedEncodingError: Cause.NETWORK,
        exceptions.ContentDecodingError: Cause.NETWORK,
        exceptions.InvalidHeader: Cause.NETWORK,  # of the reply: ours are checked or made by us
        exceptions.URLRequired: Cause.ADDRESS,
        exceptions.MissingSchema: Cause.ADDRESS,
        exceptions.InvalidSchema: Cause.ADDRESS,
        exceptions.InvalidURL: Cause.ADDRESS,
        exceptions.InvalidProxyURL: Cause.ADDRESS,
        exceptions.InvalidJSONError: Cause.OURS,
        exceptions.JSONDecodeError: Cause.OURS,
        exceptions.HTTPError: Cause.OURS,
        exceptions.TooManyRedirects: Cause.OURS,
        exceptions.StreamConsumedError: Cause.OURS,
        exceptions.RetryError: Cause.OURS,
        exceptions.UnrewindableBodyError: Cause.OURS,
    }
)


@contextmanager
def translated(access: Access, stopped: Callable[[], bool]) -> Iterator[None]:
    """What requests raises in here leaves as Away, AccountTrouble or, after a stop, as Stopped."""
    try:
        yield
    except (exceptions.RequestException, Urllib3Error) as error:
        # From None: what these say of a reply that is none is that reply, and it may repeat whatever we have sent.
        if stopped():
            raise Stopped("the connections were closed") from None
        trouble = of_exception(error, access)
        if trouble is None:
            raise
        raise trouble from None


def of_exception(error: Exception, access: Access) -> Trouble | None:
    """The trouble that an exception of requests or urllib3 means; None if it is our own bug."""
    match next((CAUSES[kind] for kind in type(error).__mro__ if kind in CAUSES), Cause.NETWORK):
        case Cause.ADDRESS:
            return AccountTrouble(f"nothing can be asked at {access.url}", CHECK_URL)
        case Cause.NETWORK:
            return Away(*_network_sentence(error, access))
        case Cause.OURS:
            return None


def _network_sentence(error: Exception, access: Access) -> tuple[str, str]:
    network = "is the network up, and is api.url right?"
    match error:
        case exceptions.ConnectTimeout():
            return f"{access.origin} cannot be reached: no connection within {access.timeout_s:g} s", network
        case exceptions.Timeout():
            return f"{access.origin} did not answer within {access.timeout_s:g} s", ""
        case exceptions.SSLError():
            return f"the connection to {access.origin} is not safe: {_root(error)}", "check the clock and api.url"
        case exceptions.ConnectionError():
            return f"the connection to {access.origin} failed: {_root(error)}", network
        case _:
            return f"the reply of {access.origin} broke off or cannot be read", ""


def _root(error: BaseException) -> str:
    """The innermost reason, in the system's words."""
    chain = [error]
    for one in chain:  # grows on the way: requests and urllib3 keep the inner error in four places
        inner = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        chain.extend(found for found in inner if isinstance(found, BaseException) and found not in chain)
    spoken = (getattr(one, "verify_message", None) or getattr(one, "strerror", None) for one in reversed(chain))
    return next((text for text in spoken if isinstance(text, str) and text), "it was closed without an answer")


def refusal(  # noqa: PLR0911 - flat: one case a status
    reply: Reply, asked: Asked, access: Access, secrets: tuple[str, ...] = (), filename: str = ""
) -> Trouble:
    """What a reply means that is not the one that was asked for.

    `secrets` stay out of the sentence, besides those of the access; `filename` is no evidence of what it blames.
    """
    quote = reply.quote((*access.unspeakable, *secrets))
    said = f"{reply.status}: {quote}" if quote else str(reply.status)
    answered = f"{access.origin} answered {asked} with {said}"
    match reply.status:
        case 401 | 403:
            return AccountTrouble(f"{access.origin} refuses the key ({said})", CHECK_KEY)
        case 402 if asked in (Asked.CREATE, Asked.SEND):
            return QuotaTrouble(f"the account is used up ({said})", "more hours or another plan end this by themselves")
        case 408 | 423 | 425 | 429:
            return Away(answered, retry_after=reply.retry_after())
        case 409 if asked is Asked.SEND:
            return Away(f"{access.origin} is at another offset of the upload ({said})", retry_after=0.0)
        case status if status >= 500:
            return Away(answered, retry_after=reply.retry_after())
        case 400 if (code := reply.complaint().code) in PASSING:
            return Away(f"the upload was interrupted ({code})", retry_after=reply.retry_after())
        case 413 if asked is Asked.CREATE:
            limit = reply.headers.get("Tus-Max-Size", "").strip()
            most = f", it takes at most {limit} bytes" if limit.isdecimal() else ""
            return FileTrouble(f"the service finds the file too large ({said}){most}", "send a smaller or shorter file")
        case 413 if asked is Asked.SEND:
            return FileTrouble(
                f"{access.origin}, or a proxy before it, finds a part of the file too large ({said})",
                "set api.chunk_size to what a proxy on the way lets through, restart scriptixd, "
                "then: scriptixd retry FILE",
            )
        case 415 if asked in (Asked.CREATE, Asked.SEND):
            return FileTrouble(f"the service does not take this kind of file ({said})", "convert it, then retry")
        case _ if asked is Asked.CREATE:
            return _refused_creation(reply, said, access, filename)
        case _:
            return Away(answered, retry_after=reply.retry_after())


def _refused_creation(reply: Reply, said: str, access: Access, filename: str) -> Trouble:
    match reply.status:
        case 200 | 404 | 405 | 410 | 412:
            return wrong_url(access, said)
        case status if 300 <= status < 400:
            return wrong_url(access, f"{said}, a redirect that is not followed")
        case 400 | 422:
            blamed = _blamed(reply.complaint(), filename)
            if blamed:
                hint = f"check {blamed} of this folder in the configuration"
                return FolderTrouble(f"the service refuses what this folder asks for ({said})", hint)
            return FileTrouble(f"the service does not take this file ({said})", "correct what it names, then retry")
        case 414 | 431:
            return FileTrouble(f"the file's name or metadata is too long for the service ({said})", "rename it")
        case _:
            return Away(f"{access.origin} answered {Asked.CREATE} with {said}", retry_after=reply.retry_after())


def _blamed(complaint: Complaint, filename: str) -> str:
    """The folder's setting that a complaint names in its details, its code or its text; "" if none."""
    text = complaint.text.replace(filename, "") if filename else complaint.text
    spoken = " ".join((*complaint.fields, complaint.code, text)).lower().replace(" ", "_").replace("-", "_")
    return next((setting for setting in ("document_type", "language") if setting in spoken), "")


def wrong_url(access: Access, said: str) -> AccountTrouble:
    """The address is somebody else's, or not the part of the service that takes uploads."""
    return AccountTrouble(f"{access.url} does not take uploads ({said})", CHECK_URL)
