#include "experiments/titans/surprise_probes.h"

#include <limits>
#include <numbers>

#include "experiments/titans/measures.h"
#include "experiments/titans/probe_parts.h"

namespace saltus::titans {
namespace {

/// The mean of x over the tokens that `counts`; nan without any.
template <class X, class F>
double mean_where(std::int64_t length, const X& x, const F& counts) {
  double total = 0, tokens = 0;
  for (std::int64_t t = 0; t < length; ++t) {
    if (!counts(t)) continue;
    total += x[t];
    tokens += 1;
  }
  return total / tokens;
}

void add(std::span<double> sums, std::size_t number, const std::vector<double>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) sums[number * values.size() + i] += values[i];
}

bool is(std::int32_t role, TokenRole r) { return role == static_cast<std::int32_t>(r); }

}  // namespace

std::vector<std::string> SurpriseProbe::taps() const {
  return of_all_layers(model_.n_layers, {"surprise", "momentum_alignment", "theta", "momentum_norm"});
}

std::vector<Measure> SurpriseProbe::measures() const {
  const Dim layer = layers(model_), head = heads(model_);
  return {{"surprise",
           "norm of the inner gradient at the chunk's first weights, mean over the tokens of a role",
           {layer, head, roles()}},
          {"step_norm", "theta times surprise, mean over the tokens of a role", {layer, head, roles()}},
          {"surprise_ratio", "surprise of keys and values over that of filler, in a sequence", {layer, head}},
          {"momentum_norm", "norm of the momentum at the end of the sequence", {layer, head}},
          {"momentum_alignment",
           "cosine of the momentum with the step that meets it at the start of a chunk, mean over chunks but the first",
           {layer, head}}};
}

void SurpriseProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  const std::vector<Measure> all = measures();
  const auto sum = [&](const char* name) { return of_measure(all, name, sums); };
  std::size_t number = 0;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    const auto value = [&](const char* what) { return tap(tap_name(l, what)); };
    const TapValue surprise = value("surprise"), theta = value("theta"), alignment = value("momentum_alignment"),
                   momentum = value("momentum_norm");
    for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h, ++number) {
      for (int b = 0; b < batch.size(); ++b) {
        const std::int32_t* role = batch.i32(SequenceTask::role_field) + b * shape_.length;
        const float *u = at(surprise, b, h), *step = at(theta, b, h), *cosine = at(alignment, b, h);
        std::vector<float> steps;
        for (std::int64_t t = 0; t < shape_.length; ++t) steps.push_back(step[t] * u[t]);
        add(sum("surprise"), number, by_role(role, shape_.length, u));
        add(sum("step_norm"), number, by_role(role, shape_.length, steps.data()));
        const double of_pairs = mean_where(
            shape_.length, u, [&](auto t) { return is(role[t], TokenRole::key) || is(role[t], TokenRole::value); });
        const double of_filler = mean_where(shape_.length, u, [&](auto t) { return is(role[t], TokenRole::filler); });
        sum("surprise_ratio")[number] += of_pairs / of_filler;
        sum("momentum_norm")[number] += *at(momentum, b, h);
        const std::int64_t chunks = alignment.shape[-1];
        sum("momentum_alignment")[number] +=
            chunks > 1 ? mean(cosine + 1, chunks - 1) : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }
}

std::vector<std::string> SurvivalProbe::taps() const {
  return of_all_layers(model_.n_layers, {"theta", "eta", "alpha"});
}

std::vector<Measure> SurvivalProbe::measures() const {
  const Dim layer = layers(model_), head = heads(model_);
  return {{"survival_by_distance",
           "predicted survival of the answer's write, prod (1 - alpha) exp(-2 theta / ((1 - eta) d_head)) since then, "
           "summed over a sequence's questions; over questions_by_distance: mean",
           {layer, head, bins("distance", shape_.length, "tokens since the answer was written, up to this many")}},
          {"survival_by_writes",
           "the same by the writes since then; over questions_by_writes: mean",
           {layer, head, bins("writes", shape_.length, "other writes since then, up to this many")}},
          {"needle_half_life", "tokens of filler after which predicted survival has halved", {layer, head}}};
}

void SurvivalProbe::accumulate(const Batch& batch, const Tap& tap, std::span<double> sums) const {
  const std::vector<Measure> all = measures();
  const auto sum = [&](const char* name) { return of_measure(all, name, sums); };
  const float* weights = batch.f32(SequenceTask::weight_field);
  const std::int32_t *distances = batch.i32(SequenceTask::distance_field),
                     *writes = batch.i32(SequenceTask::writes_field), *roles = batch.i32(SequenceTask::role_field);
  const std::size_t n_bins = bin_of(shape_.length) + 1;
  std::size_t number = 0;
  for (std::int64_t l = 0; l < model_.n_layers; ++l) {
    const TapValue theta = tap(tap_name(l, "theta")), eta = tap(tap_name(l, "eta")), alpha = tap(tap_name(l, "alpha"));
    for (std::int64_t h = 0; h < model_.mixer.n_heads; ++h, ++number) {
      const std::span<double> by_distance = sum("survival_by_distance").subspan(number * n_bins),
                              by_writes = sum("survival_by_writes").subspan(number * n_bins);
      for (std::int64_t b = 0; b < batch.size(); ++b) {
        const measures::Trace trace{shape_.length,   model_.mixer.d_head, nullptr,        nullptr,
                                    at(theta, b, h), at(eta, b, h),       at(alpha, b, h)};
        const std::int64_t first = b * shape_.length;
        std::vector<double> rates;
        for (std::int64_t t = 0; t < shape_.length; ++t) rates.push_back(measures::shrink_rate(trace, t));
        sum("needle_half_life")[number] += std::numbers::ln2 / mean_where(shape_.length, rates, [&](auto t) {
                                             return is(roles[first + t], TokenRole::filler);
                                           });
        for (std::int64_t t = 0; t < shape_.length; ++t) {
          const std::int64_t i = first + t;
          if (weights[i] == 0) continue;
          const double left = measures::survival(trace, t - distances[i], t);
          by_distance[bin_of(distances[i])] += left;
          by_writes[bin_of(writes[i])] += left;
        }
      }
    }
  }
}

}  // namespace saltus::titans
