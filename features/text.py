"""Free text into a few numbers: how strongly its words point to each outcome, in any language.

Words and letter groups (TF-IDF) feed a ridge regression on the label; its scores are the features. Training
rows are scored by a model that has not seen them, so that a memorised sentence never looks like evidence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import repeat
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import Ridge

Floats = npt.NDArray[np.float64]
# Chosen on OpenRepair's earlier years: letters carry the languages that words are too rare in.
ANALYZERS: Final[tuple[dict[str, Any], ...]] = (
    {"analyzer": "word", "ngram_range": (1, 2), "max_features": 30_000, "min_df": 5},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 40_000, "min_df": 10},
)
COMMON: Final[dict[str, Any]] = {"strip_accents": "unicode", "dtype": np.float64}
RIDGE: Final = 15.0
FOLDS: Final = 4
UNKNOWN: Final = -1  # the place of a term that was not learned


@dataclass(frozen=True, slots=True)
class Cut:
    """A text as one analyzer cuts it: its distinct tokens, and 1 + log of how often each occurs."""

    tokens: tuple[str, ...]
    frequency: Floats

    @classmethod
    def of(cls, tokens: Iterable[str]) -> Cut:
        """Count tokens."""
        counts = Counter(tokens)
        return cls(tuple(counts), 1.0 + np.log(np.fromiter(counts.values(), np.float64, len(counts))))


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms that one analyzer knows: their place among the weights, and how telling each is."""

    places: Mapping[str, int]
    idf: Floats
    weights: Floats  # of shape (terms, k): what each term adds to each score

    def add_up(self, cut: Cut) -> Floats:
        """Return what the tokens of one text add to its scores: TF-IDF of length one, times the weights."""
        found = np.fromiter(map(self.places.get, cut.tokens, repeat(UNKNOWN)), np.intp, len(cut.tokens))
        known = found != UNKNOWN
        places = found[known]
        if not len(places):
            return np.zeros(self.weights.shape[1])
        share = cut.frequency[known] * self.idf[places]
        return np.asarray(share @ self.weights[places] / np.sqrt(share @ share))


