#include "experiments/titans/regression_probes.h"

#include <fmt/format.h>

#include "experiments/titans/measures.h"

namespace saltus::titans {
namespace {

using Tap = std::function<TapValue(const std::string&)>;

constexpr std::size_t n_tokens = 2, n_readers = 3;

std::string tap_name(std::int64_t layer, const std::string& what) {
  return fmt::format("blocks.{}.mixer.{}", layer, what);
}

/// A tap [batch, head, ...] at one sequence and head.
const float* at(const TapValue& tap, std::int64_t b, std::int64_t h) {
  const std::int64_t heads = tap.shape[1];
  return tap.data + (b * heads + h) * (tap.shape.size() / (tap.shape[0] * heads));
}

/// Mean of every `stride`-th of n numbers.
double mean(const float* x, std::int64_t n, std::int64_t stride = 1) {
  double total = 0;
  for (std::int64_t i = 0; i < n; i += stride) total += x[i];
  return total * static_cast<double>(stride) / static_cast<double>(n);
}

/// f(t, squared error over E y^2 of the answer to x_t, mean over outputs) for every pair of every sequence.
template <class F>
void each_error(const DriftingRegressionConfig& task, const Batch& batch, const float* answers, const F& f) {
  const float* y = batch.f32(DriftingRegression::y_field);
  for (int b = 0; b < batch.size(); ++b) {
    for (std::int64_t t = 0; t < task.n_pairs; ++t) {
      double squares = 0;
      for (std::int64_t p = 0; p < task.output_dim; ++p, ++answers, ++y) {
        const double error = static_cast<double>(*answers) - *y;
        squares += error * error;
      }
      f(static_cast<std::size_t>(t), squares / (static_cast<double>(task.output_dim) * task.label_variance()));
    }
  }
}

}  // namespace

std::vector<Measure> DriftErrorProbe::measures() const {
  return {{"loss", "squared error of the answers over E y^2, mean over pairs and outputs"}};
}

void DriftErrorProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  each_error(task_, batch, tap("predictions").data,
             [&](std::size_t, double error) { sums[0] += error / static_cast<double>(task_.n_pairs); });
}

std::vector<Measure> DriftPointwiseProbe::measures() const {
  return {{"pointwise_loss",
           "squared error over E y^2 of the answer after n_seen pairs, mean over outputs",
           {{.name = "n_seen", .size = task_.n_pairs, .long_name = "pairs before the x that is asked"}}}};
}

void DriftPointwiseProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  each_error(task_, batch, tap("predictions").data, [&](std::size_t t, double error) { sums[t] += error; });
}

std::vector<std::string> DriftGateProbe::gates(const ModelConfig& model) {
  const std::string& kind = model.mixer.kind;
  if (model.has_memory()) return {"theta", "eta", "alpha"};
  if (kind == "gated_deltanet") return {"beta", "alpha"};
  if (kind == "deltanet") return {"beta"};
  if (kind == "ttt_linear" || kind == "ttt_mlp") return {"theta"};
  return {};
}

std::vector<std::string> DriftGateProbe::taps() const {
  std::vector<std::string> names;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    for (const std::string& gate : gates(model_)) names.push_back(tap_name(l, gate));
    if (!model_.has_memory()) continue;
    names.push_back(tap_name(l, "q"));
    names.push_back(tap_name(l, "k"));
    names.push_back(tap_name(l, "inner_loss"));
    for (std::int64_t m = 0; m < model_.mixer.memory_depth; ++m) names.push_back(tap_name(l, fmt::format("M.{}", m)));
  }
  return names;
}

