#pragma once
#include <cstdint>

namespace saltus {

/// What the mathematics of one training step asks for at least, counted by hand, whatever program does it: loss and
/// gradient of one batch. Drawing the examples and the parameters' update are left out.
///
/// Counting: an addition, a multiplication, a division, a comparison and an elementary function are one operation each,
/// so that a product of [m, k] and [k, n] is 2 m k n. What is zero, one or equal by construction is not computed: no
/// products with one-hot vectors, nothing above a causal triangle, no positions that the loss does not see, one
/// computation for all uses of a table's row, no gradient of data.
struct Work {
  double flops = 0;
  double example_floats = 0;  // numbers that determine the batch, of 4 bytes
  double kept_floats = 0;     // numbers of the forward pass that the gradient needs, of 4 bytes
};

/// Operations of a product of [rows, in] and [in, out].
inline double product_flops(double rows, double in, double out) { return 2 * rows * in * out; }
/// The same with its gradients, which are two products more where both factors are trained or depend on what is.
inline double trained_product_flops(double rows, double in, double out) { return 3 * product_flops(rows, in, out); }

}  // namespace saltus
