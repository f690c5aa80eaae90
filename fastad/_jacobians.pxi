# Jacobians: many sweeps over one recording, several directions at a time.


@cython.final
cdef class NodeIds:
    """The nodes of some results; FAD_NO_NODE for a constant."""

    cdef uint32_t *ids
    cdef Py_ssize_t n

    def __cinit__(self, Py_ssize_t n):
        self.n = n
        self.ids = <uint32_t *>fad_memory_zeroed((n + 1) * sizeof(uint32_t))
        if self.ids == NULL:
            raise OutOfMemoryError(f"no memory for the ids of {n} nodes")

    def __dealloc__(self):
        fad_memory_free(self.ids)


@cython.final
cdef class Matrix:
    """A dense matrix of doubles, row by row; NumPy takes it as a buffer."""

    cdef double *numbers
    cdef Py_ssize_t n_rows, n_columns
    cdef Py_ssize_t shape[2]
    cdef Py_ssize_t strides[2]

    def __cinit__(self, Py_ssize_t n_rows, Py_ssize_t n_columns):
        cdef size_t n_bytes = (<size_t>n_rows * n_columns + 1) * sizeof(double)
        self.n_rows, self.n_columns = n_rows, n_columns
        self.numbers = <double *>fad_memory_zeroed(n_bytes)
        if self.numbers == NULL:
            raise OutOfMemoryError(f"no memory for a matrix of {n_rows} x {n_columns}")

    def __dealloc__(self):
        fad_memory_free(self.numbers)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        self.shape[0], self.shape[1] = self.n_rows, self.n_columns
        self.strides[0] = self.n_columns * sizeof(double)
        self.strides[1] = sizeof(double)
        buffer.buf = self.numbers
        buffer.obj = self
        buffer.len = self.n_rows * self.n_columns * sizeof(double)
        buffer.itemsize = sizeof(double)
        buffer.readonly = 0
        buffer.ndim = 2
        buffer.format = "d"
        buffer.shape = self.shape
        buffer.strides = self.strides
        buffer.suboffsets = NULL
        buffer.internal = NULL

    cdef list row(self, Py_ssize_t k):
        return list_of_floats(self.numbers + k * self.n_columns, self.n_columns)

    cdef bint has_nan(self):
        return fad_has_nan(self.numbers, <size_t>self.n_rows * self.n_columns)


cdef enum:
    MAX_LANES = 16
    LANE_MEMORY = 1 << 26  # bytes for the adjoints of all lanes; with more, fewer lanes


cdef uint32_t lanes_for(uint64_t n_nodes, Py_ssize_t n_directions):
    """How many directions to sweep at once."""
    cdef uint32_t n = MAX_LANES
    while n > 1 and (n // 2 >= n_directions or
                     n_nodes * n * sizeof(double) > LANE_MEMORY):
        n //= 2
    return n


cdef double cost_of_sweeps(uint64_t n_nodes, Py_ssize_t n_directions):
    """In nanoseconds per node, as measured: a sweep costs 1 and each lane of it 0.1."""
    cdef uint32_t n_lanes
    cdef double cost = 0.0
    while n_directions > 0:
        n_lanes = lanes_for(n_nodes, n_directions)
        cost += 1.0 + 0.1 * n_lanes
        n_directions -= n_lanes
    return cost


cdef bint forward_is_cheaper(uint64_t n_nodes, Py_ssize_t n_inputs, Py_ssize_t n_outputs):
    """By counts: one direction per input forward, one per output backward."""
    return cost_of_sweeps(n_nodes, n_inputs) <= cost_of_sweeps(n_nodes, n_outputs)


cdef Matrix jacobian_matrix(
    fad_tape *tape, NodeIds outputs, bint forward, bint raises, int set
):
    """The partials of the outputs to the pinned inputs; warns and raises as `sweep` does.

    set: the instruction set to sweep with.
    """
    cdef uint64_t n_absorbed = 0
    cdef Matrix matrix
    if tape.n_odd == 0:
        matrix = fill_matrix(tape, outputs, forward, set, NULL)
        if not matrix.has_nan():
            return matrix
    matrix = fill_matrix(tape, outputs, forward, set, &n_absorbed)
    report(n_absorbed, matrix.has_nan(), raises)
    return matrix


cdef Matrix fill_matrix(
    fad_tape *tape, NodeIds outputs, bint forward, int set, uint64_t *n_absorbed
):
    """n_absorbed: adds how many products a zero absorbed; NULL for plain sweeps."""
    cdef Py_ssize_t n_inputs = tape.n_pinned, first = 0
    cdef Py_ssize_t n_directions = n_inputs if forward else outputs.n
    cdef uint32_t n_lanes = lanes_for(tape.n_nodes, n_directions)
    cdef Matrix matrix = Matrix(outputs.n, n_inputs)
    cdef Buffer rows = Buffer(<size_t>tape.n_nodes * n_lanes, zeroed=not forward)
    if n_inputs == 0:  # nor is there any node to sweep over
        return matrix
    while first < n_directions:
        n_lanes = lanes_for(tape.n_nodes, n_directions - first)
        if forward:
            columns_by_forward_sweep(
                tape, outputs, set, first, n_lanes, rows.numbers, matrix, n_absorbed
            )
        else:
            rows_by_backward_sweep(
                tape, outputs, set, first, n_lanes, rows.numbers, matrix, n_absorbed
            )
        first += n_lanes
    return matrix


