# Programs inside programs: a verb that is called while a program is being recorded.
#
#   program     fast = compile(value_and_grad(f))
#   Var x ------+-------------------------------+---> Vars of the value and the gradient
#     behind |  | f recorded, derived in C      | inlined into the program
#            v  |                               |
#     input 0   +-- the inner program ----------+
#
# The function that the verb differentiates runs on Vars of an inner program, whose inputs
# stand for numbers of the surrounding one. Its derivative is a program too, and is inlined. So
# the surrounding program holds plain operations, as if somebody had written them down, and
# nothing of this took place in Python operation by operation.
#
# What cannot be a program (NotAProgram) is differentiated eagerly, on numbers of two levels.


cdef bint is_inside_program(x):
    """Whether there is a Var of a program under construction among the arguments."""
    cdef list numbers_ = []
    try:
        take_apart(x, numbers_, ANYTHING)
    except ArgumentError:
        return False
    inner = innermost(numbers_)
    return inner is not None and tape_of(inner).program != NULL


@cython.final
cdef class InnerRun:
    """A run of a function on Vars of an inner program."""

    cdef Program program
    cdef Program surrounding
    cdef fad_tape *tape     # NULL once it is over
    cdef Recipe recipe
    cdef list lifted        # the arguments, with Vars
    cdef list shapes        # of the arguments that are differentiated
    cdef Py_ssize_t n       # inputs for these; there may be more behind them

    def __cinit__(self, Recipe recipe, tuple args):
        cdef list numbers_ = []
        cdef list all_numbers = []
        cdef Py_ssize_t k, place = 0
        self.recipe = recipe
        self.shapes = [
            take_apart(args[position_of(recipe, k, args)], numbers_)
            for k in range(len(recipe.argnums))
        ]
        take_apart(args, all_numbers, ANYTHING)
        surrounding = self.surrounding = <Program>tape_of(innermost(all_numbers)).program
        self.program = Program.__new__(Program)
        self.program.places = surrounding.places
        self.program.keeps = surrounding.keeps
        self.program.behind = []
        self.program.captured = {}
        self.tape = take_tape()
        open_recording(self.tape, self.program)
        self.n = len(numbers_)
        numbers_ = [instruction_input(self.tape, number_) for number_ in numbers_]
        self.lifted = list(args)
        for k in range(len(recipe.argnums)):
            self.lifted[position_of(recipe, k, args)] = (<Shape>self.shapes[k]).fill(
                numbers_, &place
            )

    def __dealloc__(self):
        self.end()

    cdef void end(self) noexcept:
        if self.tape != NULL:
            self.surrounding.raised |= self.program.raised
            self.surrounding.hashed |= self.program.hashed
            close_recording(self.tape)
            give_tape(self.tape)
            self.tape = NULL

    cdef object call(self, dict kwargs):
        """What the function returns, with Vars of the inner program."""
        return call_on_level(self.tape, self.recipe.strict, self.recipe.f, self.lifted, kwargs)

    cdef int end_with(self, list outputs) except -1:
        """The run is over, and this is what the program computes."""
        for x in outputs:
            if is_ours(x):
                check_fresh(x)
        add_outputs(self.tape, outputs)
        self.end()
        return 0

    cdef bytearray wanted(self):
        """A byte for each input of the program: the first n are differentiated."""
        return bytearray([k < self.n for k in range(self.program.program.n_inputs)])

    # -- derivatives, as lists of numbers of the surrounding program; the outputs come first

    cdef list value(self):
        return self.inlined(&self.program.program, [])

    cdef list gradient(self, Py_ssize_t k):
        """The partials of output k."""
        cdef Program derived = Program.__new__(Program)
        cdef bytearray wanted = self.wanted()
        check_memory(fad_derive_gradient(
            &self.program.program, <uint32_t>k, <unsigned char *>wanted, &derived.program
        ))
        return self.inlined(&derived.program, [])

    cdef list pullback(self, list seeds):
        """The partials, weighted by a seed for each output."""
        cdef Program derived = Program.__new__(Program)
        cdef bytearray wanted = self.wanted()
        check_memory(fad_derive_pullback(
            &self.program.program, <unsigned char *>wanted, &derived.program
        ))
        return self.inlined(&derived.program, seeds)

    cdef list tangents(self, list directions):
        """The derivatives of the outputs in a direction: a number for each of the n inputs."""
        cdef Program derived = Program.__new__(Program)
        cdef bytearray wanted = self.wanted()
        moving = []
        for k in range(self.n):
            if is_float(directions[k], 0.0):
                wanted[k] = 0
            else:
                moving.append(directions[k])
        check_memory(fad_derive_tangent(
            &self.program.program, <unsigned char *>wanted, &derived.program
        ))
        return self.inlined(&derived.program, moving)

    cdef int become_gradient(self) except -1:
        """Replace the program, which has one output, by that of its gradient."""
        cdef Program derived = Program.__new__(Program)
        cdef bytearray wanted = self.wanted()
        check_memory(fad_derive_gradient(
            &self.program.program, 0, <unsigned char *>wanted, &derived.program
        ))
        fad_program_select_outputs(&derived.program, 1, <uint32_t>self.n)
        check_memory(fad_program_drop_dead(&derived.program))
        self.program.program, derived.program = derived.program, self.program.program
        return 0

    cdef list inlined(self, fad_program *derived, list more):
        """The outputs of a program with the inputs of ours, and behind them `more`."""
        cdef list behind = self.program.behind + more
        cdef Buffer at = Buffer(derived.n_inputs)
        cdef Buffer values = Buffer(derived.n_instructions)
        cdef Buffer outputs = Buffer(derived.n_outputs)
        cdef uint32_t k
        at.fill([primal(x) for x in behind])
        fad_replay(derived, at.numbers, values.numbers, outputs.numbers)
        inner = innermost(behind)
        if inner is None:
            return outputs.take()
        if type(inner) is Dual or tape_of(inner).program == NULL:
            raise NotAProgram()
        cdef NodeIds ids = inline_into(tape_of(inner), derived, behind)
        return [
            instruction_var(tape_of(inner), outputs.numbers[k], ids.ids[derived.outputs[k]])
            for k in range(derived.n_outputs)
        ]


