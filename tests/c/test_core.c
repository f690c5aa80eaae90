/*
 * The C core without Python: the rows, the tape, the sweeps, collecting, the pool, and
 * each allocation failing in turn.
 *
 * A test is a function in the table at the end; a CHECK that fails says where and ends
 * it.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "op.h"
#include "sweep.h"
#include "tape.h"

static int failed;

#define CHECK(condition)                                               \
    do {                                                               \
        if (!(condition)) {                                            \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);     \
            failed = 1;                                                \
            return;                                                    \
        }                                                              \
    } while (0)

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static int
same_bits(double x, double y)
{
    return memcmp(&x, &y, sizeof x) == 0;
}

static int
same(double x, double y)
{
    return isnan(x) ? isnan(y) : same_bits(x, y);
}

/* xorshift64* by Vigna: the same programs on every machine. */
static uint64_t random_state = 88172645463325252u;

static uint32_t
random_below(uint32_t n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 2685821657736338717u >> 32) % n);
}

static double
random_partial(void)
{
    return (random_below(2001) - 1000.0) / 512.0;
}

/* ---- Recording with room --------------------------------------------------------- */

static void
make_room(fad_tape *tape, uint32_t n)
{
    if (tape->limit - tape->n_nodes < n)
        (void)fad_tape_renew_limit(tape, n, 0);
}

static uint32_t
input(fad_tape *tape)
{
    make_room(tape, 1);
    return fad_tape_record_input(tape);
}

static uint32_t
unary(fad_tape *tape, uint32_t a, double pa)
{
    make_room(tape, 1);
    return fad_tape_record_unary(tape, a, pa);
}

static uint32_t
binary(fad_tape *tape, uint32_t a, double pa, uint32_t b, double pb)
{
    make_room(tape, 1);
    return fad_tape_record(tape, a, pa, b, pb);
}

static double
take_adjoint(fad_tape *tape, uint32_t id)
{
    double adjoint = tape->adjoints[id];
    tape->adjoints[id] = 0.0;
    return adjoint;
}

/* Runs a sweep and collects the adjoints of up to n inputs, in the order of their ids. */
static uint32_t
gradient(fad_tape *tape, uint32_t from, double *adjoints, uint32_t n)
{
    uint32_t k = 0;
    if (fad_tape_reserve_adjoints(tape) < 0)
        return 0;
    fad_sweep_backward(tape, from, 1.0);
    for (uint32_t id = 0; id < tape->n_nodes && k < n; id++)
        if (tape->nodes[id].a == id)
            adjoints[k++] = take_adjoint(tape, id);
    return k;
}

/* What tape.h promises of every tape between sweeps and collections. */
static int
is_sound(const fad_tape *tape)
{
    uint32_t last_input = FAD_NO_NODE;
    if (tape->n_nodes > tape->limit || tape->limit > tape->capacity)
        return 0;
    for (uint32_t id = 0; id < tape->n_nodes; id++) {
        const fad_node *node = &tape->nodes[id];
        if (node->a == id) {
            if (node->b != (last_input == FAD_NO_NODE ? id : last_input))
                return 0;
            last_input = id;
        } else if (node->a > id || node->b > id || (node->b == id && node->pb != 0.0)) {
            return 0;
        }
    }
    for (uint32_t id = 0; id < tape->n_adjoints; id++)
        if (tape->adjoints[id] != 0.0)
            return 0;
    return tape->last_input == last_input;
}

/* ---- Rows ------------------------------------------------------------------------ */

static void
rows_are_complete(void)
{
    for (int op = 0; op < FAD_N_OPS; op++) {
        const fad_op_row *row = &fad_op_rows[op];
        CHECK(row->name[0] && row->value[0] && row->doc[0]);
        CHECK(1 <= row->arity && row->arity <= 3);
        CHECK(row->domain < FAD_N_DOMAINS);
        for (int k = 0; k < 3; k++)
            CHECK(k < row->arity ? row->partials[k][0] != 0 : row->partials[k] == NULL);
        for (int other = 0; other < op; other++)
            CHECK(strcmp(row->name, fad_op_rows[other].name) != 0);
    }
    for (int domain = 0; domain < FAD_N_DOMAINS; domain++)
        CHECK(fad_domain_rows[domain].name[0] && fad_domain_rows[domain].remedy[0]);
    CHECK(strcmp(fad_op_rows[FAD_OP_mul].value, "x * y") == 0);
}

static void
rows_give_values_and_partials(void)
{
    static const struct {
        fad_opcode op;
        double x, y, z, value, partials[3];
    } expected[] = {
        {FAD_OP_add, 2.0, 3.0, 0.0, 5.0, {1.0, 1.0, 7.0}},
        {FAD_OP_sub, 2.0, 3.0, 0.0, -1.0, {1.0, -1.0, 7.0}},
        {FAD_OP_mul, 2.0, 3.0, 0.0, 6.0, {3.0, 2.0, 7.0}},
        {FAD_OP_div, 1.0, 4.0, 0.0, 0.25, {0.25, -0.0625, 7.0}},
        {FAD_OP_neg, 2.0, 0.0, 0.0, -2.0, {-1.0, 7.0, 7.0}},
        {FAD_OP_sqrt, 4.0, 0.0, 0.0, 2.0, {0.25, 7.0, 7.0}},
        {FAD_OP_sin, 0.0, 0.0, 0.0, 0.0, {1.0, 7.0, 7.0}},
        {FAD_OP_fabs, -2.0, 0.0, 0.0, 2.0, {-1.0, 7.0, 7.0}},
        {FAD_OP_maximum, 2.0, 2.0, 0.0, 2.0, {0.5, 0.5, 7.0}},
        {FAD_OP_hypot, 3.0, 4.0, 0.0, 5.0, {0.6, 0.8, 7.0}},
        {FAD_OP_fma, 2.0, 3.0, 4.0, 10.0, {3.0, 2.0, 1.0}},
        {FAD_OP_where, 1.0, 3.0, 4.0, 3.0, {0.0, 1.0, 0.0}},
        {FAD_OP_where, 0.0, 3.0, 4.0, 4.0, {0.0, 0.0, 1.0}},
    };
    for (size_t k = 0; k < LENGTH(expected); k++) {
        double x = expected[k].x, y = expected[k].y, z = expected[k].z;
        double partials[3] = {7.0, 7.0, 7.0};
        double value = fad_op_value(expected[k].op, x, y, z);
        CHECK(value == expected[k].value);
        fad_op_partials(expected[k].op, x, y, z, value, partials);
        for (int argument = 0; argument < 3; argument++)
            CHECK(fabs(partials[argument] - expected[k].partials[argument]) < 1e-15);
    }
}

