#include <fmt/format.h>

#include "experiments/icl_classification/split_model.h"
#include "experiments/icl_classification/system.h"

namespace saltus::icl_classification {
namespace {

/// Binary labels, known classes only, and no more of the position code than the context needs, which nothing here
/// reads.
IclClassificationConfig binary_task() {
  IclClassificationConfig task;
  task.n_labels = 2;
  task.distinct_labels = false;
  task.p_novel = 0;
  task.max_pairs = task.n_pairs;
  return task;
}

struct Config {
  IclClassificationConfig task = binary_task();
  SplitConfig model;

  void rules(Fields& f) const {
    f.require(task.n_labels == 2, "task.n_labels",
              fmt::format("n_labels is {}; the labels of this model are +1 and -1, so it must be 2", task.n_labels));
    f.require(task.label_law == "fixed", "task.label_law",
              fmt::format("label_law is {}; the MLP memorises the labels that classes have for ever: use fixed",
                          task.label_law));
    f.require(task.n_maps == 1, "task.n_maps",
              fmt::format("n_maps is {}; the MLP memorises the labels that classes have for ever: use 1", task.n_maps));
    f.require(task.target_in_context, "task.target_in_context",
              "target_in_context is false; the part in context copies the label of the target's class: use true");
  }

  std::vector<std::string> starts_of_trained() const {
    std::vector<std::string> keys;
    add_start_if_trained(keys, "model.content_match", model.content_match);
    add_start_if_trained(keys, "model.copy", model.copy);
    return keys;
  }
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  e->task = std::make_unique<IclClassification>(config.task, seeds);
  e->record = [config](Graph& graph, ParamStore& params, const Recording& r) {
    return record_split(graph, params, config.task, config.model, r.batch);
  };
  const bool in_context = config.model.in_context();
  e->eval = std::make_unique<SplitProbe>(config.task, in_context);
  std::vector<Measure> scalars;
  if (in_context)
    scalars = {{"content_match", "beta: attention's score of an item, times its product with the target"},
               {"copy_weight", "w: weight of the labels attended to"}};
  e->progress = std::make_unique<ScalarSeries>(std::make_unique<SplitProbe>(config.task, in_context), scalars);
  e->progress_set = "iid";
  e->headlines = {{"ic", "in_context_accuracy"}, {"iw", "in_weights_accuracy"}};
  return e;
}

}  // namespace

System split_system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [config](Fields& f) { config->rules(f); },
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length = [config](std::int64_t length) { config->task.n_pairs = length; },
          .context_length_key = "task.n_pairs",
          .without_effect_on_trained = [config] { return config->starts_of_trained(); }};
}

}  // namespace saltus::icl_classification
