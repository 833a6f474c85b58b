#include "data/icl_classification.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/random.h"

namespace saltus {
namespace {

/// The independent draws of one sample, or of one class.
enum Lane : std::uint32_t { lane_choices, lane_noise, lane_centre, lane_label_vector };

/// Calls require(ok, key, message) for every rule between the keys.
template <class Require>
void check_rules(const IclClassificationConfig& c, const Require& require) {
  const std::int64_t labels = std::max<std::int64_t>(c.n_labels, 1);
  require(c.n_classes >= labels && c.n_classes % labels == 0, "n_classes",
          fmt::format("n_classes {} is not a multiple of n_labels {}: every label owns the same number of classes",
                      c.n_classes, c.n_labels));
  require(c.n_pairs <= c.max_pairs, "n_pairs",
          fmt::format("n_pairs {} is more than max_pairs {}, the longest context that the position code holds",
                      c.n_pairs, c.max_pairs));
  require(
      c.novel_pool >= labels && c.novel_pool % labels == 0, "novel_pool",
      fmt::format("novel_pool {} is not a multiple of n_labels {}: every label owns the same number of novel classes",
                  c.novel_pool, c.n_labels));
  const bool divides =
      c.burstiness > 0 ? c.burstiness < c.n_pairs && c.n_pairs % c.burstiness == 0 : c.n_pairs % 2 == 0;
  std::string divisors;
  for (std::int64_t b = 1; b < c.n_pairs; ++b) {
    if (c.n_pairs % b == 0) divisors += fmt::format("{}, ", b);
  }
  require(
      divides, "burstiness",
      c.burstiness > 0
          ? fmt::format("burstiness {} must divide n_pairs {} and be less: use {}or 0 for no bursts", c.burstiness,
                        c.n_pairs, divisors)
          : fmt::format("burstiness 0 repeats each novel class n_pairs / 2 times, and n_pairs {} is odd", c.n_pairs));
  if (!divides) return;
  require(!c.distinct_labels || c.n_context_classes() <= c.n_labels, "distinct_labels",
          fmt::format("a context of n_pairs {} with burstiness {} has {} classes, which cannot all have distinct "
                      "labels with n_labels {}",
                      c.n_pairs, c.burstiness, c.n_context_classes(), c.n_labels));
}

}  // namespace

void IclClassificationConfig::fields(Fields& f) {
  const double most = std::numeric_limits<std::int32_t>::max();
  f.field("n_classes", n_classes, "item classes (K), a multiple of n_labels", between(1, most));
  f.field("n_labels", n_labels, "labels (L)", between(1, most));
  f.field("n_pairs", n_pairs, "item-label pairs in the context (N); a sequence has 2N+1 tokens", between(2, 4096));
  f.field("max_pairs", max_pairs, "longest context that the position code holds (N_max); it takes 2 N_max + 1 dims",
          between(2, 4096));
  f.field("item_dim", item_dim, "content dims of a token (D)", between(1, 65536));
  f.field("within_class_noise", within_class_noise, "size of an item's noise relative to its class centre (epsilon)",
          at_least(0));
  f.field("zipf_exponent", zipf_exponent, "class k has probability ~ (k+1)^-alpha outside bursts; 0 is uniform (alpha)",
          at_least(0));
  f.field("burstiness", burstiness,
          "copies of each class in a bursty context (B), a divisor of n_pairs; 0: known classes never burst, novel "
          "ones and the sets ic, ic2 and ciwl take B = N/2",
          at_least(0));
  f.field("p_bursty", p_bursty, "fraction of bursty sequences among those of known classes (p_B)", between(0, 1));
  f.field("p_novel", p_novel, "fraction of sequences made of novel classes, always bursty (p_C)", between(0, 1));
  f.field("novel_pool", novel_pool, "novel classes drawn afresh each step (K_c), a multiple of n_labels",
          between(1, most));
  f.field("distinct_labels", distinct_labels, "no two classes of a bursty context share a label (no_repeats)");
  f.choice("burst_class_law", burst_class_law, {"uniform", "zipf"},
           "law of the known classes in a bursty context. zipf with distinct_labels: one after the other from the Zipf "
           "law restricted to the classes whose label is not taken yet. Novel classes are uniform");
  f.choice("position_shift", position_shift, {"random", "none"},
           "random: the sequence starts anywhere in the position code; none: at 0");
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

/// What sample() works in, made once a call.
struct IclClassification::Scratch {
  explicit Scratch(const IclClassificationConfig& c)
      : noise_stride((static_cast<std::size_t>(c.item_dim) + 3) / 4 * 4),
        context(static_cast<std::size_t>(c.n_pairs)),
        noise(noise_stride * static_cast<std::size_t>(c.n_pairs + 1)),
        pool(noise_stride * static_cast<std::size_t>(c.novel_pool)),
        pool_ready(static_cast<std::size_t>(c.novel_pool)) {}

  std::size_t noise_stride;            // item_dim rounded up to whole Philox blocks
  std::vector<std::uint32_t> context;  // [pair]: class in the pool if novel, else in the task
  std::uint32_t target = 0;
  bool novel = false;
  std::vector<float> noise;  // [item, noise_stride]
  std::vector<float> pool;   // [novel class, noise_stride]: centres / sqrt(1 + eps^2), made when first used
  std::vector<std::uint8_t> pool_ready;
  std::vector<double> label_weight;  // of the labels that a Zipf burst has not taken
};

IclClassification::IclClassification(const IclClassificationConfig& config, const Seeds& seeds)
    : config_(config), data_rng_(seeds.data, Stream::data), eval_rng_(seeds.eval, Stream::eval) {
  check_rules(config, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  train_ = {.name = "train", .p_bursty = config.burstiness > 0 ? config.p_bursty : 0, .p_novel = config.p_novel};
  eval_ = {{.name = "iid", .p_bursty = train_.p_bursty, .p_novel = train_.p_novel},
           {.name = "ic", .p_bursty = 1, .p_novel = 1},
           {.name = "ic2", .p_bursty = 1, .p_novel = 0, .label_shift = 1},
           {.name = "iw", .p_bursty = 0, .p_novel = 0}};
  if (config.n_classes >= 2 * config.n_labels && config.n_context_classes() <= config.n_labels) {
    eval_.push_back({.name = "ciwl", .p_bursty = 1, .p_novel = 0, .target_outside = true});
  }

  const auto n_classes = static_cast<std::size_t>(config.n_classes),
             n_labels = static_cast<std::size_t>(config.n_labels);
  const auto dim = static_cast<std::size_t>(config.item_dim);
  const Rng task_rng(seeds.task, Stream::task);
  const auto unit_rows = [&](std::size_t rows, Lane lane) {
    std::vector<float> out(rows * dim);
    for (std::size_t row = 0; row < rows; ++row) {
      fill_normal(task_rng, {.sample = static_cast<std::uint32_t>(row), .lane = lane},
                  std::span(out).subspan(row * dim, dim));
    }
    for (float& x : out) x /= std::sqrt(static_cast<float>(dim));
    return out;
  };
  centres_ = unit_rows(n_classes, lane_centre);
  label_vectors_ = unit_rows(n_labels, lane_label_vector);
  const auto scale = static_cast<float>(1 / std::sqrt(1 + config.within_class_noise * config.within_class_noise));
  scaled_centres_ = centres_;
  for (float& x : scaled_centres_) x *= scale;

  class_weight_.resize(n_classes);
  label_weight_.resize(n_labels);
  for (std::size_t k = 0; k < n_classes; ++k) {
    class_weight_[k] = std::pow(static_cast<double>(k + 1), -config.zipf_exponent);
    label_weight_[k % n_labels] += class_weight_[k];
  }
  const double total = std::accumulate(class_weight_.begin(), class_weight_.end(), 0.0);
  double below = 0;
  for (double weight : class_weight_) {
    below += weight;
    class_threshold_.push_back(static_cast<std::uint64_t>(std::llround(below / total * 0x1p32)));
  }
}

std::vector<SampleField> IclClassification::fields() const {
  const std::int64_t pairs = config_.n_pairs;
  return {{"tokens", Shape{config_.n_tokens(), config_.d_model()}, DType::f32, {"position", "d_model"}},
          {"label", Shape{}, DType::i32, {}},
          {"context_labels", Shape{pairs}, DType::i32, {"pair"}},
          {"context_match", Shape{pairs}, DType::i32, {"pair"}}};
}

std::vector<std::string> IclClassification::eval_sets() const {
  std::vector<std::string> names;
  for (const Recipe& recipe : eval_) names.push_back(recipe.name);
  return names;
}

std::span<const float> IclClassification::centre(int k) const {
  const auto dim = static_cast<std::size_t>(config_.item_dim);
  return std::span(centres_).subspan(static_cast<std::size_t>(k) * dim, dim);
}

std::span<const float> IclClassification::label_vector(int l) const {
  const auto dim = static_cast<std::size_t>(config_.item_dim);
  return std::span(label_vectors_).subspan(static_cast<std::size_t>(l) * dim, dim);
}

void IclClassification::sample_train(std::int64_t step, int first, const Batch& batch) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  sample(train_, data_rng_, static_cast<std::uint32_t>(step), first, batch);
}

void IclClassification::sample_eval(int set, int first, const Batch& batch) const {
  sample(eval_.at(static_cast<std::size_t>(set)), eval_rng_, static_cast<std::uint32_t>(set), first, batch);
}

/// A known class from the Zipf law f.
std::uint32_t IclClassification::draw_class(RngCursor& cursor) const {
  return static_cast<std::uint32_t>(std::upper_bound(class_threshold_.begin(), class_threshold_.end(), cursor.next()) -
                                    class_threshold_.begin());
}

/// A known class from f restricted to the labels that still have weight in s.label_weight, whose own weight it then
/// takes away. First the label, then the class within it: no rejection, however little of f is left.
std::uint32_t IclClassification::draw_class_of_unused_label(RngCursor& cursor, Scratch& s) const {
  const auto pick = [&cursor](double total, std::size_t begin, std::size_t end, std::size_t stride,
                              const std::vector<double>& weight) {
    double left = cursor.next() * 0x1p-32 * total;
    std::size_t chosen =
        end;  // rounding can leave `left` at the last weight's end: the last one with any weight is then meant
    for (std::size_t i = begin; i < end; i += stride) {
      if (weight[i] <= 0) continue;
      chosen = i;
      if (left < weight[i]) break;
      left -= weight[i];
    }
    return chosen;
  };
  const std::size_t n_labels = label_weight_.size();
  const double total = std::accumulate(s.label_weight.begin(), s.label_weight.end(), 0.0);
  const std::size_t label = pick(total, 0, n_labels, 1, s.label_weight);
  s.label_weight[label] = 0;
  return static_cast<std::uint32_t>(pick(label_weight_[label], label, class_weight_.size(), n_labels, class_weight_));
}

/// Fills s.context: G classes, B copies each, in random order.
void IclClassification::draw_burst(RngCursor& cursor, bool novel, bool distinct, Scratch& s) const {
  const auto n_labels = static_cast<std::uint32_t>(config_.n_labels);
  const auto n_classes = static_cast<std::uint32_t>(novel ? config_.novel_pool : config_.n_classes);
  const auto n_groups = static_cast<std::size_t>(config_.n_context_classes());
  const bool zipf = !novel && config_.burst_class_law == "zipf";
  if (distinct && zipf) {
    s.label_weight = label_weight_;
    for (std::size_t g = 0; g < n_groups; ++g) s.context[g] = draw_class_of_unused_label(cursor, s);
  } else if (distinct) {
    // Floyd's algorithm (Bentley and Floyd 1987): a uniform subset of n_groups labels in n_groups draws.
    for (std::size_t g = 0; g < n_groups; ++g) {
      const std::uint32_t last = n_labels - static_cast<std::uint32_t>(n_groups - g);
      const std::uint32_t drawn = cursor.below(last + 1);
      const auto taken = s.context.begin() + static_cast<std::ptrdiff_t>(g);
      s.context[g] = std::find(s.context.begin(), taken, drawn) == taken ? drawn : last;
    }
    for (std::size_t g = 0; g < n_groups; ++g) s.context[g] += n_labels * cursor.below(n_classes / n_labels);
  } else {
    for (std::size_t g = 0; g < n_groups; ++g) s.context[g] = zipf ? draw_class(cursor) : cursor.below(n_classes);
  }
  for (std::size_t i = n_groups; i < s.context.size(); ++i) s.context[i] = s.context[i - n_groups];
  for (std::size_t i = s.context.size() - 1; i > 0; --i) {
    std::swap(s.context[i], s.context[cursor.below(static_cast<std::uint32_t>(i + 1))]);
  }
}

/// Fills s.context, s.target and s.novel.
void IclClassification::draw_classes(const Recipe& recipe, RngCursor& cursor, Scratch& s) const {
  s.novel = cursor.uniform() < recipe.p_novel;
  if (!s.novel && cursor.uniform() >= recipe.p_bursty) {
    for (std::uint32_t& k : s.context) k = draw_class(cursor);
    s.target = draw_class(cursor);
    return;
  }
  draw_burst(cursor, s.novel, config_.distinct_labels || recipe.target_outside, s);
  s.target = s.context[cursor.below(static_cast<std::uint32_t>(s.context.size()))];
  if (recipe.target_outside) {
    // One of the label's other classes, uniformly: the label's classes are label, label + L, ..., a cycle to step
    // along.
    const auto n_labels = static_cast<std::uint32_t>(config_.n_labels);
    const auto n_classes = static_cast<std::uint32_t>(config_.n_classes);
    const std::uint64_t steps = 1 + cursor.below(n_classes / n_labels - 1);
    s.target = static_cast<std::uint32_t>((s.target + steps * n_labels) % n_classes);
  }
}

/// Centre of the sequence's class k divided by sqrt(1 + eps^2). A novel class is one of the pool of `step`, whoever
/// asks.
const float* IclClassification::scaled_centre(const Rng& rng, std::uint32_t step, std::uint32_t k, Scratch& s) const {
  if (!s.novel) return scaled_centres_.data() + k * static_cast<std::size_t>(config_.item_dim);
  float* centre = s.pool.data() + k * s.noise_stride;
  if (!s.pool_ready[k]) {
    fill_normal(rng, {.sample = k, .step = step, .lane = lane_centre}, {centre, s.noise_stride});
    const double eps = config_.within_class_noise;
    const auto scale = static_cast<float>(1 / std::sqrt((1 + eps * eps) * static_cast<double>(config_.item_dim)));
    for (std::size_t i = 0; i < s.noise_stride; ++i) centre[i] *= scale;
    s.pool_ready[k] = 1;
  }
  return centre;
}

/// Items are (mu + eps eta) / sqrt(1 + eps^2) with eta ~ N(0, I/D), so that E|x|^2 = 1 for every eps; s.noise holds
/// sqrt(D) eta.
void IclClassification::write_tokens(const Recipe& recipe, const Rng& rng, std::uint32_t step, std::uint32_t shift,
                                     Scratch& s, float* out) const {
  const auto dim = static_cast<std::size_t>(config_.item_dim),
             position_dim = static_cast<std::size_t>(config_.position_dim());
  const auto n_labels = static_cast<std::size_t>(config_.n_labels);
  const double eps = config_.within_class_noise;
  const auto noise_scale = static_cast<float>(eps / std::sqrt((1 + eps * eps) * static_cast<double>(dim)));
  std::size_t position = shift;
  const auto next_content = [&] {
    std::memset(out, 0, position_dim * sizeof(float));
    out[position++] = 1;
    float* content = out + position_dim;
    out = content + dim;
    return content;
  };
  for (std::size_t item = 0; item <= s.context.size(); ++item) {
    const std::uint32_t k = item < s.context.size() ? s.context[item] : s.target;
    const float* __restrict centre = scaled_centre(rng, step, k, s);
    const float* __restrict noise = s.noise.data() + item * s.noise_stride;
    float* __restrict content = next_content();
    for (std::size_t i = 0; i < dim; ++i) content[i] = centre[i] + noise_scale * noise[i];
    if (item < s.context.size()) {
      std::memcpy(next_content(), label_vectors_.data() + (k + recipe.label_shift) % n_labels * dim,
                  dim * sizeof(float));
    }
  }
}

void IclClassification::sample(const Recipe& recipe, const Rng& rng, std::uint32_t step, int first,
                               const Batch& batch) const {
  const auto n_labels = static_cast<std::uint32_t>(config_.n_labels);
  const auto n_pairs = static_cast<std::size_t>(config_.n_pairs);
  const auto n_shifts = static_cast<std::uint32_t>(config_.position_dim() - config_.n_tokens() + 1);
  const auto token_floats = static_cast<std::size_t>(config_.n_tokens() * config_.d_model());
  Scratch s(config_);
  for (int i = 0; i < batch.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const auto number = static_cast<std::uint32_t>(first + i);
    RngCursor cursor(rng, number, step, lane_choices);
    const std::uint32_t shift = config_.position_shift == "random" ? cursor.below(n_shifts) : 0;
    draw_classes(recipe, cursor, s);
    fill_normal(rng, {.sample = number, .step = step, .lane = lane_noise}, s.noise);
    write_tokens(recipe, rng, step, shift, s, batch.f32(tokens_field) + row * token_floats);

    const auto shown = [&](std::uint32_t k) { return static_cast<std::int32_t>((k + recipe.label_shift) % n_labels); };
    batch.i32(label_field)[row] = shown(s.target);
    for (std::size_t pair = 0; pair < n_pairs; ++pair) {
      batch.i32(context_labels_field)[row * n_pairs + pair] = shown(s.context[pair]);
      batch.i32(context_match_field)[row * n_pairs + pair] = s.context[pair] == s.target;
    }
  }
}

}  // namespace saltus
