#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/task.h"
#include "train/config.h"
#include "train/evaluator.h"
#include "train/layout.h"
#include "train/run_file.h"

namespace saltus {

/// Puts a measure's axes into the table; returns their names behind `first`.
std::vector<std::string> add_dims(Table& table, const Measure& measure, std::vector<std::string> first = {});

/// The tables of run.h5 that every system has; docs/run_file.md describes them for readers.
Table train_table();
Table eval_table(const Experiment& experiment);
Table progress_table(const Experiment& experiment);

/// One row a jump of the system's first headline measure.
Table events_table(const Experiment& experiment);

/// One parameter, or one parameter of every layer, as /weights shows it: blocks.{l}.attn.W_Q of equal shapes become W_Q [layer, ...],
/// everything else keeps its dotted name.
struct StoredWeight {
  std::string name;
  std::vector<std::string> params;  // one, or one a layer
};
std::vector<StoredWeight> stored_weights(const ParamStore& params);
Table weights_table(const ParamStore& params);
/// The row of weights_table: copies of the parameters, in its order.
std::vector<std::vector<float>> weights_row(const ParamStore& params);

/// Queries and keys of the attention patterns, the same in every layer.
struct PatternSize {
  std::int64_t queries, keys;
};

/// Attention patterns, where the experiment has any, and the model's output [probe, ...] on a fixed batch, which is stored with them.
Table attention_table(const Experiment& experiment, const Batch& probes, const PatternSize& size, const Shape& output);
/// patterns[layer] is [head, probe, query, key]; the result is [probe, layer, head, query, key].
std::vector<float> attention_row(const Experiment& experiment, std::span<const float* const> patterns, std::int64_t probes, const PatternSize& size);

/// The experiment's references and facts, measured on the first `samples` samples of every test set; constants alone.
Table references_table(const Experiment& experiment, std::int64_t samples, ThreadPool& pool);

}  // namespace saltus
