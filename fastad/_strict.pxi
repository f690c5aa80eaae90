# strict=True: an error where a derivative is lost on the way, at the line that loses it.
#
# A verb that is strict marks its tape. Nothing is asked while computing, only where a number
# becomes a plain one, or where two turn out to be equal.


cdef bint is_strict(x):
    """Whether x belongs to a strict verb that is running, or has a value that does."""
    if not is_fresh(x):
        return False
    if tape_of(x).strict:
        return True
    if not has_outer(x):
        return False
    x = value_one_level_out(x)
    return is_ours(x) and is_strict(x)


cdef int check_kept(x, how) except -1:
    """LostDerivativeError if a conversion loses a derivative that must be kept."""
    if not is_strict(x):
        return 0
    advice = "compute with the number itself"
    if how != ".value":
        advice = "fastad.floor, ceil, trunc and rint give numbers whose derivative is 0"
    raise LostDerivativeError(
        f"{how} of {x!r} loses its derivative, which strict=True forbids: {advice}, "
        "fastad.stop_gradient says that it is meant"
    )


cdef int check_equality(x, other) except -1:
    """The same where x == other holds, or a condition is false because x == 0.

    A branch that is taken at one point only says nothing of the derivative there.
    """
    if x is other:  # a test for nan
        return 0
    if not is_strict(x) and not (is_ours(other) and is_strict(other)):
        return 0
    raise LostDerivativeError(
        f"{x!r} == {short(other)} holds, and a branch taken at one point only loses the "
        "derivative, which strict=True forbids: use <, fastad.where or fastad.maximum, or "
        "compare fastad.stop_gradient of both if that is meant"
    )


def stop_gradient(x, /):
    """x without its derivatives, of every level: plain floats.

    Parameters
    ----------
    x : number, or list, tuple, dict, dataclass or array of numbers, nested in each other
        A number that is neither a Var nor a Dual is returned as it is.

    Returns
    -------
    float, or such an arrangement of floats
        It is a constant for the verb that differentiates the function and for all verbs
        around it.

    Raises
    ------
    ArgumentError
        (a TypeError) if `x` holds something else than numbers.

    Examples
    --------
    >>> from fastad import grad, stop_gradient
    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    cdef list numbers_ = []
    cdef Py_ssize_t place = 0
    if is_ours(x):
        return stopped(x)
    cdef Shape shape = take_apart(x, numbers_)
    if innermost(numbers_) is None:
        return x
    return shape.fill([stopped(number_) for number_ in numbers_], &place)


cdef object stopped(x):
    """The plain float, or in a program its instruction, through which nothing is derived."""
    if n_recordings:
        x = recorded_part(x)
        if is_ours(x):
            return row_of("stop", x)
    return primal(x)
