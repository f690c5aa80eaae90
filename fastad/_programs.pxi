# Programs: a function's operations as instructions, to be derived and run again.
#
# A tape that belongs to a program under construction records no nodes: an operation on its
# Vars appends an instruction, and a Var's id is the id of its instruction. Such Vars, like those
# of a nested tape, keep the epoch before the tape's, so that every operation comes to the slow
# path and from there to record_instruction.


class NotAProgram(ArgumentError):
    """A function computes with what no program holds, such as numbers of an outer level."""

    def __init__(
        self,
        message="a program holds plain numbers: neither the arguments nor what else the "
        "function computes with may be a Var or Dual from outside",
    ):
        super().__init__(message)


@cython.final
cdef class Program:
    """A function as the straight line of operations that one call of it performed.

    Loops are unrolled and branches taken as they were for these arguments. A program can be
    printed, run at other points, and derived; a derivative is a program again. Each decision
    on a number (a comparison, ``int()``, ``.value`` and the like) is part of it, as a guard:
    where it comes out otherwise, the program refuses to run.

    Parameters
    ----------
    f : callable
        Takes and returns numbers, or lists, tuples, dicts, dataclasses and arrays of them.
    *args
        The arguments of the call.
    lines : bool
        Note the source line of each instruction, for the listing.

    Raises
    ------
    ArgumentError, ResultError
        As `fastad.grad` does.
    PathError
        (a ValueError) when it is run where a decision comes out otherwise.

    Examples
    --------
    >>> from fastad import Program, math
    >>> p = Program(lambda x, y: math.sin(x * y), 0.5, 2.0)
    >>> print(p)
    %0 = input 0
    %1 = input 1
    %2 = mul %0 %1
    %3 = sin %2
    output %3
    >>> print(p.gradient())
    %0 = input 0
    %1 = input 1
    %2 = mul %0 %1
    %3 = cos %2
    %4 = mul %1 %3
    %5 = mul %0 %3
    output %4 %5
    >>> p(0.0, 1.0), p.gradient()(0.0, 1.0)
    (0.0, (1.0, 0.0))
    """

    cdef fad_program program
    cdef Shape arguments   # a tuple of them
    cdef Shape result
    cdef list lines        # (file, line) of each instruction, or None
    cdef Places places     # of guards
    cdef bint keeps        # operations that may raise exceptions, dead or not
    cdef bint raised       # an operation has: what was recorded then may depend on it
    cdef bint hashed       # a number has been
    cdef list behind       # inside another program: of each input the number one level out,
    cdef dict captured     # and the inputs for those that it was not given: (tape, id) -> id

    def __cinit__(self):
        memset(&self.program, 0, sizeof(fad_program))
        self.arguments = self.result = take_apart((), [])
        self.places = Places()

    def __dealloc__(self):
        fad_program_free(&self.program)

    def __init__(self, f, *args, bint lines=False):
        recorded = record_program(f, args, {}, lines)
        self.take_from(recorded)

    cdef void take_from(self, Program other):
        """Take over what a new program holds."""
        self.program, other.program = other.program, self.program
        self.arguments, self.result = other.arguments, other.result
        self.lines, self.places = other.lines, other.places

    def __call__(self, *args):
        """Run the program at another point.

        PathError, a ValueError, if a comparison comes out otherwise there.
        """
        cdef Py_ssize_t place = 0
        return self.result.fill(self.run(self.inputs_from(args)), &place)

    cdef list inputs_from(self, tuple args):
        cdef list numbers_ = []
        cdef bint fits
        if self.arguments.has_constants():
            fits = self.reads(args, numbers_)
        else:
            fits = self.arguments.is_like(take_apart(args, numbers_))
        if not fits:
            raise ArgumentError(
                f"{short(args)}: the arguments must have the shape of those that the program "
                "was recorded with"
            )
        if not are_all_floats(numbers_):
            raise ArgumentError("a Program runs on plain numbers, and not on Vars or Duals")
        return numbers_

    cdef bint reads(self, tuple args, list numbers_) except -1:
        """Whether these are the arguments of a compiled function's path, with its constants."""
        cdef Buffer at = Buffer(self.program.n_inputs)
        cdef Py_ssize_t place = 0
        cdef bint ours = False
        fits = read(self.arguments, args, at.numbers, &place, True, &ours)
        numbers_.extend([args] if ours else at.take())
        return fits

    cdef list run(self, list inputs):
        cdef Buffer at = Buffer(self.program.n_inputs)
        cdef Buffer values = Buffer(self.program.n_instructions)
        cdef Buffer outputs = Buffer(self.program.n_outputs)
        cdef uint32_t failed
        at.fill(inputs)
        with nogil:
            failed = fad_replay(&self.program, at.numbers, values.numbers, outputs.numbers)
        if failed != FAD_NO_GUARD:
            raise PathError(
                "the function takes another path for these arguments: record it there, or use "
                f"fastad.compile, which does. What differs: {self.conditions()[failed]}"
            )
        return outputs.take()

    cdef list conditions(self):
        """Of each guard, in their order, a Condition."""
        cdef uint32_t id
        found = []
        for id in range(self.program.n_instructions):
            i = &self.program.instructions[id]
            if fad_instruction_is_guard(i):
                place = self.places.places[i.args[2] >> 1]
                found.append(Condition(place, side_of(&self.program, i)))
        return found

    def trace(self, *args):
        """The results of all instructions at a point: a list of floats."""
        cdef Buffer at = Buffer(self.program.n_inputs)
        cdef Buffer values = Buffer(self.program.n_instructions)
        at.fill(self.inputs_from(args))
        fad_replay(&self.program, at.numbers, values.numbers, NULL)
        return values.take()

    def gradient(self):
        """The program of the gradient, in the shape of the arguments.

        ResultError if the program has more than one output.
        """
        cdef Program derived = Program.__new__(Program)
        if self.program.n_outputs != 1:
            raise ResultError(
                f"a program of {self.program.n_outputs} outputs has no gradient: it must "
                "have one"
            )
        check_memory(fad_derive_gradient(&self.program, 0, NULL, &derived.program))
        fad_program_select_outputs(&derived.program, 1, self.program.n_inputs)
        check_memory(fad_program_drop_dead(&derived.program))
        derived.arguments = self.arguments
        derived.places = self.places
        derived.result = self.arguments
        if self.arguments.n == 1:
            derived.result = self.arguments.shapes()[0]
        return derived

    def instructions(self):
        """All instructions, as tuples (name, arguments, place in the source).

        The name is that of a row, "input", "constant", or "guard lt" and the like; the
        arguments are ids, for an input its index, for a constant its value, and for a guard
        the two ids and the outcome (0 or 1); the place is (file, line) or None.
        """
        cdef fad_instruction *i
        cdef uint32_t id
        table = []
        for id in range(self.program.n_instructions):
            i = &self.program.instructions[id]
            if i.op == FAD_CONSTANT:
                name, arguments = "constant", (fad_instruction_constant(i),)
            elif i.op == FAD_INPUT:
                name, arguments = "input", (i.args[0],)
            elif fad_instruction_is_guard(i):
                name = ("lt", "le", "eq", "ne")[i.op - FAD_GUARD_lt]
                name, arguments = f"guard {name}", (i.args[0], i.args[1], i.args[2] & 1)
            else:
                name = fad_op_rows[i.op].name.decode()
                arguments = tuple([i.args[k] for k in range(fad_op_rows[i.op].arity)])
            has_line = self.lines is not None and id < <uint32_t>len(self.lines)
            table.append((name, arguments, self.lines[id] if has_line else None))
        return table

    @property
    def outputs(self):
        """The ids of the results."""
        cdef uint32_t k
        return [self.program.outputs[k] for k in range(self.program.n_outputs)]

    @property
    def stats(self):
        """A dict: instructions, inputs, outputs, bytes."""
        return {
            "instructions": self.program.n_instructions,
            "inputs": self.program.n_inputs,
            "outputs": self.program.n_outputs,
            "bytes": self.program.capacity * sizeof(fad_instruction),
        }

    def __str__(self):
        cdef fad_text text
        memset(&text, 0, sizeof(text))
        fad_program_list(&self.program, &text)
        if text.failed:
            fad_text_free(&text)
            raise OutOfMemoryError("no memory for the listing")
        listing = (text.chars[:text.n] if text.n else b"").decode().rstrip("\n")
        fad_text_free(&text)
        if self.lines is None:
            return listing
        lines = listing.split("\n")
        for k, place in enumerate(self.lines):
            if place is not None:
                lines[k] = f"{lines[k]:40} # {place[0]}:{place[1]}"
        return "\n".join(lines)

    def __repr__(self):
        return (
            f"<Program: {self.program.n_inputs} inputs, {self.program.n_instructions} "
            f"instructions, {self.program.n_outputs} outputs>"
        )

    def save(self, file):
        """Write the program to a file, which another machine or a later version can `load`.

        The file holds numbers and names of operations, no code. What it holds of the shapes
        of arguments and result are lists, tuples, dicts and arrays; a program with other
        classes can be pickled.

        Parameters
        ----------
        file : path or binary file

        Raises
        ------
        ArgumentError
            If the program's arguments or result have another class, such as a dataclass.

        Examples
        --------
        >>> import io
        >>> from fastad import Program
        >>> file = io.BytesIO()
        >>> Program(lambda x, y: x * y, 0.5, 2.0).save(file)
        >>> _ = file.seek(0)
        >>> Program.load(file)(3.0, 5.0)
        15.0
        """
        save_program(self, file)

    @staticmethod
    def load(file):
        """The program that `save` wrote.

        It is safe to load a file from anywhere: nothing of it is executed or imported, and
        all of it is checked.

        Parameters
        ----------
        file : path or binary file

        Returns
        -------
        Program

        Raises
        ------
        FileFormatError
            (a ValueError) that says what is wrong with the file.

        Examples
        --------
        >>> import io
        >>> from fastad import Program
        >>> Program.load(io.BytesIO(b"something else"))
        Traceback (most recent call last):
            ...
        fastad.errors.FileFormatError: file: not a program written by fastad: ...
        """
        return load_program(file)

    def to_c(self, name="f", path=None):
        """The program as one self-contained file in ISO C99.

        The file has one function, which can be called from several threads at once::

            int f(const double *inputs, double *outputs);

        Inputs are the numbers in the arguments, outputs those in the result, in the order in
        which Python lists them, arrays row by row. It returns 0; or the number, from 1 on, of
        the first guard that fails, and then it writes nothing; or -1 without memory. Compiled
        without ``-ffast-math`` and with ``-ffp-contract=off`` it gives the bits that the
        program gives here, if the mathematical library is the same.

        Parameters
        ----------
        name : str
            Of the function.
        path : path, optional
            Of a file to write the text into, too.

        Returns
        -------
        str

        Raises
        ------
        ArgumentError
            If the name is not one that a function may have.

        Examples
        --------
        >>> from fastad import Program, math
        >>> text = Program(lambda x, y: math.sin(x * y) / 2, 0.5, 2.0).to_c("half_sine")
        >>> print(text[text.index("int half_sine"):])
        int half_sine(const double *inputs, double *outputs);
        ...
        """
        return program_as_c(self, name, path)

    def __reduce_ex__(self, protocol):
        prototypes = []
        data = encode_program(self, prototypes)
        return unpickle_program, (data, tuple(prototypes))


