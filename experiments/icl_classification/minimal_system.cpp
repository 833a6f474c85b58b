#include "experiments/icl_classification/measures.h"
#include "experiments/icl_classification/minimal_model.h"
#include "experiments/icl_classification/system.h"
#include "experiments/icl_classification/task_setup.h"
#include "experiments/icl_classification/work.h"

namespace saltus::icl_classification {
namespace {

struct Config {
  IclClassificationConfig task;
  MinimalConfig model;

  std::vector<std::string> starts_of_trained() const {
    std::vector<std::string> keys;
    add_start_if_trained(keys, "model.previous_token", model.previous_token);
    add_start_if_trained(keys, "model.match", model.match);
    add_start_if_trained(keys, "model.labels", model.labels);
    return keys;
  }
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  set_up_task(*e, config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record_minimal(graph, params, config.task, config.model, r.batch, r.purpose);
  };
  e->work = [config](const Recording& r) { return minimal_work(config.task, config.model, r.batch); };
  e->n_layers = 2;
  e->n_heads = 1;
  const std::vector<Measure> scalars = {
      {"previous_token_strength", "beta_1: layer 1's score of the token before"},
      {"match_strength", "alpha: layer 2's score of a match, times the contents' product"},
      {"label_strength", "beta_2: layer 2's score of tokens at odd distance"}};
  e->progress =
      std::make_unique<ScalarSeries>(std::make_unique<ProgressProbe>(config.task, e->n_layers, e->n_heads), scalars);
  return e;
}

}  // namespace

System minimal_system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->task.n_pairs = length; },
          .context_length_key = "task.n_pairs",
          .without_effect_on_trained = [config] { return config->starts_of_trained(); }};
}

}  // namespace saltus::icl_classification
