#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "data/text/text_classification.h"

namespace saltus {

/// Naive Bayes over which words a text has, however often: the floor that a neural model of texts is held against.
/// With n_cw documents of class c that have the word w, N_c = sum_w n_cw and V known words,
///     P(c, text) ~ n_c / n  prod_{different known words w of the text} (n_cw + 1) / (N_c + V),
/// the multinomial model (McCallum and Nigam 1998) with counts cut to 0 and 1 (Metsis et al. 2006) and add-one
/// smoothing. It reads what a neural model reads: words with a number in the vocabulary. Unknown words count for
/// nothing.
class NaiveBayes {
 public:
  /// `vocabulary_size` as Vocabulary::size().
  NaiveBayes(int n_classes, std::int32_t vocabulary_size);

  void add(std::span<const std::int32_t> ids, int label);
  /// log P(c, text), [class], up to the one constant that the formula leaves out. -inf for a class without documents.
  std::vector<double> log_joint(std::span<const std::int32_t> ids) const;
  /// The likeliest class, the first if there are several.
  int predict(std::span<const std::int32_t> ids) const;

 private:
  std::vector<std::int32_t> different_words(std::span<const std::int32_t> ids) const;

  std::int32_t vocabulary_size_;
  std::vector<double> documents_;  // [class]: n_c
  std::vector<double> total_;      // [class]: N_c
  std::vector<double> with_word_;  // [class, id]: n_cw
};

/// Of the task's training part.
NaiveBayes naive_bayes(const TextClassification& task);

/// Fraction of right answers among these documents.
double accuracy(const NaiveBayes& model, const TextClassification& task, std::span<const int> documents);

}  // namespace saltus