/* Whatever the numbers: a result, the same one every time, and nothing past the arity. */
static void
rows_take_any_numbers(void)
{
    static const double numbers[] = {
        0.0,     -0.0,     1.0,      -1.0,    0.5,      -2.5,      3.0,
        1e9,     -1e9,     1e17,     5e-324,  709.8,    -745.2,    NAN,
        DBL_MIN, -DBL_MIN, DBL_MAX,  -DBL_MAX, INFINITY, -INFINITY,
    };
    for (int op = 0; op < FAD_N_OPS; op++)
        for (size_t i = 0; i < LENGTH(numbers); i++)
            for (size_t j = 0; j < LENGTH(numbers); j++) {
                double x = numbers[i], y = numbers[j];
                double z = numbers[(i + j) % LENGTH(numbers)];
                double first[3] = {7.0, 7.0, 7.0}, second[3] = {7.0, 7.0, 7.0};
                double value = fad_op_value((fad_opcode)op, x, y, z);
                double again = fad_op_value((fad_opcode)op, x, y, z);
                CHECK(same(value, again));
                fad_op_partials((fad_opcode)op, x, y, z, value, first);
                fad_op_partials((fad_opcode)op, x, y, z, value, second);
                for (int k = 0; k < 3; k++) {
                    CHECK(same(first[k], second[k]));
                    CHECK(k < fad_op_rows[op].arity || first[k] == 7.0);
                }
            }
    CHECK(isnan(fad_op_value(FAD_N_OPS, 1.0, 2.0, 3.0)));
}

/* ---- The tape -------------------------------------------------------------------- */

static void
a_taken_tape_is_empty(void)
{
    fad_tape *tape = fad_tape_take();
    CHECK(tape != NULL && tape->n_nodes == 0 && tape->limit > 0 && tape->epoch > 0);
    CHECK(tape->last_input == FAD_NO_NODE && tape->n_pinned == 0 && !tape->busy);
    CHECK(is_sound(tape));
    CHECK(fad_tape_bytes(tape) >= tape->limit * sizeof(fad_node));
    fad_tape_give(tape);
}

/* The drawing of tape.h, node by node. */
static void
recording_lays_nodes_as_drawn(void)
{
    fad_tape *tape = fad_tape_take();
    CHECK(input(tape) == 0 && input(tape) == 1);
    CHECK(binary(tape, 0, 5.0, 1, 6.0) == 2);
    CHECK(unary(tape, 2, 7.0) == 3);
    CHECK(input(tape) == 4);
    static const fad_node expected[] = {
        {0, 0, 0.0, 0.0}, {1, 0, 0.0, 0.0}, {0, 1, 5.0, 6.0},
        {2, 3, 7.0, 0.0}, {4, 1, 0.0, 0.0},
    };
    for (uint32_t id = 0; id < LENGTH(expected); id++) {
        const fad_node *node = &tape->nodes[id];
        CHECK(node->a == expected[id].a && node->b == expected[id].b);
        CHECK(node->pa == expected[id].pa && node->pb == expected[id].pb);
    }
    CHECK(tape->last_input == 4 && tape->n_nodes == 5 && is_sound(tape));
    fad_tape_give(tape);
}

static void
a_chain_is_one_result_of_many_arguments(void)
{
    for (uint32_t n = 1; n <= 20; n++) {
        fad_tape *tape = fad_tape_take();
        uint32_t ids[20];
        double partials[20], adjoints[20];
        for (uint32_t k = 0; k < n; k++) {
            ids[k] = input(tape);
            partials[k] = k + 0.5;
        }
        make_room(tape, n);
        uint32_t id = fad_tape_record_chain(tape, n, ids, partials);
        CHECK(id == tape->n_nodes - 1);
        CHECK(tape->n_nodes - n == (n > 1 ? n - 1 : 1));
        CHECK((tape->nodes[id].b == id) == (n == 1));
        CHECK(gradient(tape, id, adjoints, n) == n && is_sound(tape));
        for (uint32_t k = 0; k < n; k++)
            CHECK(adjoints[k] == partials[k]);
        fad_tape_give(tape);
    }
}

static void
an_argument_may_stand_in_a_chain_twice(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape);
    double adjoint = 0.0;
    make_room(tape, 2);
    uint32_t y = fad_tape_record_chain(tape, 3, (uint32_t[]){x, x, x},
                                       (double[]){1.0, 10.0, 100.0});
    CHECK(gradient(tape, y, &adjoint, 1) == 1 && adjoint == 111.0);
    fad_tape_give(tape);
}

