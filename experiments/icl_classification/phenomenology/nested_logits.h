#pragma once
#include <Eigen/Core>
#include <cstdint>
#include <optional>

#include "config/fields.h"

namespace saltus::icl_classification {

/// Reddy 2024's phenomenological model of the induction head: a loss of three scalars whose logits are nested in each
/// other, for N pairs in the context and L labels.
///
///   layer 1   p  = e^beta_1 / (e^beta_1 + M)               of a label token on its item, against M other tokens
///   layer 2   q+ = e^(alpha p) / (e^(alpha p) + N - 1 + c)   of the target on the right label token
///             q- = 1 / (e^(alpha p) + N - 1 + c)             on each of the N - 1 other label tokens
///   read-out  P+ = e^(xi q+) / Z, P- = e^(xi q-) / Z, Z = e^(xi q+) + (N - 1) e^(xi q-) + L - N
///   loss      -ln P+
///
/// with c = (N + 1) e^-beta_2 for the items and the target itself. The paper's are the three scalars, their nesting,
/// what xi means (how far the classifier's regression vectors overlap with their own labels' vectors more than with
/// others'), the absence of noise and of overlaps between vectors, and that the origin is a critical point if and only
/// if L = N. Ours, derived from the task because the paper's Eqs. 7-9 were not at hand, are the constants: M = N, the
/// mean over the pairs of 2k - 1 competitors, the N - 1 equal wrong labels, and c; the paper's may differ.
struct NestedLogits {
  std::int64_t n_pairs = 8;                               // N
  std::int64_t n_labels = 32;                             // L
  std::optional<double> competing_tokens = std::nullopt;  // M; N if not given
  bool per_position = false;  // p is the mean over k = 1..N of the exact e^beta_1 / (e^beta_1 + 2k - 1)
  double item_weight = 0;     // e^-beta_2: 0 where the target attends to labels alone, 1 without beta_2

  /// The keys of layer 1, and of both layers: what is not N or L.
  void layer_1_fields(Fields& f);
  void attention_fields(Fields& f);
};

inline constexpr char item_weight_doc[] =
    "weight of an item beside a label's in layer 2, e^(-beta_2): 0 where the target attends to labels alone, 1 to all "
    "tokens alike";

/// (xi, alpha, beta_1): the classifier's alignment, layer 2's logit for the label whose item is the target's, layer 1's
/// logit for the previous token.
using Logits = Eigen::Vector3d;
enum LogitIndex : Eigen::Index { at_xi, at_alpha, at_beta_1 };

/// Natural logarithms; finite for every finite argument.
double loss(const NestedLogits& model, const Logits& logits);
/// Its derivatives by (xi, alpha, beta_1):
///   -d/dxi     = (N - 1) P- (q+ - q-) + (L - N) q+ / Z
///   -d/dalpha  = xi p G,   -d/dbeta_1 = xi alpha p' G,   G = q+ ((1 - P+)(1 - q+) + (N - 1) P- q-)
/// All are 0, and not nearly so, where L = N and xi = alpha = 0.
Logits gradient(const NestedLogits& model, const Logits& logits);

/// The progress measures that experiments/icl_classification/measures.h takes of networks, as functions of the logits.
struct NestedMeasures {
  double right_label;        // P+, what accuracy on novel classes is to a network
  double context_label;      // CLA: P+ + (N - 1) P-
  double item_label;         // ILA of layer 1: p
  double target_item_label;  // TILA of layer 2: q+
  double target_labels;      // TLA of layer 2: q+ + (N - 1) q-
};
NestedMeasures measures(const NestedLogits& model, const Logits& logits);

}  // namespace saltus::icl_classification
