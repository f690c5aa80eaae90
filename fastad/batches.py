"""A compiled function at many points: the work of vmap.

The points are run path by path: first all of them on the path that was right last; those
where a guard fails on the path beyond that guard, which is recorded if there is none; and so
on. Where a replay cannot answer, the function is called at that point.
"""

import concurrent.futures
import contextlib
import copy
import dataclasses
import itertools
import math
import numbers
import threading

import numpy

from fastad import _core
from fastad.errors import ArgumentError, ResultError

CHUNK = 4096  # points that a worker runs at a time, at most
SHARE = 256  # points for which another worker is worth its thread


def evaluate(compiled, args, kwargs, in_axes, n_workers, progress):
    """What vmap's function returns."""
    points = Points(args, kwargs, axes_for(in_axes, args))
    with progress_bar(points.n, progress) as bar:
        return Batch(compiled, points, n_workers, bar).result()


def progress_bar(n, progress):
    """tqdm's, or what looks like one."""
    if not progress:
        return contextlib.nullcontext()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ArgumentError(
            "progress=True needs tqdm: pip install fastad[progress]"
        ) from None
    return tqdm(total=n)


# ---- Arguments ------------------------------------------------------------------------


def axes_for(in_axes, args):
    """The axis for each argument."""
    if in_axes is None or isinstance(in_axes, numbers.Integral):
        in_axes = [in_axes] * len(args)
    if not isinstance(in_axes, (list, tuple)) or not all(
        axis is None or isinstance(axis, numbers.Integral) for axis in in_axes
    ):
        raise ArgumentError(
            f"in_axes={in_axes!r}: it must be an int or None, or for each argument one of these"
        )
    if len(in_axes) != len(args):
        raise ArgumentError(
            f"in_axes has {len(in_axes)} entries for {len(args)} arguments"
        )
    return in_axes


class Points:
    """The arguments at all points."""

    def __init__(self, args, kwargs, axes):
        self.args, self.kwargs, self.axes = args, kwargs, axes
        # Of each argument its arrays, with the points along the first axis.
        self.arrays = [
            [] if axis is None else arrays_in(x, int(axis))
            for x, axis in zip(args, axes, strict=True)
        ]
        lengths = {len(array) for arrays in self.arrays for array in arrays}
        if not lengths:
            raise ArgumentError("there is no array with an axis of points")
        if len(lengths) > 1:
            raise ArgumentError(
                "the arrays have different numbers of points along their axes: "
                f"{', '.join(map(str, sorted(lengths)))}"
            )
        (self.n,) = lengths
        self.are_floats = all(
            a.dtype == float for arrays in self.arrays for a in arrays
        )

    def arguments(self, point):
        """The arguments at one point; with ones for numbers if there are no points."""
        args = []
        for x, axis, arrays in zip(self.args, self.axes, self.arrays, strict=True):
            if axis is None:
                args.append(x)
                continue
            rows = iter([row(a, point) if self.n else row_of_ones(a) for a in arrays])
            args.append(with_arrays(x, lambda _, rows=rows: next(rows)))
        return tuple(args)

    def numbers(self, counts, values):
        """The arrays of all numbers in the arguments; of length 1 where they are the same at
        all points, from the values, of which each argument has so many."""
        found = []
        first = 0
        for n, arrays in itertools.zip_longest(counts, self.arrays, fillvalue=()):
            found += arrays or [numpy.array([values[first : first + n]])]
            first += n
        return found


def with_arrays(x, function):
    """x with function(array) in place of each array in it."""
    if isinstance(x, numpy.ndarray):
        return function(x)
    if _core.has_more_than_items(x, type(x)):
        raise ArgumentError(f"{x!r} has attributes beside its items")
    if isinstance(x, (list, tuple)):
        items = [with_arrays(item, function) for item in x]
        return x._make(items) if hasattr(x, "_make") else type(x)(items)
    if isinstance(x, dict):
        result = copy.copy(x)
        result.update({key: with_arrays(item, function) for key, item in x.items()})
        return result
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        result = copy.copy(x)
        for name in _core.names_of_attributes(x):
            item = with_arrays(getattr(x, name), function)
            object.__setattr__(result, name, item)
        return result
    if isinstance(x, numbers.Real) and not isinstance(x, bool):
        raise ArgumentError(
            f"{x!r} is a number, with no axis of points: pass a numpy.array or, for what is "
            "the same at all points, in_axes=None"
        )
    return x


