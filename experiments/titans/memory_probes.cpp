#include "experiments/titans/memory_probes.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiments/titans/measures.h"
#include "experiments/titans/probe_parts.h"
#include "experiments/titans/surprise_probes.h"

namespace saltus::titans {
namespace {

constexpr std::int64_t n_readers = 3, n_sources = 3;

/// Tokens from the one that holds an answer on whose keys and values can depend on it: those that the convolution
/// reaches.
std::int64_t n_offsets(const ModelConfig& model) { return std::max<std::int64_t>(1, model.mixer.conv_width); }

Dim offsets(const ModelConfig& model) {
  return {.name = "offset", .size = n_offsets(model), .long_name = "tokens after the one that holds the answer"};
}

/// Adds to `sums` [offset] the means of f(question, token `offset` after the one that holds its answer) over a
/// sequence's questions; a token that comes after the question counts as 0.
template <class F>
void over_questions(const Batch& batch, int b, std::int64_t length, std::span<double> sums, const F& f) {
  const float* weights = batch.f32(SequenceTask::weight_field) + b * length;
  const std::int32_t* distances = batch.i32(SequenceTask::distance_field) + b * length;
  const auto questions = static_cast<double>(std::count_if(weights, weights + length, [](float w) { return w > 0; }));
  for (std::int64_t t = 0; t < length; ++t) {
    if (weights[t] == 0) continue;
    for (std::int64_t o = 0; o < std::min<std::int64_t>(std::ssize(sums), distances[t] + 1); ++o) {
      sums[static_cast<std::size_t>(o)] += f(t, t - distances[t] + o) / questions;
    }
  }
}

}  // namespace

std::vector<std::string> KeyProbe::taps() const { return of_all_layers(model_.n_layers, {"q", "k"}); }

std::vector<Measure> KeyProbe::measures() const {
  return {{"key_interference", "mean |k_i . k_j| over pairs of tokens", {layers(model_), heads(model_)}},
          {"query_key_alignment",
           "cosine of a question's q with the k written with its answer, less the mean cosine with others",
           {layers(model_), heads(model_), offsets(model_)}}};
}

void KeyProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  const auto n = static_cast<std::size_t>(model_.n_layers * model_.mixer.n_heads),
             width = static_cast<std::size_t>(n_offsets(model_));
  std::size_t number = 0;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    const TapValue q = tap(tap_name(l, "q")), k = tap(tap_name(l, "k"));
    for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h, ++number) {
      for (int b = 0; b < batch.size(); ++b) {
        const measures::Trace t{shape_.length, q.shape[-1], at(q, b, h), at(k, b, h), nullptr, nullptr, nullptr};
        sums[number] += measures::key_interference(t);
        over_questions(batch, b, shape_.length, sums.subspan(n + number * width, width),
                       [&](auto i, auto j) { return measures::alignment(t, i, j); });
      }
    }
  }
}

std::vector<std::string> WriteProbe::taps() const {
  std::vector<std::string> names = of_all_layers(model_.n_layers, {"q", "k", "theta", "eta", "alpha", "inner_loss"});
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    for (std::int64_t m = 0; m < model_.mixer.memory_depth; ++m)
      names.push_back(tap_name(l, fmt::format("M.{}", m).c_str()));
  }
  return names;
}

std::vector<Measure> WriteProbe::measures() const {
  const Dim layer = layers(model_), head = heads(model_), role = roles();
  const Dim reader{.name = "reader", .labels = {"initial", "before", "after"}};
  const Dim memory_layer{.name = "memory_layer", .size = model_.mixer.memory_depth};
  return {{"theta", "step of the memory's writes, mean over the tokens of a role", {layer, head, role}},
          {"eta", "share of the surprise that lives on, mean over the tokens of a role", {layer, head, role}},
          {"alpha", "share of the memory that is forgotten, mean over the tokens of a role", {layer, head, role}},
          {"decay_half_life", "tokens after which forgetting alone has halved a memory", {layer, head}},
          {"stability_margin",
           "(2 - alpha)(1 + eta) - 2 theta, least over tokens: below 0, writing one key over and over diverges",
           {layer, head}},
          {"repetition_growth",
           "growth a token, over a chunk, when it writes one key over and over: above 1 diverges",
           {layer, head}},
          {"implicit_attention",
           "share of the write that holds a question's answer in what the question reads",
           {layer, head, offsets(model_)}},
          {"inner_loss",
           "|M(k) - v|^2, mean over tokens, of the memory at the start, before and after writing the token",
           {layer, head, reader}},
          {"inner_loss_by_position",
           "|M(k) - v|^2 of the memory at the start, before and after writing the token",
           {layer, head, reader, {.name = "position", .size = shape_.length}}},
          {"memory_stable_rank", "|M|_F^2 / |M|_2^2 after the last token", {layer, head, memory_layer}},
          {"memory_effective_rank",
           "exp of the entropy of M's singular values over their sum, after the last token",
           {layer, head, memory_layer}}};
}

void WriteProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  const std::vector<Measure> all = measures();
  const auto n = static_cast<std::size_t>(shape_.length), width = static_cast<std::size_t>(n_offsets(model_));
  const auto sum = [&](const char* name) { return of_measure(all, name, sums); };
  std::size_t number = 0;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    const auto value = [&](const char* what) { return tap(tap_name(l, what)); };
    const TapValue q = value("q"), k = value("k"), theta = value("theta"), eta = value("eta"), alpha = value("alpha"),
                   inner = value("inner_loss");
    for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h, ++number) {
      for (int b = 0; b < batch.size(); ++b) {
        const measures::Trace t{shape_.length,   q.shape[-1],   at(q, b, h),    at(k, b, h),
                                at(theta, b, h), at(eta, b, h), at(alpha, b, h)};
        const std::vector<double> G = measures::influence(t);
        const std::pair<const char*, const float*> gates[] = {{"theta", t.theta}, {"eta", t.eta}, {"alpha", t.alpha}};
        for (const auto& [name, gate] : gates) {
          const std::vector<double> means =
              by_role(batch.i32(SequenceTask::role_field) + b * shape_.length, shape_.length, gate);
          for (std::size_t r = 0; r < means.size(); ++r) sum(name)[number * n_roles + r] += means[r];
        }
        sum("decay_half_life")[number] += measures::decay_half_life({t.alpha, n});
        sum("stability_margin")[number] += measures::stability_margin(t);
        sum("repetition_growth")[number] += measures::repetition_growth(t, model_.mixer.chunk);
        over_questions(batch, b, shape_.length, sum("implicit_attention").subspan(number * width, width),
                       [&](auto i, auto j) { return measures::implicit_attention(t, G, i, j); });
        for (std::size_t r = 0; r < n_readers; ++r)
          sum("inner_loss")[number * n_readers + r] += mean(at(inner, b, h) + r * n, shape_.length);
        const std::span<double> by_position = sum("inner_loss_by_position").subspan(number * n_readers * n);
        for (std::size_t i = 0; i < n_readers * n; ++i) by_position[i] += at(inner, b, h)[i];
        for (std::int64_t m = 0; m < model_.mixer.memory_depth; ++m) {
          const TapValue M = value(fmt::format("M.{}", m).c_str());  // [batch, head, in, out]
          const auto i = static_cast<std::size_t>(static_cast<std::int64_t>(number) * model_.mixer.memory_depth + m);
          sum("memory_stable_rank")[i] += measures::stable_rank(at(M, b, h), M.shape[2], M.shape[3]);
          sum("memory_effective_rank")[i] += measures::effective_rank(at(M, b, h), M.shape[2], M.shape[3]);
        }
      }
    }
  }
}

MemoryProbe::MemoryProbe(const SequenceShape& shape, const ModelConfig& model)
    : ProbeList([&] {
        std::vector<std::unique_ptr<Probe>> parts;
        parts.push_back(std::make_unique<WriteProbe>(shape, model));
        parts.push_back(std::make_unique<SurpriseProbe>(shape, model));
        parts.push_back(std::make_unique<SurvivalProbe>(shape, model));
        return parts;
      }()) {}

std::vector<std::string> BranchProbe::taps() const {
  std::vector<std::string> names = of_all_layers(model_.n_layers, {"gate"});
  for (std::int64_t l = 0; model_.architecture == "mac" && l < model_.n_layers; ++l)
    names.push_back(fmt::format("blocks.{}.attn.sources", l));
  return names;
}

std::vector<Measure> BranchProbe::measures() const {
  std::vector<Measure> all = {{"attention_gate",
                               "what attention's output is multiplied with, mean over tokens and channels",
                               {layers(model_)}}};
  if (model_.architecture != "mac") return all;
  const Dim source{.name = "source", .labels = {"persistent", "memory", "segment"}};
  all.push_back({"attention_by_source",
                 "where a token's attention goes, mean over tokens",
                 {layers(model_), heads(model_), source}});
  return all;
}

void BranchProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  std::size_t number = static_cast<std::size_t>(model_.n_layers);
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    const TapValue gate = tap(tap_name(l, "gate"));  // [batch, position, d_model]
    sums[static_cast<std::size_t>(l)] += batch.size() * mean(gate.data, gate.shape.size());
    if (model_.architecture != "mac") continue;
    const TapValue sources = tap(fmt::format("blocks.{}.attn.sources", l));
    for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h) {
      for (std::int64_t s = 0; s < n_sources; ++s, ++number) {
        double total = 0;
        for (int b = 0; b < batch.size(); ++b) {
          for (std::int64_t t = 0; t < shape_.length; ++t) total += at(sources, b, h)[t * n_sources + s];
        }
        sums[number] += total / static_cast<double>(shape_.length);
      }
    }
  }
}

}  // namespace saltus::titans