cdef int check_memory(int status) except -1:
    if status < 0:
        raise OutOfMemoryError("no memory for a program")
    return 0


@cython.final
cdef class Buffer:
    """Room for n doubles, aligned for the kernels, and zeroed unless somebody writes them."""

    cdef void *block
    cdef double *numbers
    cdef size_t n

    def __cinit__(self, size_t n, bint zeroed=True):
        cdef size_t n_bytes = n * sizeof(double) + FAD_ALIGNMENT
        self.n = n
        self.block = fad_memory_zeroed(n_bytes) if zeroed else fad_memory_resize(NULL, n_bytes)
        if self.block == NULL:
            raise OutOfMemoryError(f"no memory for {n} numbers")
        self.numbers = fad_aligned(self.block)

    def __dealloc__(self):
        fad_memory_free(self.block)

    cdef int fill(self, list floats) except -1:
        cdef Py_ssize_t k
        for k in range(len(floats)):  # at most n
            self.numbers[k] = floats[k]
        return 0

    cdef list take(self):
        return list_of_floats(self.numbers, self.n)


# ---- Recording ------------------------------------------------------------------------------

cdef Program record_program(f, tuple args, dict kwargs, bint lines, bint strict=False):
    """Run f once on Vars of a tape that records instructions."""
    cdef Program program = Program.__new__(Program)
    cdef list numbers_ = []
    cdef list outputs = []
    cdef Py_ssize_t place = 0
    program.lines = [] if lines else None
    cdef fad_tape *tape = take_tape()
    open_recording(tape, program)
    try:
        program.arguments = take_apart(args, numbers_)
        numbers_ = [instruction_input(tape, number_) for number_ in numbers_]
        lifted = program.arguments.fill(numbers_, &place)
        y = call_on_level(tape, strict, f, list(lifted), kwargs)
        program.result = take_result_apart(y, outputs, f)
        add_outputs(tape, outputs)
        return program
    finally:
        close_recording(tape)
        give_tape(tape)


