"""Sparse derivatives against dense ones; patterns, colours, and their reuse."""

import itertools
import math as standard_math
import random

import numpy
import pytest
import scipy.sparse

from fastad import (
    Program,
    _core,
    compile,
    custom_jvp,
    errors,
    grad,
    hessian,
    jacobian,
    math,
    maximum,
    sparse_hessian,
    sparse_jacobian,
    sparsity,
    value_and_grad,
    vmap,
)


def is_csr(matrix):
    return (
        isinstance(matrix, scipy.sparse.csr_array)
        and matrix.has_canonical_format
        and matrix.dtype == float
    )


# ---- Jacobians -----------------------------------------------------------------------


def product_of(pattern):
    """A function with a Jacobian of this pattern, its rows as lists of columns."""

    def f(x):
        return [
            math.prod([math.sin(x[k] + 0.1 * row) for k in columns]) if columns else 2.5
            for row, columns in enumerate(pattern)
        ]

    return f


def random_pattern(seed):
    draw = random.Random(seed)
    n_rows, n_columns = draw.randrange(1, 40), draw.randrange(1, 40)
    return n_columns, [
        sorted(draw.sample(range(n_columns), draw.randrange(min(4, n_columns) + 1)))
        for _ in range(n_rows)
    ]


def band(n, width):
    return [
        [k for k in range(row - width, row + width + 1) if 0 <= k < n]
        for row in range(n)
    ]


