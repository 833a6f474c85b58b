#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/reader.h"
#include "train/evaluator.h"
#include "train/layout.h"
#include "train/run_reader.h"

namespace saltus {

/// What to measure a trained model on.
struct EvaluationRequest {
  std::vector<std::int64_t> lengths;  // of the contexts; none: as in training
  std::int64_t samples = 20000;       // of each test set
  std::optional<std::int64_t> seed;   // of the examples; none: one more than the run's own, so that they are fresh
  std::optional<std::int64_t> step;   // the snapshot; none: the last
  std::vector<Override> overrides;    // of the run's config
  bool stream = false;                // read the sequences in stretches, at constant memory (Experiment::stream)
  int threads = 0;                    // 0: one a core
};

/// Its answer: one entry a context length, all means over fresh examples with their standard errors.
struct Evaluation {
  std::int64_t step = 0, seed = 0;    // of the snapshot; of the examples
  std::vector<std::int64_t> lengths;  // empty when the request names none: then there is one entry
  std::vector<std::string> sets;
  std::vector<std::int64_t> samples;  // of each set: as many as asked for, or all that there are
  std::vector<Measure> measures,
      reference_measures;  // of the model (its eval probe), and of the system's references, which may be none
  std::vector<SetMeans> model, references;  // [length]
};

/// Measures the model of a run. Throws, as bad input, when its config cannot be read, its system has no context length,
/// or a length does not fit the task.
Evaluation evaluate_run(const RunReader& run, SystemTable systems, const EvaluationRequest& request);

/// As a table of constants: group `eval`, with axes evalset and, when lengths were asked for, length.
Table table_of(const Evaluation& evaluation);

}  // namespace saltus
