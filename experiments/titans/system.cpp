#include "experiments/titans/system.h"

#include "data/needle.h"
#include "data/recall.h"
#include "data/selective_copy.h"
#include "data/state_tracking.h"
#include "experiments/titans/memory_probes.h"
#include "experiments/titans/meta_gradient.h"
#include "experiments/titans/model.h"
#include "experiments/titans/needle_stream.h"
#include "experiments/titans/probes.h"
#include "experiments/titans/stream.h"
#include "experiments/titans/work.h"

namespace saltus::titans {
namespace {

/// What can be measured inside this model.
std::unique_ptr<Probe> progress_probe(const SequenceShape& shape, const ModelConfig& model) {
  std::vector<std::unique_ptr<Probe>> parts;
  parts.push_back(std::make_unique<RetrievalProbe>(shape));
  if (model.has_patterns())
    parts.push_back(std::make_unique<AnswerAttentionProbe>(shape, model.n_layers, model.mixer.n_heads));
  if (model.has_keys()) parts.push_back(std::make_unique<KeyProbe>(shape, model));
  if (model.has_memory()) parts.push_back(std::make_unique<MemoryProbe>(shape, model));
  if (model.has_memory()) parts.push_back(std::make_unique<MetaGradientProbe>(shape.length, model));
  if (model.has_gate()) parts.push_back(std::make_unique<BranchProbe>(shape, model));
  return std::make_unique<ProbeList>(std::move(parts));
}

/// Nothing to read in stretches, but for needles.
template <class TaskConfig>
void add_stream(Experiment&, const TaskConfig&, const ModelConfig&, const Seeds&) {}

void add_stream(Experiment& e, const NeedleConfig& task, const ModelConfig& model, const Seeds& seeds) {
  if (model.architecture == "mixer" && model.mixer.kind == "attention") return;  // its state grows with the sequence
  e.stream = [&params = e.params, task, model, seeds](std::int64_t length, std::int64_t samples, ThreadPool& pool) {
    const NeedleRecall r =
        stream_needles(params, model, task, seeds,
                       {.lengths = {length}, .samples = samples, .stretch = stretch_for(model)}, pool)
            .front();
    return Experiment::Streamed{r.loss, r.loss_error, r.accuracy, r.accuracy_error};
  };
}

std::unique_ptr<Experiment> experiment(std::unique_ptr<SequenceTask> task, const ModelConfig& model) {
  auto e = std::make_unique<Experiment>();
  const SequenceShape shape = task->shape();
  const std::int64_t questions = task->questions();
  if (has_counted_work(model)) {
    e->work = [&sampled = *task, model](const Recording& r) { return work(model, reading_of(sampled), r.batch); };
  }
  e->task = std::move(task);
  e->record = [model, shape, questions](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, model, shape.vocab_size, shape.length, r.batch, r.purpose, questions);
  };
  e->n_layers = model.has_patterns() ? static_cast<int>(model.n_layers) : 0;
  e->n_heads = static_cast<int>(model.mixer.n_heads);
  e->output = {"logits", {"position", "token"}, "scores of the answers after each token"};
  e->eval = std::make_unique<AnswerProbe>(shape);
  e->progress = progress_probe(shape, model);
  e->progress_set = "test";
  e->headlines = {{"test", "accuracy"}, {"test", "loss"}};
  e->facts.push_back(state_fact(model, shape.length));
  return e;
}

template <class TaskConfig, class Task>
System system_of() {
  struct Config {
    TaskConfig task;
    ModelConfig model;
  };
  auto config = std::make_shared<Config>();
  const auto set_length = [config](std::int64_t length) {
    if constexpr (requires(TaskConfig t) { t.shape; }) {
      config->task.shape.length = length;
    } else {
      config->task.length = length;
    }
  };
  return {.task_fields = [config](Fields& f) { config->task.fields(f); },
          .model_fields = [config](Fields& f) { config->model.fields(f); },
          .rules = [](Fields&) {},
          .build =
              [config](const Seeds& seeds) {
                auto e = experiment(std::make_unique<Task>(config->task, seeds), config->model);
                add_stream(*e, config->task, config->model, seeds);
                return e;
              },
          .set_context_length = set_length,
          .context_length_key = "task.length"};
}

}  // namespace

System recall_system() { return system_of<RecallConfig, Recall>(); }
System needle_system() { return system_of<NeedleConfig, Needle>(); }
System copy_system() { return system_of<SelectiveCopyConfig, SelectiveCopy>(); }
System tracking_system() { return system_of<StateTrackingConfig, StateTracking>(); }

}  // namespace saltus::titans
