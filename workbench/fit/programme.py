"""A convex programme, put together from weighted distances and excesses.

Conventions
-----------
Terms are linear in the variables: a sparse matrix of one row a term and one column a variable.
"""

from __future__ import annotations

from typing import Any

import clarabel
import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench.errors import SpeechError

Numbers = npt.NDArray[np.float64]


class Programme:
    """The least sum of excesses, under bounds."""

    def __init__(self, variables: int) -> None:
        self.variables = variables
        self._bounds: list[tuple[Any, Any, Numbers]] = []
        self._excess_linear: list[Numbers] = []
        self._excess_squared: list[Numbers] = []

    def at_most(self, terms: Any, bound: Any) -> None:
        """Allow no term above its bound."""
        rows = terms.shape[0]
        nothing = sparse.csr_array((rows, 0))
        self._bounds.append((terms, nothing, np.broadcast_to(np.asarray(bound, dtype=np.float64), rows)))

    def excess(self, terms: Any, bound: Any, *, linear: Any = 0.0, squared: Any = 0.0) -> None:
        """Add ``linear * excess + squared * excess ** 2`` for what each term is above its bound."""
        rows = terms.shape[0]
        self._bounds.append((terms, -sparse.eye_array(rows), np.broadcast_to(bound, rows)))
        self._excess_linear.append(np.broadcast_to(np.asarray(linear, dtype=np.float64), rows))
        self._excess_squared.append(np.broadcast_to(np.asarray(squared, dtype=np.float64), rows))

    def distance(self, terms: Any, target: Any, *, linear: Any) -> None:
        """Add ``linear * abs(terms - target)``."""
        goal = np.broadcast_to(np.asarray(target, dtype=np.float64), terms.shape[0])
        self.excess(terms, goal, linear=linear)
        self.excess(-terms, -goal, linear=linear)

    def solve(self) -> Numbers:
        """Return the values of the variables, by the interior point method of Clarabel, on one thread.

        Goulart and Chen, "Clarabel: an interior-point solver for conic programs with quadratic objectives",
        2024. Raises `SpeechError` where it does not converge.
        """
        linear = np.concatenate([np.zeros(0), *self._excess_linear])
        squared = np.concatenate([np.zeros(0), *self._excess_squared])
        nothing = np.zeros(self.variables)
        quadratic = sparse.diags_array(2 * np.concatenate([nothing, squared]))
        cost = np.concatenate([nothing, linear])
        excesses = sparse.block_diag([excess for _, excess, _ in self._bounds])
        rows = sparse.hstack([sparse.vstack([terms for terms, _, _ in self._bounds]), excesses])
        positive = sparse.hstack(
            [sparse.csr_array((linear.size, self.variables)), -sparse.eye_array(linear.size)]
        )
        limits = np.concatenate([*(bound for _, _, bound in self._bounds), np.zeros(linear.size)])
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_threads, settings.direct_solve_method = False, 1, "qdldl"
        solution = clarabel.DefaultSolver(
            sparse.csc_matrix(sparse.triu(quadratic)),
            cost,
            sparse.csc_matrix(sparse.vstack([rows, positive])),
            limits,
            [clarabel.NonnegativeConeT(limits.size)],
            settings,
        ).solve()
        if solution.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            raise SpeechError(
                "place the takes",
                f"the solver ended with {solution.status}",
                "Check the weights in params/fit.yaml: very large and very small ones do not go together.",
            )
        return np.asarray(solution.x)[: self.variables]
