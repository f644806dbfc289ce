"""Which files Open WebUI reads here, and what its people are told about those that it does not.

Open WebUI takes every file, keeps it, and fails later with the name of a missing package, or reads
the bytes of a picture as if they were words. Here a file is judged by its name, by what its sender
says it is and by its first bytes, before it is kept; and where reading it fails all the same, in
words of ours instead of a package's.
"""

from pathlib import PurePath

HEAD_BYTES = 8192
SAVE_AS = "Save it as PDF, DOCX, XLSX, PPTX or plain text, and attach that."

OLD_OFFICE = b"\xd0\xcf\x11\xe0"
ZIP = b"PK\x03\x04"
BEGINNINGS = {
    "docx": (ZIP,),
    "pptx": (ZIP,),
    "xlsx": (ZIP,),
    "xls": (OLD_OFFICE, ZIP),
}
"""How a file of a kind that is read begins; a PDF may have other bytes in front."""
WITH_UNSTRUCTURED = {"epub": "application/epub+zip", "msg": "", "odt": ""}
"""Kinds that are read where the package `unstructured` is installed, and how senders call them."""
NEVER = {"doc": "application/msword", "ppt": "", "odp": "", "ods": "", "rtf": "", "pages": ""}
"""Kinds that want an office suite, or would be read with their markup as text."""
ENCODED_TEXT = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
"""Text in two or four bytes a letter says so in front."""


def refusal(name: str, kind: str, head: bytes, *, has_unstructured: bool = False) -> str | None:
    """Why a file is not read, in words; None when it is.

    Args:
        name: As its sender calls it.
        kind: Its media type, as its sender says; empty when unsaid.
        head: Its first ``HEAD_BYTES`` bytes.
        has_unstructured: Whether that package is installed.
    """
    ending = PurePath(name).suffix[1:].lower()
    is_text = head.startswith(ENCODED_TEXT) or b"\x00" not in head
    if kind.startswith(("audio/", "video/")) and not is_text:
        return f"{name}: there is no speech recognition here. Attach what was said as text."
    if kind.startswith("image/") and not is_text:
        return f"{name}: words in pictures are not read here. Attach the document as text or PDF."
    # The ending first: not every sender knows the newer kinds by their media types.
    if ending in BEGINNINGS or ending == "pdf":
        return None if _begins_so(ending, head) else _not_inside(name, ending, head)
    refused = NEVER if has_unstructured else {**NEVER, **WITH_UNSTRUCTURED}
    if ending in refused or kind in set(filter(None, refused.values())):
        return f"{name}: this kind of file cannot be read here. {SAVE_AS}"
    if is_text or (has_unstructured and ending in WITH_UNSTRUCTURED):
        return None
    return f"{name}: this is neither text nor a document that can be read here. {SAVE_AS}"


def unreadable(name: str) -> str:
    """Why a file that looked like one that is read is not, in words."""
    return (
        f"{name} could not be read: it is damaged, protected by a password, or something else "
        "inside than its name says. Open it in its program, save it again, and attach that."
    )


def wordless(name: str) -> str:
    """Why a file in which nothing is written is of no use, in words."""
    return (
        f"{name} holds no words that can be read here, as a scan does. Attach a version that has "
        "its text inside."
    )


def _begins_so(ending: str, head: bytes) -> bool:
    if ending == "pdf":
        return b"%PDF" in head[:1024]
    return head.startswith(BEGINNINGS[ending])


def _not_inside(name: str, ending: str, head: bytes) -> str:
    if not head:
        return f"{name} is empty."
    if head.startswith(OLD_OFFICE):
        return f"{name} is protected by a password, or of an old kind. {SAVE_AS}"
    return f"{name} is no {ending.upper()} file inside. Open it in its program, and save it again."
