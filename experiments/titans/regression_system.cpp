#include <limits>

#include "experiments/titans/drift_references.h"
#include "experiments/titans/memory_probes.h"
#include "experiments/titans/probes.h"
#include "experiments/titans/regression_model.h"
#include "experiments/titans/regression_probes.h"
#include "experiments/titans/system.h"

namespace saltus::titans {
namespace {

struct Config {
  DriftingRegressionConfig task;
  ModelConfig model;
};

std::unique_ptr<Probe> progress_probe(const Config& c) {
  std::vector<std::unique_ptr<Probe>> parts;
  parts.push_back(std::make_unique<DriftPointwiseProbe>(c.task));
  if (DriftGateProbe::has_gates(c.model)) parts.push_back(std::make_unique<DriftGateProbe>(c.task, c.model));
  if (c.model.has_gate())
    parts.push_back(std::make_unique<BranchProbe>(SequenceShape{.length = 2 * c.task.n_pairs}, c.model));
  return std::make_unique<ProbeList>(std::move(parts));
}

/// What is known of the references without sampling, [evalset, predictor]; nan for those that are no constant rules.
std::vector<Experiment::Fact> facts(const Config& c, const DriftingRegression& task,
                                    const DriftReferences& references) {
  const std::vector<Dim> dims = {{.name = "evalset", .labels = task.eval_sets()},
                                 {.name = "predictor", .labels = DriftReferences::labels()}};
  std::vector<Experiment::Fact> all = {
      {{"exact_risk", "expected squared error over E y^2, mean over pairs; nan where there is no formula", dims}, {}},
      {{"rate", "the best constant rate beta, of which a linear memory's theta is half; nan where there is none", dims},
       {}},
      {{"decay", "the best constant decay alpha; nan where there is none", dims}, {}}};
  const std::vector<double> drifts = task.eval_drifts();
  for (std::size_t set = 0; set < drifts.size(); ++set) {
    for (const std::string& label : DriftReferences::labels()) {
      double values[] = {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN(),
                         std::numeric_limits<double>::quiet_NaN()};
      if (DriftReferences::is_rule(label)) {
        const ConstantRule& rule = references.rule(set, label);
        values[0] = expected_error(c.task, drifts[set], rule);
        values[1] = rule.beta;
        values[2] = rule.alpha;
      }
      for (std::size_t i = 0; i < all.size(); ++i) all[i].values.push_back(values[i]);
    }
  }
  return all;
}

std::unique_ptr<Experiment> build(const Config& c, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  auto task = std::make_unique<DriftingRegression>(c.task, seeds);
  auto references = std::make_unique<DriftReferences>(c.task, task->eval_drifts());
  e->facts = facts(c, *task, *references);
  e->facts.push_back(state_fact(c.model, 2 * c.task.n_pairs));
  e->task = std::move(task);
  e->references = std::move(references);
  e->record = [c](Graph& graph, ParamStore& params, const Recording& r) {
    return record_regression(graph, params, c.model, c.task, r.batch, r.purpose);
  };
  e->n_layers = c.model.has_patterns() ? static_cast<int>(c.model.n_layers) : 0;
  e->n_heads = static_cast<int>(c.model.mixer.n_heads);
  e->output = {"predictions", {"pair", "output"}, "answer to each x"};
  e->eval = std::make_unique<DriftErrorProbe>(c.task);
  e->progress = progress_probe(c);
  e->progress_set = "test";
  e->headlines = {{"test", "loss"}};
  return e;
}

}  // namespace

System regression_system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules =
              [config](Fields& f) {
                f.require(!config->model.needs_roles(), "model.mixer.intervention",
                          "intervention oracle_gates closes the gates of filler, and titans_regression has none: use "
                          "none, zero, freeze or swap");
              },
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->task.n_pairs = length; },
          .context_length_key = "task.n_pairs"};
}

}  // namespace saltus::titans
