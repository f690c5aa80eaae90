# Programs on many points at once: what tests and benchmarks see of csrc/batch.h.


def batch_bounds():
    """Of each row with mathematics of its own in batches, the largest error in ulps."""
    cdef int k = 0
    bounds = {}
    while fad_batch_bounds[k].name != NULL:
        bounds[fad_batch_bounds[k].name.decode()] = fad_batch_bounds[k].ulps
        k += 1
    return bounds


def batch_row(str name, points, *, str set=None, int repeat=0):
    """The row at each of the points, an array of shape (n, arity): like `batch_program`."""
    cdef int op = opcode_of[name]
    cdef uint32_t ids[3]
    cdef int k
    cdef Program program = Program.__new__(Program)
    memset(ids, 0, sizeof(ids))
    for k in range(fad_op_rows[op].arity):
        ids[k] = fad_program_input(&program.program)
    ids[0] = fad_program_append(&program.program, op, ids[0], ids[1], ids[2])
    check_memory(fad_program_add_output(&program.program, ids[0]))
    return batch_program(program, points, set=set, repeat=repeat)


def batch_program(Program program, points, *, list chosen=None, str set=None, int repeat=0):
    """Run a program on many points.

    Parameters
    ----------
    points : array of float64, C-contiguous, of shape (n, number of inputs)
    chosen : list of int, optional
        The points to run; all of them by default.
    set : str, optional
        One of `instruction_sets()`; the best one by default.
    repeat : int
        How often to run it again, with a clock.

    Returns
    -------
    outputs : Matrix of shape (n, number of outputs)
    failed : list of int
        By point, the number of the first guard that fails, or -1.
    flagged : list of bool
        By point, whether an output is nan, or its block raised INVALID, DIVBYZERO, OVERFLOW.
    seconds : list of float
        Of each repetition.
    """
    cdef Batch batch = Batch(program, points, chosen)
    cdef int which = number_of_set(set), k
    batch.run(which)
    seconds = []
    for k in range(repeat):
        start = time.thread_time()
        batch.run(which)
        seconds.append(time.thread_time() - start)
    return batch.results, batch.failures(), [bool(f) for f in batch.flags], seconds


@cython.final
cdef class Batch:
    """A program with points to run it on, and room for what comes out."""

    cdef fad_schedule schedule
    cdef fad_batch batch
    cdef Py_buffer points
    cdef readonly Matrix results
    cdef bytearray columns, chosen, failed, flags, scratch

    def __cinit__(self, Program program, points, list chosen):
        cdef Py_ssize_t k, n_inputs = program.program.n_inputs
        PyObject_GetBuffer(points, &self.points, PyBUF_ND | PyBUF_FORMAT)
        if (
            self.points.ndim != 2
            or self.points.shape[1] != n_inputs
            or self.points.format != b"d"
        ):
            raise ValueError(f"the points must be float64, of shape (n, {n_inputs})")
        cdef Py_ssize_t n = self.points.shape[0]
        check_memory(fad_schedule_make(&program.program, &self.schedule))
        self.results = Matrix(n, self.schedule.n_outputs)
        self.columns = bytearray((n_inputs + self.schedule.n_outputs) * sizeof(fad_column))
        self.failed = bytearray(b"\xff" * (n * sizeof(uint32_t)))
        self.flags = bytearray(n)
        self.scratch = bytearray(fad_batch_scratch(&self.schedule))
        cdef fad_column *columns = <fad_column *><char *>self.columns
        for k in range(n_inputs):
            columns[k] = fad_column(<double *>self.points.buf + k, n_inputs)
        self.batch.inputs = columns
        columns += n_inputs
        for k in range(self.schedule.n_outputs):
            columns[k] = fad_column(self.results.numbers + k, self.schedule.n_outputs)
        self.batch.outputs = columns
        self.batch.n = n
        self.batch.failed = <uint32_t *><char *>self.failed
        self.batch.flagged = <uint8_t *><char *>self.flags
        if chosen is not None:
            self.choose(chosen, n)

    cdef int choose(self, list chosen, Py_ssize_t n) except -1:
        cdef Py_ssize_t k
        self.chosen = bytearray((len(chosen) + 1) * sizeof(size_t))
        cdef size_t *points = <size_t *><char *>self.chosen
        for k in range(len(chosen)):
            if not 0 <= chosen[k] < n:
                raise IndexError(f"{chosen[k]}: there are {n} points")
            points[k] = chosen[k]
        self.batch.points = points
        self.batch.n = len(chosen)
        return 0

    def __dealloc__(self):
        PyBuffer_Release(&self.points)
        fad_schedule_free(&self.schedule)

    cdef void run(self, int set):
        cdef char *scratch = self.scratch
        with nogil:
            fad_batch_run(&self.schedule, set, &self.batch, scratch)

    cdef list failures(self):
        cdef Py_ssize_t k
        cdef uint32_t guard
        found = []
        for k in range(self.points.shape[0]):
            guard = self.batch.failed[k]
            found.append(-1 if guard == FAD_NO_GUARD else guard)
        return found


def with_gradient(Program program):
    """The program of the value and, behind it, the gradient: for tests and benchmarks."""
    cdef Program derived = Program.__new__(Program)
    check_memory(fad_derive_gradient(&program.program, 0, NULL, &derived.program))
    return derived
