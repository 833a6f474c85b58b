#pragma once
#include <memory>
#include <vector>

#include "data/text/naive_bayes.h"
#include "experiments/lama/model.h"
#include "probes/probe.h"

namespace saltus::lama {

/// How the model does on short and long texts and where it looks, means over texts:
///   texts_by_length, correct_by_length [words]  texts of so many words (bins up to 8, 16, 32, ... by their upper
///   ends),
///                                               and those whose class has the largest logit: their ratio is the
///                                               accuracy
///   embedding_norm                              length of a pooled vector, mean over those of a text
/// and where there is attention, with a transformer's as means over the words that ask,
///   attention_entropy [head]  entropy over log(words);  attention_peak [head]  largest weight times words
///   head_redundancy           |A A' - I|_F over heads;   head_similarity       mean cosine between two heads' weights,
///                                                                              left out with one head
/// and of `structured`
///   penalty                   what its penalty adds to the loss that is trained, and not to a test set's loss
class ReadingProbe : public Probe {
 public:
  ReadingProbe(const ModelConfig& model, std::int64_t max_length);
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override { return measures_; }
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  std::span<double> of_measure(const char* name, std::span<double> sums) const;
  void add_attention(const TapValue& pattern, std::int64_t text, std::int64_t words, std::span<double> sums) const;

  std::int64_t heads_, length_;  // length of the arrays
  double penalty_;               // its weight in the loss
  std::vector<double> bins_;     // upper ends
  std::vector<Measure> measures_;
};

/// The floor under a neural model: what Naive Bayes (data/text/naive_bayes.h) on the same training part gets right.
class NaiveBayesProbe : public Probe {
 public:
  explicit NaiveBayesProbe(const TextClassification& task)
      : model_(naive_bayes(task)), length_(task.config().max_length) {}
  std::vector<std::string> taps() const override { return {}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  NaiveBayes model_;
  std::int64_t length_;  // of the arrays
};

}  // namespace saltus::lama
