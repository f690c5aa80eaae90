/*
 * The operations: for each row of ops.def a function that, on Vars, computes the value and the
 * partials and records one node, and on Duals the value and the tangents, all without leaving
 * C.
 *
 * What is not the ordinary case goes to the slow paths, which _core.pyx fills in: an operand
 * that is neither Var, float nor int; a stale Var or two tapes; a value or partial that is not
 * finite, where CPython might raise.  An operation makes room for its node and its result
 * before it reads ids (making room may collect, which renumbers), and then cannot fail.
 */
#ifndef FASTAD_OPERATIONS_H
#define FASTAD_OPERATIONS_H

#include <float.h>

#include "_dual.h"
#include "_var.h"
#include "flags.h"
#include "op.h"
#include "special.h"

/* Who asked: decides which of Python's exceptions an odd argument raises. */
typedef enum {
    BY_OPERATOR, /* x / y, x ** y: as float's operators do */
    BY_FUNCTION, /* fastad.math.log(x): as the functions of math do */
    BY_METHOD,   /* x.log(), which numpy.log calls: nan or inf and a RuntimeWarning */
    BY_RULE      /* a partial cell, for nested derivatives: nan or inf, in silence */
} asked_by;

static struct {
    PyObject *(*unary)(fad_opcode, asked_by, PyObject *);
    PyObject *(*binary)(fad_opcode, asked_by, PyObject *, PyObject *);
    PyObject *(*ternary)(fad_opcode, PyObject *, PyObject *, PyObject *);
    PyObject *(*log_to_base)(PyObject *, PyObject *);
} slow_path;

/* CPython has algorithms of its own for these two: a nan sends them to the slow path, which
   asks it. */
#define tgamma(x) NAN
#define lgamma(x) NAN

static inline int
is_fresh(const var_object *var)
{
    return LIKELY(var->epoch == var->tape->epoch);
}

static inline int
are_fresh(const var_object *x, const var_object *y)
{
    const fad_tape *tape = x->tape;
    return LIKELY(tape == y->tape &&
                  ((x->epoch ^ tape->epoch) | (y->epoch ^ tape->epoch)) == 0);
}

static inline int
are_plain_duals(const dual_object *x, const dual_object *y)
{
    return LIKELY(x->tape == y->tape && x->n == y->n && is_plain_dual(x) &&
                  is_plain_dual(y));
}

/* The operand as a double, where that is quick and exact or rounds as Python does. */
static inline int
as_constant(PyObject *object, double *constant)
{
    if (PyFloat_CheckExact(object)) {
        *constant = PyFloat_AS_DOUBLE(object);
        return 1;
    }
    if (PyLong_CheckExact(object)) {
        *constant = PyLong_AsDouble(object);
        if (UNLIKELY(*constant == -1.0 && PyErr_Occurred())) {
            PyErr_Clear(); /* too large: the slow path says so */
            return 0;
        }
        return 1;
    }
    if (PyFloat_Check(object)) { /* numpy.float64 */
        *constant = PyFloat_AS_DOUBLE(object);
        return 1;
    }
    return 0;
}

static inline PyObject *
record_edge(var_object *x, double value, double partial)
{
    if (UNLIKELY(!(fabs(value) + fabs(partial) <= DBL_MAX)))
        return NULL;
    fad_tape *tape = x->tape;
    if (UNLIKELY(ensure_room(tape) < 0))
        return NULL;
    return new_var(value, tape, fad_tape_record_unary(tape, x->id, partial));
}

/* The slow path after a NULL of record_edge or record_edges, if it was not an exception. */
#define IF_NOT_RAISED(call) (PyErr_Occurred() ? NULL : (call))

static inline PyObject *
record_edges(var_object *x, var_object *y, double value, double px, double py)
{
    if (UNLIKELY(!(fabs(value) + fabs(px) + fabs(py) <= DBL_MAX)))
        return NULL;
    fad_tape *tape = x->tape;
    if (UNLIKELY(ensure_room(tape) < 0))
        return NULL;
    return new_var(value, tape, fad_tape_record(tape, x->id, px, y->id, py));
}

/* Of a flag that only the partial has raised, NumPy would warn after its loop. */
static inline PyObject *
quietly(PyObject *result)
{
    if (UNLIKELY(fad_flags_raised()))
        fad_flags_clear();
    return result;
}

