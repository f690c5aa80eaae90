# Operations on any number of operands, each recorded as one: a short chain of nodes with the
# value that Python's own function returns.  In nested derivatives, each is a row, repeated.


@cython.final
cdef class Operands:
    """The operands of one operation: all their values, and apart the Vars among them."""

    cdef list values      # floats for Vars and Duals, everything else as it is
    cdef list arguments   # the Vars or Duals
    cdef list positions   # of the Vars among the values
    cdef bint nested      # whether values and partials may be Vars of outer tapes
    cdef double *partials # one for each Var

    def __cinit__(self, operands):
        self.values = list(operands)
        self.arguments = []
        self.positions = []
        cdef Py_ssize_t k
        self.nested = must_nest(self.values)
        for k in range(len(self.values)):
            operand = self.values[k]
            if is_ours(operand):
                self.values[k] = primal(operand)
                self.arguments.append(operand)
                self.positions.append(k)
        self.partials = <double *>PyMem_Malloc(max(1, len(self.arguments)) * sizeof(double))
        if self.partials == NULL:
            raise MemoryError()

    def __dealloc__(self):
        PyMem_Free(self.partials)

    cdef object result(self, double value, partial_of):
        """The Var of that value; partial_of(k) is the partial to operand k."""
        cdef Py_ssize_t j
        for j in range(len(self.arguments)):
            self.partials[j] = partial_of(self.positions[j])
        return result_of(value, self.arguments, self.partials)


cdef object repeated(int op, items):
    """A row of two arguments over all items, from the first on."""
    items = list(items)
    if len(items) == 1:
        return items[0] if op != <int>opcode_of["hypot"] else abs(items[0])
    result = items[0]
    for item in items[1:]:
        result = apply(<fad_opcode>op, BY_FUNCTION, (result, item))
    return result


cdef object compensated_sum(terms):
    """The sum with what each addition has rounded away, which has no derivative (Knuth's
    TwoSum): where fsum cannot be one operation."""
    total, lost = 0.0, 0.0
    for term in terms:
        augmented = total + term
        back = augmented - total
        lost = lost + ((total - (augmented - back)) + (term - back))
        total = augmented
    return total + lost


cdef list terms_of_products(p, q):
    """Each product as its rounded value and, by fma, what was rounded away."""
    cdef list terms = []
    for x, y in zip(p, q):
        product = x * y
        terms += [product, apply(<fad_opcode><int>opcode_of["fma"], BY_FUNCTION, (x, y, -product))]
    return terms


def fsum(seq, /):
    """The sum of the numbers in seq, rounded once.

    Examples
    --------
    >>> from fastad import Var, fsum
    >>> x = Var(1e-20)
    >>> (fsum([1.0, x, -1.0]) * 1e20).value
    1.0
    """
    seq = list(seq)
    cdef Operands operands = Operands(seq)
    try:
        value = math.fsum(operands.values)
    except Exception:
        for x in operands.arguments:
            note_exception(x)
        raise
    if not operands.arguments:
        return value
    if operands.nested:
        return compensated_sum(seq)
    return operands.result(value, lambda k: 1.0)


def sumprod(p, q, /):
    """The sum of the products of p and q, pair by pair, with extended precision.

    Examples
    --------
    >>> from fastad import Var, sumprod
    >>> x = Var(3.0)
    >>> y = sumprod([x, 2.0], [x, 5.0])
    >>> y.backward()
    >>> y.value, x.grad
    (19.0, 6.0)
    """
    p, q = list(p), list(q)
    cdef Operands operands = Operands(p + q)
    cdef Py_ssize_t n = len(p)
    values = operands.values
    value = plain_sumprod(values[:n], values[n:])
    if not operands.arguments:
        return value
    if operands.nested:
        return compensated_sum(terms_of_products(p, q))
    return operands.result(value, lambda k: float(values[k + n if k < n else k - n]))


cdef object hypot_of_two(x, y):
    """The row, with the value of Python's own algorithm."""
    if is_ours(x) or is_ours(y):
        return slow(<fad_opcode><int>opcode_of["hypot"], BY_FUNCTION, (x, y))
    return math.hypot(x, y)


def hypot(*coordinates):
    """The Euclidean norm of the coordinates; its derivative at the origin is 0.

    Examples
    --------
    >>> from fastad import Var, math
    >>> x = Var(3.0)
    >>> y = math.hypot(x, 4.0)
    >>> y.backward()
    >>> y.value, x.grad
    (5.0, 0.6)
    """
    if len(coordinates) == 2:
        return hypot_of_two(coordinates[0], coordinates[1])
    cdef Operands operands = Operands(coordinates)
    value = math.hypot(*operands.values)
    if not operands.arguments:
        return value
    if operands.nested:
        return repeated(opcode_of["hypot"], coordinates)
    unit = unit_vector(operands.values)
    return operands.result(value, lambda k: unit[k])


