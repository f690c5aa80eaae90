/*
 * Derivatives of programs.  A derivative is a program again, so deriving it gives the next
 * order, and whatever runs programs runs derivatives.
 *
 *   source                      its gradient (dead instructions left out)
 *
 *   %0 = input 0                %0 = input 0
 *   %1 = input 1                %1 = input 1
 *   %2 = mul %0 %1              %2 = mul %0 %1
 *   %3 = sin %2                 %3 = sin %2
 *   output %3                   %4 = cos %2          adjoint of 2: 1 times its cell, cos(x)
 *                               %5 = mul %1 %4       adjoint of 0: that times its cell, y
 *                               %6 = mul %0 %4       adjoint of 1: that times its cell, x
 *                               output %3 %5 %6
 *
 * The gradient multiplies and adds up in the order of the backward sweep over a tape of the
 * same operations (ids downwards; of one node the edge of x before that of y), and the
 * tangent in the order of the forward sweep.  So they equal the sweeps to the last bit, as
 * far as numbers are finite and but for the sign of a zero: a sweep starts from 0, and
 * -0 + 0 is 0.
 *
 * Of a choice, where(c, y, z), only the chosen argument receives anything.  What came through
 * it, and is 0 on the other side, is multiplied by the row scale, of which a 0 absorbs also
 * infinity and nan; nothing else pays for that.
 *
 * Guards of source are guards of derived, in the same order.
 *
 * source    stays as it is; recordings (fad_program_append) keep the order of the sweep
 * derived   empty before; afterwards the inputs of source, perhaps others behind them, and the
 *           outputs of source with the derivatives behind them
 * wanted    a byte for each input of source, not zero if its derivative is wanted; NULL: all.
 *           The others are constants.
 *
 * All return 0, or -1 without memory: derived is then empty.
 */
#ifndef FAD_DERIVE_H
#define FAD_DERIVE_H

#include "program.h"

/* Behind the outputs of source: the partials of output k to the wanted inputs. */
int fad_derive_gradient(const fad_program *source, uint32_t k, const unsigned char *wanted,
                        fad_program *derived);

/* Behind the inputs of source: a seed for each of its outputs.  Behind its outputs, for each
   wanted input: the sum over the outputs of seed times partial. */
int fad_derive_pullback(const fad_program *source, const unsigned char *wanted,
                        fad_program *derived);

/* Behind the inputs of source: a direction, one number for each wanted input.  Behind its
   outputs: the derivative of each in that direction. */
int fad_derive_tangent(const fad_program *source, const unsigned char *wanted,
                       fad_program *derived);

#endif
