"""/documents/{id}: the pages with what was read marked on them; a person's reading is stored beside it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import ValidationError

from ledger.chain import NotInLedgerError
from ledger.evidence import Document
from ledger.store import Transaction
from serving import documents
from serving.access import Action
from serving.api import documents as api
from serving.api.dependencies import Doors
from serving.auth import Caller
from serving.errors import ProblemError
from serving.web.problems import PageRoute
from serving.web.rendering import page
from serving.web.visitors import PageForm, signed_in, text_of
from serving.web.work.evidence import sheet

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Caller, signed_in(Action.DOCUMENTS_READ)]
Corrector = Annotated[Caller, signed_in(Action.DOCUMENTS_CORRECT)]
KEPT = "private, max-age=3600"


@router.get("/documents/{document_id}")
def document(request: Request, doors: Doors, caller: Reader, document_id: str, saved: str = "") -> Response:
    """What a document says, where it says so, how surely, and what people made of it."""
    with doors.ledger.read() as tx:
        found = _in_reach(tx, caller, document_id)
        corrections = tx.corrections(document_id)
    shown = {
        "document": sheet(found, corrections),
        "corrections": corrections,
        "saved": bool(saved),
        "form_key": secrets.token_urlsafe(16),
    }
    return page(request, "document.html", shown)


@router.get("/documents/{document_id}/pages/{number}")
def picture(doors: Doors, caller: Reader, document_id: str, number: int) -> Response:
    """One page as people see it."""
    with doors.ledger.read() as tx:
        found = _in_reach(tx, caller, document_id)
    path = documents.page_picture(found, number, settings=doors.settings)
    return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": KEPT})


@router.post("/documents/{document_id}/correct")
def correct(request: Request, doors: Doors, caller: Corrector, form: PageForm, document_id: str) -> Response:
    """Store what a person reads otherwise, with who it was; fields left as they were are left alone."""
    read = zip(form.getlist("name"), form.getlist("was"), form.getlist("value"), strict=True)
    changed: list[dict[str, Any]] = [
        {"name": str(name), "value": str(value).strip() or None}
        for name, was, value in read
        if str(value).strip() != str(was).strip()
    ]
    if text_of(form, "new_name"):
        changed.append({"name": text_of(form, "new_name"), "value": text_of(form, "new_value") or None})
    if not changed:
        raise ProblemError(422, "nothing_changed", "No field differs from what was read; nothing was stored.")
    try:
        body = api.CorrectionRequest.model_validate({"fields": changed, "comment": text_of(form, "comment")})
    except ValidationError as error:
        raise ProblemError(422, "invalid", "A field's name or value is longer than is kept.") from error
    api.correct(doors, caller, f"page/{text_of(form, 'form_key')[:100]}", document_id, body)
    return RedirectResponse(f"/documents/{document_id}?saved=1", 303)


def _in_reach(tx: Transaction, caller: Caller, document_id: str) -> Document:
    found = tx.document(document_id)
    api.check_sites(tx, caller, found)
    if not found.body:
        raise NotInLedgerError(f"what document {document_id} said was erased.")
    return found
