#pragma once
#include <cstddef>
#include <vector>

namespace saltus::kernels {

/// In what order the words of a ragged batch are computed: step by step, each step's words in one block of rows.
/// Sequences stand in it longest first, so that those that still have words at a step are the first ones, and the rows
/// of the step before are theirs too. Backwards in time a sequence starts at its own last word.
class GruSchedule {
 public:
  /// mask [batch, steps] holds ones, then zeros. Reuses the memory of earlier calls.
  void set(const float* mask, std::size_t batch, std::size_t steps, bool reverse);

  std::size_t steps() const { return active_.size(); }  // of the longest sequence
  std::size_t active(std::size_t step) const { return active_[step]; }
  std::size_t length(std::size_t b) const { return length_[b]; }

  /// Where word `rank` of a step stands in the batch.
  struct Word {
    std::size_t b, t;
  };
  Word word(std::size_t step, std::size_t rank) const {
    const std::size_t b = sequence_[rank];
    return {b, reverse_ ? length_[b] - 1 - step : step};
  }

  /// Steps [first, last) whose words are multiplied with the input weights at once.
  struct Chunk {
    std::size_t first, last, rows;
  };
  const std::vector<Chunk>& chunks() const { return chunks_; }
  std::size_t most_rows() const { return most_rows_; }  // of a chunk

  /// f(row, step, word) for every word of a chunk.
  template <class F>
  void for_each_word(const Chunk& chunk, F f) const {
    std::size_t row = 0;
    for (std::size_t step = chunk.first; step < chunk.last; ++step) {
      for (std::size_t rank = 0; rank < active_[step]; ++rank) f(row++, step, word(step, rank));
    }
  }

 private:
  bool reverse_ = false;
  std::vector<std::size_t> length_;    // by place in the batch
  std::vector<std::size_t> sequence_;  // place in the batch, by rank
  std::vector<std::size_t> active_;    // sequences with more words than `step`
  std::vector<std::size_t> next_rank_;
  std::vector<Chunk> chunks_;
  std::size_t most_rows_ = 0;
};

}  // namespace saltus::kernels
