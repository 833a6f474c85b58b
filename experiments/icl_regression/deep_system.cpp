#include "experiments/icl_regression/depth_model.h"
#include "experiments/icl_regression/errors.h"
#include "experiments/icl_regression/reference_experiment.h"
#include "experiments/icl_regression/system.h"

namespace saltus::icl_regression {
namespace {

struct DeepConfig {
  LinearRegressionConfig task;
  DepthModelConfig model;

  void set_context_length(std::int64_t length) {
    if (!model.max_context) model.max_context = task.n_context;  // the table of positions keeps its size
    task.n_context = length;
  }
};

std::unique_ptr<Experiment> build_deep(const DeepConfig& config, const Seeds& seeds) {
  auto e = reference_experiment(config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, config.task, config.model, r.batch, r.purpose);
  };
  e->n_layers = static_cast<int>(config.model.n_layers);
  e->n_heads = static_cast<int>(config.model.n_heads);
  e->output = {"prediction", {"task"}, "answer at the query"};
  e->eval = std::make_unique<RegressionProbe>(config.task);
  e->progress = std::make_unique<PointwiseProbe>(config.task);
  return e;
}

}  // namespace

System deep_system() {
  auto config = std::make_shared<DeepConfig>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build = [config](const Seeds& seeds) { return build_deep(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->set_context_length(length); },
          .context_length_key = "task.n_context"};
}

}  // namespace saltus::icl_regression
