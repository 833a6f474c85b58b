#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "data/sequence_task.h"
#include "probes/probe.h"

namespace saltus::titans {

/// The measures of these probes are means over samples of what one sequence gives; where that is a mean over its
/// questions, it is the mean over all questions too, since a task asks the same number in every sequence.

/// From the tap logits [batch, position, token], at the positions that count, by their weights:
///   loss      -log softmax(logits)[target], what is trained
///   accuracy  share where the target has the largest logit
class AnswerProbe : public Probe {
 public:
  explicit AnswerProbe(const SequenceShape& shape) : shape_(shape) {}
  std::vector<std::string> taps() const override { return {"logits"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
};

/// How far back an answer can lie, from the tap logits. Bins 0, 1, 2, 3..4, 5..8, ... are named by their upper ends:
///   questions_by_distance, correct_by_distance [distance]  questions in a sequence whose answer was written so
///                                                          many tokens before, and those answered right: their
///                                                          ratio is the accuracy
///   questions_by_writes, correct_by_writes     [writes]    with so many other writes in between
class RetrievalProbe : public Probe {
 public:
  explicit RetrievalProbe(const SequenceShape& shape) : shape_(shape) {}
  std::vector<std::string> taps() const override { return {"logits"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
};

/// Attention of a question to the token that holds its answer, `distance` before it, from the taps
/// blocks.{l}.attn.pattern [head, batch, query, key], whose last keys are the sequence's:
///   attention_to_answer [layer, head]
class AnswerAttentionProbe : public Probe {
 public:
  AnswerAttentionProbe(const SequenceShape& shape, std::int64_t n_layers, std::int64_t n_heads)
      : shape_(shape), n_layers_(n_layers), n_heads_(n_heads) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  std::int64_t n_layers_, n_heads_;
};

/// One probe's measures after another's.
class ProbeList : public Probe {
 public:
  explicit ProbeList(std::vector<std::unique_ptr<Probe>> probes) : probes_(std::move(probes)) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  std::vector<std::unique_ptr<Probe>> probes_;
};

}  // namespace saltus::titans
