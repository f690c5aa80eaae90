# Checkpoints: calls whose operations are not stored. The sweep, when it comes to such a call,
# repeats it on a tape of its own, sweeps that, and goes on.
#
# A call is made on the level of the innermost of its arguments, with new inputs that have the
# same values; for the levels around, both runs are ordinary operations. It is recorded on the
# tape as a block of nodes that no sweep goes over. The inner sweep begins with what the outer
# one has gathered for the arguments, so every sum is added in the order it would have had.


def call_checkpointed(f, tuple args, dict kwargs):
    """f(*args, **kwargs), recorded as one operation where that can be swept."""
    cdef Arguments arguments = Arguments((*args, *kwargs.values()), ANYTHING)
    inner = innermost(arguments.numbers)
    if type(inner) is not Var or tape_of(inner).program != NULL or tape_of(inner).stores_all:
        return f(*args, **kwargs)
    release_dropped_checkpoints()
    return Checkpoint(f, arguments, tuple(kwargs), inner).record(inner)


@cython.final
cdef class Checkpoint:
    """A call that the sweep repeats."""

    cdef fad_checkpoint nodes
    cdef object f
    cdef Arguments arguments
    cdef tuple names       # of the keyword arguments, the last ones
    cdef list variables    # for each number in the arguments its input, or -1 for a constant
    cdef list inputs       # the values of the inputs one level out; all are different nodes
    cdef list results      # the numbers in the result that depend on these: floats
    cdef bint strict       # while the function runs
    cdef bint nests        # numbers of outer levels take part

    def __cinit__(self, f, Arguments arguments, tuple names, Var inner):
        self.f = f
        self.arguments = arguments
        self.names = names
        self.strict = inner.tape.strict

    cdef object record(self, Var inner):
        """The result of the call, which is recorded as one operation."""
        cdef fad_tape *level = inner.tape
        cdef list of_level = self.take_variables(level)
        cdef list outputs = []
        cdef Shape shape
        cdef Py_ssize_t place = 0
        cdef fad_tape *tape = take_tape()
        try:
            shape = self.run(tape, outputs, True)
            active = [is_active(x, tape) for x in outputs]
            outputs = [
                value_one_level_out(x) if is_result else x
                for x, is_result in zip(outputs, active)
            ]
            check_outer(name_of(self.f), inner, outputs)
            self.nests = tape.outer != NULL
            if self.nests:
                open_to_outer(level, inner, inner)
        finally:
            give_tape(tape)
        results = [x for x, is_result in zip(outputs, active) if is_result]
        self.results = [primal(x) for x in results]
        recorded = iter(self.record_results(level, of_level, results))
        return shape.fill([
            next(recorded) if is_result else x for x, is_result in zip(outputs, active)
        ], &place)

    cdef list take_variables(self, fad_tape *level):
        """The Vars of the level among the arguments, which forget them."""
        cdef dict input_of = {}  # by id
        cdef list of_level = []
        cdef list numbers_ = list(self.arguments.numbers)
        cdef Py_ssize_t k
        self.variables = [-1] * len(numbers_)
        for k in range(len(numbers_)):
            x = numbers_[k]
            if type(x) is not Var or (<Var>x).tape != level:
                continue
            if (<Var>x).id not in input_of:
                input_of[(<Var>x).id] = len(of_level)
                of_level.append(x)
            self.variables[k] = input_of[(<Var>x).id]
            numbers_[k] = 0.0
        self.inputs = [value_one_level_out(x) for x in of_level]
        self.arguments.forget(numbers_)
        return of_level

    cdef Shape run(self, fad_tape *tape, list outputs, bint checks_arguments):
        """Call f with inputs on the tape; the shape of its result, and the numbers in it."""
        cdef list numbers_ = list(self.arguments.numbers)
        cdef Py_ssize_t k, n = len(self.arguments.args) - len(self.names)
        tape.nests = 1
        inputs = inputs_for(tape, self.inputs)
        for k in range(len(numbers_)):
            if self.variables[k] >= 0:
                numbers_[k] = inputs[self.variables[k]]
        args = self.arguments.with_numbers(numbers_)
        y = call_on_level(
            tape, self.strict, self.f, list(args[:n]), dict(zip(self.names, args[n:]))
        )
        if checks_arguments and not self.arguments.are_still(args, numbers_):
            self.refuse("changed its arguments")
        shape = take_apart(y, outputs, ANYTHING)
        innermost(outputs)  # all must be fresh
        return shape

    cdef list record_results(self, fad_tape *level, list arguments, list values):
        """Vars of the level with these values."""
        cdef NodeIds ids = NodeIds(len(arguments))
        cdef Py_ssize_t k
        cdef Var result
        cdef list results = []
        if not values:
            return results
        self.nodes.n_arguments, self.nodes.n_results = len(arguments), len(values)
        self.nodes.owner = <void *>self
        make_room(level, self.nodes.n_arguments + self.nodes.n_results)
        for k in range(ids.n):
            ids.ids[k] = (<Var>arguments[k]).id
        cdef uint32_t id = fad_tape_record_checkpoint(level, &self.nodes, ids.ids)
        Py_INCREF(self)  # until release_dropped_checkpoints
        for value in values:
            make_room(level, 0)
            result = <Var>new_var(primal(value), level, id)
            if level.outer != NULL:
                result.epoch = level.epoch - 1
                if is_ours(value):
                    (<Outer>level.outer).values[id] = value
            results.append(result)
            id += 1
        return results

    cdef list run_again(self, fad_tape *tape):
        """The results of a second call, which must be like the first."""
        cdef list outputs = []
        self.run(tape, outputs, False)
        results = [x for x in outputs if is_active(x, tape)]
        values = [primal(x) for x in results]
        if not are_same_bits(values, self.results) or self.nests != (tape.outer != NULL):
            self.refuse(
                f"returned {short(self.results)} at first, but {short(values)} when the sweep "
                "repeated the call"
            )
        return results

    cdef int refuse(self, str what) except -1:
        raise ImpureFunctionError(
            f"{name_of(self.f)} {what}: under fastad.checkpoint a function must depend on its "
            "arguments alone, and leave them as they are"
        )

    # -- sweeping

    cdef uint64_t pull_back(
        self, fad_tape *level, uint32_t *lowest, unsigned char *reached
    ) except? 0xffffffffffffffff:
        """The adjoints of the results become those of the arguments, on the level's tape.

        Returns how many products a zero absorbed.
        """
        cdef uint32_t first_result = self.nodes.first + self.nodes.n_arguments
        cdef fad_tape *tape
        cdef list outputs
        cdef Sowing sowing
        cdef unsigned char *reached_inside = NULL
        cdef uint64_t n_absorbed
        cdef uint32_t k, id
        if not any([reached[first_result + k] for k in range(self.nodes.n_results)]):
            return 0
        tape = take_tape()
        try:
            outputs = self.run_again(tape)
            sowing = Sowing(self.nodes.n_arguments + self.nodes.n_results)
            for k in range(self.nodes.n_arguments):
                id = level.nodes[self.nodes.first + k].a
                if reached[id]:
                    sowing.add(k, level.adjoints[id])
            for k in range(self.nodes.n_results):
                if reached[first_result + k]:
                    sowing.add((<Var>outputs[k]).id, level.adjoints[first_result + k])
                    level.adjoints[first_result + k] = 0.0
            n_absorbed = sweep_in_silence(tape, &sowing.seeds, &reached_inside)
            for k in range(self.nodes.n_arguments):
                id = level.nodes[self.nodes.first + k].a
                level.adjoints[id] = tape.adjoints[k]
            clear_inputs(tape)
            if reached_inside == NULL:
                reached_inside = new_reached(tape, &sowing.seeds)
                fad_sweep_reach(tape, sowing.seeds.last, 0, reached_inside)
            for k in range(min(self.nodes.n_arguments, sowing.seeds.last + 1)):
                id = level.nodes[self.nodes.first + k].a
                reached[id] |= reached_inside[k]
                lowest[0] = min(lowest[0], id)
            return n_absorbed
        finally:
            fad_memory_free(reached_inside)
            give_tape(tape)

    cdef int pull_back_nested(
        self, fad_tape *level, list adjoints, uint64_t *n_absorbed
    ) except -1:
        """The same where adjoints may be numbers of outer levels; None: not reached."""
        cdef uint32_t first_result = self.nodes.first + self.nodes.n_arguments
        cdef fad_tape *tape
        cdef dict seeds = {}
        cdef Py_ssize_t k, id
        of_results = adjoints[first_result:first_result + self.nodes.n_results]
        if not any([adjoint is not None for adjoint in of_results]):
            return 0
        tape = take_tape()
        try:
            outputs = self.run_again(tape)
            of_inputs = [
                level.nodes[self.nodes.first + k].a for k in range(self.nodes.n_arguments)
            ]
            for k, id in enumerate(of_inputs):
                if adjoints[id] is not None:
                    seeds[k] = adjoints[id]
            for output, adjoint in zip(outputs, of_results):
                if adjoint is not None:
                    id = (<Var>output).id
                    seeds[id] = sum_of(seeds.get(id), adjoint)
            swept = sweep_nested_in_silence(tape, seeds, n_absorbed)
            for id, adjoint in zip(of_inputs, swept):
                adjoints[id] = adjoint
        finally:
            give_tape(tape)
        return 0