static void
the_arena_grows_and_keeps_what_it_holds(void)
{
    enum { N = 1000000 };
    fad_tape *tape = fad_tape_take();
    uint32_t id = input(tape);
    for (uint32_t k = 0; k < N; k++)
        id = unary(tape, id, k % 2 ? 2.0 : 0.5);
    double adjoint = 0.0;
    CHECK(tape->n_nodes == N + 1 && tape->limit >= tape->n_nodes);
    CHECK(gradient(tape, id, &adjoint, 1) == 1 && adjoint == 1.0);
    CHECK(is_sound(tape));
    CHECK(fad_tape_bytes(tape) >= N * (sizeof(fad_node) + sizeof(double)));
    fad_tape_give(tape);
}

static void
the_limit_follows_needs_and_holders(void)
{
    fad_tape *tape = fad_tape_take();
    CHECK(fad_tape_renew_limit(tape, 5000, 0) == 0 && tape->limit >= 5000);
    CHECK(fad_tape_renew_limit(tape, 1, 20000) == 0 && tape->limit >= 20000);
    CHECK(tape->capacity >= tape->limit && tape->n_nodes == 0);
    CHECK(fad_tape_reserve(tape, (uint64_t)FAD_MAX_NODES + 1) < 0 && is_sound(tape));
    fad_tape_give(tape);
}

static void
a_busy_tape_has_no_room(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t limit = tape->limit;
    fad_tape_set_busy(tape);
    fad_tape_set_busy(tape);
    CHECK(tape->limit == 0);
    fad_tape_end_busy(tape);
    CHECK(tape->limit == 0 && tape->busy);
    fad_tape_end_busy(tape);
    CHECK(tape->limit == limit && !tape->busy);
    fad_tape_give(tape);
}

/* As a forked process does, where nobody ends a sweep in the middle. */
static void
all_busy_tapes_may_end_at_once(void)
{
    fad_tape *tapes[3];
    for (int k = 0; k < 3; k++) {
        tapes[k] = fad_tape_take();
        CHECK(fad_tape_renew_limit(tapes[k], 1, 0) == 0 && input(tapes[k]) == 0);
        CHECK(fad_tape_reserve_adjoints(tapes[k]) == 0);
        tapes[k]->adjoints[0] = 3.0;
        fad_tape_set_busy(tapes[k]);
    }
    fad_tape_set_busy(tapes[0]);
    fad_tape_end_busy(tapes[1]);
    tapes[1]->adjoints[0] = 0.0;
    fad_tape_end_all_busy();
    for (int k = 0; k < 3; k++) {
        CHECK(!tapes[k]->busy && tapes[k]->limit > 0 && is_sound(tapes[k]));
        fad_tape_end_busy(tapes[k]); /* whoever set it may come back to end it */
        CHECK(!tapes[k]->busy);
        fad_tape_give(tapes[k]);
    }
}

/* ---- Sweeps ---------------------------------------------------------------------- */

static void
a_sweep_leaves_the_adjoints_of_inputs(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape), y = input(tape), unused = input(tape);
    uint32_t product = binary(tape, x, 3.0, y, 2.0); /* x = 2, y = 3 */
    uint32_t square = binary(tape, product, 6.0, product, 6.0);
    uint32_t late = input(tape);
    uint32_t after = unary(tape, square, 9.0);
    CHECK(fad_tape_reserve_adjoints(tape) == 0);

    fad_sweep_backward(tape, square, 0.5);
    CHECK(take_adjoint(tape, x) == 18.0 && take_adjoint(tape, y) == 12.0);
    CHECK(tape->adjoints[unused] == 0.0 && tape->adjoints[late] == 0.0);
    CHECK(tape->adjoints[after] == 0.0 && is_sound(tape));

    fad_sweep_backward(tape, x, 4.0); /* of an input itself */
    CHECK(take_adjoint(tape, x) == 4.0 && is_sound(tape));

    fad_sweep_backward(tape, after, 0.0);
    CHECK(is_sound(tape));
    fad_tape_give(tape);
}

static void
a_sweep_counts_what_it_skips(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape), first = unary(tape, x, 2.0);
    for (int k = 0; k < 10; k++)
        (void)unary(tape, x, 3.0);
    uint32_t last = unary(tape, first, 2.0);
    CHECK(fad_tape_reserve_adjoints(tape) == 0 && tape->waste == 0);
    fad_sweep_backward(tape, last, 1.0);
    CHECK(tape->waste == 10 && take_adjoint(tape, x) == 4.0);
    fad_tape_give(tape);
}

/* The dummy edge of a unary node has partial 0: times an infinite adjoint, it is nan. */
static void
an_infinite_adjoint_leaves_no_nan_behind(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape), y = unary(tape, x, 1.0);
    CHECK(fad_tape_reserve_adjoints(tape) == 0);
    for (int k = 0; k < 2; k++) {
        fad_sweep_backward(tape, y, INFINITY);
        CHECK(take_adjoint(tape, x) == INFINITY && is_sound(tape));
    }
    fad_sweep_backward(tape, y, 1.0);
    CHECK(take_adjoint(tape, x) == 1.0);
    fad_tape_give(tape);
}

