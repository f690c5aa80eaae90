/*
 * Derivatives of random programs: derived, swept over a tape, in several directions at once,
 * at order 2 by every way there is, and by differences; choices; and each allocation failing
 * in turn.
 */
#include <float.h>

#include "check.h"
#include "derive.h"
#include "replay.h"
#include "sets.h"
#include "sweep.h"

enum {
    N_INPUTS = 4,
    N_OPERATIONS = 60,
    SIZE = 20000 /* instructions: what the tests derive is smaller */
};

/* ---- Random programs ------------------------------------------------------------- */

static double point[2 * N_INPUTS]; /* the inputs, and room for a direction behind them */

static const fad_opcode smooth[] = {
    FAD_OP_add,  FAD_OP_sub,   FAD_OP_mul,    FAD_OP_muladd,    FAD_OP_mulsub, FAD_OP_fma,
    FAD_OP_neg,  FAD_OP_sin,   FAD_OP_cos,    FAD_OP_tanh,      FAD_OP_sech2,  FAD_OP_exp,
    FAD_OP_atan, FAD_OP_asinh, FAD_OP_expit,  FAD_OP_softplus,  FAD_OP_erf,    FAD_OP_expm1,
    FAD_OP_sinh, FAD_OP_cosh,  FAD_OP_div,    FAD_OP_logaddexp, FAD_OP_atan2,  FAD_OP_hypot,
    FAD_OP_pow,  FAD_OP_log,   FAD_OP_hypotx, FAD_OP_atan2x,    FAD_OP_sqrt,   FAD_OP_powx,
};

static fad_opcode
random_operation(int is_smooth)
{
    static const fad_opcode usual[] = {FAD_OP_add, FAD_OP_mul, FAD_OP_sub, FAD_OP_where};
    if (is_smooth)
        return smooth[random_below(LENGTH(smooth))];
    if (random_below(2))
        return usual[random_below(LENGTH(usual))];
    return (fad_opcode)random_below(FAD_N_OPS);
}

/* An argument: often one of the last results, sometimes a constant. */
static uint32_t
random_argument(fad_program *p)
{
    static const double constants[] = {1.0, -1.0, 0.0, 2.0, 0.5, 3.0, -0.7};
    if (random_below(8) == 0)
        return fad_program_append_constant(p, constants[random_below(LENGTH(constants))]);
    if (p->n_instructions > 8 && random_below(2))
        return p->n_instructions - 1 - random_below(8);
    return random_below(p->n_instructions);
}

/* Whether a result and its partials are tame enough to be compared. */
static int
is_tame(const fad_instruction *i, const double *values, double value, double limit)
{
    double partials[3];
    const uint32_t *args = i->args;
    fad_op_partials((fad_opcode)i->op, values[args[0]], values[args[1]], values[args[2]],
                    value, partials);
    int tame = fabs(value) <= limit;
    for (int k = 0; k < fad_instruction_arity(i); k++)
        tame &= fabs(partials[k]) <= limit;
    return tame;
}

/* A recording, of which every number at the point is tame. */
static void
record_random(fad_program *p, int is_smooth)
{
    static double values[SIZE];
    double limit = is_smooth ? 4.0 : 1e6;
    for (int k = 0; k < N_INPUTS; k++) {
        point[k] = random_number();
        point[N_INPUTS + k] = random_number();
        fad_program_input(p);
    }
    while (p->n_instructions < N_OPERATIONS) {
        fad_opcode op = random_operation(is_smooth);
        uint32_t a = random_argument(p), b = random_argument(p), c = random_argument(p);
        uint32_t id = fad_program_append(p, op, a, b, c);
        fad_replay(p, point, values, NULL);
        if (!is_tame(&p->instructions[id], values, values[id], limit))
            p->n_instructions--; /* take it back */
    }
    for (int k = 0; k < 3; k++)
        fad_program_add_output(p, p->n_instructions - 1 - random_below(4));
}

/* Equal to the last bit, but for the sign of a zero. */
static int
is_equal(double x, double y)
{
    return x == y;
}

static int
are_equal(const double *x, const double *y, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (!is_equal(x[k], y[k]))
            return 0;
    return 1;
}

