"""One row through a booster by LightGBM's own quick way, which its Python interface does not offer.

The interface makes a predictor for each call, which for small models takes longer than the trees do. Results
are the same to the last bit; LightGBM locks each of its predictors, so that threads may share one.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final
from weakref import finalize

import lightgbm
import numpy as np
import numpy.typing as npt
from lightgbm import basic

Floats = npt.NDArray[np.float64]
_FLOAT32: Final = 0  # C_API_DTYPE_FLOAT32
_RAW: Final = 1  # C_API_PREDICT_RAW_SCORE
_SETTINGS: Final = b"num_threads=1"
_library: Final = basic._LIB  # noqa: SLF001  # the library that this very package has loaded


class SingleRow:
    """Raw scores of one row.

    Parameters
    ----------
    booster : lightgbm.Booster
        Kept for as long as this object lives.
    """

    def __init__(self, booster: lightgbm.Booster) -> None:
        self._booster = booster
        self._classes = booster.num_model_per_iteration()
        self._features = booster.num_feature()
        self._fast = ctypes.c_void_p()
        handle: Any = booster._handle  # noqa: SLF001  # the interface has no public name for it
        _check(
            _library.LGBM_BoosterPredictForMatSingleRowFastInit(
                handle,
                ctypes.c_int(_RAW),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                ctypes.c_int(_FLOAT32),
                ctypes.c_int32(self._features),
                ctypes.c_char_p(_SETTINGS),
                ctypes.byref(self._fast),
            )
        )
        finalize(self, _library.LGBM_FastConfigFree, self._fast).atexit = False

    def __call__(self, row: npt.NDArray[np.float32]) -> Floats:
        """Return shape (classes,); `row` is contiguous and holds every feature."""
        scores = np.empty(self._classes)
        length = ctypes.c_int64()
        _check(
            _library.LGBM_BoosterPredictForMatSingleRowFast(
                self._fast,
                ctypes.c_void_p(row.ctypes.data),
                ctypes.byref(length),
                ctypes.c_void_p(scores.ctypes.data),
            )
        )
        return scores


def _check(result: int) -> None:
    if result != 0:
        raise RuntimeError(_library.LGBM_GetLastError().decode())
