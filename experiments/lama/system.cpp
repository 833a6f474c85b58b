#include "experiments/lama/system.h"

#include <algorithm>

#include "data/text/text_classification.h"
#include "experiments/lama/facts.h"
#include "experiments/lama/model.h"
#include "experiments/lama/predict.h"
#include "experiments/lama/probes.h"
#include "experiments/lama/work.h"
#include "probes/classification.h"

namespace saltus::lama {
namespace {

struct Config {
  TextConfig task;
  ModelConfig model;
};

std::unique_ptr<Experiment> build(const Config& config, const Seeds& seeds) {
  auto e = std::make_unique<Experiment>();
  auto owned = std::make_unique<TextClassification>(config.task, seeds);
  const TextClassification& task = *owned;
  const ModelConfig model = config.model;
  e->task = std::move(owned);
  e->record = [&task, model](Graph& graph, ParamStore& params, const Recording& r) {
    const TextShape shape{task.vocabulary().size(), task.n_classes(), task.length_of_bucket(r.bucket)};
    return record(graph, params, model, shape, r.batch, r.purpose);
  };
  if (has_counted_work(model)) {
    e->work = [&task, model](const Recording& r) {
      return work(model, mean_words(task, r.bucket, r.batch), task.n_classes(), r.batch);
    };
  }
  e->n_layers = model.has_attention() ? 1 : 0;
  e->n_heads = static_cast<int>(model.pattern_heads());
  e->eval = std::make_unique<ClassificationProbe>(TextClassification::label_field);
  e->progress = std::make_unique<ReadingProbe>(model, config.task.max_length);
  e->progress_set = "test";
  e->headlines = {{"validation", "accuracy"}, {"test", "accuracy"}};
  e->references = std::make_unique<NaiveBayesProbe>(task);
  e->facts = facts(task, model);
  e->notes = notes(task);
  e->binding_notes = {"corpus_sha256", "classes", "vocabulary_sha256"};
  e->classes = task.classes();
  e->predict = [&task, &params = e->params, model](const std::string& text) {
    return predict(task, params, model, text);
  };
  return e;
}

}  // namespace

System system() {
  auto config = std::make_shared<Config>();
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build = [config](const Seeds& seeds) { return build(*config, seeds); },
          .set_context_length =
              [config](std::int64_t length) {
                if (config->task.compare_words == 0)
                  config->task.compare_words = config->task.max_length;  // the same split
                config->task.max_length = length;
                config->task.bucket = std::min(config->task.bucket, length);  // of training alone
              },
          .context_length_key = "task.max_length",
          .data_path = [config] { return config->task.corpus; },
          .set_data_path = [config](const std::string& path) { config->task.read_at = path; },
          .data_path_key = "task.corpus"};
}

}  // namespace saltus::lama
