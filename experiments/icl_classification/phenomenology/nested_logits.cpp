#include "experiments/icl_classification/phenomenology/nested_logits.h"

#include <algorithm>
#include <cmath>

namespace saltus::icl_classification {
namespace {

/// A probability p and its derivative by beta_1.
struct Attention {
  double p, slope;
};

Attention against(double competitors, double beta_1) {
  const double p = 1 / (1 + competitors * std::exp(-beta_1));
  return {p, p * (1 - p)};
}

Attention layer_1(const NestedLogits& model, double beta_1) {
  const auto n = static_cast<double>(model.n_pairs);
  if (!model.per_position) return against(model.competing_tokens.value_or(n), beta_1);
  Attention mean{0, 0};
  for (std::int64_t k = 1; k <= model.n_pairs; ++k) {
    const Attention a = against(static_cast<double>(2 * k - 1), beta_1);
    mean.p += a.p / n;
    mean.slope += a.slope / n;
  }
  return mean;
}

/// The quantities that loss, gradient and measures are made of.
struct Parts {
  Attention previous;          // p
  double right, wrong, lead;   // q+, q-, q+ - q-
  double label, others, rest;  // P+, (N - 1) P-, (L - N) / Z
  double loss;
};

Parts parts_of(const NestedLogits& model, const Logits& logits) {
  const auto n = static_cast<double>(model.n_pairs), l = static_cast<double>(model.n_labels);
  Parts out{};
  out.previous = layer_1(model, logits[at_beta_1]);
  const double score = logits[at_alpha] * out.previous.p, unmatched = n - 1 + (n + 1) * model.item_weight;
  const double top = std::max(score, 0.0), right = std::exp(score - top), wrong = std::exp(-top);
  const double sum = right + unmatched * wrong;
  out.right = right / sum;
  out.wrong = wrong / sum;
  out.lead = wrong * std::expm1(score) / sum;
  if (score > 1) out.lead = out.right - out.wrong;  // where expm1 may be infinite, and nothing cancels

  const double xi = logits[at_xi], of_context = std::max(xi * out.right, xi * out.wrong);
  const bool has_rest = model.n_labels > model.n_pairs;  // labels outside the context, whose exponent is 0
  const double most = has_rest ? std::max(of_context, 0.0) : of_context;
  const double label = std::exp(xi * out.right - most), others = (n - 1) * std::exp(xi * out.wrong - most),
               rest = has_rest ? (l - n) * std::exp(-most) : 0, z = label + others + rest;
  out.label = label / z;
  out.others = others / z;
  out.rest = rest / z;
  // ln Z - xi q+, which keeps its digits where P+ is nearly 1 and is finite where P+ is not a number above 0.
  out.loss = label > z / 2 ? std::log1p((others + rest) / label) : std::log(z) + most - xi * out.right;
  return out;
}

}  // namespace

void NestedLogits::layer_1_fields(Fields& f) {
  f.field("competing_tokens", competing_tokens,
          "tokens besides its item that a label token attends to in layer 1 (M); null: n_pairs", above(0));
  f.field("per_position", per_position,
          "layer 1's attention is the mean over the pairs k = 1, 2, ... with exactly 2k - 1 competing tokens");
  f.require(!per_position || !competing_tokens, "competing_tokens",
            "must be null with per_position, which counts them for every pair");
}

void NestedLogits::attention_fields(Fields& f) {
  layer_1_fields(f);
  f.field("item_weight", item_weight, item_weight_doc, at_least(0));
}

double loss(const NestedLogits& model, const Logits& logits) { return parts_of(model, logits).loss; }

Logits gradient(const NestedLogits& model, const Logits& logits) {
  const Parts a = parts_of(model, logits);
  const double gain = a.right * ((a.others + a.rest) * (1 - a.right) + a.others * a.wrong);
  return -Logits{a.others * a.lead + a.rest * a.right, logits[at_xi] * a.previous.p * gain,
                 logits[at_xi] * logits[at_alpha] * a.previous.slope * gain};
}

NestedMeasures measures(const NestedLogits& model, const Logits& logits) {
  const Parts a = parts_of(model, logits);
  return {.right_label = a.label,
          .context_label = a.label + a.others,
          .item_label = a.previous.p,
          .target_item_label = a.right,
          .target_labels = a.right + static_cast<double>(model.n_pairs - 1) * a.wrong};
}

}  // namespace saltus::icl_classification
