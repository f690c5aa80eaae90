# A run of a function that is kept: vjp sweeps it as often as one likes.


@cython.final
cdef class Recording:
    """One run of a function: its inputs, its outputs, and the tape between them."""

    cdef fad_tape *tape
    cdef bint one         # argument, not a tuple of them
    cdef list arguments   # the Shape of each
    cdef Shape result
    cdef list outputs     # numbers, in the order of the result
    cdef object name      # of the function, for messages
    cdef bint raises      # on nan

    def __cinit__(
        self, Recipe recipe, tuple args, dict kwargs, bint stores_all=False, bint is_sparse=False
    ):
        self.tape = take_tape()
        self.tape.nests = 1
        self.tape.stores_all = stores_all  # checkpoints, too: only single sweeps repeat calls
        self.tape.is_sparse = is_sparse
        self.one = recipe.one
        self.raises = recipe.raises
        self.name = name_of(recipe.f)
        self.arguments = []
        self.outputs = []
        lifted = lift(self.tape, recipe, args, self.arguments)
        y = call_on_level(self.tape, recipe.strict, recipe.f, lifted, kwargs)
        self.result = take_result_apart(y, self.outputs, recipe.f)
        for output in self.outputs:
            if is_ours(output):
                check_fresh(output)

    def __dealloc__(self):
        if self.tape != NULL:
            give_tape(self.tape)


    def value(self):
        """What the function returned, with values in place of Vars."""
        cdef Py_ssize_t place = 0
        return self.result.fill([
            value_one_level_out(output) if is_active(output, self.tape) else output
            for output in self.outputs
        ], &place)

    def pull_back(self, seed):
        """The derivatives of the outputs, weighted by the seed, in the arguments' shape."""
        cdef list seeds = []
        cdef Py_ssize_t place = 0
        if not self.result.is_like(take_apart(seed, seeds)):
            raise wrong_seed(seed, self.name, self.value())
        gradient = self.sweep(seeds)
        gradients = [(<Shape>shape).fill(gradient, &place) for shape in self.arguments]
        return gradients[0] if self.one else tuple(gradients)

    def jacobian(self, mode, *, str set=None):
        """The partials of the result to the arguments: in the result's shape, of each number
        in the argument's. set: for tests, one of `instruction_sets()`; the best by default."""
        cdef NodeIds nodes
        cdef Matrix matrix
        cdef Py_ssize_t k
        if self.tape.outer != NULL:
            rows = [self.sweep(one_of(len(self.outputs), k)) for k in range(len(self.outputs))]
        elif self.tape.checkpoints != NULL:
            rows = [self.row(output) for output in self.outputs]
        else:
            nodes = self.output_nodes()
            forward = mode == "forward" or (
                mode == "auto" and forward_is_cheaper(self.tape.n_nodes, self.tape.n_pinned, nodes.n)
            )
            matrix = jacobian_matrix(
                self.tape, nodes, forward, self.raises, number_of_set(set)
            )
            rows = [matrix.row(k) for k in range(nodes.n)]
        jacobians = in_result_shape(rows, self.result, self.arguments)
        return jacobians[0] if self.one else tuple(jacobians)

    def value_and_rows(self):
        """What the function returned, and for each number in it the partials to the inputs."""
        return self.value(), [self.row(output) for output in self.outputs]

    cdef list row(self, output):
        """The derivatives of one output."""
        if not is_active(output, self.tape):
            return [0.0] * self.tape.n_pinned
        return gradient_of(<Var>output, self.raises)

    cdef NodeIds output_nodes(self):
        cdef NodeIds nodes = NodeIds(len(self.outputs))
        cdef Py_ssize_t k
        for k in range(nodes.n):
            nodes.ids[k] = FAD_NO_NODE
            if is_active(self.outputs[k], self.tape):
                nodes.ids[k] = (<Var>self.outputs[k]).id
        return nodes

    @property
    def counts(self):
        """(inputs, outputs, nodes) of the recording."""
        return self.tape.n_pinned, len(self.outputs), self.tape.n_nodes

    def costs(self):
        """For each mode: (directions, sweeps, predicted seconds)."""
        table = {}
        for mode, n in (("forward", self.tape.n_pinned), ("reverse", len(self.outputs))):
            n_lanes = lanes_for(self.tape.n_nodes, n)
            nanoseconds = cost_of_sweeps(self.tape.n_nodes, n) * self.tape.n_nodes
            table[mode] = n, (n + n_lanes - 1) // n_lanes, nanoseconds * 1e-9
        return table

    cdef list sweep(self, list seeds):
        """The derivatives of the outputs, weighted by the seeds, to all inputs."""
        cdef list active = []
        cdef list weights = []
        cdef dict of_nodes = {}
        for output, seed in zip(self.outputs, seeds):
            if is_active(output, self.tape):
                active.append(output)
                weights.append(seed)
        if not active:
            return [0.0] * self.tape.n_pinned
        if self.tape.outer == NULL and are_all_floats(weights):
            # The weighted sum is one operation more.
            return gradient_of(weighted_sum(active, weights), self.raises)
        for output, seed in zip(active, weights):
            of_nodes[(<Var>output).id] = sum_of(of_nodes.get((<Var>output).id), seed)
        return sweep_nested(self.tape, of_nodes, self.raises)


cdef object wrong_seed(seed, name, value):
    return ArgumentError(
        f"the seed {short(seed)} must have the shape of what {name} returned, {short(value)}"
    )


cdef list one_of(Py_ssize_t n, Py_ssize_t k):
    """The k-th unit vector of n dimensions."""
    cdef list vector = [0.0] * n
    vector[k] = 1.0
    return vector


cdef Var weighted_sum(list arguments, list weights):
    """A node whose partials are the weights; its value does not matter."""
    cdef Py_ssize_t k
    cdef double *partials = <double *>PyMem_Malloc(len(weights) * sizeof(double))
    if partials == NULL:
        raise MemoryError()
    try:
        for k in range(len(weights)):
            partials[k] = weights[k]
        return record(0.0, arguments, partials)
    finally:
        PyMem_Free(partials)
