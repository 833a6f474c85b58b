#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/sequence_draws.h"
#include "data/sequence_task.h"

namespace saltus {

/// The knobs of Recall; data/README.md explains the task.
struct RecallConfig {
  SequenceShape shape = {.vocab_size = 512, .length = 64};
  std::int64_t n_pairs = 4;
  std::int64_t n_updates = 0;
  std::int64_t query_repeats = 1;
  double gap_power = 0.01;
  std::string filler = "blank";

  void fields(Fields& f);

  std::int64_t n_writes() const { return n_pairs + n_updates; }                 // pairs in the block
  std::int64_t block_length() const { return 2 * n_writes(); }                  // tokens before the first slot
  std::int64_t n_queries() const { return n_pairs * query_repeats; }            // a sequence
  std::int64_t n_slots() const { return (shape.length - block_length()) / 2; }  // places for a query
};

/// Multi-query associative recall (Arora et al. 2023, arXiv 2312.04927: MQAR): a block of key-value pairs, then the
/// keys again, each asking for its value, among filler. Some keys may be written a second time with another value,
/// which is then the answer.
///
/// Token 0 is blank; keys are 1..V/2-1, values V/2..V-1. Query slots are every second position after the block.
class Recall : public SequenceTask {
 public:
  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  Recall(const RecallConfig& config, const Seeds& seeds);

  /// test: as training. far: queries in the sequence's last quarter only, uniformly; left out when they do not fit.
  std::vector<std::string> eval_sets() const override;
  std::int64_t questions() const override { return config_.n_queries(); }
  const RecallConfig& config() const { return config_; }

 private:
  struct Scratch;

  void sample(const Source& source, int first, const Batch& batch) const override;
  void write_block(RngCursor& cursor, Scratch& s, const SequenceRow& row) const;
  void write_queries(RngCursor& cursor, bool far, Scratch& s, const SequenceRow& row) const;
  void write_noise(RngCursor& cursor, Scratch& s, const SequenceRow& row) const;

  RecallConfig config_;
  WeightedUrn slots_, far_slots_;  // numbered from the first slot after the block
};

}  // namespace saltus