static void
zero_absorbs_in_a_careful_sweep(void)
{
    static const struct {
        double outer, inner, adjoint, plain;
        uint64_t n_absorbed;
    } expected[] = {
        {2.0, 3.0, 6.0, 6.0, 0},
        {0.0, INFINITY, 0.0, 0.0, 1}, /* the plain sweep skips what is exactly 0 */
        {0.0, NAN, 0.0, 0.0, 1},
        {INFINITY, 0.0, 0.0, NAN, 1},
        {0.0, 3.0, 0.0, 0.0, 0},
        {INFINITY, 2.0, INFINITY, INFINITY, 0},
        {-INFINITY, INFINITY, -INFINITY, -INFINITY, 0},
    };
    for (size_t k = 0; k < LENGTH(expected); k++) {
        fad_tape *tape = fad_tape_take();
        unsigned char reached[4] = {0};
        uint32_t unused = input(tape), x = input(tape);
        uint32_t inner = unary(tape, x, expected[k].inner);
        uint32_t y = unary(tape, inner, expected[k].outer);
        CHECK(fad_tape_reserve_adjoints(tape) == 0);
        tape->adjoints[y] = reached[y] = 1;
        uint32_t lowest = y;
        tape->n_reached = 0;
        uint64_t n_absorbed = fad_sweep_backward_carefully(tape, y, 0, &lowest, reached);
        CHECK(n_absorbed == expected[k].n_absorbed);
        CHECK(take_adjoint(tape, x) == expected[k].adjoint && is_sound(tape));
        CHECK(!reached[unused] && reached[x] && reached[inner] && reached[y]);
        fad_sweep_backward(tape, y, 1.0);
        double plain = take_adjoint(tape, x);
        CHECK(isnan(expected[k].plain) ? isnan(plain) : plain == expected[k].plain);
        fad_tape_give(tape);
    }
}

/* Everything finite: the careful sweep is the plain one, to the last bit. */
static void
a_careful_sweep_equals_the_plain_one(void)
{
    enum { N_INPUTS = 10, N_NODES = 500 };
    for (int round = 0; round < 50; round++) {
        fad_tape *tape = fad_tape_take();
        unsigned char careful[N_NODES] = {0}, reached[N_NODES] = {0};
        double adjoints[N_INPUTS];
        for (int k = 0; k < N_INPUTS; k++)
            (void)input(tape);
        while (tape->n_nodes < N_NODES)
            (void)binary(tape, random_below(tape->n_nodes), random_partial(),
                         random_below(tape->n_nodes), random_partial());
        uint32_t from = N_NODES - 1 - random_below(20);
        CHECK(gradient(tape, from, adjoints, N_INPUTS) == N_INPUTS);
        tape->adjoints[from] = careful[from] = 1;
        uint32_t between = random_below(from), lowest = from; /* in two pieces */
        tape->n_reached = 0;
        CHECK(fad_sweep_backward_carefully(tape, from, between, &lowest, careful) == 0);
        CHECK(fad_sweep_backward_carefully(tape, between - 1, 0, &lowest, careful) == 0);
        for (uint32_t id = 0; id < N_INPUTS; id++)
            CHECK(take_adjoint(tape, id) == adjoints[id]);
        reached[from] = 1;
        fad_sweep_reach(tape, from, from, reached);
        CHECK(memcmp(careful, reached, sizeof reached) == 0 && is_sound(tape));
        fad_tape_give(tape);
    }
}

/* Inputs and nodes that the result does not depend on, before, between and behind. */
static void
a_sweep_in_a_crowd_equals_the_plain_one(void)
{
    enum { N_NODES = 3000 };
    for (int round = 0; round < 50; round++) {
        fad_tape *tape = fad_tape_take();
        unsigned char reached[N_NODES] = {0};
        double adjoints[N_NODES];
        uint32_t from = 0, window = 1 + random_below(200), n_seen = 0;
        (void)input(tape);
        while (tape->n_nodes < N_NODES)
            if (random_below(5) == 0)
                (void)input(tape);
            else /* of the newest nodes, or of the very first ones */
                from = binary(tape, tape->n_nodes - 1 - random_below(
                                  window < tape->n_nodes ? window : tape->n_nodes),
                              random_partial(), random_below(1 + tape->n_nodes / 500),
                              random_partial());
        CHECK(fad_tape_reserve_adjoints(tape) == 0);
        fad_sweep_backward(tape, from, 1.0);
        memcpy(adjoints, tape->adjoints, sizeof adjoints);
        memset(tape->adjoints, 0, sizeof adjoints);
        fad_sweep_backward_in_a_crowd(tape, from, 1.0);
        CHECK(memcmp(adjoints, tape->adjoints, sizeof adjoints) == 0);
        for (uint32_t id = N_NODES; id-- > 0;)
            if (adjoints[id] != 0.0)
                CHECK(fad_tape_reached_inputs(tape)[n_seen++] == id);
        CHECK(tape->n_reached == n_seen && n_seen > 0);
        memset(tape->adjoints, 0, sizeof adjoints);
        reached[from] = 1;
        fad_sweep_reach(tape, from, from, reached);
        CHECK(tape->n_reached >= n_seen && is_sound(tape));
        fad_tape_give(tape);
    }
}

static void
reach_knows_a_zero_from_a_stranger(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape), y = input(tape), z = input(tape);
    uint32_t nothing = unary(tape, x, 0.0);
    uint32_t sum = binary(tape, nothing, 1.0, y, 1.0);
    unsigned char reached[5] = {[4] = 1};
    CHECK(fad_tape_reserve_adjoints(tape) == 0);
    fad_sweep_reach(tape, sum, sum, reached);
    CHECK(tape->n_reached == 2 && fad_tape_reached_inputs(tape)[0] == y);
    CHECK(reached[x] && reached[y] && !reached[z] && reached[nothing] && reached[sum]);
    fad_tape_give(tape);
}

/* ---- Collecting ------------------------------------------------------------------ */

/* Collects with n ids in use, and gives them their new values. */
static int
collect(fad_tape *tape, uint32_t *ids, uint32_t n)
{
    if (fad_tape_begin_collection(tape) < 0)
        return -1;
    for (uint32_t k = 0; k < n; k++)
        fad_tape_mark(tape, ids[k]);
    fad_tape_slide(tape);
    if (tape->n_freed)
        for (uint32_t k = 0; k < n; k++)
            ids[k] = fad_tape_new_id(tape, ids[k]);
    fad_tape_end_collection(tape);
    return 0;
}

