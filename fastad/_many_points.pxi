# Compiled functions on many points at once: what fastad.vectorising asks of the core.
#
# The numbers of the arguments, and those of the results, are columns: arrays with one number for
# each point. Paths are run on the points that take them; which those are comes out by running.


@cython.final
cdef class Columns:
    """The places of arrays of doubles, as the core wants them: an address and a stride each.

    The points lie along the first axis of the arrays; one that is of length 1 is the same at all
    points. The places of an array with more axes come one after the other, as in its rows.
    """

    cdef fad_column *columns
    cdef Py_ssize_t n
    cdef list arrays  # whose memory that is

    def __cinit__(self, list arrays):
        cdef Py_buffer buffer
        cdef Py_ssize_t n = sum([prod(array.shape[1:]) for array in arrays])
        self.arrays = arrays
        self.columns = <fad_column *>fad_memory_zeroed((n + 1) * sizeof(fad_column))
        if self.columns == NULL:
            raise OutOfMemoryError(f"no memory for {n} columns")
        for array in arrays:
            PyObject_GetBuffer(array, &buffer, PyBUF_STRIDES)
            self.add_places(&buffer, 1, <char *>buffer.buf)
            PyBuffer_Release(&buffer)

    cdef void add_places(self, Py_buffer *buffer, int axis, char *address):
        """Those whose indices along the axes before this one lead to that address."""
        cdef Py_ssize_t k
        if axis < buffer.ndim:
            for k in range(buffer.shape[axis]):
                self.add_places(buffer, axis + 1, address + k * buffer.strides[axis])
            return
        self.columns[self.n].numbers = <double *>address
        if buffer.shape[0] > 1:
            self.columns[self.n].stride = buffer.strides[0] // <Py_ssize_t>sizeof(double)
        self.n += 1

    def __dealloc__(self):
        fad_memory_free(self.columns)

    def __len__(self):
        return self.n

    def at(self, Py_ssize_t point):
        """The numbers at a point."""
        cdef Py_ssize_t k
        return [self.columns[k].numbers[point * self.columns[k].stride] for k in range(self.n)]


def entry_at(Compiled compiled, tuple args, dict kwargs):
    """(entry, numbers) for arguments like these; (None, None) if they cannot be replayed."""
    cdef bint ours = False
    cdef Scratch scratch = Scratch()
    cdef Entry entry = compiled.entry_of(args, kwargs, scratch, &ours)
    if entry is None or entry.reason is not None or ours:
        return None, None
    return entry, list_of_floats(scratch.memory, entry.n)


def is_replayed(Entry entry):
    """Whether nothing has turned up yet for which calls are left to the function."""
    return entry.reason is None


def recent_path(Entry entry):
    """The path that was last right, or None."""
    return entry.recent


def record_path(Compiled compiled, Entry entry, list numbers_):
    """A new path for these numbers, or None where the function itself must be called."""
    cdef Scratch scratch = scratch_with(numbers_)
    cdef bint is_sound = False
    args, kwargs = entry.arguments_of(numbers_)
    path = compiled.record(entry, scratch)
    if type(path) is not Path:
        try:
            compiled.call_unrecorded(entry, path, args, kwargs)
        except Exception:  # as it will where it is called at that point
            pass
        return None
    failed = compiled.run(path, scratch, &is_sound)
    if failed == FAD_NO_GUARD and is_sound:
        compiled.checked(path, compiled.result_of(path, scratch), args, kwargs)
        if (<Path>path).is_doubtful:
            compiled.confirm(entry, path, scratch)
    return path if entry.reason is None else None


def has_room(Compiled compiled, Entry entry):
    """Whether another path may be recorded."""
    return entry.reason is None and len(entry.paths) < compiled.max_paths


def next_path(Path path, Py_ssize_t guard_, list numbers_):
    """The path that was last right where this one fails at that guard; or None."""
    cdef Buffer at = Buffer(len(numbers_))
    at.fill(numbers_)
    return path_beyond(path, guard_, at.numbers)


def returns_matrices(Path path):
    """Whether there are sparse matrices in the result: objects, of which there are no columns."""
    return path.program.result.has_matrices()


def result_shape(Path path):
    return path.program.result


def taken_result(y):
    """(shape, numbers) of a result."""
    cdef list outputs = []
    return take_apart(y, outputs, ANYTHING), outputs


def numbers_per_argument(Entry entry):
    """For each positional argument, and last for all others together."""
    shapes = entry.shapes if entry.keywords is None else [*entry.shapes, entry.keywords]
    return [n_numbers(<Shape>shape) for shape in shapes]


NO_GUARD = FAD_NO_GUARD
MOST_LANES = FAD_WIDE_LANES  # points that run side by side, at most


def run_path(
    Path path, Columns inputs, Columns outputs, size_t[::1] points, uint32_t[::1] failed,
    unsigned char[::1] flagged,
):
    """Run the path at these points; whether it was right at all of them.

    `failed` and `flagged` say of each how it went.
    """
    cdef fad_batch batch
    cdef Buffer scratch = Buffer(fad_batch_scratch(&path.schedule) // sizeof(double) + 1)
    cdef bint is_right = True
    batch.n = len(points)
    if batch.n:
        batch.points, batch.first = &points[0], points[0]
        if points[batch.n - 1] - points[0] == batch.n - 1:  # in a row, which is faster
            batch.points = NULL
        batch.inputs, batch.outputs = inputs.columns, outputs.columns
        batch.failed, batch.flagged = &failed[0], &flagged[0]
        with nogil:
            is_right = fad_batch_run(&path.schedule, fad_best_set(), &batch, scratch.numbers)
    return is_right


def note_uses(Compiled compiled, Entry entry, Path path, Py_ssize_t n, list numbers_):
    """The path was right at n points, the last of which has these numbers."""
    compiled.n_hits += n
    entry.uses += n
    path.uses += n
    if path.uses > 1 and path.recording is not None:
        compiled.confirm(entry, path, scratch_with(numbers_))


def note_path(Entry entry, Path path):
    """The path was right at most points."""
    note_recent(entry, path)