static int
are_close(const double *x, const double *y, uint32_t n, double tolerance)
{
    double scale = 1.0;
    for (uint32_t k = 0; k < n; k++)
        scale = fmax(scale, fabs(x[k]));
    for (uint32_t k = 0; k < n; k++)
        if (!(fabs(x[k] - y[k]) <= tolerance * scale))
            return 0;
    return 1;
}

/* ---- Running --------------------------------------------------------------------- */

static double values[SIZE];
static uint32_t nodes[SIZE];

static void
run(const fad_program *p, const double *inputs, double *outputs)
{
    fad_replay(p, inputs, values, outputs);
}

/* Records on a new tape, with the adjoints reserved. */
static fad_tape *
record_at_point(const fad_program *p, const unsigned char *wanted)
{
    fad_tape *tape = fad_tape_take();
    if (tape == NULL || fad_replay_record(p, point, wanted, values, tape, nodes) < 0 ||
        fad_tape_reserve_adjoints(tape) < 0)
        return NULL;
    return tape;
}

/* The adjoints of the inputs, taken off the tape. */
static void
take_gradient(fad_tape *tape, const fad_program *p, double *gradient)
{
    for (uint32_t id = 0, k = 0; id < p->n_instructions; id++) {
        if (p->instructions[id].op != FAD_INPUT || nodes[id] == FAD_NO_NODE)
            continue;
        gradient[k++] = tape->adjoints[nodes[id]];
        tape->adjoints[nodes[id]] = 0.0;
    }
}

static uint32_t
largest_node(const fad_tape *tape)
{
    return tape->n_nodes - 1;
}

/* ---- Order 1, to the last bit ---------------------------------------------------- */

static void
check_gradient(const fad_program *p, uint32_t output)
{
    fad_program derived = {0};
    double outputs[3 + N_INPUTS], expected[N_INPUTS] = {0};
    CHECK(fad_derive_gradient(p, output, NULL, &derived) == 0);
    CHECK(derived.n_inputs == N_INPUTS && derived.n_outputs == 3 + N_INPUTS);
    run(&derived, point, outputs);

    fad_tape *tape = record_at_point(p, NULL);
    uint32_t node = nodes[p->outputs[output]];
    CHECK(same_bits(outputs[output], values[p->outputs[output]]));
    if (node != FAD_NO_NODE) {
        fad_sweep_backward(tape, node, 1.0);
        take_gradient(tape, p, expected);
    }
    CHECK(are_equal(outputs + 3, expected, N_INPUTS));
    fad_tape_give(tape);
    fad_program_free(&derived);
}

static void
a_derived_gradient_equals_the_sweep(void)
{
    for (int n = 0; n < 2000 && !failed; n++) {
        fad_program p = {0};
        record_random(&p, n % 4 == 0);
        check_gradient(&p, random_below(3));
        fad_program_free(&p);
    }
}

static void
check_pullback_and_tangent(const fad_program *p)
{
    fad_program pullback = {0}, tangent = {0};
    double outputs[3 + N_INPUTS], expected[N_INPUTS] = {0};
    CHECK(fad_derive_pullback(p, NULL, &pullback) == 0);
    CHECK(fad_derive_tangent(p, NULL, &tangent) == 0);
    fad_tape *tape = record_at_point(p, NULL);
    uint32_t last = largest_node(tape);
    for (uint32_t k = 0; k < 3; k++)
        if (nodes[p->outputs[k]] != FAD_NO_NODE)
            tape->adjoints[nodes[p->outputs[k]]] += point[N_INPUTS + k];
    fad_sweep_backward_from_seeds(tape, last);
    take_gradient(tape, p, expected);
    run(&pullback, point, outputs);
    CHECK(are_equal(outputs + 3, expected, N_INPUTS));

    static _Alignas(FAD_ALIGNMENT) double tangents[2 * SIZE];
    for (uint32_t k = 0; k < N_INPUTS; k++)
        tangents[nodes[k]] = point[N_INPUTS + k];
    fad_sweep_forward_many(tape, fad_best_set(), last, 1, tangents);
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t node = nodes[p->outputs[k]];
        expected[k] = node == FAD_NO_NODE ? 0.0 : tangents[node];
    }
    run(&tangent, point, outputs);
    CHECK(are_equal(outputs + 3, expected, 3));
    fad_tape_give(tape);
    fad_program_free(&pullback);
    fad_program_free(&tangent);
}

