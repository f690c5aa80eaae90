"""Sparse Jacobians and Hessians, as matrices of `scipy.sparse`.

The function runs once and is recorded. Which entries are not zero for structural reasons is
read off the recording; columns that never meet in a row share a colour, and one sweep gives
all entries of a colour at once. The cost grows with the colours, not with the inputs.

SciPy is needed: ``pip install "fastad[sparse]"``.
"""

import functools

from fastad import _core
from fastad.derivatives import grad
from fastad.errors import ArgumentError

__all__ = ["Sparsity", "sparse_hessian", "sparse_jacobian", "sparsity"]


class Sparsity:
    """The sparsity of a function's derivative: to be looked at, kept, and passed on.

    Attributes
    ----------
    shape : tuple of int
    n_entries, n_colours : int
        Entries that are not zero for structural reasons; directions that a sweep needs.
    """

    def __init__(self, pattern):
        self._pattern = pattern
        self._layout = _core.Layout(pattern.shape, *pattern.indices())
        self.shape = pattern.shape
        self.n_entries = len(self._layout.columns)
        self.n_colours = pattern.n_directions

    def matrix(self, entries=None):
        """A `scipy.sparse.csr_array` of ones, or of the entries, row by row."""
        return self._layout.matrix(
            [1.0] * self.n_entries if entries is None else entries
        )

    def __repr__(self):
        return (
            f"<Sparsity: {self.shape[0]} x {self.shape[1]}, {self.n_entries} entries, "
            f"{self.n_colours} colours>"
        )


def sparsity(f, *args, argnums=0, second=False):
    """Which results of `f` depend on which numbers in its argument, as recorded at a point.

    Parameters
    ----------
    f : callable
        As for `fastad.jacobian`.
    *args
        The arguments of the call that is recorded.
    argnums : int
        The argument to differentiate to.
    second : bool
        The sparsity of the Hessian instead of the Jacobian.

    Returns
    -------
    Sparsity
        To be passed to `sparse_jacobian` or `sparse_hessian`.

    Examples
    --------
    >>> from fastad import sparsity
    >>> sparsity(lambda x: [x[0] * x[1], x[1] + x[2]], [1.0, 2.0, 3.0])
    <Sparsity: 2 x 3, 4 entries, 2 colours>
    """
    return Sparsity(_core.sparse_partials(_run(f, argnums, second, args, {}))[0])


def _run(f, argnums, second, args, kwargs, strict=False):
    if not isinstance(argnums, int):
        raise ArgumentError(
            "sparse derivatives are to one argument: argnums must be an int"
        )
    recipe = _core.Recipe(f, argnums, False, "warn", strict)
    if second:
        try:
            return _core.curvature_of(recipe, args, kwargs)
        except _core.NotAProgram:  # as of functions with rules: differentiate eagerly
            recipe = _core.Recipe(
                grad(f, argnums, strict=strict), argnums, False, "warn"
            )
    return _core.recording_of(recipe, args, kwargs, stores_all=True, is_sparse=True)


def _sparse_verb(f, argnums, sparsity, second, strict):
    pattern = None if sparsity is None else sparsity._pattern

    @functools.wraps(f)
    def matrix(*args, **kwargs):
        run = _run(f, argnums, second, args, kwargs, strict)
        found, entries = _core.sparse_partials(run, pattern)
        return _core.matrix_of(run, (sparsity or Sparsity(found))._layout, entries)

    return matrix


def sparse_jacobian(f, argnums=0, *, sparsity=None, strict=False):
    """The function that returns the Jacobian of `f` as a sparse matrix.

    Parameters
    ----------
    f : callable
        Takes and returns numbers in any arrangement; the matrix has a row for each number in
        the result and a column for each number in the argument, in their order.
    argnums : int
        The argument to differentiate to.
    sparsity : Sparsity, optional
        From `fastad.sparsity`: saves the colouring at each call. It is checked whether it
        still holds.
    strict : bool
        Raise an error where `f` loses a derivative, as for `fastad.grad`.

    Returns
    -------
    callable
        With the arguments of `f`; it returns a `scipy.sparse.csr_array`.

    Raises
    ------
    ArgumentError, ResultError
        (TypeErrors) as `fastad.jacobian` does, and if the sparsity that was passed does not
        hold.

    Examples
    --------
    >>> from fastad import sparse_jacobian
    >>> J = sparse_jacobian(lambda x: [x[0] * x[1], x[1] + x[2]])([1.0, 2.0, 3.0])
    >>> J.nnz, J.toarray().tolist()
    (4, [[2.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    """
    return _sparse_verb(f, argnums, sparsity, False, strict)


def sparse_hessian(f, argnums=0, *, sparsity=None, strict=False):
    """The function that returns the Hessian of `f` as a sparse matrix.

    Of the columns only those of a star colouring are swept, by the symmetry of the Hessian.

    Parameters
    ----------
    f : callable
        Takes numbers in any arrangement and returns one number.
    argnums, sparsity, strict
        As for `sparse_jacobian`; the sparsity from ``fastad.sparsity(f, x, second=True)``.

    Returns
    -------
    callable
        With the arguments of `f`; it returns a symmetric `scipy.sparse.csr_array`.

    Examples
    --------
    >>> from fastad import sparse_hessian
    >>> H = sparse_hessian(lambda x: x[0] ** 2 * x[1] + x[2])([3.0, 5.0, 1.0])
    >>> H.nnz, H.toarray().tolist()
    (3, [[10.0, 6.0, 0.0], [6.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    return _sparse_verb(f, argnums, sparsity, True, strict)
