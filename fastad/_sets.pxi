# The instruction sets: what tests and benchmarks see of csrc/sets.h.


def instruction_sets():
    """Those that this machine has, the best one last."""
    cdef int set = 0
    names = []
    while fad_set_name(set) != NULL:
        if fad_has_set(set):
            names.append(fad_set_name(set).decode())
        set += 1
    return names


cdef int number_of_set(str name) except -1:
    """That of one of `instruction_sets()`; of the best one for None."""
    cdef int set = fad_best_set()
    while name is not None and fad_set_name(set).decode() != name:
        set -= 1
        if set < 0:
            raise ValueError(f"{name!r}: this machine has {', '.join(instruction_sets())}")
    return set