static void
pullback_and_tangent_equal_the_sweeps(void)
{
    for (int n = 0; n < 2000 && !failed; n++) {
        fad_program p = {0};
        record_random(&p, n % 4 == 0);
        check_pullback_and_tangent(&p);
        fad_program_free(&p);
    }
}

static void
simplifying_changes_no_bit(void)
{
    for (int n = 0; n < 500; n++) {
        fad_program p = {0}, q = {0};
        double outputs[3], simpler[3];
        record_random(&p, 0);
        CHECK(fad_program_simplify(&p, &q) == 0);
        CHECK(q.n_instructions <= p.n_instructions);
        run(&p, point, outputs);
        run(&q, point, simpler);
        for (int k = 0; k < 3; k++)
            CHECK(same_bits(outputs[k], simpler[k]));
        fad_program_free(&p);
        fad_program_free(&q);
    }
}

/* What is not wanted is a constant. */
static void
inputs_that_are_not_wanted_are_constants(void)
{
    static const unsigned char wanted[N_INPUTS] = {1, 0, 0, 1};
    for (int n = 0; n < 300; n++) {
        fad_program p = {0}, all = {0}, some = {0}, tangent = {0};
        double every[3 + N_INPUTS], two[3 + 2], along[3 + 3], inputs[N_INPUTS + 2];
        record_random(&p, 0);
        CHECK(fad_derive_gradient(&p, 1, NULL, &all) == 0);
        CHECK(fad_derive_gradient(&p, 1, wanted, &some) == 0);
        CHECK(some.n_outputs == 5 && some.n_instructions <= all.n_instructions);
        run(&all, point, every);
        run(&some, point, two);
        CHECK(is_equal(two[3], every[3]) && is_equal(two[4], every[6]));

        CHECK(fad_derive_tangent(&p, wanted, &tangent) == 0);
        CHECK(tangent.n_inputs == N_INPUTS + 2 && tangent.n_outputs == 6);
        memcpy(inputs, point, N_INPUTS * sizeof *inputs);
        inputs[N_INPUTS] = 0.0;
        inputs[N_INPUTS + 1] = 1.0;
        run(&tangent, inputs, along);
        CHECK(are_close(&along[4], &two[4], 1, 1e-12));

        fad_tape *tape = record_at_point(&p, wanted);
        CHECK(nodes[1] == FAD_NO_NODE && nodes[3] == 1);
        fad_tape_give(tape);
        fad_program_free(&p);
        fad_program_free(&all);
        fad_program_free(&some);
        fad_program_free(&tangent);
    }
}

static void
an_output_may_be_an_input_or_a_constant(void)
{
    fad_program p = {0}, derived = {0};
    double outputs[5];
    uint32_t x = fad_program_input(&p);
    fad_program_input(&p);
    fad_program_add_output(&p, x);
    fad_program_add_output(&p, fad_program_constant(&p, 7.0));
    CHECK(fad_derive_gradient(&p, 0, NULL, &derived) == 0);
    run(&derived, point, outputs);
    CHECK(outputs[1] == 7.0 && outputs[2] == 1.0 && outputs[3] == 0.0);
    fad_program_free(&derived);
    CHECK(fad_derive_gradient(&p, 1, NULL, &derived) == 0);
    run(&derived, point, outputs);
    CHECK(outputs[2] == 0.0 && outputs[3] == 0.0);
    fad_program_free(&derived);
    fad_program_free(&p);
}

/* ---- Several directions at once -------------------------------------------------- */