cdef NodeIds inline_into(fad_tape *tape, fad_program *source, list behind):
    """Write a program into the one that the tape records; returns the ids of its results."""
    cdef Program target = <Program>tape.program
    cdef NodeIds inputs = NodeIds(source.n_inputs)
    cdef NodeIds ids = NodeIds(source.n_instructions)
    cdef Py_ssize_t k
    for k in range(len(behind)):
        inputs.ids[k] = id_of(tape, behind[k])
    check_memory(fad_program_inline(&target.program, source, inputs.ids, ids.ids))
    if target.lines is not None:
        place = place_of_caller()
        target.lines += [place] * (target.program.n_instructions - len(target.lines))
    return ids


# ---- The verbs ------------------------------------------------------------------------------

cdef object inlined_value_and_gradient(Recipe recipe, tuple args, dict kwargs):
    """What `value_and_gradient` returns, as Vars of the surrounding program."""
    cdef InnerRun run = InnerRun(recipe, args)
    cdef list outputs = []
    cdef Shape shape_of_aux = None
    cdef Py_ssize_t place = 0
    try:
        y = run.call(kwargs)
        if recipe.has_aux:
            y, aux = value_and_aux(recipe.f, y)
        outputs.append(y if is_ours(y) else constant_result(recipe.f, y))
        if recipe.has_aux:
            shape_of_aux = take_apart(aux, outputs, ANYTHING)
        run.end_with(outputs)
        results = run.gradient(0)
    finally:
        run.end()
    y = results[0]
    if recipe.has_aux:
        y = y, shape_of_aux.fill(results[1:len(outputs)], &place)
    place = 0
    gradient = results[len(outputs):]
    gradients = [(<Shape>shape).fill(gradient, &place) for shape in run.shapes]
    return y, gradients[0] if recipe.one else tuple(gradients)