cdef int add_outputs(fad_tape *tape, list numbers_) except -1:
    cdef Program program = <Program>tape.program
    for number_ in numbers_:
        check_memory(fad_program_add_output(&program.program, id_of(tape, number_)))
    return 0


cdef Var instruction_input(fad_tape *tape, x):
    cdef Program program = <Program>tape.program
    if program.behind is not None:
        program.behind.append(x)
    elif is_ours(x):
        raise NotAProgram()
    cdef Var input = instruction_var(tape, primal(x), fad_program_input(&program.program))
    if program.lines is not None:
        program.lines[input.id] = None
    return input


cdef Var instruction_var(fad_tape *tape, double value, uint32_t id):
    """The Var of an instruction just appended."""
    cdef Program program = <Program>tape.program
    if id == FAD_NO_ID:
        raise OutOfMemoryError("no memory for more instructions of a program")
    make_room(tape, 0)
    cdef Var x = <Var>new_var(value, tape, id)
    x.epoch = tape.epoch - 1
    if program.lines is not None:
        note_line(program, id)
    return x


cdef uint32_t id_of(fad_tape *tape, x) except? 0xffffffff:
    """The instruction of x: its own, or that of a constant."""
    if is_ours(x):
        check_fresh(x)
        if tape_of(x) != tape or type(x) is Dual:
            return captured_input(tape, x)
        return (<Var>x).id
    return id_of_constant(tape, x)


