"""What a return line says about hidden type and cause, as more of it becomes known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from training.simulator.draws.lines import World
from training.simulator.laws.catalogue import Array
from training.simulator.laws.claims import ABUSE, log_claim
from training.simulator.laws.condition import code_law, grade_law
from training.simulator.laws.fraud import verdict_law
from training.simulator.laws.people import ABUSE_BY_STATE, PROFESSIONAL


@dataclass(frozen=True, slots=True)
class Evidence:
    """Log-likelihoods of return lines.

    Parameters
    ----------
    own : ndarray of shape (n, types, causes)
        Of the claim of a member of an ordinary group.
    ring : ndarray of shape (n, states, causes)
        Of the claim of a member of a ring that is off or on.
    past_own, past_ring : ndarray of shape (stages, n, types) and (stages, n, states)
        The same summed over causes, looking back: the claim alone, with the grade written down, and with
        the verdict on fraud as well.
    known : ndarray of shape (2, n)
        When the grade and the verdict became known; infinity where they never do.
    """

    own: Array
    ring: Array
    past_own: Array
    past_ring: Array
    known: Array

    def stage(self, line: Array, now: Array) -> Array:
        """How much was known of past lines at a moment: 0 the claim, 1 the grade, 2 the verdict."""
        return np.asarray((self.known[:, line] <= now).sum(axis=0))


def evidence(world: World) -> Evidence:
    """Weigh every return line under every hypothesis."""
    own = log_claim(world.claims.marks, world.scene.rates)
    ring = np.repeat(own[:, None, PROFESSIONAL], len(ABUSE_BY_STATE), axis=1)
    ring[:, :, ABUSE] += np.log(ABUSE_BY_STATE)
    learned = _learned(world)
    outcomes = world.outcomes
    return Evidence(
        own=own,
        ring=ring,
        past_own=np.stack([logsumexp(own + more[:, None], axis=2) for more in learned]),
        past_ring=np.stack([logsumexp(ring + more[:, None], axis=2) for more in learned]),
        known=np.stack([outcomes.label_known, np.nan_to_num(outcomes.fraud_known, nan=np.inf)]),
    )


def written_law(world: World) -> Array:
    """P(grade written down | cause), shape (n, causes, grades)."""
    marks, site = world.claims.marks, world.claims.site
    return np.asarray(grade_law(marks.group, marks.lag, marks.opened) @ code_law(site, marks.day))


def _learned(world: World) -> tuple[Array, Array, Array]:
    """Log-likelihood by cause of nothing, of the grade written down, and of grade and verdict."""
    outcomes = world.outcomes
    laws = written_law(world)
    laws = np.concatenate([laws, np.ones((*laws.shape[:2], 1))], axis=2)  # nobody looked: no evidence
    graded = np.log(laws[np.arange(len(laws)), :, outcomes.code])
    guilty = verdict_law()
    verdict = np.where((outcomes.fraud == 1)[:, None], guilty, 1 - guilty)
    verdict = np.where(np.isnan(outcomes.fraud)[:, None], 1.0, verdict)
    return np.zeros_like(graded), graded, graded + np.log(verdict)
