/*
 * The Var object: its layout, the slabs it lives in, and the collection of a tape.
 *
 * A Var is 40 bytes, final and immutable, without a garbage collector's header and without a
 * Python object inside.  Vars live in slabs, so that the live ones can be enumerated:
 *
 *   slab:  next | slot | slot | slot | ...        a slot is free when its tape is NULL, and
 *                                                  only then; free slots are chained by link
 *
 * A free slot keeps its object header (type, reference count 0), so that making a Var writes
 * the count, the value, the tape and the two ids, and nothing else.  An operation costs 20 ns
 * this way, 28 with Cython's free list, 35 with anything in Cython's __dealloc__.
 *
 * Slabs are never given back at shutdown: a Var may outlive the interpreter's other objects.
 */
#ifndef FASTAD_VAR_H
#define FASTAD_VAR_H

#include <Python.h>

#include "memory.h"
#include "tape.h"

#if defined(__GNUC__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((noinline, cold))
#define APART __attribute__((noinline))
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#define COLD
#define APART
#endif

typedef struct var_object {
    PyObject_HEAD
    union {
        double value;
        struct var_object *link; /* of a free slot: the next free one */
    };
    fad_tape *tape; /* NULL: the slot is free */
    uint32_t id;
    uint32_t epoch; /* the tape's when the Var was made: stale if they differ */
} var_object;

enum { SLAB_SIZE = 200 };

typedef struct var_slab {
    struct var_slab *next;
    var_object slots[SLAB_SIZE];
} var_slab;

static PyTypeObject *var_type;
static var_slab *var_slabs;
static var_object *free_slots;
static size_t n_slots;

/* What a Var belongs to that was allocated but not initialised: no epoch ever matches. */
static fad_tape no_tape = {.epoch = UINT32_MAX};

/* Exceptions of fastad.errors; _core.pyx fills them in. */
static struct {
    PyObject *busy_tape;
    PyObject *out_of_memory;
} errors;

/* Makes an object of a freed one, whose header still names its type. */
#if defined(Py_GIL_DISABLED) || defined(Py_TRACE_REFS) || defined(Py_REF_DEBUG)
#define REVIVE(object, type) PyObject_Init(object, type)
#else
#define REVIVE(object, type) ((void)(type), (object)->ob_refcnt = 1)
#endif

#define IS_VAR(object) (Py_TYPE(object) == var_type)
#define AS_VAR(object) ((var_object *)(object))

/* ---- Slabs ------------------------------------------------------------------------- */

static COLD int
add_slab(void)
{
    var_slab *slab = fad_memory_resize(NULL, sizeof *slab);
    if (slab == NULL) {
        PyErr_SetString(errors.out_of_memory, "no memory for more Vars");
        return -1;
    }
    slab->next = var_slabs;
    var_slabs = slab;
    n_slots += SLAB_SIZE;
    memset(slab->slots, 0, sizeof slab->slots);
    for (var_object *slot = slab->slots + SLAB_SIZE; slot-- > slab->slots;) {
        Py_SET_TYPE((PyObject *)slot, var_type);
        slot->link = free_slots;
        free_slots = slot;
    }
    return 0;
}

/* Gives back empty slabs but a few; the chain of free slots is rebuilt in address order. */
static void
trim_slabs(void)
{
    int n_spare = 4;
    free_slots = NULL;
    for (var_slab **place = &var_slabs; *place != NULL;) {
        var_slab *slab = *place;
        int n_used = 0;
        for (int k = 0; k < SLAB_SIZE; k++)
            n_used += slab->slots[k].tape != NULL;
        if (n_used == 0 && n_spare-- <= 0) {
            *place = slab->next;
            n_slots -= SLAB_SIZE;
            fad_memory_free(slab);
            continue;
        }
        for (var_object *slot = slab->slots + SLAB_SIZE; slot-- > slab->slots;) {
            if (slot->tape == NULL) {
                slot->link = free_slots;
                free_slots = slot;
            }
        }
        place = &slab->next;
    }
}