static void
collecting_nothing_or_everything(void)
{
    static const uint32_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000};
    for (size_t k = 0; k < LENGTH(sizes); k++) {
        fad_tape *tape = fad_tape_take();
        uint32_t id = input(tape), first = id;
        while (tape->n_nodes < sizes[k])
            id = unary(tape, id, 0.5);
        CHECK(collect(tape, &id, 1) == 0);
        CHECK(tape->n_freed == 0 && tape->n_nodes == sizes[k] && id == sizes[k] - 1);
        CHECK(collect(tape, &first, 1) == 0 && tape->n_nodes == 1 && first == 0);
        CHECK(tape->n_freed == sizes[k] - 1 && tape->peak == sizes[k] && is_sound(tape));
        CHECK(collect(tape, NULL, 0) == 0 && tape->n_nodes == 0);
        CHECK(tape->last_input == FAD_NO_NODE && is_sound(tape));
        fad_tape_give(tape);
    }
}

/* Of a long tape few nodes stay: pairs x, 2x, here and there, anywhere in a word. */
static void
few_survivors_keep_their_arguments(void)
{
    enum { N = 5000, N_PAIRS = 40 };
    for (int round = 0; round < 50; round++) {
        fad_tape *tape = fad_tape_take();
        uint32_t ids[N_PAIRS], n_expected = 0, last = 0;
        while (tape->n_nodes < N) {
            uint32_t x = input(tape);
            for (uint32_t n_dead = random_below(150); n_dead-- > 0;)
                (void)unary(tape, x, 3.0);
            if (random_below(2) && n_expected < N_PAIRS)
                ids[n_expected++] = unary(tape, x, 2.0);
        }
        CHECK(collect(tape, ids, n_expected) == 0 && tape->n_nodes == 2 * n_expected);
        for (uint32_t k = 0; k < n_expected; k++) {
            const fad_node *node = &tape->nodes[ids[k]];
            CHECK(node->a + 1 == ids[k] && node->pa == 2.0 && ids[k] >= last);
            last = ids[k];
        }
        CHECK(is_sound(tape));
        fad_tape_give(tape);
    }
}

static void
pinned_nodes_stay_in_place(void)
{
    fad_tape *tape = fad_tape_take();
    for (int k = 0; k < 100; k++)
        (void)input(tape);
    tape->n_pinned = 70;
    uint32_t kept = 99;
    CHECK(collect(tape, &kept, 1) == 0);
    CHECK(tape->n_nodes == 71 && kept == 70 && tape->last_input == 70 && is_sound(tape));
    fad_tape_give(tape);
}

static void
a_gradient_moves_with_its_input(void)
{
    fad_tape *tape = fad_tape_take();
    (void)input(tape);
    uint32_t ids[] = {input(tape), 0, input(tape)};
    ids[1] = unary(tape, ids[0], 2.0);
    tape->nodes[ids[2]].pa = 1.25;
    tape->nodes[ids[2]].pb = 1.0;
    CHECK(collect(tape, ids, 3) == 0 && ids[0] == 0 && ids[1] == 2 && ids[2] == 1);
    CHECK(tape->nodes[ids[2]].pa == 1.25 && tape->nodes[ids[2]].pb == 1.0);
    CHECK(tape->nodes[ids[0]].pb == 0.0 && is_sound(tape));
    fad_tape_give(tape);
}

static void
partials_that_are_not_finite_are_counted_anew(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape);
    (void)unary(tape, x, INFINITY);
    uint32_t ids[] = {x, unary(tape, x, NAN)};
    tape->n_odd = 2;
    CHECK(collect(tape, ids, 2) == 0 && tape->n_odd == 1);
    CHECK(collect(tape, ids, 1) == 0 && tape->n_odd == 0);
    fad_tape_give(tape);
}

/* x, y, then one checkpoint of both with two results and, of the second of them, another. */
static void
a_checkpoint_lives_while_one_of_its_results_does(void)
{
    static const struct {
        uint32_t kept;    /* of the results 0, 1 and, of the second checkpoint, 2 */
        uint32_t n_nodes; /* that stay: a dead node before, and the inputs, may go */
        int n_dropped;
    } expected[] = {{0, 6, 1}, {1, 6, 1}, {2, 8, 0}, {3, 0, 2}};
    for (size_t k = 0; k < LENGTH(expected); k++) {
        fad_tape *tape = fad_tape_take();
        fad_checkpoint both = {.n_arguments = 2, .n_results = 2};
        fad_checkpoint one = {.n_arguments = 1, .n_results = 1};
        uint32_t arguments[] = {input(tape), 0};
        (void)unary(tape, arguments[0], 1.0);
        arguments[1] = input(tape);
        make_room(tape, 6);
        uint32_t first = fad_tape_record_checkpoint(tape, &both, arguments);
        uint32_t second = first + 1;
        uint32_t third = fad_tape_record_checkpoint(tape, &one, &second);
        uint32_t results[] = {first, second, third};
        CHECK(both.first == 3 && first == 5 && one.first == 7 && third == 8);
        CHECK(tape->n_odd == 6 && tape->checkpoints == &one && one.before == &both);

        uint32_t n_kept = expected[k].kept < 3;
        CHECK(collect(tape, &results[n_kept ? expected[k].kept : 0], n_kept) == 0);
        CHECK(tape->n_nodes == expected[k].n_nodes && is_sound(tape));
        int n_dropped = 0;
        while (fad_tape_drop_checkpoint() != NULL)
            n_dropped++;
        CHECK(n_dropped == expected[k].n_dropped);
        if (n_kept) {
            CHECK(both.first == 2 && tape->nodes[2].a == 0 && tape->nodes[3].a == 1);
            CHECK(tape->nodes[3].b == 2 && tape->nodes[4].a == 3 && tape->nodes[5].a == 3);
            CHECK(tape->n_odd == tape->n_nodes - 2);
        }
        fad_tape_give(tape);
        while (fad_tape_drop_checkpoint() != NULL)
            n_dropped++;
        CHECK(n_dropped == 2);
    }
}