@cython.final
cdef class InnerRecording:
    """A `Recording` inside of a program."""

    cdef InnerRun run
    cdef Shape result

    def __cinit__(self, Recipe recipe, tuple args, dict kwargs):
        cdef list outputs = []
        self.run = InnerRun(recipe, args)
        try:
            self.result = take_result_apart(self.run.call(kwargs), outputs, recipe.f)
            self.run.end_with(outputs)
        finally:
            self.run.end()

    def value(self):
        return self.result.arrange(self.run.value())

    def pull_back(self, seed):
        cdef list seeds = []
        cdef Py_ssize_t place = 0, n = self.run.program.program.n_outputs
        if not self.result.is_like(take_apart(seed, seeds)):
            raise wrong_seed(seed, name_of(self.run.recipe.f), self.value())
        gradient = self.run.pullback(seeds)[n:]
        gradients = [(<Shape>shape).fill(gradient, &place) for shape in self.run.shapes]
        return gradients[0] if self.run.recipe.one else tuple(gradients)

    def jacobian(self, mode):
        jacobians = in_result_shape(self.rows(mode), self.result, self.run.shapes)
        return jacobians[0] if self.run.recipe.one else tuple(jacobians)

    def value_and_rows(self):
        return self.value(), self.rows("auto")

    cdef list rows(self, mode):
        """For each output the partials to the inputs."""
        cdef Py_ssize_t n = self.run.program.program.n_outputs, k
        cdef uint64_t n_operations = self.run.program.program.n_instructions
        if mode == "forward" or mode == "auto" and forward_is_cheaper(n_operations, self.run.n, n):
            columns = [self.run.tangents(one_of(self.run.n, k))[n:] for k in range(self.run.n)]
            return [[column[k] for column in columns] for k in range(n)]
        return [self.run.gradient(k)[n:] for k in range(n)]


@cython.final
cdef class InnerCurvature:
    """A `Curvature` inside of a program."""

    cdef InnerRun run

    def __cinit__(self, Recipe recipe, tuple args, dict kwargs):
        self.run = InnerRun(recipe, args)
        try:
            y = self.run.call(kwargs)
            self.run.end_with([y if is_ours(y) else constant_result(recipe.f, y)])
        finally:
            self.run.end()
        self.run.become_gradient()

    def hessian(self):
        cdef Py_ssize_t n = self.run.n, k
        columns = [self.run.tangents(one_of(n, k))[n:] for k in range(n)]
        rows = [[column[k] for column in columns] for k in range(n)]
        blocks = in_blocks(rows, self.run.shapes)
        return blocks[0][0] if self.run.recipe.one else tuple([tuple(row) for row in blocks])

    def product(self, direction):
        cdef Py_ssize_t place = 0
        slopes = in_shapes(direction, self.run.shapes, self.run.recipe.one)
        product = self.run.tangents(slopes)[self.run.n:]
        products = [(<Shape>shape).fill(product, &place) for shape in self.run.shapes]
        return products[0] if self.run.recipe.one else tuple(products)


cdef object inlined_pushforward(f, tuple primals, tuple tangents, dict kwargs, bint strict):
    """What `pushforward` returns, as Vars of the surrounding program."""
    cdef list slopes = []
    cdef list outputs = []
    cdef Recipe recipe = Recipe(f, range(len(primals)), False, "warn", strict)
    for x, tangent in zip(primals, tangents):
        check_tangent(x, tangent, take_apart(x, []), slopes)
    cdef InnerRun run = InnerRun(recipe, primals)
    try:
        result = take_result_apart(run.call(kwargs), outputs, f)
        run.end_with(outputs)
        results = run.tangents(slopes)
    finally:
        run.end()
    return (
        (<Shape>result).arrange(results[:len(outputs)]),
        (<Shape>result).arrange(results[len(outputs):]),
    )


def recording_of(
    Recipe recipe, tuple args, dict kwargs, bint stores_all=False, bint is_sparse=False
):
    """A `Recording`, or the like of it inside of a program that is being recorded."""
    if n_recordings and is_inside_program(args):
        try:
            return InnerRecording(recipe, args, kwargs)
        except NotAProgram:
            pass
    return Recording(recipe, args, kwargs, stores_all, is_sparse)


def curvature_of(Recipe recipe, tuple args, dict kwargs):
    """A `Curvature`, or the like of it inside of a program; NotAProgram if neither can be."""
    if n_recordings and is_inside_program(args):
        return InnerCurvature(recipe, args, kwargs)
    return Curvature(recipe, args, kwargs)