cdef int columns_by_forward_sweep(
    fad_tape *tape, NodeIds outputs, int set, Py_ssize_t first, uint32_t n_lanes,
    double *tangents, Matrix matrix, uint64_t *n_absorbed,
) except -1:
    cdef Py_ssize_t n_inputs = tape.n_pinned, lane, k
    cdef Py_ssize_t n = min(<Py_ssize_t>n_lanes, n_inputs - first)
    clear_input_rows(tape, tangents, n_lanes)
    for lane in range(n):
        tangents[(first + lane) * n_lanes + lane] = 1.0
    sweep_lanes_forward(tape, outputs, set, n_lanes, tangents, n_absorbed)
    for k in range(outputs.n):
        if outputs.ids[k] != FAD_NO_NODE:
            for lane in range(n):
                matrix.numbers[k * n_inputs + first + lane] = (
                    tangents[<size_t>outputs.ids[k] * n_lanes + lane]
                )
    return 0


cdef int rows_by_backward_sweep(
    fad_tape *tape, NodeIds outputs, int set, Py_ssize_t first, uint32_t n_lanes,
    double *adjoints, Matrix matrix, uint64_t *n_absorbed,
) except -1:
    cdef Py_ssize_t n_inputs = tape.n_pinned, lane, k
    cdef Py_ssize_t n = min(<Py_ssize_t>n_lanes, outputs.n - first)
    cdef uint32_t start = 0
    cdef bytearray masks = bytearray(0 if n_absorbed == NULL else 2 * <size_t>tape.n_nodes)
    cdef uint16_t *reached = <uint16_t *><unsigned char *>masks
    for lane in range(n):
        if outputs.ids[first + lane] != FAD_NO_NODE:
            adjoints[<size_t>outputs.ids[first + lane] * n_lanes + lane] = 1.0
            start = max(start, outputs.ids[first + lane])
            if n_absorbed != NULL:
                reached[outputs.ids[first + lane]] |= <uint16_t>(1 << lane)
    with nogil:
        if n_absorbed == NULL:
            fad_sweep_backward_many(tape, set, start, n_lanes, adjoints)
        else:
            n_absorbed[0] += fad_sweep_backward_many_carefully(
                tape, set, start, n_lanes, adjoints, reached
            )
    for k in range(n_inputs):
        for lane in range(n):
            matrix.numbers[(first + lane) * n_inputs + k] = adjoints[k * n_lanes + lane]
    clear_input_rows(tape, adjoints, n_lanes)
    return 0


cdef void clear_input_rows(fad_tape *tape, double *rows, uint32_t n_lanes) noexcept:
    """Also of constants that `where` has chosen."""
    cdef uint32_t id = tape.last_input
    memset(rows, 0, tape.n_pinned * n_lanes * sizeof(double))
    while id != FAD_NO_NODE and id >= tape.n_pinned:
        memset(rows + <size_t>id * n_lanes, 0, n_lanes * sizeof(double))
        id = next_input(tape, id)


cdef int sweep_lanes_forward(
    fad_tape *tape, NodeIds results, int set, uint32_t n_lanes, double *tangents,
    uint64_t *n_absorbed,
) except -1:
    """The tangents of the results from those of the inputs."""
    cdef uint32_t k, lane, last = tape.n_nodes - 1
    cdef bytearray needed, masks
    cdef unsigned char *is_needed
    cdef uint16_t *reached
    if tape.n_nodes == 0:
        return 0
    if n_absorbed == NULL:
        with nogil:
            fad_sweep_forward_many(tape, set, last, n_lanes, tangents)
        return 0
    if fad_tape_reserve_adjoints(tape) < 0:
        raise OutOfMemoryError("no memory for a sweep")
    needed, masks = bytearray(tape.n_nodes), bytearray(2 * <size_t>tape.n_nodes)
    is_needed, reached = needed, <uint16_t *><unsigned char *>masks
    for k in range(results.n):
        if results.ids[k] != FAD_NO_NODE:
            is_needed[results.ids[k]] = 1
    for k in range(tape.n_pinned):
        for lane in range(n_lanes):
            if tangents[<size_t>k * n_lanes + lane] != 0.0:
                reached[k] |= <uint16_t>(1 << lane)
    with nogil:
        fad_sweep_reach(tape, last, 0, is_needed)
        n_absorbed[0] += fad_sweep_forward_many_carefully(
            tape, set, last, n_lanes, tangents, reached, is_needed
        )
    return 0


cdef list in_blocks(list rows, list shapes):
    """A symmetric matrix as lists of blocks, each in the shape of its two arguments."""
    cdef list blocks = []
    cdef Py_ssize_t first = 0, n
    for shape in shapes:
        n = n_numbers(<Shape>shape)
        blocks.append(in_result_shape(rows[first:first + n], <Shape>shape, shapes))
        first += n
    return blocks


cdef list in_result_shape(list rows, Shape result, list arguments):
    """For each argument the partials of the result to it: rows are those of its numbers."""
    cdef list jacobians = []
    cdef Py_ssize_t first = 0, n, place
    cdef Shape argument
    for of_argument in arguments:
        argument = of_argument
        n = n_numbers(argument)
        of_numbers = []
        for row in rows:
            place = first
            of_numbers.append(argument.fill(row, &place))
        first += n
        place = 0
        if result.kind == AN_ARRAY and argument.kind == AN_ARRAY:
            numpy = sys.modules["numpy"]
            shape = result.prototype + argument.prototype
            stacked = numpy.array(of_numbers) if of_numbers else numpy.zeros(shape)
            jacobians.append(stacked.reshape(shape))
        else:
            jacobians.append(result.fill(of_numbers, &place))
    return jacobians


cdef Py_ssize_t n_numbers(Shape shape):
    if shape.kind == A_NUMBER:
        return 1
    if shape.items is None:
        return shape.n
    return sum([n_numbers(inner) for inner in shape.items])
