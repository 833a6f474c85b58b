#include "experiments/icl_regression/system.h"

#include "experiments/icl_regression/errors.h"
#include "experiments/icl_regression/model.h"
#include "experiments/icl_regression/multi_task_measures.h"
#include "experiments/icl_regression/reference_experiment.h"
#include "experiments/icl_regression/theory/preconditioner.h"
#include "experiments/icl_regression/work.h"

namespace saltus::icl_regression {
namespace {

/// How the model's attention answers to small scores.
Linearisation linearisation_of(const LinearRegressionConfig& task, const ModelConfig& model) {
  if (model.attention == "sigmoid") return {.slope = 0.5};  // 1 / (1 + e^-s) = (1 + s/2 + ...) / 2
  if (model.attention != "linear") return {};
  return {
      .slope = static_cast<double>(task.n_context) / static_cast<double>(model.linear_length.value_or(task.n_context)),
      .centred = false};
}

/// Omega*_n [task, input, input]: each task's best preconditioner in the coordinates that it reads, 0 elsewhere.
std::vector<double> preconditioners(const LinearRegressionConfig& task, const Linearisation& linearisation) {
  const auto d = static_cast<std::size_t>(task.input_dim);
  std::vector<double> all(static_cast<std::size_t>(task.n_tasks()) * d * d);
  for (int n = 0; n < task.n_tasks(); ++n) {
    const std::vector<int> support = task.support(n);
    const Eigen::MatrixXd best =
        optimal_preconditioner(gaussian_task(task, n), linearisation.centred ? Centring::debiased : Centring::none);
    for (std::size_t i = 0; i < support.size(); ++i) {
      for (std::size_t j = 0; j < support.size(); ++j) {
        all[(static_cast<std::size_t>(n) * d + static_cast<std::size_t>(support[i])) * d +
            static_cast<std::size_t>(support[j])] = best(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j));
      }
    }
  }
  return all;
}

struct Config {
  LinearRegressionConfig task;
  ModelConfig model;

  void set_context_length(std::int64_t length) {
    if (model.attention == "linear" && !model.linear_length)
      model.linear_length = task.n_context;  // what the weights were trained with
    task.n_context = length;
  }
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = reference_experiment(config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, config.task, config.model, r.batch, r.purpose);
  };
  e->work = [config](const Recording& r) { return work(config.task, config.model, r.batch); };
  e->n_layers = 1;
  e->n_heads = static_cast<int>(config.model.n_heads);
  e->output = {"prediction", {"task"}, "answer at the query"};
  e->eval = std::make_unique<RegressionProbe>(config.task);
  const Linearisation linearisation = linearisation_of(config.task, config.model);
  const std::vector<double> best = preconditioners(config.task, linearisation);
  if (config.task.n_tasks() == 1)
    e->progress = std::make_unique<CircuitProbe>(config.task, e->n_heads, linearisation, best);
  if (config.task.n_tasks() > 1)
    e->progress = std::make_unique<MultiTaskProbe>(config.task, e->n_heads, linearisation, best);
  return e;
}

}  // namespace

System system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->set_context_length(length); },
          .context_length_key = "task.n_context"};
}

}  // namespace saltus::icl_regression
