# Sparse derivatives: a pattern, a colouring of it, and compressed sweeps.


@cython.final
cdef class Pattern:
    """Which results depend on which inputs, and a colouring of the columns.

    One sweep in the direction of all columns of a colour gives their entries at once.
    """

    cdef fad_pattern rows
    cdef bint symmetric
    cdef NodeIds colours
    cdef uint32_t n_colours

    def __dealloc__(self):
        fad_pattern_free(&self.rows)

    cdef int colour(self) except -1:
        self.colours = NodeIds(self.rows.n_columns)
        cdef int status
        if self.symmetric:
            status = fad_pattern_colour_symmetric(
                &self.rows, self.colours.ids, &self.n_colours
            )
        else:
            status = fad_pattern_colour_columns(
                &self.rows, self.colours.ids, &self.n_colours
            )
        if status < 0:
            raise OutOfMemoryError("no memory for the colouring of a sparsity pattern")
        return 0

    @property
    def shape(self):
        return self.rows.n_rows, self.rows.n_columns

    @property
    def n_directions(self):
        """How many directions a sweep needs: the colours."""
        return self.n_colours

    def indices(self):
        """(starts, columns) of the compressed rows: two lists of ints."""
        cdef Py_ssize_t k
        return (
            [self.rows.starts[k] for k in range(self.rows.n_rows + 1)],
            [self.rows.columns[k] for k in range(<Py_ssize_t>self.rows.starts[self.rows.n_rows])],
        )

    def __eq__(self, other):
        if type(other) is not Pattern:
            return NotImplemented
        return same_pattern(&self.rows, &(<Pattern>other).rows)

    def __hash__(self):
        return hash(self.shape)


cdef bint same_pattern(const fad_pattern *a, const fad_pattern *b):
    cdef size_t k
    if a.n_rows != b.n_rows or a.n_columns != b.n_columns:
        return False
    for k in range(<size_t>a.n_rows + 1):
        if a.starts[k] != b.starts[k]:
            return False
    for k in range(a.starts[a.n_rows]):
        if a.columns[k] != b.columns[k]:
            return False
    return True


cdef Pattern pattern_of(fad_tape *tape, NodeIds results, bint symmetric):
    """The pattern of the partials of the results to the pinned inputs."""
    cdef Pattern pattern = Pattern()
    cdef fad_pattern found
    cdef int status
    pattern.symmetric = symmetric
    status = fad_pattern_of_results(tape, tape.n_pinned, results.ids, results.n, &found)
    if status == 0 and symmetric:
        status = fad_pattern_symmetrise(&found, &pattern.rows)
        fad_pattern_free(&found)
    elif status == 0:
        pattern.rows = found
    if status < 0:
        raise OutOfMemoryError("no memory for a sparsity pattern")
    return pattern


cdef Matrix compressed_columns(fad_tape *tape, NodeIds results, Pattern pattern):
    """The sums of the columns of each colour: one row for each result."""
    cdef uint64_t n_absorbed = 0
    cdef Matrix sums
    if tape.n_odd == 0:
        sums = sums_of_columns(tape, results, pattern, NULL)
        if not sums.has_nan():
            return sums
    sums = sums_of_columns(tape, results, pattern, &n_absorbed)
    report(n_absorbed, False, False)
    return sums


cdef Matrix sums_of_columns(
    fad_tape *tape, NodeIds results, Pattern pattern, uint64_t *n_absorbed
):
    cdef Matrix sums = Matrix(results.n, pattern.n_colours)
    cdef uint32_t n_lanes = lanes_for(tape.n_nodes, pattern.n_colours), n_inputs = tape.n_pinned
    cdef Buffer tangents = Buffer(<size_t>tape.n_nodes * n_lanes, zeroed=False)
    cdef Py_ssize_t first, k, lane
    for first in range(0, pattern.n_colours, n_lanes):
        clear_input_rows(tape, tangents.numbers, n_lanes)
        for k in range(n_inputs):
            lane = <Py_ssize_t>pattern.colours.ids[k] - first
            if 0 <= lane < n_lanes:
                tangents.numbers[k * n_lanes + lane] = 1.0
        sweep_lanes_forward(
            tape, results, fad_best_set(), n_lanes, tangents.numbers, n_absorbed
        )
        for k in range(results.n):
            if results.ids[k] == FAD_NO_NODE:
                continue
            for lane in range(min(<Py_ssize_t>n_lanes, pattern.n_colours - first)):
                sums.numbers[k * pattern.n_colours + first + lane] = (
                    tangents.numbers[<size_t>results.ids[k] * n_lanes + lane]
                )
    return sums