std::vector<Measure> DriftGateProbe::measures() const {
  const Dim layer{.name = "layer", .size = model_.n_layers}, head{.name = "head", .size = model_.mixer.n_heads};
  const Dim token{.name = "token", .labels = {"x", "y"}};
  const Dim reader{.name = "reader", .labels = {"initial", "before", "after"}};
  const Dim memory_layer{.name = "memory_layer", .size = model_.mixer.memory_depth};
  std::vector<Measure> all;
  for (const std::string& gate : gates(model_)) {
    const bool forgets = gate == "alpha", momentum = gate == "eta";
    all.push_back({gate,
                   forgets    ? "share of the memory that is forgotten at an x and at a y, mean over tokens"
                   : momentum ? "share of the surprise that lives on at an x and at a y, mean over tokens"
                              : "step of the memory's writes at an x and at a y, mean over tokens",
                   {layer, head, token}});
    if (forgets)
      all.push_back({"decay_half_life", "tokens after which forgetting alone has halved a memory", {layer, head}});
  }
  if (!model_.has_memory()) return all;
  all.push_back({"stability_margin",
                 "(2 - alpha)(1 + eta) - 2 theta, least over tokens: below 0, writing one key over and over diverges",
                 {layer, head}});
  all.push_back({"repetition_growth",
                 "growth a token, over a chunk, when it writes one key over and over: above 1 diverges",
                 {layer, head}});
  all.push_back({"inner_loss",
                 "|M(k) - v|^2, mean over tokens, of the memory at the start, before and after writing the token",
                 {layer, head, reader}});
  all.push_back({"inner_loss_by_position",
                 "|M(k) - v|^2 of the memory at the start, before and after writing the token",
                 {layer, head, reader, {.name = "position", .size = 2 * task_.n_pairs}}});
  all.push_back({"memory_stable_rank", "|M|_F^2 / |M|_2^2 after the last token", {layer, head, memory_layer}});
  all.push_back({"memory_effective_rank",
                 "exp of the entropy of M's singular values over their sum, after the last token",
                 {layer, head, memory_layer}});
  return all;
}

/// The sums of each measure by its name.
struct DriftGateProbe::Sums {
  std::vector<Measure> measures;
  std::span<double> all;

  std::span<double> of(const std::string& name) const {
    std::size_t from = 0;
    for (const Measure& m : measures) {
      if (m.name == name) return all.subspan(from, static_cast<std::size_t>(m.size()));
      from += static_cast<std::size_t>(m.size());
    }
    return {};
  }
};

void DriftGateProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  const Sums of_measures{measures(), sums};
  const std::int64_t n = 2 * task_.n_pairs, H = model_.mixer.n_heads;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    for (const std::string& gate : gates(model_)) {
      const TapValue values = tap(tap_name(l, gate));  // [batch, head, position]
      const std::span<double> means = of_measures.of(gate), half_life = of_measures.of("decay_half_life");
      for (std::int64_t h = 0; h < H; ++h) {
        const auto number = static_cast<std::size_t>(l * H + h);
        for (int b = 0; b < batch.size(); ++b) {
          const float* of_head = at(values, b, h);
          for (std::size_t t = 0; t < n_tokens; ++t) means[number * n_tokens + t] += mean(of_head + t, n, 2);
          if (gate == "alpha") half_life[number] += measures::decay_half_life({of_head, static_cast<std::size_t>(n)});
        }
      }
    }
    if (model_.has_memory()) add_memory(l, batch.size(), tap, of_measures);
  }
}

void DriftGateProbe::add_memory(std::int64_t l, int samples, const Tap& tap, const Sums& sums) const {
  const auto value = [&](const std::string& what) { return tap(tap_name(l, what)); };
  const std::int64_t n = 2 * task_.n_pairs, depth = model_.mixer.memory_depth;
  const TapValue q = value("q"), k = value("k"), theta = value("theta"), eta = value("eta"), alpha = value("alpha"),
                 inner = value("inner_loss");
  for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h) {
    const auto number = static_cast<std::size_t>(l * model_.mixer.n_heads + h);
    for (int b = 0; b < samples; ++b) {
      const measures::Trace trace{
          n, q.shape[-1], at(q, b, h), at(k, b, h), at(theta, b, h), at(eta, b, h), at(alpha, b, h)};
      sums.of("stability_margin")[number] += measures::stability_margin(trace);
      sums.of("repetition_growth")[number] += measures::repetition_growth(trace, model_.mixer.chunk);
      for (std::size_t r = 0; r < n_readers; ++r)
        sums.of("inner_loss")[number * n_readers + r] += mean(at(inner, b, h) + static_cast<std::int64_t>(r) * n, n);
      const std::size_t numbers = n_readers * static_cast<std::size_t>(n);
      const std::span<double> by_position = sums.of("inner_loss_by_position").subspan(number * numbers);
      for (std::size_t i = 0; i < numbers; ++i) by_position[i] += at(inner, b, h)[i];
      for (std::int64_t m = 0; m < depth; ++m) {
        const TapValue M = value(fmt::format("M.{}", m));  // [batch, head, in, out]
        const std::size_t i = number * static_cast<std::size_t>(depth) + static_cast<std::size_t>(m);
        sums.of("memory_stable_rank")[i] += measures::stable_rank(at(M, b, h), M.shape[2], M.shape[3]);
        sums.of("memory_effective_rank")[i] += measures::effective_rank(at(M, b, h), M.shape[2], M.shape[3]);
      }
    }
  }
}

}  // namespace saltus::titans