def arrays_in(x, axis):
    """The arrays in an argument, each with the points along its first axis."""
    found = []
    with_arrays(x, found.append)
    for array in found:
        if not -array.ndim <= axis < array.ndim:
            raise ArgumentError(
                f"an array of shape {array.shape} has no axis {axis} of points"
            )
        if array.dtype.kind not in "fiubO" or array.dtype.itemsize > 8:
            raise ArgumentError(
                f"an array of dtype {array.dtype}: convert it with .astype(float)"
            )
        if type(array) is not numpy.ndarray:
            raise ArgumentError(
                f"{type(array).__name__}: of arrays only plain numpy.ndarray will do; convert "
                "it with numpy.asarray"
            )
    found = [in_doubles(array) for array in found]
    return found if axis == 0 else [numpy.moveaxis(array, axis, 0) for array in found]


def in_doubles(array):
    """The array, or a copy whose numbers are doubles that lie where doubles may lie."""
    if array.dtype == object:
        return array
    array = array.astype(float, copy=False)
    is_even = array.flags.aligned and not any(s % array.itemsize for s in array.strides)
    return array if is_even else array.copy()


def columns_of(array):
    """The numbers at each place of its rows: views."""
    return list(array.reshape(len(array), math.prod(array.shape[1:])).T)


def row(array, point):
    """What f gets at a point."""
    return array[point] if array.ndim > 1 else array.item(point)


def row_of_ones(array):
    return numpy.ones(array.shape[1:]) if array.ndim > 1 else 1.0


# ---- Results --------------------------------------------------------------------------


class Results:
    """The results at all points, which may come from different paths.

    Results that differ in nothing but their numbers are of one kind. There must be room for
    a kind before its path runs at the points, and perhaps it is right at none.
    """

    def __init__(self, n, dtype):
        self.n, self.dtype = n, dtype
        self.shapes = []  # of each kind
        self.arrays = {}  # (place among the leaves, shape of what is there) -> at all points
        self.kinds = numpy.zeros(n, numpy.intp)  # of each point

    def add_kind(self, shape):
        """Make room for results of that shape: (kind, the arrays for their numbers)."""
        self.shapes.append(shape)
        arrays = []
        for k, leaf in enumerate(shape.leaves()):
            if not isinstance(leaf, tuple):
                place = k, lengths(leaf)
                if place not in self.arrays:
                    self.arrays[place] = numpy.empty((self.n, *place[1]), self.dtype)
                arrays.append(self.arrays[place])
        return len(self.shapes) - 1, arrays

    def arranged(self):
        """ResultError if the results at two points differ in more than their numbers."""
        kinds = [0]
        if len(self.shapes) > 1:  # of which some may have come out at no point
            kinds = numpy.flatnonzero(numpy.bincount(self.kinds)).tolist()
        first, *others = [self.shapes[kind] for kind in kinds]
        for other in others:
            if arrangement(other) != arrangement(first):
                raise ResultError(
                    "the function returns results of different forms at different points: "
                    f"{arrangement(first)} and {arrangement(other)}"
                )
        leaves = zip(*[self.shapes[kind].leaves() for kind in kinds], strict=True)
        found = [
            self.leaf(k, dict(zip(kinds, of_kinds, strict=True)))
            for k, of_kinds in enumerate(leaves)
        ]
        return first.with_leaves(iter(found))

    def leaf(self, k, kinds):
        """The leaf at all points: an array, or what is the same at all."""
        constants = {
            kind: leaf[0] for kind, leaf in kinds.items() if isinstance(leaf, tuple)
        }
        shapes = {
            lengths(leaf): None
            for leaf in kinds.values()
            if not isinstance(leaf, tuple)
        }
        if len(shapes) > 1:
            raise ResultError(
                "the function returns arrays of different shapes at different points: "
                f"{' and '.join(map(str, shapes))}"
            )
        for shape in shapes:
            array = self.arrays[k, shape]
            for kind, constant in constants.items():
                self.check_number(constant, shape)
                array[self.kinds == kind] = constant
            return array
        first, *others = constants.values()
        if all(_core.are_same_constants(c, first) for c in others):
            return first
        values = [constants[kind] for kind in self.kinds.tolist()]
        if all(isinstance(c, (int, float)) for c in constants.values()):
            return numpy.array(values)
        array = numpy.empty(self.n, object)
        array[:] = values
        return array

    def check_number(self, constant, shape):
        """ResultError unless a constant, such as a plain 0, will do for numbers elsewhere."""
        is_number = isinstance(constant, (numbers.Real, numpy.bool_)) or (
            isinstance(constant, numpy.ndarray) and constant.dtype.kind in "biu"
        )
        if numpy.shape(constant) != shape or not (is_number or self.dtype is object):
            raise ResultError(
                "the function returns numbers at some points where it returns "
                f"{constant!r} at others"
            )