/* Two tapes record the same random program; on one, collections come in between.  Ids in
   use give the same gradients on both, bit for bit. */
static void
collecting_changes_no_gradient(void)
{
    enum { N_IN_USE = 12, N_STEPS = 400 };
    for (int round = 0; round < 200; round++) {
        fad_tape *plain = fad_tape_take(), *collected = fad_tape_take();
        uint32_t ids[N_IN_USE], moved[N_IN_USE];
        for (uint32_t k = 0; k < N_IN_USE; k++) {
            ids[k] = input(plain);
            moved[k] = input(collected);
        }
        for (int step = 0; step < N_STEPS; step++) {
            uint32_t i = random_below(N_IN_USE), j = random_below(N_IN_USE);
            uint32_t place = random_below(N_IN_USE), kind = random_below(20);
            double pa = random_partial(), pb = random_partial();
            if (kind == 0) {
                ids[place] = input(plain);
                moved[place] = input(collected);
            } else if (kind < 8) {
                ids[place] = unary(plain, ids[i], pa);
                moved[place] = unary(collected, moved[i], pa);
            } else {
                ids[place] = binary(plain, ids[i], pa, ids[j], pb);
                moved[place] = binary(collected, moved[i], pa, moved[j], pb);
            }
            if (random_below(30) == 0)
                CHECK(collect(collected, moved, N_IN_USE) == 0 && is_sound(collected));
        }
        CHECK(collected->n_nodes < plain->n_nodes);
        for (uint32_t k = 0; k < N_IN_USE; k++) {
            CHECK(fad_tape_reserve_adjoints(plain) == 0);
            CHECK(fad_tape_reserve_adjoints(collected) == 0);
            fad_sweep_backward(plain, ids[k], 1.0);
            fad_sweep_backward(collected, moved[k], 1.0);
            /* Inputs keep their order; of those that were dropped the adjoint is 0. */
            uint32_t id = 0;
            for (uint32_t other = 0; other < collected->n_nodes; other++) {
                double adjoint = take_adjoint(collected, other);
                if (collected->nodes[other].a != other || adjoint == 0.0)
                    continue;
                while (id < plain->n_nodes && plain->adjoints[id] == 0.0)
                    id++;
                CHECK(id < plain->n_nodes);
                CHECK(same_bits(take_adjoint(plain, id), adjoint));
            }
            CHECK(is_sound(plain) && is_sound(collected));
        }
        fad_tape_give(plain);
        fad_tape_give(collected);
    }
}

/* ---- The pool -------------------------------------------------------------------- */

static void
a_recycled_tape_has_a_new_epoch(void)
{
    fad_tape *tape = fad_tape_take();
    uint32_t epoch = tape->epoch;
    uint32_t x = input(tape), y = unary(tape, x, 2.0);
    CHECK(fad_tape_reserve_adjoints(tape) == 0);
    fad_sweep_backward(tape, y, 1.0);
    CHECK(take_adjoint(tape, x) == 2.0);
    tape->n_pinned = tape->n_odd = 1;
    fad_tape_give(tape);
    fad_tape *again = fad_tape_take();
    CHECK(again == tape && again->epoch != epoch);
    CHECK(again->n_nodes == 0 && again->n_pinned == 0 && again->n_odd == 0);
    CHECK(again->last_input == FAD_NO_NODE && is_sound(again));
    fad_tape_give(again);
}

static void
two_tapes_are_two(void)
{
    fad_tape *first = fad_tape_take(), *second = fad_tape_take();
    CHECK(first != second && first->opened < second->opened);
    (void)input(first);
    CHECK(first->n_nodes == 1 && second->n_nodes == 0);
    fad_tape_give(first);
    CHECK(fad_tape_take() == first && first->opened > second->opened);
    fad_tape_give(second);
    fad_tape_give(first);
}

static void
a_tape_gives_back_what_it_long_did_not_need(void)
{
    fad_tape *tape = fad_tape_take();
    CHECK(fad_tape_reserve(tape, 4000000) == 0);
    CHECK(fad_tape_renew_limit(tape, 3000000, 0) == 0);
    size_t bytes = fad_tape_bytes(tape);
    for (int use = 0; use < 20; use++) {
        fad_tape_give(tape);
        CHECK(fad_tape_take() == tape);
        for (int k = 0; k < 10000; k++)
            (void)input(tape);
        CHECK(use > 5 || fad_tape_bytes(tape) == bytes); /* not at once */
    }
    CHECK(fad_tape_bytes(tape) < bytes / 8 && is_sound(tape));
    fad_tape_give(tape);
}

static fad_tape *retired; /* keeps it reachable for the leak checker */

static void
a_tape_retires_before_its_epochs_repeat(void)
{
    retired = fad_tape_take();
    CHECK(retired != NULL);
    retired->epoch = UINT32_MAX - 1;
    uint32_t stale = retired->epoch;
    fad_tape_give(retired);
    CHECK(retired->epoch != stale && retired->limit == 0 && fad_tape_bytes(retired) == 0);
    fad_tape *tape = fad_tape_take();
    CHECK(tape != retired && input(tape) == 0);
    fad_tape_give(tape);
}

/* ---- Memory ---------------------------------------------------------------------- */

