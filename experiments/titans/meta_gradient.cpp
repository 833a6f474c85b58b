#include "experiments/titans/meta_gradient.h"

#include <fmt/format.h>

#include <algorithm>

#include "autodiff/grad.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/probe_parts.h"

namespace saltus::titans {
namespace {

constexpr const char* start_mark = ".chunk_start.";

/// The chunk starts of a block, M's layers of one chunk after those of the chunk before: [row, in, out] each.
std::vector<Var> chunk_starts(const Graph& graph, std::int64_t layer) {
  const std::string block = tap_name(layer, "");
  std::vector<Var> starts;
  for (const auto& [name, x] : graph.taps()) {
    if (name.starts_with(block) && name.find(start_mark) != std::string::npos) starts.push_back(x);
  }
  return starts;
}

/// Chunks that a memory cuts a sequence into; mac cuts each of its segments by itself.
std::int64_t chunks_of(std::int64_t positions, const ModelConfig& model) {
  const auto parts = [](std::int64_t n, std::int64_t size) { return (n + size - 1) / size; };
  if (model.architecture != "mac") return parts(positions, model.mixer.chunk);
  const std::int64_t rest = positions % model.segment;
  return positions / model.segment * parts(model.segment, model.mixer.chunk) + parts(rest, model.mixer.chunk);
}

}  // namespace

void tap_chunk_starts(const MixerContext& c, const MemoryOutput& y) {
  for (std::size_t chunk = 0; chunk < y.chunk_starts.size(); ++chunk) {
    for (std::size_t l = 0; l < y.chunk_starts[chunk].size(); ++l) {
      tap(c, fmt::format("{}{}.{}", start_mark + 1, chunk, l), y.chunk_starts[chunk][l]);
    }
  }
}

void tap_meta_gradients(Graph& graph, Var loss, const ModelConfig& model) {
  const auto depth = static_cast<std::size_t>(model.mixer.memory_depth);
  std::vector<Var> starts;
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    for (Var M : chunk_starts(graph, l)) starts.push_back(M);
  }
  if (starts.empty()) return;
  const std::vector<Var> gradients = grad(loss, starts);
  const std::int64_t rows = starts[0].shape()[0];
  const std::size_t chunks = starts.size() / depth / static_cast<std::size_t>(model.n_layers);
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    std::vector<Var> squares;  // [row, 1], youngest first
    for (std::size_t chunk = chunks; chunk-- > 0;) {
      Var total;  // [row, 1]
      for (std::size_t m = 0; m < depth; ++m) {
        const Var g = gradients[(static_cast<std::size_t>(l) * chunks + chunk) * depth + m];  // [row, in, out]
        const Var part = sum(reshape(g * g, {rows, g.shape().size() / rows}), 1, true);
        total = total ? total + part : part;
      }
      squares.push_back(total);
    }
    const std::int64_t H = model.mixer.n_heads;
    const Var norms = reshape(sqrt(concat(std::move(squares), 1)), {rows / H, H, static_cast<std::int64_t>(chunks)});
    graph.tap(tap_name(l, "meta_gradient"), norms);
  }
}

std::vector<std::string> MetaGradientProbe::taps() const { return of_all_layers(model_.n_layers, {"meta_gradient"}); }

std::vector<Measure> MetaGradientProbe::measures() const {
  Dim age{.name = "age", .long_name = "chunks from the start of a chunk to the end of the sequence"};
  for (std::int64_t a = 1; a <= chunks_of(positions_, model_); ++a) age.values.push_back(static_cast<double>(a));
  return {{"meta_gradient",
           "norm of the gradient of a sequence's loss with respect to the memory at the start of a chunk",
           {layers(model_), heads(model_), age}}};
}

void MetaGradientProbe::accumulate(const Batch&, const Tap& tap, std::span<double> sums) const {
  std::size_t from = 0;
  for (const std::string& name : taps()) {
    const TapValue norms = tap(name);  // [batch, head, age]
    const auto n = static_cast<std::size_t>(norms.shape[1] * norms.shape[2]);
    for (std::size_t i = 0; i < static_cast<std::size_t>(norms.shape.size()); ++i) sums[from + i % n] += norms.data[i];
    from += n;
  }
}

}  // namespace saltus::titans
