#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "autodiff/grad.h"
#include "config/reader.h"
#include "data/small_corpus.h"
#include "experiments/registry.h"
#include "train/train_step.h"

using namespace saltus;

namespace {

/// Texts of 11 to 65 words, in buckets of up to 16, 32, 48 and 64.
TrainConfig text_config(const std::string& corpus) {
  TrainConfig config(systems());
  read_config_text("texts.yaml",
                   "{system: lama, batch_size: 8, shards: 2, task: {corpus: '" + corpus +
                       "', max_length: 64, bucket: 16}, model: {d_embed: 6, d_hidden: 5, n_heads: 2, "
                       "classifier_width: 6, dropout: 0.4}}",
                   {}, [&config](Fields& f) { config.fields(f); });
  return config;
}

/// One shard of a step, computed by a plan that was recorded for its bucket and shares no memory.
struct Alone {
  double loss;
  std::vector<float> gradient;  // as the parameters' block
};

Alone alone(Experiment& e, std::int64_t step, int first, int size) {
  Graph graph;
  const int bucket = e.task->train_bucket(step);
  const Var loss = e.record(graph, e.params, {size, Purpose::train, bucket});  // []
  std::vector<Var> params;
  for (const ParamSpec& spec : e.params.specs()) params.push_back(graph.param(spec.name, spec.shape));
  Alone out{0, std::vector<float>(static_cast<std::size_t>(e.params.block_size()))};
  std::vector<Plan::Output> outputs = {{loss}};
  const std::vector<Var> grads = grad(loss, params);
  for (std::size_t i = 0; i < grads.size(); ++i) {
    outputs.push_back({grads[i], e.params.in_block(e.params.specs()[i].name, out.gradient.data())});
  }
  const Plan plan(graph, outputs, [&e](const std::string& name, const Shape&) { return e.params.view(name).data(); });
  const BatchBuffers buffers(e.task->bucket_fields(bucket), size, plan);
  e.task->sample_train(step, first, buffers.batch());
  plan.run();
  out.loss = *plan.output(0);
  return out;
}

}  // namespace

TEST_CASE("a step of a task with buckets is what a plan for its bucket alone computes") {
  const CorpusFile corpus;
  const TrainConfig config = text_config(corpus.path());
  const auto e = build_experiment(config);
  REQUIRE(e->task->buckets() == 4);
  ThreadPool pool(2);
  TrainStep train_step(*e, config, pool);
  std::set<int> seen;
  for (std::int64_t step = 0; step < 24; ++step) {
    seen.insert(e->task->train_bucket(step));
    INFO("step " << step << ", bucket " << e->task->train_bucket(step));
    const double loss = train_step.run(step);
    const Alone first = alone(*e, step, 0, 4), second = alone(*e, step, 4, 4);
    CHECK(loss == (first.loss + second.loss) / 2);
    CHECK(std::ranges::equal(first.gradient, std::span(train_step.gradients()[0], first.gradient.size())));
    CHECK(std::ranges::equal(second.gradient, std::span(train_step.gradients()[1], second.gradient.size())));
  }
  CHECK(seen.size() == 4);
}
