#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/sequence_task.h"

namespace saltus {

/// The knobs of Needle; data/README.md explains the task.
struct NeedleConfig {
  SequenceShape shape = {.vocab_size = 256, .length = 128};
  std::int64_t n_pairs = 1;
  std::string filler = "random";
  std::int64_t sentence_length = 8;

  void fields(Fields& f);

  std::int64_t n_filler() const { return shape.length - 2 * n_pairs - 1; }
  std::int64_t first_value() const { return shape.vocab_size / 4; }   // keys are 1..first_value()-1
  std::int64_t first_filler() const { return shape.vocab_size / 2; }  // values lie before, filler tokens from here on
};

/// Needles in a haystack (RULER, Hsieh et al. 2024, arXiv 2404.06654: S-NIAH and MK-NIAH): one to four key-value pairs
/// somewhere in filler, and in the last position one of the keys, asking for its value. The filler is one short
/// sentence again and again (few key directions) or random tokens (many).
///
/// Every position can be made by itself, so a sequence of any length can be streamed at constant memory.
class Needle : public SequenceTask {
 public:
  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  Needle(const NeedleConfig& config, const Seeds& seeds);

  /// test: as training. far: the pairs lie in the first quarter; left out when they do not fit there.
  std::vector<std::string> eval_sets() const override;
  std::int64_t questions() const override { return 1; }
  /// Positions [from, from + count) of samples [first, first + batch.size()): the same bytes as those positions of the
  /// whole, in a batch whose arrays have `count` positions a sample. A stretch may hold no query: its weights are then
  /// all 0. Throws when the stretch leaves the sequence. Thread-safe; memory does not grow with the length.
  void stretch_of_train(std::int64_t step, int first, std::int64_t from, std::int64_t count, const Batch& batch) const;
  void stretch_of_eval(int set, int first, std::int64_t from, std::int64_t count, const Batch& batch) const;

  const NeedleConfig& config() const { return config_; }
  /// The sentence that filler: repeated consists of, [sentence_length]; empty with random filler.
  std::span<const std::int32_t> sentence() const { return sentence_; }

 private:
  static constexpr int far_set = 1;

  /// The few choices that one sample is made of, [pair] in the order of their positions.
  struct Layout {
    explicit Layout(std::size_t n_pairs) : place(n_pairs), key(n_pairs), value(n_pairs) {}
    std::vector<std::int64_t> place;  // of the key; the value comes right after
    std::vector<std::int64_t> key, value;
    std::size_t asked = 0;
  };

  void sample(const Source& source, int first, const Batch& batch) const override;
  void stretch(const Source& source, int first, std::int64_t from, std::int64_t count, const Batch& batch) const;
  void draw_layout(const Source& source, std::uint32_t number, Layout& out) const;
  void write_filler(const Source& source, std::uint32_t number, const Layout& layout, std::int64_t from,
                    const SequenceRow& row) const;

  NeedleConfig config_;
  std::vector<std::int32_t> sentence_;
};

}  // namespace saltus
