# Functions with rules of their own: a call is one operation for each number in its result.
#
# A call takes place on the level of the innermost number among its arguments. The function
# and its rule get the arguments as that level's surroundings see them: floats, or numbers of
# outer levels, on which the function is called in the same way. So in the end the function
# itself sees floats only, and a rule is differentiated as any function is.


@cython.final
cdef class Arguments:
    """The arguments of a call, and the numbers in those that hold any of ours."""

    cdef tuple args
    cdef list shapes   # None for an argument without: it is passed as it is
    cdef list numbers

    def __cinit__(self, tuple args, leaf_rule rule):
        self.args = args
        self.numbers = []
        self.shapes = [self.shape_of(x, rule) for x in args]

    cdef Shape shape_of(self, x, leaf_rule rule):
        cdef list found = []
        try:
            shape = take_apart(x, found, rule)
        except ArgumentError:  # such as text
            return None
        if not any([is_ours(number_) for number_ in found]):
            return None
        self.numbers += found
        return shape

    cdef tuple with_numbers(self, list numbers_):
        """The arguments, with these in place of the numbers."""
        cdef Py_ssize_t place = 0
        numbers_ = list(numbers_)  # an argument may become the list itself, and be changed
        return tuple([
            x if shape is None else (<Shape>shape).fill(numbers_, &place)
            for x, shape in zip(self.args, self.shapes)
        ])

    cdef int forget(self, list numbers_) except -1:
        """Hold nothing of the call but how it was arranged; these numbers stand in."""
        arranged = self.with_numbers(numbers_)
        self.numbers = numbers_
        self.args = tuple([
            x if shape is None else None for x, shape in zip(self.args, self.shapes)
        ])
        self.shapes = [
            None if shape is None else take_apart(x, [], ANYTHING)
            for x, shape in zip(arranged, self.shapes)
        ]
        return 0

    cdef bint are_still(self, tuple args, list numbers_):
        """Whether the args, which once were `with_numbers`, still hold these."""
        cdef list found = []
        for x, shape in zip(args, self.shapes):
            if shape is not None:
                take_apart(x, found, ANYTHING)
        return len(found) == len(numbers_) and all([
            x is y or type(x) is type(y) is float and (x == y or x != x)
            for x, y in zip(found, numbers_)
        ])


def call_with_rule(custom, tuple args, dict kwargs):
    """What custom.function returns, with the derivatives that custom's rule gives."""
    cdef CustomCall call = CustomCall(custom, args)
    if call.inner is None:
        return custom.function(*args, **kwargs)
    return call.run(args, kwargs)