def dist(p, q, /):
    """The Euclidean distance of the points p and q; its derivative at p == q is 0.

    Examples
    --------
    >>> from fastad import Var, math
    >>> x = Var(3.0)
    >>> y = math.dist((x, 4.0), (0.0, 0.0))
    >>> y.backward()
    >>> y.value, x.grad
    (5.0, 0.6)
    """
    p, q = list(p), list(q)
    cdef Operands operands = Operands(p + q)
    cdef Py_ssize_t n = len(p)
    values = operands.values
    value = math.dist(values[:n], values[n:])
    if not operands.arguments:
        return value
    if operands.nested:
        return repeated(opcode_of["hypot"], [x - y for x, y in zip(p, q)])
    unit = unit_vector([float(a) - float(b) for a, b in zip(values[:n], values[n:])])
    return operands.result(value, lambda k: unit[k] if k < n else -unit[k - n])


def norm(x, /):
    """The Euclidean norm of a sequence or array; its derivative at the origin is 0.

    Examples
    --------
    >>> from fastad import grad, norm
    >>> grad(norm)([3.0, 4.0])
    [0.6, 0.8]
    """
    return hypot(*flat(x))


def logsumexp(x, /):
    """log(exp(x[0]) + exp(x[1]) + ...) of a sequence or array, without overflow.

    Examples
    --------
    >>> from fastad import grad, logsumexp
    >>> grad(logsumexp)([1000.0, 1000.0])
    [0.5, 0.5]
    """
    x = flat(x)
    cdef Operands operands = Operands(x)
    values = [float(value) for value in operands.values]
    if not values:
        raise DomainError("logsumexp([]): the sequence must not be empty")
    largest = max(values)
    if isinf(largest) or any([value != value for value in values]):
        value = sum(values) if isnan(sum(values)) and not isinf(largest) else largest
    else:
        value = largest + math.log(math.fsum([math.exp(v - largest) for v in values]))
    if not operands.arguments:
        return value
    if operands.nested:
        return repeated(opcode_of["logaddexp"], x)
    return operands.result(value, lambda k: share(values[k], value))


cdef double share(double x, double total):
    """exp(x - total), and nan where both are the same infinity."""
    return math.exp(x - total)


cdef list flat(x):
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(x, numpy.ndarray):
        return x.ravel().tolist()
    return list(x)


cdef list unit_vector(list coordinates):
    """The vector divided by its norm, without over- or underflow; 0 at the origin."""
    cdef list floats = [float(x) for x in coordinates]
    largest = max([abs(x) for x in floats])
    if largest == 0.0:
        return floats
    if isinf(largest):  # the limit
        floats = [math.copysign(1.0, x) if isinf(x) else 0.0 * x for x in floats]
        largest = 1.0
    _, exponent = math.frexp(largest)
    scaled = [math.ldexp(x, -exponent) for x in floats]
    length = math.hypot(*scaled)
    return [x / length for x in scaled]


def plain_sumprod(p, q):
    """math.sumprod, also where Python has none (before 3.12)."""
    if hasattr(math, "sumprod"):
        return math.sumprod(p, q)
    if len(p) != len(q):
        raise ValueError("Inputs are not the same length")
    if not all([isinstance(x, float) for x in p + q]):
        return sum([x * y for x, y in zip(p, q)])
    # Each product exactly, as its rounded value and the rest (Dekker 1971, with fma).
    terms = []
    for x, y in zip(p, q):
        product = x * y
        terms += [product, fad_op_value(opcode_of["fma"], x, y, -product)]
    return math.fsum(terms) if all(map(math.isfinite, terms)) else sum(terms[::2])


def where(condition, x, y, /):
    """x where the condition is true, else y; only the chosen one receives a derivative.

    Parameters
    ----------
    condition : bool, number, Var or Dual
        What is not zero is true.
    x, y : number, Var or Dual

    Examples
    --------
    >>> from fastad import grad, math, where
    >>> grad(lambda x: where(x > 0, math.sqrt(abs(x)), 0.0))(0.0)
    0.0
    """
    chosen = x if condition else y
    if is_ours(chosen):
        check_fresh(chosen)
        return chosen
    cdef double value = 0.0
    for operand in (condition, x, y):
        if is_ours(operand):
            if not number(chosen, &value):
                break
            return constant_like(operand, value)
    if not number(chosen, &value):
        raise TypeError(f"where: must be real number, not {type(chosen).__name__}")
    return value


cdef object constant_like(x, double value):
    """A number on the level of x that depends on nothing."""
    if type(x) is Dual:
        return step_of_dual(x, value)
    check_fresh(x)
    if (<Var>x).tape.program != NULL:
        return constant_instruction((<Var>x).tape, value)
    return new_input((<Var>x).tape, value)  # that nobody asks for its gradient


def with_value(double value, x, y):
    """A result of that value whose derivative to x is 1 and to y is 0."""
    cdef Operands operands = Operands((x, y))
    if n_recordings:
        guard_value(x)
        guard_value(y)
    if operands.nested:
        return x + (value - primal(x)) if is_ours(x) else step(y, value)  # a few steps
    return operands.result(value, lambda k: 1.0 if k == 0 else 0.0)


cdef object log_to_base(x, base):
    """As CPython's: a quotient of two logarithms; of ints of any size, too."""
    logarithms = [
        record_log(number_, BY_FUNCTION) if is_ours(number_) else math.log(number_)
        for number_ in (x, base)
    ]
    return logarithms[0] / logarithms[1]