@cython.final
cdef class EntryPlaces:
    """Of each entry of a pattern, row by row, the result and the colour whose sum it is."""

    cdef NodeIds rows, colours

    def __cinit__(self, Pattern pattern):
        cdef fad_pattern *rows = &pattern.rows
        cdef uint32_t *colours = pattern.colours.ids
        cdef NodeIds counts = NodeIds(pattern.n_colours)  # columns of each colour in a row
        cdef uint32_t row, column
        cdef size_t k
        self.rows = NodeIds(rows.starts[rows.n_rows])
        self.colours = NodeIds(rows.starts[rows.n_rows])
        for row in range(rows.n_rows):
            for k in range(rows.starts[row], rows.starts[row + 1]):
                counts.ids[colours[rows.columns[k]]] += 1
            for k in range(rows.starts[row], rows.starts[row + 1]):
                column = rows.columns[k]
                self.rows.ids[k], self.colours.ids[k] = row, colours[column]
                if counts.ids[colours[column]] > 1:
                    # A star colouring shows it on the other side of the diagonal.
                    self.rows.ids[k], self.colours.ids[k] = column, colours[row]
            for k in range(rows.starts[row], rows.starts[row + 1]):
                counts.ids[colours[rows.columns[k]]] = 0

    cdef list entries(self, Matrix sums):
        """From the sums of the columns of each colour."""
        cdef Py_ssize_t k
        cdef Buffer found = Buffer(self.rows.n)
        for k in range(self.rows.n):
            found.numbers[k] = sums.numbers[
                <size_t>self.rows.ids[k] * sums.n_columns + self.colours.ids[k]
            ]
        return found.take()


def sparse_partials(run, Pattern pattern=None):
    """(pattern, entries) of the Jacobian of a Recording, or the Hessian of a Curvature, or of
    those inside of a program.

    With a pattern of an earlier run there is no search for one, but a check that it still
    holds: ArgumentError if not.
    """
    cdef fad_tape *tape
    cdef NodeIds results
    cdef bint symmetric = type(run) is Curvature
    if type(run) is InnerRecording:
        return inner_sparse_partials((<InnerRecording>run).run, pattern, False)
    if type(run) is InnerCurvature:
        return inner_sparse_partials((<InnerCurvature>run).run, pattern, True)
    if symmetric:
        tape, results = (<Curvature>run).tape, (<Curvature>run).gradient
    else:
        tape, results = (<Recording>run).tape, (<Recording>run).output_nodes()
        if tape.outer != NULL:
            raise ArgumentError(
                "sparse derivatives do not nest in others: pass plain numbers"
            )
    pattern = checked_pattern(pattern_of(tape, results, symmetric), pattern)
    sums = compressed_columns(tape, results, pattern)
    return pattern, EntryPlaces(pattern).entries(sums)


cdef Pattern checked_pattern(Pattern now, Pattern earlier):
    """The pattern to go by, coloured; ArgumentError if an earlier one does not hold now."""
    if earlier is None:
        now.colour()
        return now
    if earlier.symmetric != now.symmetric or not is_part_of(&now.rows, &earlier.rows):
        raise ArgumentError(
            "the function has another sparsity at this point than the one that was passed: "
            "find it again with fastad.sparsity, at a point of this kind"
        )
    return earlier


cdef tuple inner_sparse_partials(InnerRun run, Pattern pattern, bint symmetric):
    """The pattern is that of all points: of a choice it has what both sides depend on."""
    cdef Py_ssize_t n_outputs = run.program.program.n_outputs, k
    cdef EntryPlaces places
    pattern = checked_pattern(structure_of(run, symmetric), pattern)
    places = EntryPlaces(pattern)
    sums = []
    for colour in range(pattern.n_colours):
        directions = [1.0 if pattern.colours.ids[k] == colour else 0.0 for k in range(run.n)]
        sums.append(run.tangents(directions)[n_outputs:])
    return pattern, [sums[places.colours.ids[k]][places.rows.ids[k]] for k in range(places.rows.n)]


