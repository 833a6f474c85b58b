#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/sequence_task.h"

namespace saltus {

/// The knobs of SelectiveCopy; data/README.md explains the task.
struct SelectiveCopyConfig {
  SequenceShape shape = {.vocab_size = 16, .length = 64};
  std::int64_t n_marked = 8;
  std::string spacing = "random";

  void fields(Fields& f);

  std::int64_t input_length() const { return shape.length - n_marked; }  // positions before the first that asks
};

/// Selective copying (Gu, Dao 2023, arXiv 2312.00752, section 4.1; after Jing et al. 2019): tokens scattered among
/// blanks, to be given back in order at the end, where every input is one and the same marker. With spacing: none the
/// tokens come first and side by side: the copying task, which knowing the positions solves.
///
/// Token 0 is blank, the last token is the marker, those between are copied.
class SelectiveCopy : public SequenceTask {
 public:
  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  SelectiveCopy(const SelectiveCopyConfig& config, const Seeds& seeds);

  /// test: as training.
  std::vector<std::string> eval_sets() const override;
  std::int64_t questions() const override { return config_.n_marked; }
  const SelectiveCopyConfig& config() const { return config_; }

 private:
  void sample(const Source& source, int first, const Batch& batch) const override;

  SelectiveCopyConfig config_;
};

}  // namespace saltus
