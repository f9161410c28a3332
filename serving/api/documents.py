"""Documents come in, and what people correct in them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import JSONResponse
from pydantic import Field

from features.documents import Kind
from ledger.chain import NotInLedgerError
from ledger.evidence import Correction, Document
from ledger.store import Transaction
from serving import auth, documents
from serving.access import Action
from serving.api.dependencies import Answer, Doors, IdempotencyKey, digest, once, permit, remembered
from serving.api.wire import Note, Text, Wire
from serving.auth import Caller
from serving.contract import records
from serving.contract.body import StrictRoute
from serving.stamps import iso, new_id

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=StrictRoute)
Sender = Annotated[Caller, permit(Action.DOCUMENTS_WRITE)]
Reader = Annotated[Caller, permit(Action.DOCUMENTS_READ)]
Corrector = Annotated[Caller, permit(Action.DOCUMENTS_CORRECT)]


class Evidence(StrEnum):
    """What a policy can demand that no form is; whoever approves sees the document itself."""

    PHOTO = "PHOTO"
    SUPPLIER_RETURN_AUTHORIZATION = "SUPPLIER_RETURN_AUTHORIZATION"
    PACKING_173_185_F = "PACKING_173_185_F"
    REGISTRANT_RECORD = "REGISTRANT_RECORD"
    COMPLAINT_RECORD = "COMPLAINT_RECORD"
    DECONTAMINATION_STATEMENT = "DECONTAMINATION_STATEMENT"


class CorrectedField(Wire):
    """One field as a person reads it."""

    name: Text
    value: Note | None


class CorrectionRequest(Wire):
    """What a person changed."""

    fields: Annotated[list[CorrectedField], Field(min_length=1, max_length=200)]
    comment: Note = ""


@router.post("", status_code=201, summary="Read a document", response_model=records.Document)
def post(  # the parts of a multipart form
    doors: Doors,
    caller: Sender,
    key: IdempotencyKey,
    file: Annotated[UploadFile, File(description="PDF, PNG, JPEG or TIFF.")],
    kind: Annotated[Kind | None, Form()] = None,
    return_line_id: Annotated[Text | None, Form()] = None,
    evidence: Annotated[
        Evidence | None, Form(description="What policy may demand, where it is that.")
    ] = None,
) -> JSONResponse:
    """Read a form, proof or claim into fields with confidence and place; the original is kept."""
    data = file.file.read()
    payload = digest(f"document {kind} {return_line_id} {evidence}", data)
    with doors.ledger.read() as tx:
        if answer := remembered(tx, caller, key, payload):
            return answer.response()
    name = file.filename or "document"
    body = documents.read(data, name=name, kind=kind, settings=doors.settings, ranker=doors.ranker)
    sha, path = documents.keep(data, doors.settings.home / "documents")

    def work(tx: Transaction) -> Answer:
        now = doors.now()
        said = {
            "id": new_id("doc"),
            "return_line_id": return_line_id,
            "created_at": iso(now),
            "digest": sha,
            **documents.beside_the_case(body, tx, return_line_id),
        }
        stored = Document(
            said["id"],
            sha,
            str(said["kind"]),
            path.name,
            said,
            caller.subject,
            now,
            return_line_id,
            {"evidence": evidence},
        )
        tx.add_document(stored)
        return Answer(201, said)

    return once(doors, caller, key, payload, work).response()


@router.get("/{document_id}", summary="What a document says", response_model=records.DocumentNow)
def get(doors: Doors, caller: Reader, document_id: str) -> dict[str, Any]:
    """The fields as they were read, and the corrections since."""
    with doors.ledger.read() as tx:
        found = tx.document(document_id)
        check_sites(tx, caller, found)
        if not found.body:
            raise NotInLedgerError(f"what document {document_id} said was erased.")
        corrections = tx.corrections(document_id)
    changed = [{**one.body, "id": one.id, "actor": one.actor, "at": iso(one.at)} for one in corrections]
    return {**found.body, "corrections": changed}


@router.post(
    "/{document_id}/corrections",
    status_code=201,
    summary="Correct what was read",
    response_model=records.Corrected,
)
def correct(
    doors: Doors, caller: Corrector, key: IdempotencyKey, document_id: str, body: CorrectionRequest
) -> JSONResponse:
    """Store a person's reading beside the machine's; both stay."""

    def work(tx: Transaction) -> Answer:
        check_sites(tx, caller, tx.document(document_id))
        now, correction_id = doors.now(), new_id("cor")
        tx.add_correction(Correction(correction_id, document_id, body.model_dump(), caller.subject, now))
        said = {"id": correction_id, "document_id": document_id, "actor": caller.subject, "at": iso(now)}
        return Answer(201, {**said, **body.model_dump()})

    return once(doors, caller, key, digest(f"correct {document_id}", body), work).response()


def check_sites(tx: Transaction, caller: Caller, document: Document) -> None:
    """Refuse a document of a return line at a site that is out of the caller's scope."""
    for recommendation in tx.answering(document.return_line_id) if document.return_line_id else ():
        auth.check_site(caller, recommendation.site)