/* Needs a free slot. */
static inline PyObject *
new_var(double value, fad_tape *tape, uint32_t id)
{
    var_object *var = free_slots;
    free_slots = var->link;
    REVIVE((PyObject *)var, var_type);
    var->value = value;
    var->tape = tape;
    var->id = id;
    var->epoch = tape->epoch;
    return (PyObject *)var;
}

static void
var_dealloc(PyObject *self)
{
    var_object *var = AS_VAR(self);
#if defined(Py_TRACE_REFS)
    _Py_ForgetReference(self);
#endif
    var->tape = NULL;
    var->link = free_slots;
    free_slots = var;
}

/* tp_alloc, for Var(...): belongs to no_tape until its __cinit__ has found a tape. */
static PyObject *
var_alloc(PyTypeObject *type, Py_ssize_t n_items)
{
    (void)type;
    (void)n_items;
    if (free_slots == NULL && add_slab() < 0)
        return NULL;
    PyObject *self = new_var(0.0, &no_tape, 0);
    AS_VAR(self)->epoch = 0;
    return self;
}

/* Cython's, both ways to call a class; their messages about arguments name its __cinit__. */
static newfunc cython_new;
static vectorcallfunc cython_vectorcall;

static COLD PyObject *
wrong_arguments_of_var(void)
{
    PyErr_SetString(PyExc_TypeError, "Var() takes exactly one argument, by position: the "
                                     "value of an input, as in Var(2.0)");
    return NULL;
}

static PyObject *
var_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    if (PyTuple_GET_SIZE(args) != 1 || (names != NULL && PyDict_Size(names)))
        return wrong_arguments_of_var();
    return cython_new(type, args, NULL);
}

static PyObject *
var_vectorcall(PyObject *type, PyObject *const *args, size_t n_args, PyObject *names)
{
    if (PyVectorcall_NARGS(n_args) != 1 || (names != NULL && PyTuple_GET_SIZE(names)))
        return wrong_arguments_of_var();
    return cython_vectorcall(type, args, n_args, NULL);
}

static int
install_var_type(PyTypeObject *type)
{
    if ((size_t)type->tp_basicsize != sizeof(var_object)) {
        PyErr_Format(PyExc_SystemError, "Var has %zd bytes in Cython and %zu in C",
                     type->tp_basicsize, sizeof(var_object));
        return -1;
    }
    var_type = type;
    type->tp_name = "fastad.Var"; /* where users find it */
    type->tp_alloc = var_alloc;
    cython_new = type->tp_new;
    cython_vectorcall = type->tp_vectorcall;
    type->tp_new = var_new;
    if (cython_vectorcall != NULL)
        type->tp_vectorcall = var_vectorcall;
    type->tp_dealloc = var_dealloc;
    return 0;
}

/* ---- Making room ------------------------------------------------------------------- */

static inline int
is_on(const var_object *var, const fad_tape *tape)
{
    return var->tape == tape && var->epoch == tape->epoch;
}

#define FOR_EACH_VAR_ON(tape, var)                                                         \
    for (var_slab *slab_ = var_slabs; slab_ != NULL; slab_ = slab_->next)                  \
        for (var_object *var = slab_->slots; var < slab_->slots + SLAB_SIZE; var++)        \
            if (is_on(var, tape))

/* Drops the nodes of a tape that no live Var depends on.  Runs no Python. */
static COLD void
collect(fad_tape *tape)
{
    if (tape->n_nodes == 0 || tape->busy || tape->outer != NULL)
        return; /* an outer tape's side table goes by ids */
    if (fad_tape_begin_collection(tape) < 0)
        return;
    FOR_EACH_VAR_ON(tape, var)
        fad_tape_mark(tape, var->id);
    fad_tape_slide(tape);
    if (tape->n_freed)
        FOR_EACH_VAR_ON(tape, var)
            var->id = fad_tape_new_id(tape, var->id);
    fad_tape_end_collection(tape);

    if (n_slots > 2 * (size_t)tape->n_nodes + 8 * SLAB_SIZE)
        trim_slabs();
}

