"""What cannot be read is refused with a sentence, and never takes the service down."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from features.documents import (
    DocumentError,
    DocumentTooLargeError,
    EncryptedDocumentError,
    Limits,
    UnsupportedDocumentError,
    read,
)

LIMITS = Limits(seconds=30)


def a_png(width: int, height: int, *, rows: bytes = b"") -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def a_pdf(pages: int = 1, *, password: str | None = None) -> bytes:
    target = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page(page_size=(200, 200))
        pdf.save(target, encryption=pikepdf.Encryption(owner="o", user=password) if password else False)
    return target.getvalue()


def test_an_empty_file_is_refused():
    with pytest.raises(DocumentError, match="empty"):
        read(b"")


def test_a_file_larger_than_allowed_is_refused_before_it_is_looked_at():
    with pytest.raises(DocumentTooLargeError, match="MiB"):
        read(b"%PDF-" + b"0" * 2048, limits=replace(LIMITS, max_bytes=1024))


@pytest.mark.parametrize("data", [b"PK\x03\x04docx", b"<html></html>", b"MZ\x90", b"hello"])
def test_a_file_of_another_type_is_refused(data: bytes):
    with pytest.raises(UnsupportedDocumentError, match="no PDF, PNG"):
        read(data)


def test_a_small_file_claiming_enormous_dimensions_is_refused_unopened():
    with pytest.raises(DocumentTooLargeError, match="pixels"):
        read(a_png(60_000, 60_000), limits=LIMITS)


def test_an_image_above_the_limit_is_refused_with_its_size():
    with pytest.raises(DocumentTooLargeError, match="9000 x 9000 pixels"):
        read(a_png(9000, 9000), limits=LIMITS)


def test_a_pdf_page_of_enormous_size_is_refused():
    target = io.BytesIO()
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(14_000, 14_000))
        pdf.save(target)
    with pytest.raises(DocumentTooLargeError, match="pixels"):
        read(target.getvalue(), limits=LIMITS)


def test_more_pages_than_allowed_are_refused():
    with pytest.raises(DocumentTooLargeError, match="5 pages"):
        read(a_pdf(5), limits=replace(LIMITS, max_pages=4))


def test_a_locked_pdf_is_refused():
    with pytest.raises(EncryptedDocumentError, match="password"):
        read(a_pdf(password="secret"), limits=LIMITS)


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\nnot a pdf at all", a_png(10, 10, rows=b"\x00")[:40], b"\xff\xd8\xff\xe0junk"]
)
def test_a_broken_file_is_refused_with_a_next_step(data: bytes):
    with pytest.raises(DocumentError, match="again"):
        read(data, limits=LIMITS)


def test_a_damaged_pdf_that_can_be_mended_is_read():
    whole = a_pdf()
    damaged = whole[: whole.rindex(b"startxref")]
    document = read(damaged, limits=LIMITS)
    assert len(document.pages) == 1
    assert any("damaged" in reason for reason in document.reasons)


def test_a_document_that_takes_too_long_is_given_up():
    target = io.BytesIO()
    Image.effect_noise((2000, 2000), 90).save(target, "PNG")
    with pytest.raises(DocumentError, match="took longer than"):
        read(target.getvalue(), limits=replace(LIMITS, seconds=0.3))


def test_a_document_that_wants_more_memory_than_allowed_is_given_up():
    target = io.BytesIO()
    Image.new("L", (5000, 5000), 255).save(target, "PNG")
    with pytest.raises(DocumentError, match="within its limits"):
        read(target.getvalue(), limits=replace(LIMITS, memory_bytes=150 * 1024 * 1024))


def test_nothing_is_left_behind_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read(a_pdf(), limits=LIMITS)
    assert list(tmp_path.iterdir()) == []


def test_a_blank_page_is_for_a_person():
    document = read(a_pdf(), limits=LIMITS)
    assert document.needs_review
    assert any("No text" in reason for reason in document.reasons)
