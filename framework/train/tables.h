#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/task.h"
#include "train/config.h"
#include "train/layout.h"
#include "train/run_file.h"

namespace saltus {

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

/// Attention patterns and logits on a fixed batch, which is stored with them. `logits` is the number of classes.
Table attention_table(const Experiment& experiment, const Batch& probes, std::int64_t n_tokens, std::int64_t n_classes);
/// patterns[layer] is [head, probe, query, key]; the result is [probe, layer, head, query, key].
std::vector<float> attention_row(const Experiment& experiment, std::span<const float* const> patterns, std::int64_t probes,
                                 std::int64_t n_tokens);

}  // namespace saltus