/* Row d of rows holds the numbers of direction d, and single those of one of them. */
static void
check_many(const fad_program *p, uint32_t n, int careful)
{
    static _Alignas(FAD_ALIGNMENT) double rows[16 * SIZE], tangents[16 * SIZE];
    uint16_t reached[SIZE] = {0}, reached_forward[SIZE] = {0};
    unsigned char needed[SIZE] = {0};
    double expected[N_INPUTS];
    fad_tape *tape = record_at_point(p, NULL);
    uint32_t last = largest_node(tape);
    memset(rows, 0, (last + 1) * n * sizeof *rows);
    for (uint32_t d = 0; d < n; d++) {
        rows[last * n + d] = d % 3 - 1.0;
        for (uint32_t k = 0; k < N_INPUTS; k++)
            tangents[nodes[k] * n + d] = k == d % N_INPUTS;
        reached[last] |= 1u << d;
        reached_forward[nodes[d % N_INPUTS]] |= 1u << d;
    }
    needed[last] = 1;
    CHECK(fad_tape_reserve_adjoints(tape) == 0);
    fad_sweep_reach(tape, last, last, needed);
    if (careful) {
        CHECK(fad_sweep_backward_many_carefully(tape, fad_best_set(), last, n, rows, reached)
              == 0);
        CHECK(fad_sweep_forward_many_carefully(tape, fad_best_set(), last, n, tangents,
                                               reached_forward, needed) == 0);
    } else {
        fad_sweep_backward_many(tape, fad_best_set(), last, n, rows);
        fad_sweep_forward_many(tape, fad_best_set(), last, n, tangents);
    }
    for (uint32_t d = 0; d < n; d++) {
        fad_sweep_backward(tape, last, d % 3 - 1.0);
        take_gradient(tape, p, expected);
        for (uint32_t k = 0; k < N_INPUTS; k++)
            CHECK(is_equal(rows[nodes[k] * n + d], expected[k]));
        fad_sweep_backward(tape, last, 1.0);
        take_gradient(tape, p, expected);
        CHECK(are_close(&tangents[last * n + d], &expected[d % N_INPUTS], 1, 1e-9));
    }
    for (uint32_t id = N_INPUTS; id <= last; id++)
        for (uint32_t d = 0; d < n; d++)
            CHECK(rows[id * n + d] == 0.0);
    fad_tape_give(tape);
}

static void
many_directions_equal_one_each(void)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 7, 8, 16};
    for (int n = 0; n < 200 && !failed; n++)
        for (size_t k = 0; k < LENGTH(counts) && !failed; k++) {
            fad_program p = {0};
            record_random(&p, 1);
            check_many(&p, counts[k], n % 2);
            fad_program_free(&p);
        }
}

/* root = sqrt(x) at 0, product = 0 * root + 3 * y, and a result that nobody needs: of a
   direction without x nothing meets the infinity, and what is absorbed is counted where a
   direction comes by. */
static void
careful_directions_absorb(void)
{
    static const struct {
        uint32_t seed; /* of the reverse direction 0; direction 1 starts at the root */
        double x, y;
        uint64_t n_absorbed;
    } backward[] = {{3, 0.0, 3.0, 1}, {1, 0.0, 1.0, 0}};
    fad_tape *tape = fad_tape_take();
    uint32_t x = fad_tape_record_input(tape), y = fad_tape_record_input(tape);
    uint32_t root = fad_tape_record_unary(tape, x, INFINITY);
    uint32_t product = fad_tape_record(tape, root, 0.0, y, 3.0);
    (void)fad_tape_record_unary(tape, root, 0.0);
    for (size_t k = 0; k < LENGTH(backward); k++) {
        _Alignas(FAD_ALIGNMENT) double rows[5][2] = {{0}};
        uint16_t reached[5] = {0};
        rows[backward[k].seed][0] = 1.0;
        rows[root][1] += 2.0;
        reached[backward[k].seed] |= 1;
        reached[root] |= 2;
        CHECK(fad_sweep_backward_many_carefully(tape, fad_best_set(), product, 2, rows[0],
                                                reached)
              == backward[k].n_absorbed);
        CHECK(rows[x][0] == backward[k].x && rows[y][0] == backward[k].y);
        CHECK(rows[x][1] == INFINITY && rows[y][1] == 0.0);
        CHECK(reached[x] == (backward[k].seed == product ? 3 : 2));
    }
    _Alignas(FAD_ALIGNMENT) double tangents[5][2] = {{1.0, 0.0}, {0.0, 1.0}};
    uint16_t reached[5] = {1, 2};
    unsigned char needed[5] = {[3] = 1};
    CHECK(fad_tape_reserve_adjoints(tape) == 0);
    fad_sweep_reach(tape, product, product, needed);
    CHECK(fad_sweep_forward_many_carefully(tape, fad_best_set(), 4, 2, tangents[0], reached,
                                           needed)
          == 1);
    CHECK(tangents[root][0] == INFINITY && tangents[root][1] == 0.0);
    CHECK(tangents[product][0] == 0.0 && tangents[product][1] == 3.0);
    CHECK(reached[root] == 1 && reached[product] == 3);
    fad_tape_give(tape);
}