cdef uint32_t id_of_constant(fad_tape *tape, double value) except? 0xffffffff:
    cdef Program program = <Program>tape.program
    cdef uint32_t id = fad_program_append_constant(&program.program, value)
    if id == FAD_NO_ID:
        raise OutOfMemoryError("no memory for more instructions of a program")
    if program.lines is not None:
        note_line(program, id)
    return id


cdef uint32_t captured_input(fad_tape *tape, x) except? 0xffffffff:
    """The input that stands for a Var of the surrounding program; NotAProgram for others."""
    cdef Program program = <Program>tape.program
    if program.behind is None or type(x) is Dual or tape_of(x).program == NULL:
        raise NotAProgram()
    key = <size_t>tape_of(x), (<Var>x).id
    if key not in program.captured:
        program.captured[key] = instruction_input(tape, x).id
    return program.captured[key]


cdef int note_line(Program program, uint32_t id) except -1:
    """The line of the user's code that is running now."""
    while len(program.lines) <= <Py_ssize_t>id:
        program.lines.append(None)
    program.lines[id] = place_of_caller()
    return 0


cdef object record_instruction(fad_opcode op, asked_by by, tuple operands, fad_tape *tape):
    """An operation on Vars of a program under construction."""
    cdef uint32_t ids[3]
    cdef double floats[3]
    cdef double value
    cdef Py_ssize_t k, n = len(operands)
    memset(ids, 0, sizeof(ids))
    memset(floats, 0, sizeof(floats))
    for k in range(n):
        if is_ours(operands[k]):
            floats[k] = primal(operands[k])
        elif not take_number(op, by, operands[k], &floats[k]):
            return NotImplemented
    cdef Program program = <Program>tape.program
    value = fad_op_value(op, floats[0], floats[1], floats[2])
    if not isfinite(value) or has_algorithm_of_python(op):
        try:
            value = checked_value(op, by, tuple([floats[k] for k in range(n)]))
        except Exception:
            program.raised = True
            raise
    for k in range(n):
        if is_ours(operands[k]):
            ids[k] = id_of(tape, operands[k])
        else:
            ids[k] = id_of_constant(tape, floats[k])
    cdef uint32_t id = fad_program_append(&program.program, op, ids[0], ids[1], ids[2])
    if program.keeps and may_raise(op) and id != FAD_NO_ID:
        check_memory(fad_program_keep(&program.program, id))
    return instruction_var(tape, value, id)


cdef inline bint has_algorithm_of_python(fad_opcode op):
    """Whether CPython may have another value where that of C is finite."""
    return op in (FAD_OP_gamma, FAD_OP_lgamma) or fad_op_rows[<int>op].arity == 3


cdef inline bint may_raise(fad_opcode op):
    """Whether Python may raise an exception for some floats."""
    return op not in (FAD_OP_add, FAD_OP_sub, FAD_OP_mul, FAD_OP_neg, FAD_OP_fabs)


