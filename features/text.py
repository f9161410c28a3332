"""Free text into a few numbers: how strongly its words point to each outcome, in any language.

Words and letter groups (TF-IDF) feed a ridge regression on the label; its scores are the features. Training
rows are scored by a model that has not seen them, so that a memorised sentence never looks like evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge

Floats = npt.NDArray[np.float64]
# Chosen on OpenRepair's earlier years: letters carry the languages that words are too rare in.
ANALYZERS: Final[tuple[dict[str, Any], ...]] = (
    {"analyzer": "word", "ngram_range": (1, 2), "max_features": 30_000, "min_df": 5},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 40_000, "min_df": 10},
)
COMMON: Final[dict[str, Any]] = {"sublinear_tf": True, "strip_accents": "unicode", "dtype": np.float64}
RIDGE: Final = 15.0
FOLDS: Final = 4


@dataclass(frozen=True, slots=True)
class TextScores:
    """One learned reading of one text column.

    Parameters
    ----------
    vectorizers : tuple of TfidfVectorizer
        Words and letter groups, in the order of `ANALYZERS`.
    weights : ndarray of shape (terms, k)
        What each term adds to each of the k scores.
    base : ndarray of shape (k,)
        The scores of a text without known terms.
    """

    vectorizers: tuple[TfidfVectorizer, ...]
    weights: Floats
    base: Floats

    def scores(self, texts: npt.NDArray[Any]) -> Floats:
        """Return k scores for each text; NaN where the text is missing or empty."""
        result = np.full((len(texts), len(self.base)), np.nan)
        given = np.fromiter((bool(text) for text in texts), bool, len(texts))
        if given.any():
            distinct, place = np.unique(texts[given], return_inverse=True)
            result[given] = (_terms(self.vectorizers, distinct) @ self.weights + self.base)[place]
        return result

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return everything learned as plain arrays: terms as text, the rest as numbers."""
        named: dict[str, npt.NDArray[Any]] = {"weights": self.weights, "base": self.base}
        for place, vectorizer in enumerate(self.vectorizers):
            named[f"terms{place}"] = np.array(sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get))
            named[f"idf{place}"] = vectorizer.idf_
        return named

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> TextScores:
        """Rebuild from `arrays`; the scores are the same to the last bit."""
        vectorizers = []
        for place, settings in enumerate(ANALYZERS):
            terms = {str(term): index for index, term in enumerate(arrays[f"terms{place}"])}
            vectorizer = TfidfVectorizer(**{**settings, **COMMON}, vocabulary=terms)
            vectorizer.idf_ = arrays[f"idf{place}"]
            vectorizers.append(vectorizer)
        return cls(tuple(vectorizers), arrays["weights"], arrays["base"])


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
    try:
        vectorizers = tuple(TfidfVectorizer(**settings, **COMMON) for settings in ANALYZERS)
        terms = sparse.hstack([vectorizer.fit_transform(texts[given]) for vectorizer in vectorizers], "csr")
    except ValueError:  # no term is frequent enough
        return None
    y = targets[given]
    fold = rng.permutation(len(y)) % FOLDS
    unseen = np.empty_like(y)
    for place in range(FOLDS):
        weights, base = _ridge(terms[fold != place], y[fold != place])
        unseen[fold == place] = terms[fold == place] @ weights + base
    held_out = np.full(targets.shape, np.nan)
    held_out[given] = unseen
    return TextScores(vectorizers, *_ridge(terms, y)), held_out


def _terms(vectorizers: tuple[TfidfVectorizer, ...], texts: npt.NDArray[Any]) -> sparse.csr_matrix:
    return sparse.hstack([vectorizer.transform(texts) for vectorizer in vectorizers], format="csr")


def _ridge(terms: sparse.csr_matrix, y: Floats) -> tuple[Floats, Floats]:
    # Centred by hand: an intercept would make the solver carry a dense copy of the means.
    base = y.mean(axis=0)
    model = Ridge(alpha=RIDGE, solver="sparse_cg", tol=1e-3, fit_intercept=False).fit(terms, y - base)
    return np.asarray(model.coef_).reshape(y.shape[1], -1).T.copy(), base
