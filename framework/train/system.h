#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "core/thread_pool.h"
#include "data/task.h"
#include "nn/params.h"
#include "probes/probe.h"
#include "train/attributes.h"
#include "train/work.h"

namespace saltus {

/// What a recorded model is for: training needs the loss alone, and may drop out units; evaluating and measuring drop none, and measuring
/// needs every tap in full (all queries of every layer).
enum class Purpose { train, evaluate, measure };

/// What to record a model for.
struct Recording {
  std::int64_t batch;  // samples
  Purpose purpose;
  int bucket;  // of the task, which gives the shapes
};

/// One built system, ready to train: what the trainer needs to know of a task and a model, and nothing else.
struct Experiment {
  std::unique_ptr<Task> task;
  ParamStore params;
  /// Records the model for a batch and returns the mean loss. The graph's inputs carry the names of the task's fields.
  std::function<Var(Graph& graph, ParamStore& params, const Recording& recording)> record;
  /// What a training step of the recording's batch asks for at least. Null where it has not been counted.
  std::function<Work(const Recording& recording)> work;
  /// A batch for measuring: the task's last bucket.
  Recording whole(std::int64_t batch, Purpose purpose) const { return {batch, purpose, task->buckets() - 1}; }

  std::unique_ptr<Probe> eval;      // measured on every test set: run.h5's /eval
  std::unique_ptr<Probe> progress;  // measured on progress_set: run.h5's /progress
  std::string progress_set;
  /// Attention that snapshots store: the taps blocks.{l}.attn.pattern [head, batch, query, key] of n_layers layers. 0: none.
  int n_layers = 0, n_heads = 0;

  /// The tap [batch, dims...] that snapshots store beside it.
  struct Output {
    std::string tap = "logits";
    std::vector<std::string> dims = {"class"};
    std::string long_name = "the network's output";
  };
  Output output;

  /// "set measure" pairs of /eval that are shown while a run goes on; the first also draws the sparkline and is watched for jumps.
  struct Headline {
    std::string set, measure;
    /// "ic" where the measure is an accuracy, which goes without saying, else "test loss".
    std::string label() const { return measure == "accuracy" ? set : set + " " + measure; }
  };
  std::vector<Headline> headlines;

  /// Measures the model on `samples` sequences of a length that need not fit into memory, read in stretches. Null where the task or the model
  /// has no such reading.
  struct Streamed {
    double loss, loss_error, accuracy, accuracy_error;  // means over the sequences, with standard errors
  };
  std::function<Streamed(std::int64_t length, std::int64_t samples, ThreadPool& pool)> stream;

  /// Other answers to the same questions, for comparison: a probe of the data alone, without taps. It is measured once on the test sets:
  /// run.h5's /references.
  std::unique_ptr<Probe> references;
  /// What is known without sampling, of them or of the model; stored beside them.
  struct Fact {
    Measure measure;
    std::vector<double> values;
  };
  std::vector<Fact> facts;
  /// What run.h5 should say of the task's data: attributes of the file. Two names mean something everywhere: `data_summary`, a text of a few
  /// lines, is what `train` and `show` tell a person; `data_path`, where the user's own file was read, absolute (System::set_data_path).
  Attributes notes;
  /// Names of the notes without which trained weights mean nothing, such as the hash of what was read: a run is neither asked nor gone on
  /// with where they differ (load_weights.h).
  std::vector<std::string> binding_notes;

  /// What the model says of a text that the user gives. Null where the task is not about texts.
  struct Prediction {
    std::vector<double> probabilities;           // one a class
    std::vector<std::string> words;              // as the model read them
    std::vector<bool> known;                     // [word]: those that are not it reads all alike
    std::int64_t words_in_text = 0;              // of which `words` are the first
    std::vector<std::vector<double>> attention;  // [head][word], each head's sum is 1; no heads where the model does not attend
  };
  std::function<Prediction(const std::string& text)> predict;
  std::vector<std::string> classes;  // of predictions
};

/// A system as configs see it: its sections of the YAML file, and how to build it from them.
struct System {
  std::function<void(Fields&)> task_fields, model_fields;
  std::function<void(Fields&)> rules;  // between task and model keys; listed after both, at top level
  std::function<std::unique_ptr<Experiment>(const Seeds&)> build;
  /// Makes the task's contexts `length` long and leaves the model as it was trained. Null where the task has no such length.
  std::function<void(std::int64_t length)> set_context_length = {};
  std::string context_length_key = {};  // the config key that it sets
  /// Config keys that leave a network with given weights, and what `saltus eval` measures of it, as they are. Null: none is known.
  std::function<std::vector<std::string>()> without_effect_on_trained = {};
  /// Where the config says that the task's data are, and reading them at another path, of which the config says nothing. Null where they
  /// are no file.
  std::function<std::string()> data_path = {};
  std::function<void(const std::string& path)> set_data_path = {};
  std::string data_path_key = {};  // the config key of the first
};

/// The table of systems (experiments/registry.cpp): every `make` gives a System with its own defaults.
struct SystemEntry {
  const char* name;
  const char* doc;
  System (*make)();
};
using SystemTable = std::span<const SystemEntry>;

}  // namespace saltus
