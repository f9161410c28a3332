"""From challenger to champion: gates, a recorded flip of the alias, and the way back."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import bentoml
from bentoml.exceptions import NotFound

from features.returns import BadInputError, RecoupError
from training.answers import CARD, card
from training.evidence.gates import LIMITS, Gate, Limits, gates_of
from training.tracking import PREVIOUS, Registered, Registry


class PromotionRefusedError(RecoupError):
    """A gate failed; the champion stays."""

    status = 409
    code = "promotion_refused"


def promote(
    challenger: Registered, *, registry: Registry, seed: int = 0, now: datetime, limits: Limits = LIMITS
) -> list[Gate]:
    """Put a challenger through every gate and make it the champion.

    Raises
    ------
    PromotionRefusedError
        If a gate fails; it names the gates, which are recorded, and the champion stays.
    """
    champion = registry.champion(challenger.task)
    gates = gates_of(challenger, champion, registry=registry, seed=seed, limits=limits)
    failed = [gate for gate in gates if not gate.passes]
    if failed:
        reasons = "; ".join(f"{gate.name}: {gate.finding}" for gate in failed)
        registry.tag(challenger, {"refused_at": now.isoformat(), "refused_by": reasons})
        raise PromotionRefusedError(
            f"{challenger.name} version {challenger.version} is not promoted: {reasons}."
        )
    followed = champion.version if champion and champion.version != challenger.version else ""
    tags = {
        "promoted_at": now.isoformat(),
        "gates": json.dumps({gate.name: gate.finding for gate in gates}),
    }
    # A champion promoted again keeps the record of whom it followed.
    _flip(challenger, champion, registry, tags | ({PREVIOUS: followed} if followed or not champion else {}))
    return gates


def _flip(to: Registered, since: Registered | None, registry: Registry, tags: dict[str, str]) -> None:
    """Put the copy into the service's store, then move the alias; where that fails the copy goes again."""
    keep_for_service(to)
    try:
        registry.crown(to, tags=tags)
    except Exception:
        if since is not None:
            keep_for_service(since)
        if since is None or since.version != to.version:
            withdraw(to)
        raise


def rollback(task: str, *, registry: Registry, now: datetime) -> Registered:
    """Give the crown back to the champion before the present one.

    Raises
    ------
    BadInputError
        If there is no champion, or none before it.
    """
    champion = registry.champion(task)
    if champion is None or not champion.tags.get(PREVIOUS):
        raise BadInputError(f"{task}: there is no earlier champion to return to.")
    earlier = registry.find(f"{champion.name}/{champion.tags[PREVIOUS]}")
    tags = {"restored_at": now.isoformat(), "restored_from": champion.version}
    _flip(earlier, champion, registry, tags)
    registry.tag(champion, {"rolled_back_at": now.isoformat(), "rolled_back_to": earlier.version})
    return earlier


def keep_for_service(champion: Registered) -> bentoml.Model:
    """Copy a champion into BentoML's store as its newest version, the card beside the model's files."""
    withdraw(champion)  # a version that returns becomes the newest again
    tag = f"{champion.name}:{champion.version}"
    facts = card(champion.folder) | {"version": champion.version, "name": champion.name}
    labels = {"task": champion.task, "version": champion.version}
    with bentoml.models.create(tag, labels=labels, metadata={"digest": facts["digest"]}) as model:
        shutil.copytree(champion.folder, model.path, dirs_exist_ok=True)
        (Path(model.path) / CARD).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return model


def show_challenger(challenger: Registered) -> None:
    """Put a challenger's card, and nothing else of it, where the service shows it beside the champion's."""
    name = f"{challenger.name}-challenger"
    with suppress(NotFound):
        bentoml.models.delete(f"{name}:{challenger.version}")
    facts = card(challenger.folder) | {"version": challenger.version, "name": challenger.name}
    with bentoml.models.create(f"{name}:{challenger.version}") as model:
        (Path(model.path) / CARD).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")


def withdraw(model: Registered) -> None:
    """Take a version's copy out of BentoML's store, if it is there."""
    with suppress(NotFound):
        bentoml.models.delete(f"{model.name}:{model.version}")
