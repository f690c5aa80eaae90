# Compiled functions on many points at once: what fastad.vectorising asks of the core.
#
# The numbers of the arguments, and those of the results, are columns: arrays with one number for
# each point. Paths are run on the points that take them; which those are comes out by running.


@cython.final
cdef class Columns:
    """Arrays of doubles as the core wants them: an address and a stride each."""

    cdef fad_column *columns
    cdef list arrays  # whose memory that is

    def __cinit__(self, list arrays):
        cdef Py_buffer buffer
        cdef Py_ssize_t k
        self.arrays = arrays
        self.columns = <fad_column *>fad_memory_zeroed((len(arrays) + 1) * sizeof(fad_column))
        if self.columns == NULL:
            raise OutOfMemoryError(f"no memory for {len(arrays)} columns")
        for k in range(len(arrays)):
            PyObject_GetBuffer(arrays[k], &buffer, PyBUF_STRIDES)
            self.columns[k].numbers = <double *>buffer.buf
            self.columns[k].stride = buffer.strides[0] // <Py_ssize_t>sizeof(double)
            if buffer.shape[0] == 1:  # the same at all points
                self.columns[k].stride = 0
            PyBuffer_Release(&buffer)

    def __dealloc__(self):
        fad_memory_free(self.columns)

    cdef Columns from_point(self, size_t point):
        """The same, counted from that point on."""
        cdef Columns shifted = Columns(self.arrays)
        cdef Py_ssize_t k
        for k in range(len(self.arrays)):
            shifted.columns[k].numbers += <Py_ssize_t>point * self.columns[k].stride
        return shifted


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


def run_path(
    Path path, Columns inputs, Columns outputs, size_t[::1] points, uint32_t[::1] failed,
    unsigned char[::1] flagged,
):
    """Run the path at these points; says of each in `failed` and `flagged` how it went."""
    cdef fad_batch batch
    cdef Buffer scratch = Buffer(fad_batch_scratch(&path.schedule) // sizeof(double) + 1)
    batch.n = len(points)
    if batch.n:
        batch.points, batch.failed, batch.flagged = &points[0], &failed[0], &flagged[0]
        if points[batch.n - 1] - points[0] == batch.n - 1:  # in a row, which is faster
            inputs, outputs = inputs.from_point(points[0]), outputs.from_point(points[0])
            batch.points = NULL
            batch.failed, batch.flagged = &failed[points[0]], &flagged[points[0]]
        batch.inputs, batch.outputs = inputs.columns, outputs.columns
        with nogil:
            fad_batch_run(&path.schedule, fad_best_set(), &batch, scratch.numbers)


def note_uses(Compiled compiled, Entry entry, Path path, Py_ssize_t n, list numbers_):
    """The path was right at n points, the last of which has these numbers."""
    compiled.n_hits += n
    path.uses += n
    if path.uses > 1 and path.recording is not None:
        compiled.confirm(entry, path, scratch_with(numbers_))


def note_path(Entry entry, Path path):
    """The path was right at most points."""
    note_recent(entry, path)