/* ---- Order 2 --------------------------------------------------------------------- */

typedef double matrix[N_INPUTS * N_INPUTS];

/* The gradient of output 0 alone, as a program with N_INPUTS outputs. */
static int
derive_gradient_alone(const fad_program *p, fad_program *gradient)
{
    if (fad_derive_gradient(p, 0, NULL, gradient) < 0)
        return -1;
    fad_program_select_outputs(gradient, 3, N_INPUTS);
    return fad_program_drop_dead(gradient);
}

static void
hessian_backward_twice(const fad_program *gradient, matrix hessian)
{
    double outputs[2 * N_INPUTS];
    for (uint32_t k = 0; k < N_INPUTS; k++) {
        fad_program row = {0};
        CHECK(fad_derive_gradient(gradient, k, NULL, &row) == 0);
        run(&row, point, outputs);
        memcpy(hessian + k * N_INPUTS, outputs + N_INPUTS, N_INPUTS * sizeof *outputs);
        fad_program_free(&row);
    }
}

static void
hessian_forward_over_backward(const fad_program *gradient, matrix hessian)
{
    fad_program product = {0};
    double inputs[2 * N_INPUTS], outputs[2 * N_INPUTS];
    CHECK(fad_derive_tangent(gradient, NULL, &product) == 0);
    memcpy(inputs, point, N_INPUTS * sizeof *inputs);
    for (uint32_t k = 0; k < N_INPUTS; k++) {
        for (uint32_t j = 0; j < N_INPUTS; j++)
            inputs[N_INPUTS + j] = j == k;
        run(&product, inputs, outputs);
        memcpy(hessian + k * N_INPUTS, outputs + N_INPUTS, N_INPUTS * sizeof *outputs);
    }
    fad_program_free(&product);
}

static void
hessian_backward_over_forward(const fad_program *p, matrix hessian)
{
    static const unsigned char wanted[2 * N_INPUTS] = {1, 1, 1, 1};
    fad_program tangent = {0}, row = {0};
    double inputs[2 * N_INPUTS], outputs[6 + N_INPUTS];
    CHECK(fad_derive_tangent(p, NULL, &tangent) == 0);
    CHECK(fad_derive_gradient(&tangent, 3, wanted, &row) == 0);
    memcpy(inputs, point, N_INPUTS * sizeof *inputs);
    for (uint32_t k = 0; k < N_INPUTS; k++) {
        for (uint32_t j = 0; j < N_INPUTS; j++)
            inputs[N_INPUTS + j] = j == k;
        run(&row, inputs, outputs);
        memcpy(hessian + k * N_INPUTS, outputs + 6, N_INPUTS * sizeof *outputs);
    }
    fad_program_free(&tangent);
    fad_program_free(&row);
}

/* The gradient's tape swept from all its outputs at once. */
static void
hessian_by_a_sweep(const fad_program *gradient, matrix hessian)
{
    static _Alignas(FAD_ALIGNMENT) double rows[N_INPUTS * SIZE];
    uint16_t reached[SIZE] = {0};
    fad_tape *tape = record_at_point(gradient, NULL);
    CHECK(tape != NULL);
    uint32_t last = largest_node(tape);
    memset(rows, 0, (last + 1) * N_INPUTS * sizeof *rows);
    for (uint32_t k = 0; k < N_INPUTS; k++)
        if (nodes[gradient->outputs[k]] != FAD_NO_NODE) {
            rows[nodes[gradient->outputs[k]] * N_INPUTS + k] = 1.0;
            reached[nodes[gradient->outputs[k]]] |= 1u << k;
        }
    (void)fad_sweep_backward_many_carefully(tape, fad_best_set(), last, N_INPUTS, rows,
                                            reached);
    for (uint32_t k = 0; k < N_INPUTS; k++)
        for (uint32_t j = 0; j < N_INPUTS; j++)
            hessian[k * N_INPUTS + j] = rows[nodes[j] * N_INPUTS + k];
    fad_tape_give(tape);
}

