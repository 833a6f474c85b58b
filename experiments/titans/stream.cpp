#include "experiments/titans/stream.h"

#include <algorithm>
#include <numeric>

namespace saltus::titans {

/// The graph of one stretch.
struct TokenStream::Recording {
  Graph graph;
  Carry carry{Carry::Mode::stretch};
  std::int64_t batch;
  Var tokens, role, logits;

  Recording(ParamStore& params, const ModelConfig& model, std::int64_t vocabulary, std::int64_t n, std::int64_t stretch)
      : batch(n),
        tokens(graph.input("tokens", {n, stretch}, DType::i32)),
        role(model.needs_roles() ? graph.input("role", {n, stretch}, DType::i32) : Var{}),
        logits(titans::logits(graph, params, carry, model, vocabulary, tokens, Purpose::train, role)) {}

  /// What a sequence starts from.
  Plan initial(const Plan::ParamLookup& lookup) const {
    std::vector<Plan::Output> outputs;
    for (const auto& [name, value] : carry.initial()) outputs.push_back({value});
    return {graph, outputs, lookup};
  }
  /// The logits, and what the next stretch starts from, in the same order.
  Plan stretch(const Plan::ParamLookup& lookup) const {
    std::vector<Plan::Output> outputs = {{logits}};
    for (const auto& [name, value] : carry.initial()) outputs.push_back({graph.tapped("carry." + name)});
    return {graph, outputs, lookup};
  }
};

std::int64_t stretch_for(const ModelConfig& model) {
  const std::int64_t unit = std::lcm(model.mixer.chunk, model.architecture == "mac" ? model.segment : 1);
  return (256 + unit - 1) / unit * unit;
}

TokenStream::TokenStream(ParamStore& params, const ModelConfig& model, std::int64_t vocabulary, std::int64_t batch,
                         std::int64_t stretch)
    : TokenStream(Recording(params, model, vocabulary, batch, stretch), params) {}

TokenStream::TokenStream(const Recording& r, ParamStore& params)
    : batch_(r.batch),
      n_tokens_(r.tokens.shape().size()),
      n_logits_(r.logits.shape().size()),
      initial_(r.initial([&params](const std::string& name, const Shape&) { return params.view(name).data(); })),
      plan_(r.stretch([&params](const std::string& name, const Shape&) { return params.view(name).data(); })) {
  std::size_t floats = 0;
  for (const auto& [name, value] : r.carry.initial()) {
    carried_.push_back({plan_.input("carry." + name), static_cast<std::size_t>(value.shape().size())});
    floats += carried_.back().size;
  }
  state_.resize(floats);
  restart();
}

void TokenStream::keep(const Plan& plan, std::size_t first_output) {
  float* to = state_.data();
  for (std::size_t i = 0; i < carried_.size(); to += carried_[i++].size)
    std::copy_n(plan.output(first_output + i), carried_[i].size, to);
}

void TokenStream::restart() {
  initial_.run();
  keep(initial_, 0);
}

std::span<std::int32_t> TokenStream::tokens() {
  return {static_cast<std::int32_t*>(plan_.input("tokens")), static_cast<std::size_t>(n_tokens_)};
}

std::span<std::int32_t> TokenStream::roles() {
  auto* at = static_cast<std::int32_t*>(plan_.input("role"));
  return {at, at ? static_cast<std::size_t>(n_tokens_) : 0};
}

std::span<const float> TokenStream::run() {
  // Through state_ and not from output to input: a value that is handed on as it came may lie where another one's input
  // does.
  const float* from = state_.data();
  for (const Carried& c : carried_) {
    if (c.input) std::copy_n(from, c.size, static_cast<float*>(c.input));
    from += c.size;
  }
  plan_.run();
  keep(plan_, 1);
  return {plan_.output(0), static_cast<std::size_t>(n_logits_)};
}

std::int64_t TokenStream::state_size() const { return static_cast<std::int64_t>(state_.size()) / batch_; }

}  // namespace saltus::titans
