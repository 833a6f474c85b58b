#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"
#include "nn/params.h"
#include "probes/probe.h"

namespace saltus {

/// What a recorded model is for: training needs the loss alone; measuring needs every tap in full (all queries of every layer).
enum class Purpose { train, measure };

/// One built system, ready to train: what the trainer needs to know of a task and a model, and nothing else.
struct Experiment {
  std::unique_ptr<Task> task;
  ParamStore params;
  /// Records the model for `batch` samples and returns the mean loss. The graph's inputs carry the names of the task's fields.
  std::function<Var(Graph& graph, ParamStore& params, std::int64_t batch, Purpose purpose)> record;

  std::unique_ptr<Probe> eval;      // measured on every test set: run.h5's /eval
  std::unique_ptr<Probe> progress;  // measured on progress_set: run.h5's /progress
  std::string progress_set;
  int n_layers = 0, n_heads = 0;  // of the taps blocks.{l}.attn.pattern, [head, batch, query, key]

  /// "set measure" pairs for the progress line; the first also draws the sparkline.
  struct Headline {
    std::string set, measure;
  };
  std::vector<Headline> headlines;
};

/// A system as configs see it: its sections of the YAML file, and how to build it from them.
struct System {
  std::function<void(Fields&)> task_fields, model_fields;
  std::function<void(Fields&)> rules;  // between task and model keys; listed after both, at top level
  std::function<std::unique_ptr<Experiment>(const Seeds&)> build;
};

/// The table of systems (experiments/registry.cpp): every `make` gives a System with its own defaults.
struct SystemEntry {
  const char* name;
  const char* doc;
  System (*make)();
};
using SystemTable = std::span<const SystemEntry>;

}  // namespace saltus