cdef Var constant_instruction(fad_tape *tape, double value):
    return instruction_var(tape, value, id_of_constant(tape, value))


# ---- Second order ---------------------------------------------------------------------------

@cython.final
cdef class Curvature:
    """The gradient of a function at a point, recorded on a tape: second order is its first."""

    cdef list arguments    # the Shape of each that is differentiated
    cdef bint one
    cdef fad_tape *tape
    cdef NodeIds gradient  # the node of each entry of the gradient

    def __cinit__(self, Recipe recipe, tuple args, dict kwargs):
        cdef list inputs = []
        cdef Py_ssize_t k, n = len(recipe.argnums)
        cdef list positions = [position_of(recipe, k, args) for k in range(n)]
        self.tape = take_tape()
        self.one = recipe.one

        def of_chosen(*chosen):
            lifted = list(args)
            for position, argument in zip(positions, chosen):
                lifted[position] = argument
            y = recipe.f(*lifted, **kwargs)
            return y if is_ours(y) else constant_result(recipe.f, y)

        chosen = tuple([args[position] for position in positions])
        self.arguments = [take_apart(argument, inputs) for argument in chosen]
        program = record_program(of_chosen, chosen, {}, False, recipe.strict).gradient()
        self.record(program, inputs)

    def __dealloc__(self):
        if self.tape != NULL:
            give_tape(self.tape)

    cdef int record(self, Program gradient, list inputs) except -1:
        cdef fad_program *program = &gradient.program
        cdef Buffer at = Buffer(program.n_inputs)
        cdef Buffer values = Buffer(program.n_instructions)
        cdef NodeIds nodes = NodeIds(program.n_instructions)
        cdef uint32_t k
        at.fill(inputs)
        check_memory(fad_replay_record(
            program, at.numbers, NULL, values.numbers, self.tape, nodes.ids
        ))
        self.tape.n_pinned = program.n_inputs
        self.gradient = NodeIds(program.n_outputs)
        for k in range(program.n_outputs):
            self.gradient.ids[k] = nodes.ids[program.outputs[k]]
        return 0

    def hessian(self):
        """The second derivatives, in the shape of the arguments, of each in that of each."""
        matrix = jacobian_matrix(self.tape, self.gradient, True, False, fad_best_set())
        rows = in_blocks([matrix.row(k) for k in range(matrix.n_rows)], self.arguments)
        return rows[0][0] if self.one else tuple([tuple(row) for row in rows])

    def product(self, direction):
        """The second derivatives times a direction, in the shape of the arguments."""
        cdef Py_ssize_t k, place = 0
        slopes = in_shapes(direction, self.arguments, self.one)
        if not are_all_floats(slopes):
            raise NotAProgram()
        cdef Buffer tangents = Buffer(self.tape.n_nodes)
        tangents.fill(slopes)
        product = self.pushed(tangents)
        products = [(<Shape>shape).fill(product, &place) for shape in self.arguments]
        return products[0] if self.one else tuple(products)

    cdef list pushed(self, Buffer tangents):
        """The tangents of the gradient from those of the inputs; warns as `sweep` does."""
        cdef uint64_t n_absorbed = 0
        if self.tape.n_odd == 0:
            sweep_lanes_forward(
                self.tape, self.gradient, fad_best_set(), 1, tangents.numbers, NULL
            )
            product = self.of_gradient(tangents)
            if not any([isnan(x) for x in product]):
                return product
        sweep_lanes_forward(
            self.tape, self.gradient, fad_best_set(), 1, tangents.numbers, &n_absorbed
        )
        report(n_absorbed, False, False)
        return self.of_gradient(tangents)

    cdef list of_gradient(self, Buffer numbers):
        cdef Py_ssize_t k
        return [
            0.0 if self.gradient.ids[k] == FAD_NO_NODE else numbers.numbers[self.gradient.ids[k]]
            for k in range(self.gradient.n)
        ]


cdef list in_shapes(direction, list shapes, bint one):
    """The numbers in a direction, which has the shapes of the arguments."""
    cdef list slopes = []
    directions = (direction,) if one else direction
    if not one and (
        not isinstance(direction, (list, tuple)) or len(direction) != len(shapes)
    ):
        raise ArgumentError(
            f"the direction {short(direction)} must be a tuple, with one for each argument"
        )
    for shape, of_argument in zip(shapes, directions):
        if not (<Shape>shape).is_like(take_apart(of_argument, slopes)):
            raise ArgumentError(
                f"the direction {short(of_argument)} must have the shape of the argument"
            )
    return slopes