/* 0, or -1 with a Python exception and the tape as it was: room for n more nodes and a Var. */
static COLD int
make_room(fad_tape *tape, uint32_t n)
{
    if (free_slots == NULL && add_slab() < 0)
        return -1;
    if ((uint64_t)tape->n_nodes + n <= tape->limit)
        return 0;
    if (tape->busy) {
        PyErr_SetString(errors.busy_tape,
                        "another thread is sweeping this tape: wait for its backward() to "
                        "return, or give each thread a tape of its own (under "
                        "fastad.checkpoint it is this thread: pass the function what it "
                        "computes with as arguments)");
        return -1;
    }
    collect(tape);
    if (fad_tape_renew_limit(tape, n, n_slots) < 0) {
        PyErr_Format(errors.out_of_memory,
                     "no memory for more than %u nodes on a tape: everything up to here is "
                     "as it was",
                     (unsigned)tape->n_nodes);
        return -1;
    }
    if (free_slots == NULL && add_slab() < 0)
        return -1;
    return 0;
}

static inline int
ensure_room(fad_tape *tape)
{
    if (LIKELY(tape->n_nodes < tape->limit && free_slots != NULL))
        return 0;
    return make_room(tape, 1);
}

/* After a sweep: collect as soon as sweeps have walked over as many dead nodes as that costs.
   Where nothing was dead after all, wait twice as long the next time. */
static inline void
collect_if_wasteful(fad_tape *tape)
{
    uint64_t cost = (uint64_t)tape->n_nodes + n_slots;
    if (LIKELY(tape->waste <= cost + tape->patience))
        return;
    collect(tape);
    tape->patience = tape->n_freed >= tape->n_nodes ? 0 : 2 * (cost + tape->patience);
    tape->waste = 0;
    (void)fad_tape_renew_limit(tape, 1, n_slots); /* lower, if anything: cannot fail */
}

/* After find_tapes_with_vars, tape_has_vars says whether there were any, in this epoch. */
static uint64_t n_searches;

static void
find_tapes_with_vars(void)
{
    n_searches++;
    for (var_slab *slab = var_slabs; slab != NULL; slab = slab->next)
        for (var_object *var = slab->slots; var < slab->slots + SLAB_SIZE; var++)
            if (var->tape != NULL &&
                var->epoch + (var->tape->outer != NULL) == var->tape->epoch)
                var->tape->found_in = n_searches;
}

static inline int
tape_has_vars(const fad_tape *tape)
{
    return tape->found_in == n_searches;
}

/* ---- Lists of floats: what most arguments and gradients are -------------------------- */

static int
are_all_floats(PyObject *list)
{
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list); k++)
        if (!PyFloat_CheckExact(PyList_GET_ITEM(list, k)))
            return 0;
    return 1;
}

/* A list with a new input for each float of a list, or NULL without memory. */
static PyObject *
new_inputs(fad_tape *tape, PyObject *floats)
{
    Py_ssize_t n = PyList_GET_SIZE(floats);
    PyObject *inputs = PyList_New(n);
    for (Py_ssize_t k = 0; inputs != NULL && k < n; k++) {
        if (ensure_room(tape) < 0) {
            Py_CLEAR(inputs);
            break;
        }
        double value = PyFloat_AS_DOUBLE(PyList_GET_ITEM(floats, k));
        uint32_t id = fad_tape_record_input(tape);
        PyList_SET_ITEM(inputs, k, new_var(value, tape, id));
    }
    return inputs;
}

static PyObject *
list_of_floats(const double *values, Py_ssize_t n)
{
    PyObject *list = PyList_New(n);
    for (Py_ssize_t k = 0; list != NULL && k < n; k++) {
        PyObject *item = PyFloat_FromDouble(values[k]);
        if (item == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, k, item);
    }
    return list;
}

/* ---- Statistics ----------------------------------------------------------------------- */

static size_t
count_live_vars(void)
{
    size_t n = 0;
    for (var_slab *slab = var_slabs; slab != NULL; slab = slab->next)
        for (int k = 0; k < SLAB_SIZE; k++)
            n += slab->slots[k].tape != NULL;
    return n;
}

#endif