static void
allocations_fail_from_the_nth_on(void)
{
    fad_memory_fail_from(3);
    void *first = fad_memory_resize(NULL, 16), *second = fad_memory_zeroed(16);
    void *third = fad_memory_zeroed(16), *fourth = fad_memory_resize(first, 32);
    fad_memory_fail_from(0);
    void *fifth = fad_memory_resize(first, 32);
    int as_promised = first != NULL && second != NULL && third == NULL && fourth == NULL;
    CHECK(as_promised && fifth != NULL);
    CHECK(memcmp(second, &(char[16]){0}, 16) == 0);
    fad_memory_free(fifth);
    fad_memory_free(second);
    fad_memory_free(NULL);
}

static void
large_allocations_fail(void)
{
    fad_memory_fail_above(64);
    void *small = fad_memory_resize(NULL, 64), *large = fad_memory_resize(NULL, 65);
    void *zeroed = fad_memory_zeroed(65), *larger = fad_memory_resize(small, 65);
    fad_memory_fail_above(0);
    CHECK(small != NULL && large == NULL && zeroed == NULL && larger == NULL);
    larger = fad_memory_resize(small, 65);
    CHECK(larger != NULL);
    fad_memory_free(larger);
}

/* Large blocks take the way over huge pages. */
static void
large_blocks_are_zeroed_and_keep_what_they_hold(void)
{
    enum { N = 3 << 20 };
    double *block = fad_memory_zeroed(N * sizeof *block);
    CHECK(block != NULL && block[0] == 0.0 && block[N - 1] == 0.0);
    block[N - 1] = 2.0;
    double *larger = fad_memory_resize(block, 2 * N * sizeof *block);
    CHECK(larger != NULL && larger[N - 1] == 2.0);
    fad_memory_free(larger);
}

static int
grow(fad_tape *tape)
{
    return fad_tape_reserve(tape, tape->capacity + 1000u);
}

static int
renew(fad_tape *tape)
{
    return fad_tape_renew_limit(tape, tape->capacity, 0);
}

static int
reserve_adjoints(fad_tape *tape)
{
    return fad_tape_reserve_adjoints(tape);
}

static int
collect_all(fad_tape *tape)
{
    uint32_t last = tape->n_nodes - 1;
    return collect(tape, &last, 1);
}

/* A failure leaves the tape as it was, and the same call succeeds with memory. */
static void
each_allocation_may_fail(void)
{
    int (*const actions[])(fad_tape *) = {grow, renew, reserve_adjoints, collect_all};
    for (size_t k = 0; k < LENGTH(actions); k++) {
        unsigned long n_failures = 0;
        fad_tape *tape;
        for (unsigned long n = 1;; n++) {
            tape = fad_tape_take();
            fad_memory_free(tape->adjoints);
            tape->adjoints = NULL;
            tape->n_adjoints = 0;
            uint32_t x = input(tape), y = unary(tape, x, 2.0), z = unary(tape, x, 3.0);
            fad_tape before = *tape;
            fad_memory_fail_from(n);
            int status = actions[k](tape);
            fad_memory_fail_from(0);
            if (status == 0)
                break;
            n_failures++;
            CHECK(tape->nodes == before.nodes && tape->n_nodes == 3);
            CHECK(tape->limit == before.limit && tape->capacity == before.capacity);
            CHECK(tape->adjoints == NULL && tape->marks == NULL && is_sound(tape));
            CHECK(tape->n_collections == before.n_collections);
            CHECK(fad_tape_reserve_adjoints(tape) == 0);
            fad_sweep_backward(tape, y, 1.0);
            CHECK(take_adjoint(tape, x) == 2.0);
            fad_sweep_backward(tape, z, 1.0);
            CHECK(take_adjoint(tape, x) == 3.0);
            CHECK(actions[k](tape) == 0 && is_sound(tape));
            fad_tape_give(tape);
        }
        CHECK(n_failures >= 1 && is_sound(tape));
        fad_tape_give(tape);
    }
}

/* Records what has to stay, as the binding does, until there is no room: how many collections
   that took. */
static uint64_t
fill(fad_tape *tape)
{
    enum { ENOUGH = 1000 };
    uint64_t before = tape->n_collections;
    uint32_t id = input(tape);
    for (;;) {
        if (tape->n_nodes == tape->limit &&
            (collect(tape, &id, 1) < 0 || fad_tape_renew_limit(tape, 1, 0) < 0 ||
             tape->n_collections - before > ENOUGH))
            return tape->n_collections - before;
        id = fad_tape_record_unary(tape, id, 1.0);
    }
}

/* Near the end of memory a tape grows by less, and soon not at all. */
static void
a_tape_grows_in_smaller_steps_to_the_end(void)
{
    static const uint32_t ends[] = {2000, 4096, 5000, 7777, 100000, 123456, 262143};
    for (size_t k = 0; k < LENGTH(ends); k++) {
        fad_tape *tape = fad_tape_take();
        fad_memory_fail_above(ends[k] * sizeof(fad_node));
        uint64_t n_collections = fill(tape);
        CHECK(n_collections < 30);
        CHECK(tape->n_nodes <= ends[k] && tape->n_nodes > ends[k] - ends[k] / 8);
        CHECK(is_sound(tape) && fad_tape_reserve_adjoints(tape) == 0);
        fad_sweep_backward(tape, tape->n_nodes - 1, 2.0);
        CHECK(take_adjoint(tape, 0) == 2.0 && is_sound(tape));
        fad_tape_give(tape);
    }
}