#define UNARY(name, value_cell, partial_cell, domain, doc)                                 \
    static APART PyObject *dual_##name(PyObject *x_object, asked_by by)                    \
    {                                                                                      \
        if (IS_DUAL(x_object) && is_plain_dual(AS_DUAL(x_object))) {                       \
            const double x = AS_DUAL(x_object)->value;                                     \
            const double v = value_cell;                                                   \
            PyObject *result = dual_of_one(AS_DUAL(x_object), v, partial_cell);            \
            if (LIKELY(result != NULL))                                                    \
                return result;                                                             \
        }                                                                                  \
        return IF_NOT_RAISED(slow_path.unary(FAD_OP_##name, by, x_object));                \
    }                                                                                      \
    static PyObject *record_##name(PyObject *x_object, asked_by by)                        \
    {                                                                                      \
        if (LIKELY(IS_VAR(x_object)) && is_fresh(AS_VAR(x_object))) {                      \
            const double x = AS_VAR(x_object)->value;                                      \
            const double v = value_cell;                                                   \
            PyObject *result = record_edge(AS_VAR(x_object), v, partial_cell);             \
            if (LIKELY(result != NULL))                                                    \
                return result;                                                             \
        }                                                                                  \
        return dual_##name(x_object, by);                                                  \
    }                                                                                      \
    static PyObject *function_##name(PyObject *module, PyObject *x_object)                 \
    {                                                                                      \
        (void)module;                                                                      \
        if (PyFloat_CheckExact(x_object)) {                                                \
            const double x = PyFloat_AS_DOUBLE(x_object);                                  \
            const double v = value_cell;                                                   \
            (void)x;                                                                       \
            if (LIKELY(isfinite(v)))                                                       \
                return PyFloat_FromDouble(v);                                              \
        }                                                                                  \
        return record_##name(x_object, BY_FUNCTION);                                       \
    }                                                                                      \
    static PyObject *method_##name(PyObject *self, PyObject *none)                         \
    {                                                                                      \
        (void)none;                                                                        \
        return quietly(record_##name(self, BY_METHOD));                                    \
    }

/* Both kinds of operand, with the tests for a kind and what to do with the partials. */
#define BINARY_ON(IS_KIND, AS_KIND, are_alike, is_usable, of_two, of_one, value_cell,      \
                  px_cell, py_cell)                                                        \
    if (IS_KIND(x_object)) {                                                               \
        const double x = AS_KIND(x_object)->value;                                         \
        double y;                                                                          \
        if (IS_KIND(y_object)) {                                                           \
            if (are_alike(AS_KIND(x_object), AS_KIND(y_object))) {                         \
                y = AS_KIND(y_object)->value;                                              \
                const double v = value_cell;                                               \
                result = of_two(AS_KIND(x_object), AS_KIND(y_object), v, px_cell, py_cell); \
            }                                                                              \
        } else if (is_usable(AS_KIND(x_object)) && as_constant(y_object, &y)) {            \
            const double v = value_cell;                                                   \
            result = of_one(AS_KIND(x_object), v, px_cell);                                \
        }                                                                                  \
    } else {                                                                               \
        double x;                                                                          \
        if (IS_KIND(y_object) && is_usable(AS_KIND(y_object)) &&                           \
            as_constant(x_object, &x)) {                                                   \
            const double y = AS_KIND(y_object)->value;                                     \
            const double v = value_cell;                                                   \
            (void)y;                                                                       \
            result = of_one(AS_KIND(y_object), v, py_cell);                                \
        }                                                                                  \
    }                                                                                      \
    if (LIKELY(result != NULL))                                                            \
        return result;

#define BINARY(name, value_cell, px_cell, py_cell, domain, doc)                            \
    static APART PyObject *dual_##name(PyObject *x_object, PyObject *y_object,             \
                                       asked_by by)                                        \
    {                                                                                      \
        PyObject *result = NULL;                                                           \
        BINARY_ON(IS_DUAL, AS_DUAL, are_plain_duals, is_plain_dual, dual_of_two,           \
                  dual_of_one, value_cell, px_cell, py_cell)                               \
        return IF_NOT_RAISED(slow_path.binary(FAD_OP_##name, by, x_object, y_object));     \
    }                                                                                      \
    static PyObject *record_##name(PyObject *x_object, PyObject *y_object, asked_by by)    \
    {                                                                                      \
        PyObject *result = NULL;                                                           \
        BINARY_ON(IS_VAR, AS_VAR, are_fresh, is_fresh, record_edges, record_edge,          \
                  value_cell, px_cell, py_cell)                                            \
        return dual_##name(x_object, y_object, by);                                        \
    }                                                                                      \
    static PyObject *function_##name(PyObject *module, PyObject *const *args,              \
                                     Py_ssize_t n_args)                                    \
    {                                                                                      \
        (void)module;                                                                      \
        if (n_args != 2)                                                                   \
            return wrong_count(#name, 2, n_args);                                          \
        return record_##name(args[0], args[1], BY_FUNCTION);                               \
    }                                                                                      \
    static PyObject *method_##name(PyObject *self, PyObject *other)                        \
    {                                                                                      \
        return quietly(record_##name(self, other, BY_METHOD));                             \
    }

#define TERNARY(name, value_cell, px_cell, py_cell, pz_cell, domain, doc)                  \
    static PyObject *function_##name(PyObject *module, PyObject *const *args,              \
                                     Py_ssize_t n_args)                                    \
    {                                                                                      \
        (void)module;                                                                      \
        if (n_args != 3)                                                                   \
            return wrong_count(#name, 3, n_args);                                          \
        return slow_path.ternary(FAD_OP_##name, args[0], args[1], args[2]);                \
    }

static COLD PyObject *
wrong_count(const char *name, int expected, Py_ssize_t n_args)
{
    PyErr_Format(PyExc_TypeError, "%s expected %d arguments, got %zd", name, expected,
                 n_args);
    return NULL;
}

#include "ops.def"

#undef tgamma
#undef lgamma

/* log has an optional base. */
static PyObject *
function_log_to_base(PyObject *module, PyObject *const *args, Py_ssize_t n_args)
{
    (void)module;
    if (LIKELY(n_args == 1))
        return record_log(args[0], BY_FUNCTION);
    if (n_args == 2)
        return slow_path.log_to_base(args[0], args[1]);
    PyErr_Format(PyExc_TypeError, "log expected 1 or 2 arguments, got %zd", n_args);
    return NULL;
}

/* ---- The same as Python callables -------------------------------------------------- */

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-function-type"
#endif

static PyMethodDef row_functions[FAD_N_OPS] = {
#define UNARY(name, value, px, domain, doc)                                                \
    {#name, function_##name, METH_O, NULL},
#define BINARY(name, value, px, py, domain, doc)                                           \
    {#name, (PyCFunction)function_##name, METH_FASTCALL, NULL},
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    {#name, (PyCFunction)function_##name, METH_FASTCALL, NULL},
#include "ops.def"
};

static PyMethodDef row_methods[FAD_N_OPS] = {
#define UNARY(name, value, px, domain, doc)                                                \
    {#name, method_##name, METH_NOARGS, #name "($self, /)\n--\n\n" doc},
#define BINARY(name, value, px, py, domain, doc)                                           \
    {#name, method_##name, METH_O, #name "($self, y, /)\n--\n\n" doc},
#define TERNARY(name, value, px, py, pz, domain, doc) {NULL, NULL, 0, NULL},
#include "ops.def"
};

static PyMethodDef log_function = {
    "log", (PyCFunction)function_log_to_base, METH_FASTCALL,
    "log(x, [base])\n\nThe logarithm of x to the given base, or the natural one."};

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* The row's line of documentation behind the signature that inspect and help read. */
static const char *
signed_doc(fad_opcode op)
{
    const char *name = fad_op_rows[op].name, *arguments = fad_op_arguments(op);
    size_t n = strlen(name) + strlen(arguments) + strlen(fad_op_rows[op].doc) + 16;
    char *doc = PyMem_Malloc(n); /* lives as the definition: for ever */
    if (doc == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyOS_snprintf(doc, n, "%s(%s, /)\n--\n\n%s", name, arguments, fad_op_rows[op].doc);
    return doc;
}

/* The row as a function of the module of that name. */
static PyObject *
row_function(fad_opcode op, PyObject *module_name)
{
    PyMethodDef *definition = op == FAD_OP_log ? &log_function : &row_functions[op];
    if (definition->ml_doc == NULL && (definition->ml_doc = signed_doc(op)) == NULL)
        return NULL;
    return PyCFunction_NewEx(definition, NULL, module_name);
}

/* Gives a type the row as a method under a name of NumPy's; the name must live for ever. */
static int
add_row_method(PyTypeObject *type, fad_opcode op, const char *name)
{
    PyMethodDef *definition = PyMem_Malloc(sizeof *definition); /* lives as the type */
    if (definition == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *definition = row_methods[op];
    definition->ml_name = name;
    definition->ml_doc = fad_op_rows[op].doc;
    PyObject *method = PyDescr_NewMethod(type, definition);
    if (method == NULL)
        return -1;
    int status = PyDict_SetItemString(type->tp_dict, name, method);
    Py_DECREF(method);
    PyType_Modified(type);
    return status;
}

#endif
