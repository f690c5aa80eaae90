/*
 * The Dual object: a value with its tangents, for forward mode.
 *
 *   head | value | tape | epoch, n | outer | tangent 0 | tangent 1 | ...
 *
 * A Dual records nothing: memory does not depend on the length of a run.  Its tape is only a
 * name for the level of differentiation it belongs to, with the order of opening and the epoch
 * that tapes have; nothing is ever recorded on it.  Where a Dual meets a number of an outer
 * level, its value and tangents become Python objects, in the tuple `outer`, and the doubles
 * beside them the plain numbers inside.
 *
 * Duals with one tangent come from a free list.
 */
#ifndef FASTAD_DUAL_H
#define FASTAD_DUAL_H

#include <float.h>
#include <math.h>

#include "_var.h"

typedef struct dual_object {
    PyObject_HEAD
    double value;
    fad_tape *tape;
    uint32_t epoch;
    uint32_t n;      /* of tangents, at least 1 */
    PyObject *outer; /* NULL, or the tuple (value, tangent 0, ...) */
    double tangents[1];
} dual_object;

static PyTypeObject *dual_type;

/* The level of Duals that users make by hand. */
static fad_tape ground_level = {.epoch = 1};

enum { MAX_FREE_DUALS = 1000 };

static dual_object *free_duals; /* chained by outer */
static int n_free_duals;

#define IS_DUAL(object) (Py_TYPE(object) == dual_type)
#define AS_DUAL(object) ((dual_object *)(object))

/* A Dual whose tangents are still to be set, or NULL with MemoryError. */
static inline dual_object *
new_dual(double value, fad_tape *tape, uint32_t n)
{
    dual_object *dual = free_duals;
    if (LIKELY(n == 1 && dual != NULL)) {
        free_duals = (dual_object *)dual->outer;
        n_free_duals--;
        REVIVE((PyObject *)dual, dual_type);
    } else {
        size_t n_bytes = sizeof(dual_object) + (n - 1) * sizeof(double);
        dual = PyObject_Malloc(n_bytes);
        if (UNLIKELY(dual == NULL)) {
            PyErr_NoMemory();
            return NULL;
        }
        PyObject_Init((PyObject *)dual, dual_type);
    }
    dual->value = value;
    dual->tape = tape;
    dual->epoch = tape->epoch;
    dual->n = n;
    dual->outer = NULL;
    return dual;
}

/* The same as a Python object, with tangents 0. */
static PyObject *
new_dual_object(double value, fad_tape *tape, uint32_t n)
{
    dual_object *dual = new_dual(value, tape, n);
    for (uint32_t k = 0; dual != NULL && k < n; k++)
        dual->tangents[k] = 0.0;
    return (PyObject *)dual;
}

static void
dual_dealloc(PyObject *self)
{
    dual_object *dual = AS_DUAL(self);
    Py_XDECREF(dual->outer);
#if defined(Py_TRACE_REFS)
    _Py_ForgetReference(self);
#endif
    if (dual->n == 1 && n_free_duals < MAX_FREE_DUALS) {
        dual->outer = (PyObject *)free_duals;
        free_duals = dual;
        n_free_duals++;
    } else {
        PyObject_Free(dual);
    }
}

/* What Dual(value, tangent) calls; _core.pyx fills it in. */
static PyObject *(*make_dual)(PyObject *, PyObject *);

static PyObject *
dual_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", "tangent", NULL};
    PyObject *value, *tangent = NULL;
    (void)type;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:Dual", names, &value, &tangent))
        return NULL;
    PyObject *one = tangent == NULL ? PyFloat_FromDouble(1.0) : Py_NewRef(tangent);
    PyObject *dual = one == NULL ? NULL : make_dual(value, one);
    Py_XDECREF(one);
    return dual;
}

static int
install_dual_type(PyTypeObject *type)
{
    if ((size_t)type->tp_basicsize != sizeof(dual_object)) {
        PyErr_Format(PyExc_SystemError, "Dual has %zd bytes in Cython and %zu in C",
                     type->tp_basicsize, sizeof(dual_object));
        return -1;
    }
    dual_type = type;
    type->tp_name = "fastad.Dual"; /* where users find it */
    type->tp_new = dual_new; /* __new__ of the class only documents it */
    type->tp_vectorcall = NULL;
    type->tp_dealloc = dual_dealloc;
    return 0;
}

static inline int
is_plain_dual(const dual_object *x)
{
    return LIKELY(x->epoch == x->tape->epoch && x->outer == NULL);
}

static inline PyObject *
unless_nan(dual_object *result, int is_nan)
{
    if (UNLIKELY(is_nan))
        Py_CLEAR(result);
    return (PyObject *)result;
}

/* The result of an operation on one Dual; NULL without an exception where the value or the
   partial is not finite, or a tangent is nan: an exact zero may have met an infinity. */
static inline PyObject *
dual_of_one(const dual_object *x, double value, double partial)
{
    if (UNLIKELY(!(fabs(value) + fabs(partial) <= DBL_MAX)))
        return NULL;
    dual_object *result = new_dual(value, x->tape, x->n);
    if (UNLIKELY(result == NULL))
        return NULL;
    int is_nan = 0;
    for (uint32_t k = 0; k < x->n; k++) {
        result->tangents[k] = partial * x->tangents[k];
        is_nan |= isnan(result->tangents[k]);
    }
    return unless_nan(result, is_nan);
}

static inline PyObject *
dual_of_two(const dual_object *x, const dual_object *y, double value, double px, double py)
{
    if (UNLIKELY(!(fabs(value) + fabs(px) + fabs(py) <= DBL_MAX)))
        return NULL;
    dual_object *result = new_dual(value, x->tape, x->n);
    if (UNLIKELY(result == NULL))
        return NULL;
    int is_nan = 0;
    for (uint32_t k = 0; k < x->n; k++) {
        result->tangents[k] = px * x->tangents[k] + py * y->tangents[k];
        is_nan |= isnan(result->tangents[k]);
    }
    return unless_nan(result, is_nan);
}

#endif
