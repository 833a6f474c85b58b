#include "experiments/icl_regression/reference_experiment.h"

#include <algorithm>
#include <cmath>

#include "experiments/icl_regression/theory/references.h"

namespace saltus::icl_regression {

std::unique_ptr<Experiment> reference_experiment(const LinearRegressionConfig& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  auto task = std::make_unique<LinearRegression>(config, seeds);
  auto references = std::make_unique<ReferenceRisks>(config, task->pool());
  std::vector<double> exact = config.pool_size > 0 ? references->exact_pool_risk() : references->exact_risk();
  if (config.pool_size > 0) {
    const std::vector<double> fresh = references->exact_risk();
    exact.insert(exact.end(), fresh.begin(), fresh.end());
  }
  if (config.drift > 0)
    std::fill(exact.begin(), exact.end(), std::nan(""));  // the closed forms know coefficients that stay
  e->facts.push_back(
      {{"exact_risk",
        "expected risk from the closed forms of experiments/icl_regression/theory; nan where there is none",
        {{.name = "evalset", .labels = task->eval_sets()}, {.name = "predictor", .labels = references->labels()}}},
       exact});
  e->progress_set = "test";
  e->headlines = {{"test", "loss"}};
  e->references = std::move(references);
  e->task = std::move(task);
  return e;
}

}  // namespace saltus::icl_regression
