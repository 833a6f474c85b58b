#include "experiments/lama/studies/timed_part.h"

#include <algorithm>
#include <ctime>

#include "core/check.h"
#include "experiments/lama/encoder.h"
#include "experiments/lama/pooling.h"
#include "kernels/random.h"

namespace saltus::lama {
namespace {

/// The sum that adds the last bias of the layer's attention, [batch, length, d_model].
Var attended(Graph& graph, const ModelConfig& model) {
  const int bias = graph.param("blocks.0.attn.b_O", {model.d_model()}).id;
  for (int id = bias; id < graph.size(); ++id) {
    if (std::ranges::count(graph.node(id).inputs, bias) > 0) return {&graph, id};
  }
  throw Error("lama.cost: the transformer's attention does not end with the bias b_O");
}

Var recorded(Graph& graph, ParamStore& params, const ModelConfig& model, const TextShape& shape, std::int64_t batch,
             Part::Kind kind) {
  if (kind == Part::Kind::whole) {
    record(graph, params, model, shape, batch, Purpose::evaluate);
    return graph.tapped("logits");
  }
  const std::int64_t width = kind == Part::Kind::encoder ? model.d_embed : model.d_model();
  const Var x = graph.input("x", {batch, shape.length, width});  // [batch, length, width]
  const Var mask = graph.input("mask", {batch, shape.length});   // [batch, length]
  if (kind == Part::Kind::encoder) return encoded(graph, params, model, x, mask);
  const Var S = pool(graph, params, model, x, mask).S;  // [batch, head, d_model]
  return kind == Part::Kind::pooling ? S : attended(graph, model);
}

/// Numbers in [-1, 1), where a GRU's states lie.
void fill_states(const Rng& rng, std::span<float> x) {
  fill_uniform(rng, {}, x);
  for (float& v : x) v = 2 * v - 1;
}

/// Processor time of the calling thread.
double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

}  // namespace

std::span<const Part> timed_parts() {
  using enum Part::Kind;
  static constexpr Part parts[] = {
      {"encoder: gru", encoder, "lama_ctx"},
      {"attention: lama_ctx", pooling, "lama_ctx"},
      {"attention: lama_ctx, no word MLP", pooling, "lama_ctx", false},
      {"attention: lama, no word MLP", pooling, "lama", false},
      {"attention: structured", pooling, "structured"},
      {"attention: han", pooling, "han"},
      {"attention: transformer", self_attention, "transformer"},
      {"transformer's whole layer", pooling, "transformer"},
      {"model: mean", whole, "mean"},
      {"model: lama_ctx", whole, "lama_ctx"},
      {"model: structured", whole, "structured"},
      {"model: han", whole, "han"},
      {"model: transformer", whole, "transformer"},
  };
  return parts;
}

TimedPart::TimedPart(const Part& part, ModelConfig model, const TextShape& shape, std::int64_t batch,
                     const Seeds& seeds)
    : batch_(batch) {
  model.pooling = part.pooling;
  model.word_mlp = part.word_mlp;
  Graph graph;
  const std::vector<Plan::Output> outputs = {{recorded(graph, params_, model, shape, batch, part.kind)}};
  params_.initialise(Rng(seeds.init, Stream::init));
  plan_ = std::make_unique<Plan>(graph, outputs,
                                 [this](const std::string& name, const Shape&) { return params_.view(name).data(); });

  const Rng rng(seeds.data, Stream::data);
  const auto words = static_cast<std::size_t>(batch * shape.length);
  std::fill_n(static_cast<float*>(plan_->input("mask")), words, 1.0F);
  if (part.kind == Part::Kind::whole) {
    RngCursor random(rng, 0, 0, 0);
    std::generate_n(static_cast<std::int32_t*>(plan_->input("tokens")), words, [&random, &shape] {
      return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(shape.vocabulary)));
    });
  } else {
    const auto width = static_cast<std::size_t>(part.kind == Part::Kind::encoder ? model.d_embed : model.d_model());
    fill_states(rng, {static_cast<float*>(plan_->input("x")), words * width});
  }
}

double TimedPart::flops() const {
  double sum = 0;
  for (const Instruction& ins : plan_->instructions()) sum += ins.flops;
  return sum / static_cast<double>(batch_);
}

double TimedPart::milliseconds(double least_ms) const {
  plan_->run();
  const double start = processor_ms();
  double ms = 0;
  int runs = 0;
  do {
    plan_->run();
    ++runs;
    ms = processor_ms() - start;
  } while (ms < least_ms);
  return ms / runs / static_cast<double>(batch_);
}

}  // namespace saltus::lama