@cython.final
cdef class Sowing:
    """The seeds of a sweep, at most n of them."""

    cdef Seeds seeds
    cdef NodeIds ids
    cdef Buffer adjoints

    def __cinit__(self, Py_ssize_t n):
        self.ids = NodeIds(n)
        self.adjoints = Buffer(n)
        self.seeds.n = self.seeds.first = self.seeds.last = 0
        self.seeds.ids, self.seeds.adjoints = self.ids.ids, self.adjoints.numbers

    cdef void add(self, uint32_t id, double adjoint):
        self.ids.ids[self.seeds.n] = id
        self.adjoints.numbers[self.seeds.n] = adjoint
        self.seeds.n += 1
        self.seeds.last = max(self.seeds.last, id)


cdef bint is_active(x, fad_tape *tape):
    """Whether x depends on the inputs of the tape."""
    return type(x) is Var and belongs(<Var>x, tape)


cdef bint are_same_bits(list a, list b):
    """Whether two lists of floats are equal, to the last bit."""
    cdef double x, y
    if len(a) != len(b):
        return False
    for x, y in zip(a, b):
        if memcmp(&x, &y, sizeof(double)) != 0 and not (isnan(x) and isnan(y)):
            return False
    return True


cdef inline uint32_t end_of_checkpoint(const fad_checkpoint *checkpoint) noexcept:
    """The node behind it."""
    return checkpoint.first + checkpoint.n_arguments + checkpoint.n_results


cdef void release_dropped_checkpoints() noexcept:
    """Let go of those that no tape holds any more; this may run somebody's code."""
    cdef fad_checkpoint *dropped = fad_tape_drop_checkpoint()
    while dropped != NULL:
        checkpoint = <Checkpoint>dropped.owner
        Py_DECREF(checkpoint)
        checkpoint = None
        dropped = fad_tape_drop_checkpoint()