cdef Pattern structure_of(InnerRun run, bint symmetric):
    """The pattern of the partials of a program's outputs to its first n inputs."""
    cdef fad_program *program = &run.program.program
    cdef NodeIds nodes = NodeIds(program.n_instructions)
    cdef NodeIds results = NodeIds(program.n_outputs)
    cdef bytearray wanted = run.wanted()
    cdef fad_tape *tape = take_tape()
    cdef uint32_t k
    try:
        check_memory(fad_replay_record(
            program, NULL, <unsigned char *>wanted, NULL, tape, nodes.ids
        ))
        tape.n_pinned = <uint32_t>run.n
        for k in range(program.n_outputs):
            results.ids[k] = nodes.ids[program.outputs[k]]
        return pattern_of(tape, results, symmetric)
    finally:
        give_tape(tape)


cdef bint is_part_of(const fad_pattern *part, const fad_pattern *whole):
    cdef size_t k, j
    cdef uint32_t row
    if part.n_rows != whole.n_rows or part.n_columns != whole.n_columns:
        return False
    for row in range(part.n_rows):
        j = whole.starts[row]
        for k in range(part.starts[row], part.starts[row + 1]):
            while j < whole.starts[row + 1] and whole.columns[j] < part.columns[k]:
                j += 1
            if j == whole.starts[row + 1] or whole.columns[j] != part.columns[k]:
                return False
    return True


# ---- Matrices in results --------------------------------------------------------------------

@cython.final
cdef class Layout:
    """Where the entries of a sparse matrix are: `csr_array`'s starts of rows, and columns."""

    cdef readonly tuple shape
    cdef readonly object starts, columns  # arrays of ints

    def __init__(self, tuple shape, starts, columns):
        import numpy
        self.shape = shape
        self.starts = numpy.array(starts, numpy.int32)
        self.columns = numpy.array(columns, numpy.int32)

    def __eq__(self, other):
        if type(other) is not Layout:
            return NotImplemented
        return self.shape == other.shape and (
            self.starts.tolist() == other.starts.tolist()
            and self.columns.tolist() == other.columns.tolist()
        )

    def __hash__(self):
        return hash(self.shape)

    def __reduce__(self):
        return Layout, (self.shape, self.starts, self.columns)

    def matrix(self, entries):
        """A `scipy.sparse.csr_array`."""
        return scipy_sparse().csr_array(
            (entries, self.columns.copy(), self.starts.copy()), shape=self.shape, dtype=float
        )


@cython.final
cdef class MatrixOfVars:
    """A sparse matrix in a function that is being recorded, which can only be returned."""

    cdef Layout layout
    cdef list entries

    def __init__(self, Layout layout, list entries):
        self.layout, self.entries = layout, entries

    def __getattr__(self, name):
        raise NotAProgram(
            f".{name} of a sparse derivative: while a function is being recorded, as by "
            "fastad.compile, a sparse derivative can only be returned"
        )


def matrix_of(run, Layout layout, list entries):
    """The matrix that a sparse verb returns, from what it has run."""
    if type(run) is InnerRecording or type(run) is InnerCurvature:
        return MatrixOfVars(layout, entries)
    return layout.matrix(entries)


cdef bint is_matrix(x):
    """Whether x is a matrix as the sparse verbs return it."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and type(x) is sparse.csr_array and x.dtype == float


cdef tuple parts_of_matrix(x, bint without_zeros):
    """(Layout, entries)"""
    if type(x) is MatrixOfVars:
        return (<MatrixOfVars>x).layout, (<MatrixOfVars>x).entries
    if without_zeros:
        x = x.copy()
        x.eliminate_zeros()
    return Layout(x.shape, x.indptr, x.indices), x.data.tolist()


def scipy_sparse():
    try:
        import scipy.sparse
    except ImportError as error:
        raise ImportError(
            'sparse derivatives need SciPy: pip install "fastad[sparse]"'
        ) from error
    return scipy.sparse
