#include "op.h"

#include "special.h"

const fad_op_row fad_op_rows[FAD_N_OPS] = {
#define UNARY(name, value, px, domain, doc)                                                \
    {#name, 1, #value, {#px, 0, 0}, FAD_DOMAIN_##domain, doc},
#define BINARY(name, value, px, py, domain, doc)                                           \
    {#name, 2, #value, {#px, #py, 0}, FAD_DOMAIN_##domain, doc},
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    {#name, 3, #value, {#px, #py, #pz}, FAD_DOMAIN_##domain, doc},
#include "ops.def"
};

const fad_domain_row fad_domain_rows[FAD_N_DOMAINS] = {
#define DOMAIN(name, remedy) {#name, remedy},
#include "ops.def"
};

const char *
fad_op_arguments(fad_opcode op)
{
    static const char *const usual[] = {"", "x", "x, y", "x, y, z"};
    switch ((int)op) {
#define ARGUMENTS(name, arguments)                                                         \
    case FAD_OP_##name:                                                                    \
        return arguments;
#include "ops.def"
    }
    return usual[fad_op_rows[op].arity];
}

double
fad_op_value(fad_opcode op, double x, double y, double z)
{
    switch (op) {
#define UNARY(name, value, px, domain, doc)                                                \
    case FAD_OP_##name:                                                                    \
        return value;
#define BINARY(name, value, px, py, domain, doc)                                           \
    case FAD_OP_##name:                                                                    \
        return value;
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    case FAD_OP_##name:                                                                    \
        return value;
#include "ops.def"
    case FAD_N_OPS:
        break;
    }
    return NAN;
}

void
fad_op_partials(fad_opcode op, double x, double y, double z, double v, double partials[3])
{
    (void)z;
    switch (op) {
#define UNARY(name, value, px, domain, doc)                                                \
    case FAD_OP_##name:                                                                    \
        partials[0] = px;                                                                  \
        break;
#define BINARY(name, value, px, py, domain, doc)                                           \
    case FAD_OP_##name:                                                                    \
        partials[0] = px;                                                                  \
        partials[1] = py;                                                                  \
        break;
#define TERNARY(name, value, px, py, pz, domain, doc)                                      \
    case FAD_OP_##name:                                                                    \
        partials[0] = px;                                                                  \
        partials[1] = py;                                                                  \
        partials[2] = pz;                                                                  \
        break;
#include "ops.def"
    case FAD_N_OPS:
        break;
    }
}
