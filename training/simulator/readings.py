"""Generated forms -> readings known to be right or wrong -> the ranker of document fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from features.documents.document import Proposal
from features.documents.intake import Limits
from features.documents.isolation import extract_apart
from models.fields import FieldRanker, fit
from training.simulator.forms import Form, forms


@dataclass(frozen=True, slots=True)
class Example:
    """One reading of one field of one generated form, and whether it is what was written."""

    document: int
    proposal: Proposal
    right: bool


def examples(count: int, *, rng: np.random.Generator, limits: Limits) -> Iterator[Example]:
    """Yield the readings of `count` generated forms, read as the service reads them."""
    for number, form in enumerate(forms(count, rng=rng)):
        truth = _written(form)
        for proposal in extract_apart(form.png(), kind=None, limits=limits).proposals:
            if proposal.name in truth:
                yield Example(number, proposal, proposal.value.upper() == truth[proposal.name])


def _written(form: Form) -> dict[str, str]:
    return {truth.field: truth.value.upper() for truth in form.truths}


def train_ranker(count: int, *, rng: np.random.Generator, limits: Limits) -> FieldRanker:
    """Return a ranker trained on `count` generated forms; about a second and a half each."""
    found = list(examples(count, rng=rng, limits=limits))
    return fit(
        [example.proposal for example in found],
        [example.right for example in found],
        documents=[example.document for example in found],
        rng=rng,
    )
