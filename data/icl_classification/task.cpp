#include <utility>

#include "core/check.h"
#include "data/icl_classification.h"

namespace saltus {
namespace {

IclClassificationConfig checked(const IclClassificationConfig& config) {
  config.rules([](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  return config;
}

}  // namespace

IclClassification::IclClassification(const IclClassificationConfig& config, const Seeds& seeds)
    : config_(checked(config)),
      data_rng_(seeds.data, Stream::data),
      eval_rng_(seeds.eval, Stream::eval),
      classes_(config),
      labels_(config),
      items_(config, Rng(seeds.task, Stream::task)),
      test_sets_(icl::test_sets(config)) {}

std::vector<SampleField> IclClassification::fields() const {
  const std::int64_t pairs = config_.n_pairs;
  return {{"tokens", Shape{config_.n_tokens(), config_.d_model()}, DType::f32, {"position", "d_model"}},
          {"label", Shape{}, DType::i32, {}},
          {"context_labels", Shape{pairs}, DType::i32, {"pair"}},
          {"context_match", Shape{pairs}, DType::i32, {"pair"}}};
}

std::vector<std::string> IclClassification::eval_sets() const {
  std::vector<std::string> names;
  for (const icl::TestSet& set : test_sets_) names.push_back(set.name);
  return names;
}

void IclClassification::sample_train(std::int64_t step, int first, const Batch& batch) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  sample(icl::train_recipe(config_, step), data_rng_, static_cast<std::uint32_t>(step), first, batch);
}

void IclClassification::sample_eval(int set, int first, const Batch& batch) const {
  const icl::Recipe& recipe = test_sets_.at(static_cast<std::size_t>(set)).recipe;
  sample(recipe, eval_rng_, static_cast<std::uint32_t>(set), first, batch);
}

void IclClassification::sample(const icl::Recipe& recipe, const Rng& rng, std::uint32_t step, int first,
                               const Batch& batch) const {
  const auto n_pairs = static_cast<std::size_t>(config_.n_pairs);
  const auto n_shifts = static_cast<std::uint32_t>(config_.position_dim() - config_.n_tokens() + 1);
  const auto token_floats = static_cast<std::size_t>(config_.n_tokens() * config_.d_model());
  icl::ClassDraws::Scratch class_scratch;
  icl::Items::Scratch item_scratch(config_);
  icl::Sequence s;
  s.context.resize(n_pairs);
  s.shown.resize(n_pairs);
  for (int i = 0; i < batch.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    const auto number = static_cast<std::uint32_t>(first + i);
    RngCursor cursor(rng, number, step, icl::lane_choices);
    const std::uint32_t shift = config_.position_shift == "random" ? cursor.below(n_shifts) : 0;
    classes_.draw(recipe, cursor, class_scratch, s);
    labels_.draw(recipe, rng, number, step, s);
    items_.write({rng, number, step, recipe.generation}, s, shift, item_scratch,
                 batch.f32(tokens_field) + row * token_floats);

    batch.i32(label_field)[row] = static_cast<std::int32_t>(s.asked);
    for (std::size_t pair = 0; pair < n_pairs; ++pair) {
      batch.i32(context_labels_field)[row * n_pairs + pair] = static_cast<std::int32_t>(s.shown[pair]);
      batch.i32(context_match_field)[row * n_pairs + pair] = s.context[pair] == s.target;
    }
  }
}

}  // namespace saltus