def lengths(leaf):
    """The shape of what is there at each point: of a number or an array."""
    return () if leaf == 0.0 else tuple(leaf)


def are_same_leaves(leaves, others):
    """Of leaves, a constant is a tuple (c,)."""
    return len(leaves) == len(others) and all(
        _core.are_same_constants(x[0], y[0])
        if isinstance(x, tuple) and isinstance(y, tuple)
        else x == y
        for x, y in zip(leaves, others, strict=True)
    )


def arrangement(shape):
    """The form of a result, whatever its leaves are: numbered."""
    return shape.with_leaves(itertools.count())


# ---- Running --------------------------------------------------------------------------


class Batch:
    """One call of vmap's function."""

    def __init__(self, compiled, points, n_workers, bar):
        self.compiled, self.points, self.n_workers, self.bar = (
            compiled,
            points,
            n_workers,
            bar,
        )
        self.results = Results(points.n, float if points.are_floats else object)
        self.lock = threading.Lock()  # of the bar
        self.alone = []  # arrays of points at which the function is called
        self.entry = None
        if points.are_floats:
            self.entry, values = _core.entry_at(
                compiled, points.arguments(0), points.kwargs
            )
        if self.entry is not None:
            self.inputs = _core.Columns(
                points.numbers(_core.numbers_per_argument(self.entry), values)
            )
            self.kinds = {}  # path -> (kind, Columns) of its results
            self.failed = numpy.empty(points.n, numpy.uint32)
            self.flagged = numpy.empty(points.n, numpy.uint8)

    def result(self):
        if self.points.n == 0:
            return self.result_of_nothing()
        everywhere = numpy.arange(self.points.n, dtype=numpy.uintp)
        if self.entry is None:
            self.alone.append(everywhere)
        else:
            self.run_paths(everywhere)
            if not _core.is_replayed(self.entry):  # as has turned up meanwhile
                self.results = Results(self.points.n, float)
                self.alone = [everywhere]
                if self.bar is not None:
                    self.bar.reset()
        self.call_alone()
        return self.results.arranged()

    def result_of_nothing(self):
        """As where all numbers are 1, if there is anything."""
        if self.entry is not None:
            path = _core.recent_path(self.entry)
            path = path or _core.record_path(
                self.compiled, self.entry, [1.0] * len(self.inputs)
            )
            if path is not None and not _core.returns_matrices(path):
                self.results.add_kind(_core.result_shape(path))
                return self.results.arranged()
        return numpy.empty(0)

    def run_paths(self, everywhere):
        pending = [(_core.recent_path(self.entry), everywhere, 0)]
        most = 0
        while pending:
            path, points, n_tries = pending.pop()
            if path is None:
                path, points = self.recorded(points)
            if path is None or not len(points):
                continue
            if n_tries > self.compiled.max_paths:  # right on a border, by a bit
                self.alone.append(points)
                continue
            n_right = self.run(path, points)
            if n_right > most:
                most = n_right
                _core.note_path(self.entry, path)
            if n_right == len(points):
                continue
            astray = points[self.failed[points] != _core.NO_GUARD]
            for guard in numpy.unique(self.failed[astray]).tolist():
                group = astray[self.failed[astray] == guard]
                beyond = _core.next_path(path, guard, self.inputs.at(group.item(0)))
                pending.append((beyond, group, n_tries + 1))

    def recorded(self, points):
        """(a path recorded at the first of the points that gives one, those from there on)"""
        for k, point in enumerate(points.tolist()):
            path = _core.record_path(self.compiled, self.entry, self.inputs.at(point))
            if path is not None:
                return path, points[k:]
            if not _core.has_room(self.compiled, self.entry):
                self.alone.append(points[k:])
                break
            self.alone.append(points[k : k + 1])
        return None, points

    def run(self, path, points):
        """Run the path at these points; returns at how many it was right."""
        if _core.returns_matrices(path):
            self.alone.append(points)
            return len(points)
        if path not in self.kinds:
            kind, arrays = self.results.add_kind(_core.result_shape(path))
            self.kinds[path] = kind, _core.Columns(arrays)
        kind, outputs = self.kinds[path]

        def work(chunk):
            is_right = _core.run_path(
                path, self.inputs, outputs, chunk, self.failed, self.flagged
            )
            if self.bar is not None:
                self.note_progress(len(chunk) if is_right else self.n_done_of(chunk))
            return is_right

        is_right = self.share_out(work, points)
        right = points if is_right else self.right_among(points)
        if kind > 0:  # 0 is there already
            self.results.kinds[right] = kind
        if len(right):
            last = self.inputs.at(right.item(len(right) - 1))
            _core.note_uses(self.compiled, self.entry, path, len(right), last)
        return len(right)

    def right_among(self, points):
        """Those at which the path was right; but for what is flagged, which runs alone."""
        right = points[self.failed[points] == _core.NO_GUARD]
        flagged = self.flagged[right] != 0
        self.alone.append(right[flagged])
        return right[~flagged]

    def n_done_of(self, points):
        """At how many of them the path has given the result."""
        is_done = (self.failed[points] == _core.NO_GUARD) & (self.flagged[points] == 0)
        return numpy.count_nonzero(is_done)

    def share_out(self, work, points):
        """Let the workers run chunks of the points, each the next one that is left; whether all
        went well.

        This thread is one of them. If it only waited, two others might start on one processor,
        as this one was on the other, and stay there for 3 ms until the system moves them apart.
        """
        n_workers = max(1, min(self.n_workers, len(points) // SHARE))
        size = CHUNK
        if n_workers > 1:  # four chunks or more for each, of full blocks
            block = _core.MOST_LANES
            size = min(CHUNK, block * -(-len(points) // (4 * n_workers * block)))
        chunks = iter([points[k : k + size] for k in range(0, len(points), size)])

        def take_part():
            is_well = True
            try:
                for chunk in chunks:
                    is_well &= work(chunk)
            finally:  # after an exception none is left for the others
                list(chunks)
            return is_well

        if n_workers == 1:
            return take_part()
        with concurrent.futures.ThreadPoolExecutor(n_workers - 1) as pool:
            others = [pool.submit(take_part) for _ in range(n_workers - 1)]
            is_well = take_part()
            return all([is_well, *(other.result() for other in others)])

    def note_progress(self, n):
        if self.bar is not None:
            with self.lock:
                self.bar.update(n)

    def call_alone(self):
        """Call the function where nothing else will do, in the order of the points."""
        last = None
        for point in sorted(
            itertools.chain.from_iterable(a.tolist() for a in self.alone)
        ):
            arguments = self.points.arguments(point)
            try:
                y = self.compiled(*arguments, **self.points.kwargs)
            except Exception as error:
                if hasattr(error, "add_note"):  # from Python 3.11 on
                    error.add_note(f"at point {point} of {self.points.n}")
                raise
            shape, values = _core.taken_result(y)
            if last is None or not are_same_leaves(shape.leaves(), last[0]):
                kind, arrays = self.results.add_kind(shape)
                columns = [column for array in arrays for column in columns_of(array)]
                last = shape.leaves(), kind, columns
            _, kind, columns = last
            self.results.kinds[point] = kind
            for column, value in zip(columns, values, strict=True):
                column[point] = value
            self.note_progress(1)