/* Central differences of the gradient, at h and h/2, extrapolated (Richardson). */
static void
hessian_by_differences(const fad_program *gradient, matrix hessian)
{
    const double h = 1e-3;
    double inputs[N_INPUTS], up[N_INPUTS], down[N_INPUTS];
    for (uint32_t k = 0; k < N_INPUTS; k++)
        for (int half = 0; half < 2; half++) {
            double step = half ? h / 2 : h;
            memcpy(inputs, point, sizeof inputs);
            inputs[k] = point[k] + step;
            run(gradient, inputs, up);
            inputs[k] = point[k] - step;
            run(gradient, inputs, down);
            for (uint32_t j = 0; j < N_INPUTS; j++) {
                double slope = (up[j] - down[j]) / (2 * step);
                double *entry = &hessian[k * N_INPUTS + j];
                *entry = half ? (4 * slope - *entry) / 3 : slope;
            }
        }
}

static void
check_hessian(const fad_program *p, int *n_compared)
{
    fad_program gradient = {0};
    matrix expected, other;
    CHECK(derive_gradient_alone(p, &gradient) == 0 && gradient.n_instructions < SIZE);
    hessian_backward_twice(&gradient, expected);
    for (int k = 0; k < N_INPUTS * N_INPUTS; k++)
        CHECK(isfinite(expected[k]));
    hessian_forward_over_backward(&gradient, other);
    CHECK(are_close(expected, other, N_INPUTS * N_INPUTS, 1e-9));
    hessian_backward_over_forward(p, other);
    CHECK(are_close(expected, other, N_INPUTS * N_INPUTS, 1e-9));
    hessian_by_a_sweep(&gradient, other);
    CHECK(are_close(expected, other, N_INPUTS * N_INPUTS, 1e-9));
    hessian_by_differences(&gradient, other);
    *n_compared += are_close(expected, other, N_INPUTS * N_INPUTS, 1e-5);
    fad_program_free(&gradient);
}

static void
order_two_is_the_same_by_every_way(void)
{
    enum { N = 500 };
    int n_compared = 0;
    for (int n = 0; n < N && !failed; n++) {
        fad_program p = {0};
        record_random(&p, 1);
        check_hessian(&p, &n_compared);
        fad_program_free(&p);
    }
    CHECK(n_compared > N * 9 / 10); /* elsewhere a step of 1e-3 is too long */
}

/* x**5: every order, each derived from the one before. */
static void
order_five_of_a_power(void)
{
    static const double expected[] = {32.0, 80.0, 160.0, 240.0, 240.0, 120.0, 0.0};
    fad_program p = {0};
    uint32_t x = fad_program_input(&p);
    uint32_t five = fad_program_constant(&p, 5.0);
    fad_program_add_output(&p, fad_program_emit(&p, FAD_OP_pow, x, five, 0));
    for (size_t order = 0; order < LENGTH(expected); order++) {
        fad_program next = {0};
        double outputs[2];
        CHECK(fad_derive_gradient(&p, 0, NULL, &next) == 0);
        run(&next, (double[]){2.0}, outputs);
        CHECK(fabs(outputs[0] - expected[order]) < 1e-12 * 240.0);
        fad_program_select_outputs(&next, 1, 1);
        CHECK(fad_program_drop_dead(&next) == 0 && next.n_instructions < 100);
        fad_program_free(&p);
        p = next;
    }
    fad_program_free(&p);
}

/* ---- Choices --------------------------------------------------------------------- */

