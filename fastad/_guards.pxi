# Guards: what a function decides on while it is recorded as a program.
#
# Python sees only the outcome of a comparison, so the recording holds for those arguments
# for which it comes out in the same way. As a guard the comparison is part of the program. What
# becomes an int is compared with that int, and what becomes a plain float with that float:
# other arguments then take another path, but never get a number that was computed for these.

cdef Py_ssize_t n_recordings = 0  # programs under construction, of all threads


cdef int open_recording(fad_tape *tape, Program program) except -1:
    """From now on the tape records instructions of the program, until it is closed."""
    global n_recordings
    tape.program = <void *>program
    tape.epoch += 1
    n_recordings += 1
    return 0


cdef void close_recording(fad_tape *tape) noexcept:
    """The caller gives the tape back, which ends its Vars."""
    global n_recordings
    tape.program = NULL
    n_recordings -= 1


@cython.final
cdef class Places:
    """Places in the source, numbered; the programs that are made of one call share them."""

    cdef list places   # (file, line) or (file, line, text); number 0 is None
    cdef dict numbers

    def __cinit__(self):
        self.places = [None]
        self.numbers = {}

    cdef uint32_t of_caller(self) except? 0:
        """The number of the line of the user's code that is running now."""
        place = place_of_caller()
        if place is None:
            return 0
        number_ = self.numbers.get(place)
        if number_ is None:
            number_ = self.numbers[place] = len(self.places)
            self.places.append(place)
        return number_


@cython.final
cdef class Condition:
    """A decision that a program depends on: where it was taken, and how it came out.

    Attributes
    ----------
    file, line : str, int
        None where Python does not know.
    outcome : bool or float
        Of a comparison whether it held; of an ``int()``, a ``.value`` and the like, and of an
        ``==`` with a plain number that held, that number.
    """

    cdef object place
    cdef readonly object outcome

    def __cinit__(self, place, side):
        self.place = place
        self.outcome = side[0] if type(side) is tuple else bool(side)

    @property
    def file(self):
        return None if self.place is None else self.place[0]

    @property
    def line(self):
        return None if self.place is None else self.place[1]

    def __repr__(self):
        if self.place is None:
            return f"a comparison  is {self.outcome}"
        text = text_of_place(self.place) or "a comparison"
        return f"{self.file}:{self.line}: {text}  is {self.outcome}"


cdef str text_of_place(place):
    """The line of the source, which a program from elsewhere brings along."""
    import linecache
    return place[2] if len(place) == 3 else linecache.getline(place[0], place[1]).strip()


cdef object place_of_caller():
    """(file, line) of the user's code that is running now, or None."""
    frame = sys._getframe()
    while frame is not None and not is_of_user(frame.f_code.co_filename):
        frame = frame.f_back
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


cdef object recorded_part(x):
    """The Var of a program under construction that is inside x, through all levels; or a float."""
    while is_ours(x):
        if not is_fresh(x):
            return primal(x)
        if type(x) is Var and (<Var>x).tape.program != NULL:
            return x
        x = value_one_level_out(x)
    return x


cdef int guard_comparison(x, other, int op, bint outcome) except -1:
    """Let the programs that x and other are part of say what they compare."""
    cdef double value = 0.0
    a, b = recorded_part(x), recorded_part(other)
    if not is_ours(a) and not is_ours(b):
        return 0
    if not is_ours(b) and not type(b) is float:
        if not is_some_float(b, &value):
            return guard_value(a)
        b = value
    if op == Py_LT:
        return guard(FAD_GUARD_lt, a, b, outcome)
    if op == Py_LE:
        return guard(FAD_GUARD_le, a, b, outcome)
    if op == Py_GT:
        return guard(FAD_GUARD_lt, b, a, outcome)
    if op == Py_GE:
        return guard(FAD_GUARD_le, b, a, outcome)
    return guard(FAD_GUARD_eq if op == Py_EQ else FAD_GUARD_ne, a, b, outcome)


cdef bint is_some_float(x, double *value) except -1:
    """Whether a float equals this number, and then which; not for a huge int or a third."""
    try:
        number(x, value)
    except OverflowError:
        return False
    return isnan(value[0]) or bool(x == value[0])


cpdef int note_exception(x) except -1:
    """What follows in the program of x may depend on the exception that x now raises."""
    if n_recordings:
        x = recorded_part(x)
        if is_ours(x):
            (<Program>tape_of(x).program).raised = True
    return 0


cdef int note_hash(x) except -1:
    """A set or dict with x in it tells floats apart by value, and Vars by identity."""
    x = recorded_part(x)
    if is_ours(x):
        (<Program>tape_of(x).program).hashed = True
    return 0


cdef int guard_int(x, row, value) except -1:
    """The row of x is the int, as a float."""
    a = recorded_part(x)
    return guard(FAD_GUARD_eq, row_of(row, a), float(value), True) if is_ours(a) else 0


cdef int guard_integral(x, bint outcome) except -1:
    """x is an integer, or not: an infinity minus itself is a nan."""
    a = recorded_part(x)
    if not is_ours(a):
        return 0
    fraction = slow(FAD_OP_sub, BY_RULE, (a, row_of("floor", a)))
    return guard(FAD_GUARD_eq, fraction, 0.0, outcome)


cdef object row_of(name, x):
    return slow(<fad_opcode><int>opcode_of[name], BY_RULE, (x,))


cdef int guard_value(x) except -1:
    """x is what it is now, to the last bit."""
    cdef double value
    a = recorded_part(x)
    if not is_ours(a):
        return 0
    value = primal(a)
    if isnan(value):
        return guard(FAD_GUARD_ne, a, a, True)
    if value == 0.0:
        value = copysign(1.0, value)
        sign = slow(<fad_opcode><int>opcode_of["copysign"], BY_RULE, (1.0, a))
        guard(FAD_GUARD_eq, sign, value, True)
        value = 0.0
    return guard(FAD_GUARD_eq, a, value, True)


cdef int guard(uint32_t op, a, b, bint outcome) except -1:
    """The comparison of two numbers, of which at least one is a Var of a program."""
    cdef fad_tape *tape = tape_of(innermost((a, b)))
    cdef Program program = <Program>tape.program
    cdef uint32_t x = id_of(tape, a), y = id_of(tape, b)
    cdef uint32_t place = program.places.of_caller()
    cdef uint32_t id = fad_program_append_guard(&program.program, op, x, y, place << 1 | outcome)
    if id == FAD_NO_ID:
        raise OutOfMemoryError("no memory for more instructions of a program")
    if program.lines is not None:
        note_line(program, id)
    return 0


cdef list sides_of(fad_program *program):
    cdef fad_instruction *i
    cdef uint32_t id
    cdef list sides = []
    for id in range(program.n_instructions):
        i = &program.instructions[id]
        if fad_instruction_is_guard(i):
            sides.append(side_of(program, i))
    return sides


cdef object side_of(fad_program *program, fad_instruction *i):
    """The outcome of a guard, or (c,) where something was equal to the constant c."""
    cdef fad_instruction *argument
    cdef int k
    if i.op == FAD_GUARD_eq and i.args[2] & 1:
        for k in range(2):
            argument = &program.instructions[i.args[k]]
            if argument.op == FAD_CONSTANT:
                return (fad_instruction_constant(argument),)
    return i.args[2] & 1
