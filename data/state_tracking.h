#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/sequence_task.h"

namespace saltus {

/// The knobs of StateTracking; data/README.md explains the task.
struct StateTrackingConfig {
  std::string group = "parity";
  std::int64_t length = 64;

  void fields(Fields& f);

  /// Elements of the group, which are the vocabulary: 2, 6 or 120.
  std::int64_t order() const;
};

/// The word problem of a group (Merrill, Petty, Sabharwal 2024, arXiv 2404.08819): every token is an element, and what
/// is asked after each is the product of all so far. parity: bits and their sum mod 2. S3, S5: permutations of 3 or 5
/// things; token r is the r-th in lexicographic order, 0 the identity, and token g takes state s to g after s.
///
/// Every position is a query; as its answer depends on all tokens, distance and writes count those since the first.
class StateTracking : public SequenceTask {
 public:
  /// That each key is in its range was checked where it was read.
  StateTracking(const StateTrackingConfig& config, const Seeds& seeds);

  /// test: as training.
  std::vector<std::string> eval_sets() const override;
  std::int64_t questions() const override { return shape().length; }
  const StateTrackingConfig& config() const { return config_; }
  /// The state after `token` in `state`.
  std::int32_t next(std::int32_t state, std::int32_t token) const {
    return product_[static_cast<std::size_t>(token * shape().vocab_size + state)];
  }

 private:
  void sample(const Source& source, int first, const Batch& batch) const override;

  StateTrackingConfig config_;
  std::vector<std::int32_t> product_;  // [token, state]
};

}  // namespace saltus