/* where(0 < x, x*sqrt(x)*y, y), whose other arm has infinite derivatives at x = 0. */
static void
record_choice(fad_program *p)
{
    uint32_t x = fad_program_input(p), y = fad_program_input(p);
    fad_program_input(p);
    fad_program_input(p);
    uint32_t zero = fad_program_append_constant(p, 0.0);
    uint32_t condition = fad_program_append(p, FAD_OP_lt, zero, x, 0);
    uint32_t root = fad_program_append(p, FAD_OP_sqrt, x, 0, 0);
    uint32_t product = fad_program_append(p, FAD_OP_mul, x, root, 0);
    uint32_t arm = fad_program_append(p, FAD_OP_mul, product, y, 0);
    uint32_t choice = fad_program_append(p, FAD_OP_where, condition, arm, y);
    for (int k = 0; k < 3; k++)
        fad_program_add_output(p, choice);
}

static void
check_choice(const fad_program *p, const double *expected)
{
    fad_program gradient = {0};
    matrix hessian;
    double outputs[N_INPUTS];
    CHECK(derive_gradient_alone(p, &gradient) == 0);
    run(&gradient, point, outputs);
    CHECK(are_close(outputs, expected, 2, 1e-15));
    static void (*const ways[])(const fad_program *, matrix) = {
        hessian_backward_twice, hessian_forward_over_backward, hessian_by_a_sweep};
    for (size_t k = 0; k <= LENGTH(ways); k++) {
        if (k < LENGTH(ways))
            ways[k](&gradient, hessian);
        else
            hessian_backward_over_forward(p, hessian);
        CHECK(are_close(hessian, expected + 2, 2, 1e-15));
        CHECK(are_close(hessian + N_INPUTS, expected + 4, 2, 1e-15));
    }
    fad_program_free(&gradient);
}

static void
of_a_choice_the_chosen_arm_alone_counts(void)
{
    /* The gradient, then the Hessian, to x and y. */
    static const struct {
        double x, y, expected[6];
    } cases[] = {
        {4.0, 3.0, {9.0, 8.0, 1.125, 3.0, 3.0, 0.0}},
        {0.0, 3.0, {0.0, 1.0, 0.0, 0.0, 0.0, 0.0}},
        {-1.0, 3.0, {0.0, 1.0, 0.0, 0.0, 0.0, 0.0}},
    };
    fad_program p = {0};
    record_choice(&p);
    for (size_t k = 0; k < LENGTH(cases) && !failed; k++) {
        point[0] = cases[k].x;
        point[1] = cases[k].y;
        check_choice(&p, cases[k].expected);
    }
    fad_program_free(&p);
}

/* sqrt(where(x == 0, x, y)) at x = 0: the infinite adjoint goes to x alone. */
static void
an_infinite_adjoint_takes_one_arm(void)
{
    fad_program p = {0}, derived = {0};
    double outputs[3];
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p);
    uint32_t zero = fad_program_append_constant(&p, 0.0);
    uint32_t condition = fad_program_append(&p, FAD_OP_eq, x, zero, 0);
    uint32_t choice = fad_program_append(&p, FAD_OP_where, condition, x, y);
    fad_program_add_output(&p, fad_program_append(&p, FAD_OP_sqrt, choice, 0, 0));
    CHECK(fad_derive_gradient(&p, 0, NULL, &derived) == 0);
    point[0] = 0.0;
    point[1] = 3.0;
    run(&derived, point, outputs);
    CHECK(outputs[1] == INFINITY && outputs[2] == 0.0);
    fad_tape *tape = record_at_point(&p, NULL);
    CHECK(tape->n_odd == 1);
    fad_sweep_backward(tape, nodes[p.outputs[0]], 1.0);
    take_gradient(tape, &p, outputs);
    CHECK(outputs[0] == INFINITY && outputs[1] == 0.0);
    fad_tape_give(tape);
    fad_program_free(&p);
    fad_program_free(&derived);
}

/* ---- Size and memory ------------------------------------------------------------- */

static void
the_work_is_linear(void)
{
    enum { N = 200000 };
    fad_program p = {0}, derived = {0};
    uint32_t x = fad_program_input(&p), y = x;
    for (int k = 0; k < N; k++)
        y = fad_program_append(&p, k % 2 ? FAD_OP_sin : FAD_OP_mul, y, x, 0);
    fad_program_add_output(&p, y);
    CHECK(fad_derive_gradient(&p, 0, NULL, &derived) == 0);
    CHECK(derived.n_instructions < 5 * N);
    fad_program_free(&p);
    fad_program_free(&derived);
}

