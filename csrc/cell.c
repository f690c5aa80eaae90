#include "cell.h"

#include "special.h"

/*
 * A recursive descent, one function for each line of the grammar:
 *
 *   comparison = sum [("<" | "<=" | "==" | "!=" | ">" | ">=") sum]
 *   sum        = term {("+" | "-") term}
 *   term       = factor {("*" | "/") factor}
 *   factor     = "-" factor | "(" comparison ")" | number | name | call
 *   call       = name "(" comparison {"," comparison} ")"
 *
 * Each returns the id of its result, or FAD_NO_ID, which every other hands on.
 */
typedef struct {
    const char *at; /* what remains to be read */
    fad_program *cell;
} parser;

static uint32_t comparison(parser *p);

static void
skip_spaces(parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

/* Reads this token, if it is the next one. */
static int
reads(parser *p, const char *token)
{
    skip_spaces(p);
    size_t n = strlen(token);
    if (strncmp(p->at, token, n) != 0)
        return 0;
    p->at += n;
    return 1;
}

static int
is_digit(char c)
{
    return '0' <= c && c <= '9';
}

static int
is_of_name(char c)
{
    return is_digit(c) || c == '_' || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z');
}

/* Digits with a point.  (strtod would obey the locale.)  Exact up to 2**53. */
static uint32_t
number(parser *p)
{
    double digits = 0.0, unit = 1.0;
    for (; is_digit(*p->at); p->at++)
        digits = 10.0 * digits + (*p->at - '0');
    if (*p->at == '.')
        p->at++;
    for (; is_digit(*p->at); p->at++, unit *= 10.0)
        digits = 10.0 * digits + (*p->at - '0');
    return fad_program_constant(p->cell, digits / unit);
}

static int
is_name(const char *name, size_t n, const char *expected)
{
    return strlen(expected) == n && memcmp(name, expected, n) == 0;
}

static uint32_t
variable_or_constant(parser *p, const char *name, size_t n)
{
    static const char *const variables[] = {"x", "y", "z", "v"};
    static const struct {
        const char *name;
        double value;
    } constants[] = {
        {"NAN", NAN},           {"M_LN2", M_LN2},
        {"M_LOG2E", M_LOG2E},   {"M_LOG10E", M_LOG10E},
        {"M_PI", M_PI},         {"M_2_SQRTPI", M_2_SQRTPI},
        {"RADIAN", RADIAN},     {"DEGREE", DEGREE},
    };
    for (uint32_t k = 0; k < sizeof variables / sizeof *variables; k++)
        if (is_name(name, n, variables[k]))
            return k;
    for (size_t k = 0; k < sizeof constants / sizeof *constants; k++)
        if (is_name(name, n, constants[k].name))
            return fad_program_constant(p->cell, constants[k].value);
    return FAD_NO_ID;
}

/* The rest of a call, from its arguments on. */
static uint32_t
call(parser *p, const char *name, size_t n)
{
    uint32_t args[3] = {0, 0, 0}, op = 0;
    while (op < FAD_N_OPS && !is_name(name, n, fad_op_rows[op].name))
        op++;
    if (op == FAD_N_OPS)
        return FAD_NO_ID;
    for (int k = 0; k < fad_op_rows[op].arity; k++) {
        if (k > 0 && !reads(p, ","))
            return FAD_NO_ID;
        args[k] = comparison(p);
    }
    if (!reads(p, ")"))
        return FAD_NO_ID;
    return fad_program_emit(p->cell, op, args[0], args[1], args[2]);
}

static uint32_t
factor(parser *p)
{
    if (reads(p, "-"))
        return fad_program_emit(p->cell, FAD_OP_neg, factor(p), 0, 0);
    if (reads(p, "(")) {
        uint32_t id = comparison(p);
        return reads(p, ")") ? id : FAD_NO_ID;
    }
    if (is_digit(*p->at))
        return number(p);
    const char *name = p->at;
    while (is_of_name(*p->at))
        p->at++;
    size_t n = (size_t)(p->at - name);
    return reads(p, "(") ? call(p, name, n) : variable_or_constant(p, name, n);
}

static uint32_t
term(parser *p)
{
    uint32_t id = factor(p);
    for (;;) {
        uint32_t op = reads(p, "*")   ? FAD_OP_mul
                      : reads(p, "/") ? FAD_OP_div
                                      : FAD_N_OPS;
        if (op == FAD_N_OPS)
            return id;
        id = fad_program_emit(p->cell, op, id, factor(p), 0);
    }
}

static uint32_t
sum(parser *p)
{
    uint32_t id = term(p);
    for (;;) {
        uint32_t op = reads(p, "+")   ? FAD_OP_add
                      : reads(p, "-") ? FAD_OP_sub
                                      : FAD_N_OPS;
        if (op == FAD_N_OPS)
            return id;
        id = fad_program_emit(p->cell, op, id, term(p), 0);
    }
}

static uint32_t
comparison(parser *p)
{
    static const struct {
        const char *token;
        uint32_t op;
        int swapped;
    } signs[] = {
        {"<=", FAD_OP_le, 0}, {">=", FAD_OP_le, 1}, {"==", FAD_OP_eq, 0},
        {"!=", FAD_OP_ne, 0}, {"<", FAD_OP_lt, 0},  {">", FAD_OP_lt, 1},
    };
    uint32_t left = sum(p);
    for (size_t k = 0; k < sizeof signs / sizeof *signs; k++) {
        if (!reads(p, signs[k].token))
            continue;
        uint32_t right = sum(p);
        uint32_t a = signs[k].swapped ? right : left, b = signs[k].swapped ? left : right;
        return fad_program_emit(p->cell, signs[k].op, a, b, 0);
    }
    return left;
}

/* All of the text, and nothing behind it. */
static int
parse(parser *p)
{
    for (int k = 0; k < 4; k++)
        if (fad_program_input(p->cell) == FAD_NO_ID)
            return -1;
    if (fad_program_add_output(p->cell, comparison(p)) < 0)
        return -1;
    skip_spaces(p);
    if (*p->at != 0 || fad_program_drop_dead(p->cell) < 0)
        return -1;
    return p->cell->n_instructions <= FAD_CELL_SIZE ? 0 : -1;
}

int
fad_cell_parse(const char *text, fad_program *cell)
{
    parser p = {text, cell};
    int status = parse(&p);
    if (status < 0)
        fad_program_free(cell);
    return status;
}

/* ---- All cells ----------------------------------------------------------------------- */

static fad_program partials[FAD_N_OPS][3];
static int are_parsed;

int
fad_cells_parse(void)
{
    if (are_parsed)
        return 0;
    for (int op = 0; op < FAD_N_OPS; op++)
        for (int k = 0; k < fad_op_rows[op].arity; k++) {
            fad_program_free(&partials[op][k]);
            if (fad_cell_parse(fad_op_rows[op].partials[k], &partials[op][k]) < 0)
                return -1;
        }
    are_parsed = 1;
    return 0;
}

const fad_program *
fad_cell_partial(uint32_t op, int k)
{
    return &partials[op][k];
}

int
fad_cell_is_zero(uint32_t op, int k)
{
    double value;
    const fad_program *cell = &partials[op][k];
    return fad_program_is_constant(cell, cell->outputs[0], &value) && value == 0.0;
}

uint32_t
fad_cell_emit(fad_program *program, uint32_t op, int k, const uint32_t args[3],
              uint32_t value)
{
    const fad_program *cell = &partials[op][k];
    const uint32_t inputs[4] = {args[0], args[1], args[2], value};
    uint32_t ids[FAD_CELL_SIZE];
    if (fad_program_inline(program, cell, inputs, ids) < 0)
        return FAD_NO_ID;
    return ids[cell->outputs[0]];
}
