#include "experiments/icl_classification/work.h"

#include <algorithm>

namespace saltus::icl_classification {
namespace {

/// The sizes as real numbers, by the letters of the counts below.
struct Sizes {
  double B;  // sequences
  double N;  // pairs, of which a sequence has an item and a label each; its target is one item more
  double D;  // content coordinates of a token
  double P;  // positions there are, of which a sequence uses T
  double d;  // d_model = P + D
  double L;  // labels
  double T;  // tokens
  double pairs_of_tokens() const { return T * (T + 1) / 2; }  // (i, j) with j <= i
  /// Coordinates that one sequence's tokens are not all 0 in: a vector of them times a [d, n] matrix needs E rows.
  double E() const { return D + T; }

  Sizes(const IclClassificationConfig& task, std::int64_t batch)
      : B(static_cast<double>(batch)),
        N(static_cast<double>(task.n_pairs)),
        D(static_cast<double>(task.item_dim)),
        P(static_cast<double>(task.position_dim())),
        d(P + D),
        L(static_cast<double>(task.n_labels)),
        T(2 * N + 1) {}
};

/// What a sequence is made of: its items, which label stands where, where it begins, and the answer.
double example_floats(const Sizes& s) { return s.B * ((s.N + 1) * s.D + s.N + 2); }

/// The classifier and the loss of one sequence, whose input has `in` coordinates, `trained` of which depend on
/// parameters: a layer is a product, a bias whose gradient is a sum, and a ReLU both ways; the softmax over L labels
/// takes three operations each.
Work classifier_work(const ClassifierConfig& model, double in, double trained, double L) {
  const auto layers = static_cast<double>(model.classifier_layers), width = static_cast<double>(model.classifier_width);
  const double elementwise = model.classifier_bias == "none" ? 2 : 4;
  Work w;
  for (double l = 0; l < layers; ++l) {
    w.flops += 2 * product_flops(1, in, width) + product_flops(1, trained, width) + elementwise * width;
    in = trained = width;
  }
  w.flops += 2 * product_flops(1, in, L) + product_flops(1, trained, L) + 3 * L;
  w.kept_floats = layers * width + L;
  return w;
}

/// Layer 1's scores x_i M x_j', M = W_Q W_K' given, j <= i; their gradient with respect to M, summed over the batch,
/// costs the same: every product of data and M has one product of data and what flows back.
///
/// Of a sequence: M's rows at an item's content are multiplied out for content columns (2 D^2), to which M's row of the
/// item's position is what one begins with; against each token j <= i this row meets j's content (2 D), and the item's
/// content M's column of j's position (2 D). A label has its row from a table, to which the row of its position is
/// added (D); with an item before it that is 2 D and one more from a table, and with labels before it three additions,
/// all from tables.
double scores_flops(const Sizes& s) {
  const double items = s.N + 1, item_first = items * items, label_item = s.N * (s.N + 1) / 2, label_label = label_item;
  const double sequences =
      s.B * (items * 2 * s.D * s.D + item_first * 4 * s.D + s.N * s.D + label_item * (2 * s.D + 1) + label_label * 3);
  // Tables of labels that can occur: their rows of M; M's rows of positions, and of labels, against labels.
  const double labels = std::min(s.L, s.B * s.N);
  const double rows = product_flops(labels, s.D, s.d);
  const double against_labels =
      std::min(product_flops(s.P + labels, s.D, labels), product_flops(s.B * label_label, s.D, 1));
  return sequences + rows + against_labels;
}

}  // namespace

bool has_counted_work(const IclClassificationConfig& task, const ModelConfig& m) {
  return m.n_layers == 2 && m.n_heads == 1 && m.head_size(task.d_model()) == task.d_model() && !m.output_projection &&
         !m.layer_norm && m.block_mlp == 0 && !m.trainable_labels && m.clamps.empty() && !m.context_labels_only;
}

/// After the pattern p1 of layer 1, layer 2 is needed at the target n alone, and no other token is ever taken through
/// W_V1: with
///   g = sum_i p1_ni x_i,  r_n = x_n + g W_V1,  q = (r_n W_Q2) W_K2',  w = W_V1 q,
///   score_j = q . x_j + sum_i p1_ji (w . x_i),  p2 = softmax(score),  e_i = sum_j p2_j p1_ji,
///   target = r_n + (sum_j p2_j x_j + (sum_i e_i x_i) W_V1) W_V2.
/// Positions in sums and dot products are look-ups, so a sum over tokens is 2 D T operations. Their number and that of
/// the other products:
///   forward   D T sums: g, q . x_j, w . x_i, and both sums over x         5
///   backward  of p1_n, e and p2; what flows into q and w                  5
///   forward   sums over p1: within the score, and e                       2 of 2 pairs
///   backward  of e into p2 and p1, of the score into both of its factors  4 of 2 pairs
///   W_V1      forward g, w, e; backward two each, one of W_V1             9 of 2 E d
///   W_V2      one, and two backward                                       3 of 2 d^2
/// Softmax takes three operations a number forward and four backward. W_Q2 W_K2' is multiplied out where this is less.
Work full_work(const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch) {
  const Sizes s(task, batch);
  const double d = s.d, D = s.D, T = s.T, C = s.pairs_of_tokens();
  const double merged = trained_product_flops(d, d, d);  // M of a layer, and from its gradient those of W_Q and W_K
  const double queries = std::min(2 * trained_product_flops(s.B, d, d), merged + trained_product_flops(s.B, d, d));
  const double sequence = 10 * product_flops(1, D, T) + 6 * 2 * C + 9 * product_flops(1, s.E(), d) +
                          3 * product_flops(1, d, d) + 7 * (C + T) + 3 * T +
                          (s.E() + d + D);  // at last the additions in score, contexts and r_n
  const Work classifier = classifier_work(model, d, d, s.L);
  // p1, p2, w . x; g, w and e's sum; r_n, q and the context of W_V2
  const double kept = C + 2 * T + 3 * s.E() + 3 * d;
  return {.flops = merged + 2 * scores_flops(s) + queries + s.B * (sequence + classifier.flops),
          .example_floats = example_floats(s),
          .kept_floats = s.B * (kept + classifier.kept_floats)};
}

/// Layer 1's pattern has two numbers a row, one for the token before and one for all others, so that scores come from
/// running sums of m_k = c_n . c_k. A sequence:
///   m and the sum over contents forward, p2's gradient backward: 3 of 2 D T; contents have no gradient
///   running sums and their mixture 5 T; alpha, beta_2 2 T; softmax 3 T; backward: softmax 4 T, alpha 2 T, beta_2 T,
///   beta_1 5 T
Work minimal_work(const IclClassificationConfig& task, const MinimalConfig& model, std::int64_t batch) {
  const Sizes s(task, batch);
  const double in = model.classifier_input == "pair" ? 2 * s.D : s.D;
  const Work classifier = classifier_work(model, in, s.D, s.L);
  return {.flops = s.B * (3 * product_flops(1, s.D, s.T) + 22 * s.T + classifier.flops),
          .example_floats = example_floats(s),
          .kept_floats = s.B * (2 * s.T + s.D + classifier.kept_floats)};
}

}  // namespace saltus::icl_classification