static int (*const derivations[])(const fad_program *, const unsigned char *, fad_program *) =
    {fad_derive_pullback, fad_derive_tangent};

static void
each_allocation_may_fail(void)
{
    fad_program p = {0};
    record_random(&p, 0);
    for (size_t k = 0; k < LENGTH(derivations); k++) {
        int status = -1;
        unsigned long n = 1;
        for (; status < 0 && n < 1000; n++) {
            fad_program derived = {0};
            fad_memory_fail_from(n);
            status = derivations[k](&p, NULL, &derived);
            fad_memory_fail_from(0);
            CHECK(status == 0 ? derived.n_outputs > 3 : derived.instructions == NULL);
            CHECK(p.n_outputs == 3 && p.n_instructions >= N_OPERATIONS);
            fad_program_free(&derived);
        }
        CHECK(status == 0 && n > 5);
    }
    fad_program_free(&p);
}

/* Without values both sides of a choice count, and no step does. */
static void
recording_the_structure(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), y = fad_program_input(&p), z = fad_program_input(&p);
    const unsigned char wanted[] = {1, 1, 0};
    uint32_t choice = fad_program_append(&p, FAD_OP_where, z, x, y);
    uint32_t step = fad_program_append(&p, FAD_OP_floor, x, 0, 0);
    uint32_t sum = fad_program_append(&p, FAD_OP_add, step, y, 0);
    fad_tape *tape = fad_tape_take();
    CHECK(fad_replay_record(&p, NULL, wanted, NULL, tape, nodes) == 0);
    CHECK(tape->n_nodes == 4 && tape->n_odd == 0);
    CHECK(nodes[x] == 0 && nodes[y] == 1 && nodes[z] == FAD_NO_NODE);
    CHECK(nodes[step] == FAD_NO_NODE);
    CHECK(tape->nodes[nodes[choice]].a == 0 && tape->nodes[nodes[choice]].b == 1);
    CHECK(tape->nodes[nodes[sum]].a == 1 && tape->nodes[nodes[sum]].b == nodes[sum]);
    fad_tape_give(tape);
    fad_program_free(&p);
}

static void
recording_needs_room(void)
{
    fad_program p = {0};
    uint32_t x = fad_program_input(&p), y = x;
    for (int k = 0; k < 15000; k++)
        y = fad_program_append(&p, FAD_OP_fma, y, y, y);
    fad_program_add_output(&p, y);
    fad_tape *tape = fad_tape_take();
    CHECK(tape->limit < 30001);
    fad_memory_fail_from(1);
    CHECK(fad_replay_record(&p, point, NULL, values, tape, nodes) < 0);
    CHECK(tape->n_nodes == 0);
    fad_memory_fail_from(0);
    CHECK(fad_replay_record(&p, point, NULL, values, tape, nodes) == 0);
    CHECK(tape->n_nodes == 30001 && tape->n_nodes <= tape->limit);
    fad_tape_give(tape);
    fad_program_free(&p);
}

/* ---- All of them ----------------------------------------------------------------- */

static const test tests[] = {
    TEST(a_derived_gradient_equals_the_sweep),
    TEST(pullback_and_tangent_equal_the_sweeps),
    TEST(simplifying_changes_no_bit),
    TEST(inputs_that_are_not_wanted_are_constants),
    TEST(an_output_may_be_an_input_or_a_constant),
    TEST(many_directions_equal_one_each),
    TEST(careful_directions_absorb),
    TEST(order_two_is_the_same_by_every_way),
    TEST(order_five_of_a_power),
    TEST(of_a_choice_the_chosen_arm_alone_counts),
    TEST(an_infinite_adjoint_takes_one_arm),
    TEST(the_work_is_linear),
    TEST(each_allocation_may_fail),
    TEST(recording_the_structure),
    TEST(recording_needs_room),
};

int
main(void)
{
    return run_tests(tests, LENGTH(tests));
}
