#include "experiments/titans/probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "experiments/titans/probe_parts.h"

namespace saltus::titans {
namespace {

std::int64_t best_of(const float* logits, std::int64_t classes) {
  return std::max_element(logits, logits + classes) - logits;
}

double cross_entropy(const float* logits, std::int64_t classes, std::int32_t target) {
  const double top = *std::max_element(logits, logits + classes);
  double total = 0;
  for (std::int64_t c = 0; c < classes; ++c) total += std::exp(logits[c] - top);
  return std::log(total) + top - logits[target];
}

}  // namespace

std::vector<Measure> AnswerProbe::measures() const {
  return {{"loss", "-log of the probability of the answer, mean over a sequence's questions"},
          {"accuracy", "share of a sequence's questions whose answer is the likeliest token"}};
}

void AnswerProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                             std::span<double> sums) const {
  const float *logits = tap("logits").data, *weights = batch.f32(SequenceTask::weight_field);
  const std::int32_t* targets = batch.i32(SequenceTask::target_field);
  for (int b = 0; b < batch.size(); ++b) {
    double total = 0, loss = 0, correct = 0;
    for (std::int64_t t = 0; t < shape_.length; ++t, logits += shape_.vocab_size, ++weights, ++targets) {
      if (*weights == 0) continue;
      total += *weights;
      loss += *weights * cross_entropy(logits, shape_.vocab_size, *targets);
      if (best_of(logits, shape_.vocab_size) == *targets) correct += *weights;
    }
    sums[0] += loss / total;
    sums[1] += correct / total;
  }
}

std::vector<Measure> RetrievalProbe::measures() const {
  const Dim distance = bins("distance", shape_.length, "tokens since the answer was written, up to this many");
  const Dim writes = bins("writes", shape_.length, "other writes since then, up to this many");
  return {
      {"questions_by_distance", "questions in a sequence", {distance}},
      {"correct_by_distance",
       "questions in a sequence answered right; over questions_by_distance: accuracy",
       {distance}},
      {"questions_by_writes", "questions in a sequence", {writes}},
      {"correct_by_writes", "questions in a sequence answered right; over questions_by_writes: accuracy", {writes}}};
}

void RetrievalProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                std::span<double> sums) const {
  const float *logits = tap("logits").data, *weights = batch.f32(SequenceTask::weight_field);
  const std::int32_t *targets = batch.i32(SequenceTask::target_field),
                     *distances = batch.i32(SequenceTask::distance_field),
                     *writes = batch.i32(SequenceTask::writes_field);
  const std::size_t n = bin_of(shape_.length) + 1;
  for (std::int64_t i = 0; i < batch.size() * shape_.length; ++i) {
    if (weights[i] == 0) continue;
    const std::size_t by_distance = bin_of(distances[i]), by_writes = 2 * n + bin_of(writes[i]);
    const double correct = best_of(logits + i * shape_.vocab_size, shape_.vocab_size) == targets[i] ? 1 : 0;
    sums[by_distance] += 1;
    sums[n + by_distance] += correct;
    sums[by_writes] += 1;
    sums[n + by_writes] += correct;
  }
}

std::vector<std::string> AnswerAttentionProbe::taps() const {
  std::vector<std::string> names;
  for (std::int64_t l = 0; l < n_layers_; ++l) names.push_back(fmt::format("blocks.{}.attn.pattern", l));
  return names;
}

std::vector<Measure> AnswerAttentionProbe::measures() const {
  return {{"attention_to_answer",
           "attention of a question to the token that its answer was last written at, mean over a sequence's questions",
           {{.name = "layer", .size = n_layers_}, {.name = "head", .size = n_heads_}}}};
}

void AnswerAttentionProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                      std::span<double> sums) const {
  const std::int32_t* distances = batch.i32(SequenceTask::distance_field);
  const float* weights = batch.f32(SequenceTask::weight_field);
  const std::vector<std::string> names = taps();
  for (std::size_t l = 0; l < names.size(); ++l) {
    const TapValue pattern = tap(names[l]);
    const std::int64_t keys = pattern.shape[-1], before = keys - shape_.length;
    for (std::int64_t h = 0; h < n_heads_; ++h) {
      for (std::int64_t b = 0; b < batch.size(); ++b) {
        double total = 0, questions = 0;
        for (std::int64_t t = 0; t < shape_.length; ++t) {
          if (weights[b * shape_.length + t] == 0) continue;
          const std::int64_t row = (h * batch.size() + b) * shape_.length + t;
          total += pattern.data[row * keys + before + t - distances[b * shape_.length + t]];
          questions += 1;
        }
        sums[l * static_cast<std::size_t>(n_heads_) + static_cast<std::size_t>(h)] += total / questions;
      }
    }
  }
}

std::vector<std::string> ProbeList::taps() const {
  std::vector<std::string> all;
  for (const auto& probe : probes_) {
    for (const std::string& name : probe->taps()) {
      if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
    }
  }
  return all;
}

std::vector<Measure> ProbeList::measures() const {
  std::vector<Measure> all;
  for (const auto& probe : probes_) {
    for (const Measure& m : probe->measures()) all.push_back(m);
  }
  return all;
}

void ProbeList::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                           std::span<double> sums) const {
  std::size_t from = 0;
  for (const auto& probe : probes_) {
    std::size_t n = 0;
    for (const Measure& m : probe->measures()) n += static_cast<std::size_t>(m.size());
    probe->accumulate(batch, tap, sums.subspan(from, n));
    from += n;
  }
}

}  // namespace saltus::titans
