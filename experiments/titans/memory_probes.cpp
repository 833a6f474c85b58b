#include "experiments/titans/memory_probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "experiments/titans/measures.h"

namespace saltus::titans {
namespace {

using Tap = std::function<TapValue(const std::string&)>;

constexpr std::int64_t n_roles = 4, n_readers = 3, n_sources = 3;

std::string tap_name(std::int64_t layer, const char* what) { return fmt::format("blocks.{}.mixer.{}", layer, what); }

std::vector<std::string> of_all_layers(std::int64_t n_layers, std::initializer_list<const char*> what) {
  std::vector<std::string> names;
  for (std::int64_t l = 0; l < n_layers; ++l) {
    for (const char* w : what) names.push_back(tap_name(l, w));
  }
  return names;
}

Dim layers(const ModelConfig& model) { return {.name = "layer", .size = model.n_layers}; }
Dim heads(const ModelConfig& model) { return {.name = "head", .size = model.mixer.n_heads}; }

/// A tap [batch, head, ...] at one sequence and head.
const float* at(const TapValue& tap, std::int64_t b, std::int64_t h) {
  std::int64_t size = 1;
  for (int axis = 2; axis < tap.shape.rank(); ++axis) size *= tap.shape[axis];
  return tap.data + (b * tap.shape[1] + h) * size;
}

double mean(const float* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i];
  return total / static_cast<double>(n);
}

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

/// Means of x [position] over the tokens of each role.
std::vector<double> by_role(const Batch& batch, int b, std::int64_t length, const float* x) {
  const std::int32_t* roles = batch.i32(SequenceTask::role_field) + b * length;
  std::vector<double> total(n_roles), tokens(n_roles);
  for (std::int64_t t = 0; t < length; ++t) {
    total[static_cast<std::size_t>(roles[t])] += x[t];
    tokens[static_cast<std::size_t>(roles[t])] += 1;
  }
  for (std::size_t r = 0; r < total.size(); ++r)
    total[r] = tokens[r] > 0 ? total[r] / tokens[r] : std::numeric_limits<double>::quiet_NaN();
  return total;
}

/// Where a measure's numbers begin in `sums`, as measures() lists them.
std::span<double> of_measure(const std::vector<Measure>& measures, const char* name, std::span<double> sums) {
  std::size_t from = 0;
  for (const Measure& m : measures) {
    if (m.name == name) return sums.subspan(from, static_cast<std::size_t>(m.size()));
    from += static_cast<std::size_t>(m.size());
  }
  return {};
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

std::vector<std::string> MemoryProbe::taps() const {
  std::vector<std::string> names = of_all_layers(model_.n_layers, {"q", "k", "theta", "eta", "alpha", "inner_loss"});
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    for (std::int64_t m = 0; m < model_.mixer.memory_depth; ++m)
      names.push_back(tap_name(l, fmt::format("M.{}", m).c_str()));
  }
  return names;
}

std::vector<Measure> MemoryProbe::measures() const {
  const Dim layer = layers(model_), head = heads(model_),
            role{.name = "role", .labels = {"filler", "key", "value", "query"}};
  const Dim reader{.name = "reader", .labels = {"initial", "before", "after"}};
  const Dim memory_layer{.name = "memory_layer", .size = model_.mixer.memory_depth};
  return {{"theta", "step of the memory's writes, mean over the tokens of a role", {layer, head, role}},
          {"eta", "share of the surprise that lives on, mean over the tokens of a role", {layer, head, role}},
          {"alpha", "share of the memory that is forgotten, mean over the tokens of a role", {layer, head, role}},
          {"half_life", "tokens after which forgetting alone has halved a memory", {layer, head}},
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
          {"memory_stable_rank", "|M|_F^2 / |M|_2^2 after the last token", {layer, head, memory_layer}}};
}

void MemoryProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
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
          const std::vector<double> means = by_role(batch, b, shape_.length, gate);
          for (std::size_t r = 0; r < means.size(); ++r) sum(name)[number * n_roles + r] += means[r];
        }
        sum("half_life")[number] += measures::half_life({t.alpha, n});
        sum("stability_margin")[number] += measures::stability_margin(t);
        sum("repetition_growth")[number] += measures::repetition_growth(t, model_.mixer.chunk);
        over_questions(batch, b, shape_.length, sum("implicit_attention").subspan(number * width, width),
                       [&](auto i, auto j) { return measures::implicit_attention(t, G, i, j); });
        for (std::size_t r = 0; r < n_readers; ++r)
          sum("inner_loss")[number * n_readers + r] += mean(at(inner, b, h) + r * n, shape_.length);
        for (std::int64_t m = 0; m < model_.mixer.memory_depth; ++m) {
          const TapValue M = value(fmt::format("M.{}", m).c_str());  // [batch, head, in, out]
          sum("memory_stable_rank")[number * static_cast<std::size_t>(model_.mixer.memory_depth) +
                                    static_cast<std::size_t>(m)] +=
              measures::stable_rank(at(M, b, h), M.shape[2], M.shape[3]);
        }
      }
    }
  }
}

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
