#pragma once
#include <cstdint>

/// What one text's attention looks like. `weights` [row, word], row-major: rows that each sum to 1, `stride` floats
/// apart; the text has `words` words, at the front.
namespace saltus::lama::measures {

struct Rows {
  const float* weights;
  std::int64_t rows, words, stride;
  const float* row(std::int64_t i) const { return weights + i * stride; }
};

/// Entropy of a row over log(words): 1 for uniform weights, 0 for one word alone; 1 for a text of one word.
double relative_entropy(const float* row, std::int64_t words);

/// The largest weight times the number of words: 1 for uniform weights.
double peak(const float* row, std::int64_t words);

/// |A A' - I|_F: 0 where every row attends to one word of its own, sqrt(m (m - 1)) where all m attend to the same one.
double redundancy(const Rows& a);

/// Mean cosine between two different rows; undefined for one.
double similarity(const Rows& a);

}  // namespace saltus::lama::measures
