#include "experiments/icl_classification/system.h"

#include <fmt/format.h>

#include "experiments/icl_classification/circuit_losses.h"
#include "experiments/icl_classification/clamps.h"
#include "experiments/icl_classification/model.h"
#include "experiments/icl_classification/task_setup.h"
#include "experiments/icl_classification/work.h"

namespace saltus::icl_classification {
namespace {

struct Config {
  IclClassificationConfig task;
  ModelConfig model;

  void rules(Fields& f) const {
    f.require(model.d_head || task.d_model() % model.n_heads == 0, "model.n_heads",
              fmt::format("n_heads ({}) must divide d_model ({} = 2 max_pairs + 1 + item_dim), or d_head must be given",
                          model.n_heads, task.d_model()));
    if (task.target_in_context) return;
    for (std::size_t i = 0; i < model.clamps.size(); ++i) {
      const Clamp clamp = parse_clamp(model.clamps[i], model.n_layers, model.n_heads);
      f.require(!clamp.reads_matches(), "model.clamps",
                fmt::format("entry {}, '{}': with task.target_in_context false nothing in the context is of the "
                            "target's class, and {} would change nothing",
                            i, model.clamps[i], clamp.pattern));
    }
    f.require(!model.circuit_losses, "model.circuit_losses",
              "the induction circuit copies the label of the target's class, and with task.target_in_context false the "
              "context does not show it");
  }
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  set_up_task(*e, config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, config.task, config.model, r.batch, r.purpose);
  };
  if (has_counted_work(config.task, config.model)) {
    e->work = [config](const Recording& r) { return full_work(config.task, config.model, r.batch); };
  }
  e->n_layers = static_cast<int>(config.model.n_layers);
  e->n_heads = static_cast<int>(config.model.n_heads);
  if (config.model.circuit_losses) {
    e->progress = std::make_unique<CircuitLossProbe>(config.task, e->n_layers, e->n_heads);
  } else {
    e->progress = std::make_unique<ProgressProbe>(config.task, e->n_layers, e->n_heads);
  }
  return e;
}

}  // namespace

System system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [config](Fields& f) { config->rules(f); },
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->task.n_pairs = length; },
          .context_length_key = "task.n_pairs",
          .without_effect_on_trained = [] { return std::vector<std::string>{"model.circuit_losses"}; }};
}

}  // namespace saltus::icl_classification
