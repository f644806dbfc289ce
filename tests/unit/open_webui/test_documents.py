"""Which files are read: by name, by media type and by first bytes."""

import sys

import pytest

from support.open_webui import SOURCE

sys.path.append(str(SOURCE))

import documents

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 64
ZIP = b"PK\x03\x04\x14\x00\x00\x00"
BINARY = b"\x7fELF\x02\x01\x01\x00\x00"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest.mark.parametrize(
    ("name", "kind", "head"),
    [
        ("a.pdf", "application/pdf", b"%PDF-1.7\n\x00"),
        ("a.PDF", "", b"\n\n%PDF-1.4\x00"),
        ("a.docx", WORD, ZIP),
        ("a.xlsx", "", ZIP),
        ("a.xls", "application/vnd.ms-excel", OLE),
        ("a.pptx", "", ZIP),
        ("a.docx", "application/msword", ZIP),
        ("a.csv", "application/vnd.ms-excel", b"a;b\n1;2\n"),
        ("notes.md", "", b"# Title"),
        ("page.html", "text/html", b"<p>hello</p>"),
        ("mail.eml", "message/rfc822", b"From: a@example.com\n\nhello"),
        ("feed.xml", "text/xml", b"<a/>"),
        ("program.ts", "video/mp2t", b"const a = 1;"),
        ("drawing.svg", "image/svg+xml", b"<svg/>"),
        ("LICENSE", "", b"words"),
        ("cyrillic.txt", "text/plain", b"\xcf\xf0\xe8\xe2\xe5\xf2"),
        ("notepad.txt", "text/plain", b"\xff\xfeh\x00i\x00"),
        ("empty.txt", "text/plain", b""),
    ],
)
def test_what_can_be_read_is_taken(name: str, kind: str, head: bytes):
    assert documents.refusal(name, kind, head) is None


@pytest.mark.parametrize(
    ("name", "kind", "head", "said"),
    [
        ("a.doc", "application/msword", OLE, "Save it as PDF, DOCX"),
        ("noending", "application/msword", OLE, "Save it as PDF, DOCX"),
        ("a.ppt", "", OLE, "Save it as PDF, DOCX"),
        ("a.odt", "", ZIP, "Save it as PDF, DOCX"),
        ("a.ods", "", ZIP, "Save it as PDF, DOCX"),
        ("a.epub", "application/epub+zip", ZIP, "Save it as PDF, DOCX"),
        ("a.msg", "", OLE, "Save it as PDF, DOCX"),
        ("a.rtf", "text/rtf", rb"{\rtf1", "Save it as PDF, DOCX"),
        ("a.zip", "application/zip", ZIP, "neither text nor a document"),
        ("program.exe", "", BINARY, "neither text nor a document"),
        ("a.txt", "text/plain", BINARY, "neither text nor a document"),
        ("a.docx", "", b"words", "is no DOCX file inside"),
        ("a.docx", "", OLE, "protected by a password"),
        ("a.pdf", "application/pdf", b"<html>", "is no PDF file inside"),
        ("a.pdf", "application/pdf", b"", "is empty"),
        ("a.png", "image/png", b"\x89PNG\r\n\x1a\n\x00", "pictures are not read"),
        ("a.mp3", "audio/mpeg", b"ID3\x04\x00", "no speech recognition"),
        ("a.mp4", "video/mp4", b"\x00\x00\x00\x18ftyp", "no speech recognition"),
    ],
)
def test_what_cannot_is_refused_with_what_helps(name: str, kind: str, head: bytes, said: str):
    refused = documents.refusal(name, kind, head)
    assert refused is not None
    assert refused.startswith(name)
    assert said in refused
    assert "pip" not in refused


def test_where_a_package_reads_more_that_is_taken():
    for name, head in (("a.odt", ZIP), ("a.epub", ZIP), ("a.msg", OLE)):
        assert documents.refusal(name, "", head, has_unstructured=True) is None
    assert documents.refusal("a.doc", "", OLE, has_unstructured=True)