@dataclass(frozen=True, slots=True)
class TextScores:
    """One learned reading of one text column.

    Parameters
    ----------
    terms : tuple of Terms
        Words and letter groups, in the order of `ANALYZERS`.
    base : ndarray of shape (k,)
        The scores of a text without known terms.
    """

    terms: tuple[Terms, ...]
    base: Floats

    def scores(self, texts: npt.NDArray[Any]) -> Floats:
        """Return k scores for each text; NaN where the text is missing or empty."""
        result = np.full((len(texts), len(self.base)), np.nan)
        known: dict[str, Floats] = {}
        for place, text in enumerate(texts):
            if text:
                if text not in known:
                    known[text] = self._scores(text)
                result[place] = known[text]
        return result

    def _scores(self, text: str) -> Floats:
        return sum((terms.add_up(cut) for terms, cut in zip(self.terms, _cuts(text), strict=True)), self.base)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything learned as plain arrays: terms as text, the rest as numbers."""
        named: dict[str, npt.NDArray[Any]] = {"base": self.base}
        for place, terms in enumerate(self.terms):
            named[f"terms{place}"] = np.array(sorted(terms.places, key=terms.places.__getitem__), str)
            named[f"idf{place}"], named[f"weights{place}"] = terms.idf, terms.weights
        return named

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> TextScores:
        """Rebuild from `arrays`; the scores are the same to the last bit."""
        terms = (
            Terms(
                {str(term): index for index, term in enumerate(arrays[f"terms{place}"])},
                arrays[f"idf{place}"],
                arrays[f"weights{place}"],
            )
            for place in range(len(ANALYZERS))
        )
        return cls(tuple(terms), arrays["base"])


@cache
def _analyzers() -> tuple[Callable[[str], list[str]], ...]:
    return tuple(CountVectorizer(**settings, **COMMON).build_analyzer() for settings in ANALYZERS)


# Every model reads the same notes, those of a batch one model after the other: each is cut once.
@lru_cache(maxsize=512)
def _cuts(text: str) -> tuple[Cut, ...]:
    return tuple(Cut.of(analyze(text)) for analyze in _analyzers())


def fit_text(
    texts: npt.NDArray[Any], targets: Floats, *, rng: np.random.Generator
) -> tuple[TextScores, Floats] | None:
    """Learn a text column; None where the texts share too few terms to learn from.

    Parameters
    ----------
    targets : ndarray of shape (n, k)
        What the scores should tell: one column a class (1 and 0), or one column of amounts.

    Returns
    -------
    TextScores and ndarray of shape (n, k), or None
        The learned scores, and for each training row the score of a model that did not see it.
    """
    given = np.fromiter((bool(text) for text in texts), bool, len(texts))
    same, y = _Same.of(texts[given]), targets[given]
    found = [_terms(same, settings) for settings in ANALYZERS]
    if not any(len(names) for names, *_ in found):  # no term is frequent enough
        return None
    terms = sparse.hstack([matrix for *_, matrix in found], "csr")
    fold = rng.permutation(len(y)) % FOLDS
    unseen = np.empty_like(y)
    for place in range(FOLDS):
        weights, base = _ridge(terms, same, y, fold != place)
        unseen[fold == place] = (terms @ weights + base)[same.place[fold == place]]
    held_out = np.full(targets.shape, np.nan)
    held_out[given] = unseen
    weights, base = _ridge(terms, same, y, np.ones(len(y), bool))
    return TextScores(_split(found, weights), base), held_out


@dataclass(frozen=True, slots=True)
class _Same:
    """Texts without repetition: notes are often picked from a list."""

    texts: tuple[str, ...]
    place: npt.NDArray[np.intp]  # of each row's text

    @classmethod
    def of(cls, texts: npt.NDArray[Any]) -> _Same:
        places: dict[str, int] = {}
        place = np.fromiter((places.setdefault(text, len(places)) for text in texts), np.intp, len(texts))
        return cls(tuple(places), place)

    def sums(self, rows: npt.NDArray[np.bool_], values: Floats | None = None) -> Floats:
        """Add up values, or count, over the chosen rows of each text."""
        return np.bincount(self.place[rows], values, minlength=len(self.texts)).astype(np.float64)


def _terms(same: _Same, settings: Mapping[str, Any]) -> tuple[npt.NDArray[Any], Floats, sparse.csr_matrix]:
    """Return the terms frequent among the rows, how telling each is, and the share of each in each text."""
    kept = dict(settings)
    least, most = kept.pop("min_df"), kept.pop("max_features")
    vectorizer = CountVectorizer(**kept, **COMMON)
    try:
        counts = vectorizer.fit_transform(same.texts)
    except ValueError:  # not a single term
        return np.array([], str), np.zeros(0), sparse.csr_matrix((len(same.texts), 0))
    of_text = same.sums(np.ones(len(same.place), bool))
    often, total = (counts > 0).T @ of_text, counts.T @ of_text
    frequent = np.flatnonzero(often >= least)
    chosen = np.sort(frequent[np.argsort(-total[frequent], kind="stable")[:most]])
    if not len(chosen):
        return np.array([], str), np.zeros(0), sparse.csr_matrix((len(same.texts), 0))
    weighing = TfidfTransformer(sublinear_tf=True).fit(counts[:, chosen][same.place])
    return vectorizer.get_feature_names_out()[chosen], weighing.idf_, weighing.transform(counts[:, chosen])


def _split(found: Sequence[tuple[npt.NDArray[Any], Floats, Any]], weights: Floats) -> tuple[Terms, ...]:
    """Give each analyzer's terms their part of the weights."""
    ends = np.cumsum([len(names) for names, *_ in found])[:-1]
    return tuple(
        Terms({str(term): place for place, term in enumerate(names)}, idf, part)
        for (names, idf, _), part in zip(found, np.split(weights, ends), strict=True)
    )


def _ridge(
    terms: sparse.csr_matrix, same: _Same, y: Floats, rows: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Fit the chosen rows: each text once, weighed by how many of them it stands for."""
    # Centred by hand: an intercept would make the solver carry a dense copy of the means.
    base = y[rows].mean(axis=0)
    weight = same.sums(rows)
    there = weight > 0
    mean = np.column_stack([same.sums(rows, column[rows]) for column in y.T])[there] / weight[there, None]
    model = Ridge(alpha=RIDGE, solver="sparse_cg", tol=1e-3, fit_intercept=False)
    model.fit(terms[there], mean - base, sample_weight=weight[there])
    return np.asarray(model.coef_).reshape(y.shape[1], -1).T.copy(), base