/* The adjoints take as much as there is, if need be of what the arena does not use. */
static void
adjoints_need_no_room_for_future_nodes(void)
{
    enum { PER_NODE = sizeof(double) + sizeof(uint32_t), N = 3000 };
    fad_tape *tape = fad_tape_take();
    uint32_t x = input(tape), y = unary(tape, x, 2.0);
    CHECK(fad_tape_reserve(tape, 100 * N) == 0);
    while (tape->n_nodes < N)
        y = unary(tape, y, 1.0);
    fad_memory_fail_above(N * sizeof(fad_node));
    CHECK(fad_tape_reserve_adjoints(tape) == 0 && tape->n_adjoints == N);
    CHECK(tape->capacity == N && tape->limit == N);
    fad_memory_fail_above(N * PER_NODE);
    fad_sweep_backward(tape, y, 1.0);
    CHECK(take_adjoint(tape, x) == 2.0 && is_sound(tape));
    fad_tape_give(tape);
}

/* Once memory was short, nothing large is kept for later: in the pool, or in use. */
static void
shortage_ends_hoarding(void)
{
    enum { MANY = 200000, LITTLE = 50000 }; /* nodes, bytes */
    fad_tape *pooled = fad_tape_take(), *in_use = fad_tape_take(), *given = fad_tape_take();
    fad_tape *tapes[] = {pooled, in_use, given};
    for (size_t k = 0; k < LENGTH(tapes); k++)
        CHECK(fad_tape_renew_limit(tapes[k], MANY, 0) == 0);
    (void)input(in_use);
    fad_tape_give(pooled);
    CHECK(fad_tape_bytes(pooled) >= MANY * sizeof(fad_node));
    fad_memory_fail_from(1);
    CHECK(fad_memory_resize(NULL, 16) == NULL);
    fad_memory_fail_from(0);
    CHECK(fad_tape_bytes(pooled) < LITTLE && in_use->capacity >= MANY);
    CHECK(fad_tape_renew_limit(in_use, 1, 0) == 0 && in_use->capacity < MANY / 8);
    while (given->n_nodes < MANY)
        (void)input(given);
    fad_tape_give(given);
    CHECK(fad_tape_bytes(given) < LITTLE);
    CHECK(fad_tape_take() == given && input(given) == 0 && is_sound(given));
    CHECK(fad_tape_take() == pooled && input(pooled) == 0 && is_sound(in_use));
    for (size_t k = 0; k < LENGTH(tapes); k++)
        fad_tape_give(tapes[k]);
}

/* With little memory left, a tape takes what it needs now. */
static void
a_new_tape_needs_memory(void)
{
    enum { MANY = 100 };
    static fad_tape *taken[MANY];
    int n = 0;
    fad_memory_fail_from(1);
    while (n < MANY && (taken[n] = fad_tape_take()) != NULL)
        n++; /* the pool's need none */
    CHECK(n < MANY && fad_tape_take() == NULL);
    fad_memory_fail_from(2); /* the tape itself, but not its arena */
    CHECK(fad_tape_take() == NULL);
    fad_memory_fail_from(0);
    CHECK((taken[n] = fad_tape_take()) != NULL && is_sound(taken[n]));
    for (int k = n; k >= 0; k--)
        fad_tape_give(taken[k]);
}

/* ---- All of them ----------------------------------------------------------------- */

#define TEST(name) {#name, name}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    TEST(rows_are_complete),
    TEST(rows_give_values_and_partials),
    TEST(rows_take_any_numbers),
    TEST(a_taken_tape_is_empty),
    TEST(recording_lays_nodes_as_drawn),
    TEST(a_chain_is_one_result_of_many_arguments),
    TEST(an_argument_may_stand_in_a_chain_twice),
    TEST(the_arena_grows_and_keeps_what_it_holds),
    TEST(the_limit_follows_needs_and_holders),
    TEST(a_busy_tape_has_no_room),
    TEST(all_busy_tapes_may_end_at_once),
    TEST(a_sweep_leaves_the_adjoints_of_inputs),
    TEST(a_sweep_counts_what_it_skips),
    TEST(an_infinite_adjoint_leaves_no_nan_behind),
    TEST(zero_absorbs_in_a_careful_sweep),
    TEST(a_careful_sweep_equals_the_plain_one),
    TEST(a_sweep_in_a_crowd_equals_the_plain_one),
    TEST(reach_knows_a_zero_from_a_stranger),
    TEST(collecting_nothing_or_everything),
    TEST(few_survivors_keep_their_arguments),
    TEST(pinned_nodes_stay_in_place),
    TEST(a_gradient_moves_with_its_input),
    TEST(partials_that_are_not_finite_are_counted_anew),
    TEST(a_checkpoint_lives_while_one_of_its_results_does),
    TEST(collecting_changes_no_gradient),
    TEST(a_recycled_tape_has_a_new_epoch),
    TEST(two_tapes_are_two),
    TEST(a_tape_gives_back_what_it_long_did_not_need),
    TEST(a_tape_retires_before_its_epochs_repeat),
    TEST(allocations_fail_from_the_nth_on),
    TEST(large_blocks_are_zeroed_and_keep_what_they_hold),
    TEST(large_allocations_fail),
    TEST(each_allocation_may_fail),
    TEST(a_tape_grows_in_smaller_steps_to_the_end),
    TEST(adjoints_need_no_room_for_future_nodes),
    TEST(shortage_ends_hoarding),
    TEST(a_new_tape_needs_memory),
};

int
main(void)
{
    int n_failed = 0;
    for (size_t k = 0; k < LENGTH(tests); k++) {
        failed = 0;
        tests[k].run();
        fad_memory_fail_from(0);
        fad_memory_fail_above(0);
        if (failed)
            printf("FAILED %s\n", tests[k].name);
        n_failed += failed;
    }
    printf("%d passed, %d failed\n", (int)LENGTH(tests) - n_failed, n_failed);
    return n_failed != 0;
}
