#include "experiments/markov_chains/system.h"

#include "experiments/markov_chains/model.h"
#include "experiments/markov_chains/probes.h"

namespace saltus::markov_chains {
namespace {

struct Config {
  MarkovChainsConfig task;
  ModelConfig model;
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  e->task = std::make_unique<MarkovChains>(config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, config.task, config.model, r.batch);
  };
  e->output = {"logits", {"position", "state"}, "scores of the next state after each"};
  e->eval = std::make_unique<PredictionProbe>(config.task);
  e->references = std::make_unique<ReferenceProbe>(config.task);
  if (config.model.is_minimal()) {
    e->progress = std::make_unique<MinimalProbe>(config.task);
  } else {
    e->progress = std::make_unique<AttentionProbe>(config.task, config.model);
    e->n_layers = static_cast<int>(config.model.n_layers);
    e->n_heads = static_cast<int>(config.model.n_heads);
  }
  e->progress_set = "iid";
  // Unigrams do not help where they mislead: the loss there makes one jump, to bigrams. The loss of training makes two.
  if (config.task.unigram_can_mislead()) e->headlines.push_back({"unigram_misleads", "loss"});
  e->headlines.push_back({"iid", "loss"});
  return e;
}

}  // namespace

System system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build = [config](const Seeds& seeds) { return build(*config, seeds); }};
}

}  // namespace saltus::markov_chains
