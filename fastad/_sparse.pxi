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
    cdef Buffer tangents = Buffer(<size_t>tape.n_nodes * n_lanes)
    cdef Py_ssize_t first, k, lane
    for first in range(0, pattern.n_colours, n_lanes):
        memset(tangents.numbers, 0, n_inputs * n_lanes * sizeof(double))
        for k in range(n_inputs):
            lane = <Py_ssize_t>pattern.colours.ids[k] - first
            if 0 <= lane < n_lanes:
                tangents.numbers[k * n_lanes + lane] = 1.0
        sweep_lanes_forward(tape, results, n_lanes, tangents.numbers, n_absorbed)
        for k in range(results.n):
            if results.ids[k] == FAD_NO_NODE:
                continue
            for lane in range(min(<Py_ssize_t>n_lanes, pattern.n_colours - first)):
                sums.numbers[k * pattern.n_colours + first + lane] = (
                    tangents.numbers[<size_t>results.ids[k] * n_lanes + lane]
                )
    return sums


cdef list entries_of(Pattern pattern, Matrix sums):
    """The entries of the pattern, row by row, from the sums of the columns of each colour."""
    cdef fad_pattern *rows = &pattern.rows
    cdef uint32_t n_colours = pattern.n_colours, colour, row, column
    cdef uint32_t *colours = pattern.colours.ids
    cdef NodeIds counts = NodeIds(n_colours)  # columns of each colour in a row
    cdef Buffer entries = Buffer(rows.starts[rows.n_rows])
    cdef size_t k
    for row in range(rows.n_rows):
        for k in range(rows.starts[row], rows.starts[row + 1]):
            counts.ids[colours[rows.columns[k]]] += 1
        for k in range(rows.starts[row], rows.starts[row + 1]):
            column = rows.columns[k]
            colour = colours[column]
            if counts.ids[colour] == 1:
                entries.numbers[k] = sums.numbers[<size_t>row * n_colours + colour]
            else:  # a star colouring shows it on the other side of the diagonal
                entries.numbers[k] = sums.numbers[<size_t>column * n_colours + colours[row]]
        for k in range(rows.starts[row], rows.starts[row + 1]):
            counts.ids[colours[rows.columns[k]]] = 0
    return entries.take()


def sparse_partials(run, Pattern pattern=None):
    """(pattern, entries) of the Jacobian of a Recording, or the Hessian of a Curvature.

    With a pattern of an earlier run there is no search for one, but a check that it still
    holds: ArgumentError if not.
    """
    cdef fad_tape *tape
    cdef NodeIds results
    cdef bint symmetric = type(run) is Curvature
    if symmetric:
        tape, results = (<Curvature>run).tape, (<Curvature>run).gradient
    else:
        tape, results = (<Recording>run).tape, (<Recording>run).output_nodes()
        if tape.outer != NULL:
            raise ArgumentError(
                "sparse derivatives do not nest in others: pass plain numbers"
            )
    if pattern is None:
        pattern = pattern_of(tape, results, symmetric)
        pattern.colour()
    elif not pattern_holds(tape, results, pattern, symmetric):
        raise ArgumentError(
            "the function has another sparsity at this point than the one that was passed: "
            "find it again with fastad.sparsity, at a point of this kind"
        )
    return pattern, entries_of(pattern, compressed_columns(tape, results, pattern))


cdef bint pattern_holds(fad_tape *tape, NodeIds results, Pattern pattern, bint symmetric):
    """Whether no entry lies outside the pattern."""
    cdef Pattern now
    if pattern.symmetric != symmetric or pattern.rows.n_rows != <uint32_t>results.n or (
        pattern.rows.n_columns != tape.n_pinned
    ):
        return False
    now = pattern_of(tape, results, symmetric)
    return is_part_of(&now.rows, &pattern.rows)


cdef bint is_part_of(const fad_pattern *part, const fad_pattern *whole):
    cdef size_t k, j
    cdef uint32_t row
    for row in range(part.n_rows):
        j = whole.starts[row]
        for k in range(part.starts[row], part.starts[row + 1]):
            while j < whole.starts[row + 1] and whole.columns[j] < part.columns[k]:
                j += 1
            if j == whole.starts[row + 1] or whole.columns[j] != part.columns[k]:
                return False
    return True