@cython.final
cdef class CustomCall:
    """One call, on the level of the innermost of its numbers."""

    cdef object name
    cdef object custom     # has function, find_rule() and reverse: whether its rule pulls back
    cdef object inner      # a number of the level, or None
    cdef Arguments arguments
    cdef list active       # which of their numbers belong to the level
    cdef tuple outer_args  # the arguments one level out
    cdef Shape result
    cdef list outputs      # the numbers in the result, one level out

    def __cinit__(self, custom, tuple args):
        self.custom = custom
        self.name = name_of(custom.function)
        self.outputs = []
        self.arguments = Arguments(args, ONLY_NUMBERS)
        self.inner = innermost(self.arguments.numbers)

    cdef object run(self, tuple args, dict kwargs):
        cdef Py_ssize_t place = 0
        self.step_out()
        value = call_with_rule(self.custom, self.outer_args, kwargs)
        self.result = take_result_apart(value, self.outputs, self.custom.function)
        self.check_outer(self.outputs)
        derivative = self.obey(self.custom.find_rule(), (value, *self.outer_args), kwargs)
        if self.custom.reverse:
            results = self.pulled_back(derivative)
        else:
            results = self.pushed_forward(derivative)
        return self.result.fill(results, &place)

    cdef int step_out(self) except -1:
        """Find the active numbers, and the arguments one level out."""
        cdef fad_tape *level = tape_of(self.inner)
        cdef list outer = list(self.arguments.numbers)
        cdef Py_ssize_t k
        if type(self.inner) is Var and level.program != NULL:
            raise NotAProgram(
                f"{self.name} has a rule of its own: a program of operations cannot hold it"
            )
        self.active = [
            k for k in range(len(outer)) if is_ours(outer[k]) and tape_of(outer[k]) == level
        ]
        for k in self.active:
            outer[k] = value_one_level_out(outer[k])
        self.outer_args = self.arguments.with_numbers(outer)
        return 0

    # -- asking the rule

    cdef object obey(self, function, args, dict kwargs):
        """What the rule, or the function it made, returns."""
        try:
            return function(*args, **kwargs)
        except NotAProgram:
            raise
        except TypeError as error:
            if innermost(self.numbers_outside()) is None:
                raise
            raise LostDerivativeError(
                f"the rule of {self.name} is itself differentiated here, and fails on numbers "
                f"that are not floats ({error}): write it with fastad.math and functions that "
                "have rules"
            ) from error

    cdef list numbers_outside(self):
        return self.outputs + [
            value_one_level_out(x) if k in self.active else x
            for k, x in enumerate(self.arguments.numbers)
        ]

    cdef list pulled_back(self, pullback):
        """The results, with one row of the Jacobian at a time."""
        cdef Py_ssize_t n = len(self.outputs), k, place
        results = []
        for k in range(n):
            place = 0
            seed = self.result.fill(one_of(n, k), &place)
            gradients = self.obey(pullback, (seed,), {})
            row = self.numbers_in_shape_of_arguments(gradients)
            results.append(self.recorded(self.outputs[k], [row[j] for j in self.active]))
        return results

    cdef list numbers_in_shape_of_arguments(self, gradients):
        cdef list found = []
        cdef Py_ssize_t n = len(self.arguments.shapes)
        if n == 1 and not (isinstance(gradients, tuple) and len(gradients) == 1):
            gradients = gradients,  # the one entry itself will do
        if not isinstance(gradients, (tuple, list)) or len(gradients) != n:
            raise ResultError(
                f"the pullback of {self.name} returned {short(gradients)}: it must return a "
                f"tuple of {n} entries, the derivative to each argument"
            )
        for shape, gradient in zip(self.arguments.shapes, gradients):
            if shape is not None:
                self.take_in_shape(<Shape>shape, gradient, found, "pullback", "its argument")
        return found

    cdef list pushed_forward(self, pushforward):
        """The results, with one column of the Jacobian, or one tangent, at a time."""
        cdef Py_ssize_t n = len(self.arguments.numbers), j, k
        if type(self.inner) is Dual:
            directions = self.directions()
        else:
            directions = [one_of(n, j) for j in self.active]
        columns = [self.slopes(pushforward, direction) for direction in directions]
        rows = [[column[k] for column in columns] for k in range(len(self.outputs))]
        if type(self.inner) is Dual:
            return [
                nested_dual(output, row, tape_of(self.inner))
                for output, row in zip(self.outputs, rows)
            ]
        return [self.recorded(output, row) for output, row in zip(self.outputs, rows)]

    cdef list directions(self):
        """The tangents of the numbers, direction by direction."""
        cdef list columns = []
        cdef Py_ssize_t n = (<Dual>self.inner).n, k
        for j in self.active:
            tangents = tangents_of(<Dual>self.arguments.numbers[j])
            check_directions(len(tangents), n)
            columns.append(tangents)
        directions = []
        for k in range(n):
            direction = [0.0] * len(self.arguments.numbers)
            for j, tangents in zip(self.active, columns):
                direction[j] = tangents[k]
            directions.append(direction)
        return directions

    cdef list slopes(self, pushforward, list direction):
        """The tangents of the outputs."""
        cdef list found = []
        cdef Py_ssize_t place = 0
        tangents = tuple([
            still(x) if shape is None else (<Shape>shape).fill(list(direction), &place)
            for x, shape in zip(self.outer_args, self.arguments.shapes)
        ])
        self.take_in_shape(
            self.result, self.obey(pushforward, tangents, {}), found, "pushforward", "the value"
        )
        return found

    cdef int take_in_shape(self, Shape shape, x, list found, what, like) except -1:
        """Append the numbers in x, which must be arranged in that shape."""
        cdef Py_ssize_t n = len(found)
        try:
            is_like = shape.is_like(take_apart(x, found))
        except ArgumentError:
            is_like = False
        if not is_like:
            raise ResultError(
                f"the {what} of {self.name} returned {short(x)}, {a_type(x)}: it must have the "
                f"shape of {like}"
            )
        return self.check_outer(found[n:])

    cdef int check_outer(self, list numbers_) except -1:
        return check_outer(f"{self.name} or its rule", self.inner, numbers_)

    # -- the result

    cdef object recorded(self, value, list partials):
        """The result of that value, with the partials to the active numbers."""
        arguments = [self.arguments.numbers[j] for j in self.active]
        return recorded_result(self.inner, value, arguments, partials)


cdef object recorded_result(inner, value, list arguments, list partials):
    """A result on the level of `inner`, with partials to any number of arguments of it."""
    cdef fad_tape *level = tape_of(inner)
    if type(inner) is Dual:
        return nested_dual(value, nested_tangents(arguments, partials), level)
    for x in [value, *partials]:
        if is_ours(x):
            open_to_outer(level, <Var>inner, x)
    result = record_nested(value, arguments[:3], partials[:3])
    for argument, partial in zip(arguments[3:], partials[3:]):  # a chain
        result = record_nested(value, [result, argument], [1.0, partial])
    return result


cdef int check_outer(str name, inner, list numbers_) except -1:
    """ResultError for a number that does not come from a level around that of `inner`."""
    for x in numbers_:
        if is_ours(x) and (tape_of(x) == tape_of(inner) or innermost((x, inner)) is x):
            raise ResultError(
                f"{name} computes with {x!r}, of which it was not told: pass it as an "
                "argument, or without its derivative as fastad.stop_gradient"
            )
    return 0


cdef object still(x):
    """The tangent of an argument that does not move: 0 for each number, or None."""
    cdef list found = []
    cdef Py_ssize_t place = 0
    try:
        shape = take_apart(x, found)
    except ArgumentError:
        return None
    return (<Shape>shape).fill([0.0] * len(found), &place)
