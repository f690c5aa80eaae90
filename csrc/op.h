/*
 * The operations, expanded from ops.def: opcodes, the text of each row, value and partials.
 */
#ifndef FAD_OP_H
#define FAD_OP_H

typedef enum {
#define UNARY(name, value, px, domain, doc) FAD_OP_##name,
#define BINARY(name, value, px, py, domain, doc) FAD_OP_##name,
#define TERNARY(name, value, px, py, pz, domain, doc) FAD_OP_##name,
#include "ops.def"
    FAD_N_OPS
} fad_opcode;

typedef enum {
#define DOMAIN(name, remedy) FAD_DOMAIN_##name,
#include "ops.def"
    FAD_N_DOMAINS
} fad_domain;

/* A row as text: what Python reads. */
typedef struct {
    const char *name;
    int arity;
    const char *value;
    const char *partials[3]; /* NULL from the arity on */
    fad_domain domain;
    const char *doc;
} fad_op_row;

typedef struct {
    const char *name;
    const char *remedy; /* the second half of an error message */
} fad_domain_row;

extern const fad_op_row fad_op_rows[FAD_N_OPS];
extern const fad_domain_row fad_domain_rows[FAD_N_DOMAINS];

/* What the arguments are called in Python: "x, y". */
const char *fad_op_arguments(fad_opcode op);

/* The value cell; arguments from the arity on are ignored.  Raises nothing: a nan or an
   infinity says that the arguments lie outside the domain. */
double fad_op_value(fad_opcode op, double x, double y, double z);

/* The partial cells, into the first arity entries of partials; v is the value. */
void fad_op_partials(fad_opcode op, double x, double y, double z, double v,
                     double partials[3]);

#endif