# Of each: how many columns, the rows, and how many colours.
PATTERNS = {
    "diagonal": (30, band(30, 0), 1),
    "tridiagonal": (30, band(30, 1), 3),
    "band of five": (30, band(30, 2), 5),
    "dense": (9, [list(range(9))] * 4, 9),
    "arrow": (30, [list(range(30))] + [[0, k] for k in range(1, 30)], 30),
    "a column": (30, [[7]] * 5, 1),
    "a row": (30, [list(range(30))], 30),
    "a long row": (100, [list(range(100))], 100),
    "nothing": (5, [[]] * 4, 1),
    "no rows": (5, [], 1),
    "no columns": (0, [[]] * 4, 0),
    "blocks": (30, [[3 * (k // 3) + j for j in range(3)] for k in range(30)], 3),
    **{f"random {seed}": (*random_pattern(seed), None) for seed in range(25)},
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_jacobian_equals_the_dense_one(pattern):
    n, rows, n_colours = pattern
    f = product_of(rows)
    x = [0.3 + 0.05 * k for k in range(n)]
    J = sparse_jacobian(f)(x)
    dense = numpy.array(jacobian(f)(x)).reshape(len(rows), n)
    assert is_csr(J)
    assert J.shape == dense.shape
    numpy.testing.assert_allclose(J.toarray(), dense, rtol=1e-14)
    assert J.indices.tolist() == [k for row in rows for k in row]
    found = sparsity(f, x)
    assert found.shape == dense.shape
    assert found.n_entries == J.nnz == sum(map(len, rows))
    assert (found.matrix().toarray() == (J.toarray() != 0)).all()
    if n_colours is not None:
        assert found.n_colours == n_colours
    again = sparse_jacobian(f, sparsity=found)([v + 0.01 for v in x])
    assert (again.indices == J.indices).all()
    moved = numpy.array(jacobian(f)([v + 0.01 for v in x])).reshape(dense.shape)
    numpy.testing.assert_allclose(again.toarray(), moved, rtol=1e-14)


def test_shapes():
    def f(p, k=1.0):
        return {"u": p["a"] * p["b"][0] * k, "v": [p["b"][1], 2.0]}

    J = sparse_jacobian(f)({"a": 2.0, "b": (3.0, 4.0)})
    assert J.toarray().tolist() == [[3.0, 2.0, 0.0], [0.0, 0.0, 1.0], [0.0] * 3]
    J = sparse_jacobian(f)({"a": 2.0, "b": (3.0, 4.0)}, k=2.0)
    assert J.toarray()[0].tolist() == [6.0, 4.0, 0.0]
    J = sparse_jacobian(lambda x: x * x)(numpy.arange(6.0).reshape(2, 3))
    assert J.shape == (6, 6)
    assert J.diagonal().tolist() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert sparse_jacobian(lambda x: x * x)(3.0).toarray().tolist() == [[6.0]]
    J = sparse_jacobian(lambda a, b: [a * b[0], b[1]], 1)(2.0, [3.0, 4.0])
    assert J.toarray().tolist() == [[2.0, 0.0], [0.0, 1.0]]
    H = sparse_hessian(lambda a, b: a * b["u"] * b["v"], 1)(2.0, {"u": 3.0, "v": 4.0})
    assert H.toarray().tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_the_same_result_twice_and_inputs_as_results():
    J = sparse_jacobian(lambda x: [x[1], x[0] * x[1], x[1], 3])([2.0, 5.0])
    assert J.toarray().tolist() == [[0.0, 1.0], [5.0, 2.0], [0.0, 1.0], [0.0, 0.0]]


# ---- Hessians ------------------------------------------------------------------------


def sum_of_products(pairs):
    """A function whose Hessian has entries for these pairs of numbers."""

    def f(x):
        return sum(
            [math.sin(x[i] + 0.5) * math.exp(0.1 * x[j]) for i, j in pairs],
            x[0] if x else 0.0,
        )

    return f


def random_pairs(seed):
    draw = random.Random(seed)
    n = draw.randrange(1, 30)
    return n, [
        (draw.randrange(n), draw.randrange(n)) for _ in range(draw.randrange(2 * n))
    ]


GRAPHS = {
    "nothing": (5, [], None),
    "diagonal": (30, [(k, k) for k in range(30)], 1),
    "tridiagonal": (30, [(k, k + 1) for k in range(29)], 3),
    "arrow": (30, [(0, k) for k in range(1, 30)], 2),
    "arrow from below": (30, [(29, k) for k in range(29)], 2),
    "two hubs": (30, [(j, k) for k in range(2, 30) for j in (0, 1)], 3),
    "dense": (12, [(i, j) for i in range(12) for j in range(i)], 12),
    "ring": (30, [(k, (k + 1) % 30) for k in range(30)], None),
    "grid": (
        36,
        [(k, k + 1) for k in range(36) if k % 6 < 5] + [(k, k + 6) for k in range(30)],
        None,
    ),
    "tree": (31, [((k - 1) // 2, k) for k in range(1, 31)], None),
    **{f"random {seed}": (*random_pairs(seed), None) for seed in range(40)},
}


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_hessian_equals_the_dense_one(graph):
    n, pairs, n_colours = graph
    f = sum_of_products(pairs)
    x = [0.3 + 0.05 * k for k in range(n)]
    H, dense = sparse_hessian(f)(x), numpy.array(hessian(f)(x))
    assert is_csr(H)
    numpy.testing.assert_allclose(H.toarray(), dense, rtol=1e-12, atol=1e-14)
    found = sparsity(f, x, second=True)
    assert found.n_entries == H.nnz
    assert ((dense != 0) <= (found.matrix().toarray() == 1)).all()
    assert (found.matrix().toarray() == found.matrix().toarray().T).all()
    assert found.n_colours <= max(n, 1)
    if n_colours is not None:
        assert found.n_colours == n_colours
    elif pairs and max(abs(i - j) for i, j in pairs) <= 6 and n > 30:
        assert found.n_colours <= 12
    again = sparse_hessian(f, sparsity=found)(x)
    assert (again.toarray() == H.toarray()).all()


def rosenbrock(x):
    return sum(
        [100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in itertools.pairwise(x)]
    )


def test_rosenbrock_of_2000():
    n = 2000
    x = [(-1.0) ** k * 1.2 + 0.001 * k for k in range(n)]
    a = numpy.array(x)
    diagonal = numpy.zeros(n)
    diagonal[:-1] = 1200.0 * a[:-1] ** 2 - 400.0 * a[1:] + 2.0
    diagonal[1:] += 200.0
    beside = -400.0 * a[:-1]
    H = sparse_hessian(rosenbrock)(x)
    assert H.nnz == 3 * n - 2
    numpy.testing.assert_allclose(H.diagonal(), diagonal, rtol=1e-13, atol=1e-10)
    numpy.testing.assert_allclose(H.diagonal(1), beside, rtol=1e-13)
    numpy.testing.assert_allclose(H.diagonal(-1), beside, rtol=1e-13)
    J = sparse_jacobian(grad_of_rosenbrock)(x)
    numpy.testing.assert_allclose((H - J).toarray().max(), 0.0, atol=1e-9)


def grad_of_rosenbrock(x):
    slopes = [0.0] * len(x)
    for k, (a, b) in enumerate(itertools.pairwise(x)):
        slopes[k] += -400.0 * a * (b - a * a) - 2.0 * (1.0 - a)
        slopes[k + 1] += 200.0 * (b - a * a)
    return slopes


def test_a_function_with_a_rule_has_a_sparse_hessian():
    sine = custom_jvp(lambda x: standard_math.sin(x))
    sine.rule(lambda value, x: lambda dx: math.cos(x) * dx)

    def f(x):
        return sum(sine(a) * b for a, b in itertools.pairwise(x))

    x, y = [0.3, 0.4, 0.5, 0.6], [0.1, 0.2, 0.3, 0.4]
    pattern = sparsity(f, x, second=True)
    assert pattern.n_entries == 9
    for point in (x, y):
        found = sparse_hessian(f, sparsity=pattern)(point)
        assert is_csr(found)
        assert numpy.allclose(found.toarray(), hessian(f)(point), rtol=1e-14)


# ---- A pattern that is passed --------------------------------------------------------


def branching(x):
    return [x[0] * x[1], x[2]] if x[0] > 0 else [x[0] * x[2], x[2]]


def test_a_pattern_that_no_longer_holds():
    found = sparsity(branching, [1.0, 2.0, 3.0])
    J = sparse_jacobian(branching, sparsity=found)
    assert J([2.0, 2.0, 3.0]).toarray().tolist() == [[2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    with pytest.raises(errors.ArgumentError, match="another sparsity"):
        J([-1.0, 2.0, 3.0])
    assert J([2.0, 2.0, 3.0]).nnz == 3  # as before
    for wrong in ([1.0, 2.0, 3.0, 4.0], [[1.0, 2.0, 3.0], 4.0]):
        with pytest.raises((errors.ArgumentError, TypeError)):
            J(wrong)


def test_a_pattern_may_have_more_entries_than_are_needed():
    def some(x):
        return [x[0] * x[1] if x[0] > 0 else x[0], x[1]]

    found = sparsity(some, [1.0, 2.0])
    J = sparse_jacobian(some, sparsity=found)([-1.0, 2.0])
    assert (J.nnz, J.toarray().tolist()) == (3, [[1.0, 0.0], [0.0, 1.0]])

    def curved(x):
        return x[0] * x[1] ** 2 if x[0] > 0 else x[0] ** 2

    found = sparsity(curved, [1.0, 2.0], second=True)
    H = sparse_hessian(curved, sparsity=found)
    assert H([3.0, 2.0]).toarray().tolist() == [[0.0, 4.0], [4.0, 6.0]]
    with pytest.raises(errors.ArgumentError):
        H([-3.0, 2.0])


def test_a_pattern_of_the_other_order():
    first = sparsity(lambda x: [x[0], x[1]], [1.0, 2.0])
    second = sparsity(lambda x: x[0] * x[1], [1.0, 2.0], second=True)
    with pytest.raises(errors.ArgumentError):
        sparse_jacobian(lambda x: [x[0], x[1]], sparsity=second)([1.0, 2.0])
    with pytest.raises(errors.ArgumentError):
        sparse_hessian(lambda x: x[0] * x[1], sparsity=first)([1.0, 2.0])


def test_looking_at_it():
    found = sparsity(lambda x: [x[0] * x[1], x[1] + x[2]], [1.0, 2.0, 3.0])
    assert repr(found) == "<Sparsity: 2 x 3, 4 entries, 2 colours>"
    assert found.matrix([1.0, 2.0, 3.0, 4.0]).toarray().tolist() == [
        [1.0, 2.0, 0.0],
        [0.0, 3.0, 4.0],
    ]
    same = sparsity(lambda x: [x[1] - x[0], x[2] * x[1]], [1.0, 2.0, 3.0])
    other = sparsity(lambda x: [x[1] - x[0], x[2]], [1.0, 2.0, 3.0])
    assert found._pattern == same._pattern
    assert found._pattern != other._pattern
    assert found._pattern != 3
    assert hash(found._pattern) == hash(same._pattern)


# ---- Compiled ------------------------------------------------------------------------


def check_compiled(verb, f, points):
    """At each point the entries that the verb gives, and no call of f but for recording."""
    eager, fast = verb(f), compile(verb(f))
    for x in points * 2:
        found, expected = fast(x), eager(x)
        assert is_csr(found)
        assert found.shape == expected.shape
        assert (found.toarray() == expected.toarray()).all()
    stats = fast.stats
    assert stats["eager"] == 0
    assert stats["hits"] == 2 * len(points) - stats["misses"]
    return fast


def points_beside(n):
    return [[0.3 + 0.05 * k + shift for k in range(n)] for shift in (0.0, 0.01, -0.02)]


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_compiled_jacobian(pattern):
    n, rows, _ = pattern
    check_compiled(sparse_jacobian, product_of(rows), points_beside(n))


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_compiled_hessian(graph):
    n, pairs, _ = graph
    check_compiled(sparse_hessian, sum_of_products(pairs), points_beside(n))


def test_compiled_with_a_pattern_that_is_passed():
    points = points_beside(6)
    pattern = sparsity(rosenbrock, points[0], second=True)
    check_compiled(
        lambda f: sparse_hessian(f, sparsity=pattern), rosenbrock, points_beside(6)
    )


def of_both_sides(x):
    """What is chosen without a path of its own depends on different numbers."""
    return [maximum(x[0] * x[1], x[2]) ** 2, maximum(x[1], x[3] * x[3])]


@pytest.mark.parametrize("verb", [sparse_jacobian, sparse_hessian])
def test_a_compiled_pattern_is_that_of_both_sides_of_a_choice(verb):
    f = of_both_sides if verb is sparse_jacobian else lambda x: sum(of_both_sides(x))
    points = [[3.0, 2.0, 1.0, 0.5], [1.0, 0.5, 2.0, 3.0], [2.0, 1.5, 1.0, 3.0]]
    fast = check_compiled(verb, f, points)
    assert len(fast.paths) == 1
    n_entries = {
        sparsity(f, x, second=verb is sparse_hessian).n_entries for x in points
    }
    assert max(n_entries) <= fast(points[0]).nnz


def test_compiled_matrices_beside_other_results():
    @compile
    def all_of_it(x):
        return {
            "value": rosenbrock(x),
            "hessian": sparse_hessian(rosenbrock)(x),
            "jacobian": sparse_jacobian(grad_of_rosenbrock)(x),
        }

    for x in points_beside(7) * 2:
        found = all_of_it(x)
        assert found["value"] == value_and_grad(rosenbrock)(x)[0]  # as sum adds Vars
        expected = sparse_hessian(rosenbrock)(x).toarray()
        assert (found["hessian"].toarray() == expected).all()
        expected = sparse_jacobian(grad_of_rosenbrock)(x).toarray()
        assert (found["jacobian"].toarray() == expected).all()
    assert all_of_it.stats["eager"] == 0


def test_what_is_done_to_one_compiled_matrix_is_not_seen_in_the_next():
    fast = compile(sparse_hessian(rosenbrock))
    x, *_ = points_beside(5)
    expected = sparse_hessian(rosenbrock)(x).toarray()
    for _ in range(3):
        matrix = fast(x)
        assert (matrix.toarray() == expected).all()
        matrix.data[:] = 7.0
        matrix.indices[:] = 0
        matrix.indptr[:] = 0


def test_a_compiled_function_with_its_matrix_in_a_computation():
    def step(x):
        return sparse_jacobian(grad_of_rosenbrock)(x) @ numpy.ones(len(x))

    fast = compile(step)
    x, *others = points_beside(5)
    with pytest.warns(errors.NotCompiledWarning, match="can only be returned"):
        fast(x)
    for x in others:
        assert (fast(x) == step(x)).all()


def test_many_points():
    fast = compile(sparse_hessian(rosenbrock))
    points = numpy.array(points_beside(5))
    for many in (vmap(fast), vmap(sparse_hessian(rosenbrock))):
        found = many(points)
        assert found.shape == (3,)
        for matrix, x in zip(found, points, strict=True):
            assert (matrix.toarray() == sparse_hessian(rosenbrock)(x).toarray()).all()
        assert many(points[:0]).shape == (0,)


@pytest.mark.parametrize("verb", [sparse_jacobian, sparsity])
def test_of_a_compiled_function_the_pattern_is_seen(verb):
    pattern = band(30, 1)
    x = [0.3 + 0.05 * k for k in range(30)]
    fast = compile(product_of(pattern))
    fast(x)
    n_entries = sum(map(len, pattern))
    if verb is sparsity:
        assert sparsity(fast, x).n_entries == n_entries
        assert sparsity(lambda x: fast(x), x).n_entries == n_entries
    else:
        assert sparse_jacobian(fast)(x).nnz == n_entries


# ---- Odd points, errors, memory ------------------------------------------------------


def test_infinite_partials_stay_in_their_entries():
    inf = float("inf")
    J = sparse_jacobian(lambda x: [math.sqrt(x[0]), x[0] * 2, x[1] * x[2]])(
        [0.0, 1.0, 2.0]
    )
    assert J.toarray().tolist() == [[inf, 0, 0], [2, 0, 0], [0, 2, 1]]
    H = sparse_hessian(lambda x: x[0] ** 1.5 + x[1] * x[2])([0.0, 1.0, 2.0])
    assert H.toarray().tolist() == [[inf, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("action", "error"),
    {
        "tuple": (lambda: sparse_jacobian(abs, (0,))(1.0), errors.ArgumentError),
        "two": (lambda: sparse_hessian(max, (0, 1))(1.0, 2.0), errors.ArgumentError),
        "range": (lambda: sparse_jacobian(abs, 1)(1.0), errors.ArgumentError),
        "text": (lambda: sparse_jacobian(abs)("1"), errors.ArgumentError),
        "result": (lambda: sparse_jacobian(str)(1.0), errors.ResultError),
        "results": (lambda: sparse_hessian(lambda x: [x])(1.0), errors.ResultError),
        "no function": (lambda: sparsity(3.0, 1.0), errors.ArgumentError),
        "inside grad": (
            lambda: grad(lambda v: sparse_jacobian(lambda x: [x * v])(1.0)[0, 0])(2.0),
            errors.ArgumentError,
        ),
        "inside grad, second": (
            lambda: grad(lambda v: sparse_hessian(lambda x: x * x * v)(1.0)[0, 0])(2.0),
            errors.ArgumentError,
        ),
        "inside a program": (
            lambda: Program(lambda v: sparse_jacobian(lambda x: [x * v])(1.0), 2.0),
            errors.FastadError,
        ),
        "exception": (lambda: sparse_jacobian(lambda x: [x][1])(1.0), IndexError),
    }.values(),
)
def test_errors(action, error):
    with pytest.raises(error):
        action()
    assert sparse_jacobian(lambda x: [x * x])(3.0).toarray().tolist() == [[6.0]]


@pytest.mark.parametrize("second", [False, True])
def test_each_allocation_may_fail(second):
    x = [0.5 + 0.1 * k for k in range(90)]
    f = rosenbrock if second else (lambda x: [*grad_of_rosenbrock(x), sum(x)])
    verb = sparse_hessian if second else sparse_jacobian

    def action():
        found = sparsity(f, x, second=second)
        return found.n_colours, verb(f, sparsity=found)(x).toarray().tolist()

    expected = action()
    n_failures = 0
    for n in range(1, 400):
        _core.fail_allocation(n)
        try:
            found = action()
        except MemoryError:
            n_failures += 1
        else:
            break
        finally:
            _core.fail_allocation(0)
    assert found == expected
    assert n_failures > 10
