#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"

namespace saltus {

/// Size of a token task's sequences: how many different tokens there are and how many a sequence has.
struct SequenceShape {
  std::int64_t vocab_size = 64;
  std::int64_t length = 64;

  void fields(Fields& f);
};

/// What a token is to the task. A query is a position at which an answer is asked, whatever its token.
enum class TokenRole : std::int32_t { filler, key, value, query };

/// Writable views of one sample's arrays, all [position].
struct SequenceRow {
  std::span<std::int32_t> tokens, target;
  std::span<float> weight;
  std::span<std::int32_t> role, distance, writes;

  std::size_t length() const { return tokens.size(); }
  /// Puts `token` at `position`.
  void put(std::size_t position, std::int64_t token, TokenRole token_role) const {
    tokens[position] = static_cast<std::int32_t>(token);
    role[position] = static_cast<std::int32_t>(token_role);
  }
  /// Asks at `position`, whose token is `token`, for `answer`, which was written `since` tokens before, with
  /// `other_writes` after it.
  void ask(std::size_t position, std::int64_t token, std::int64_t answer, std::int64_t since,
           std::int64_t other_writes) const {
    put(position, token, TokenRole::query);
    target[position] = static_cast<std::int32_t>(answer);
    weight[position] = 1;
    distance[position] = static_cast<std::int32_t>(since);
    writes[position] = static_cast<std::int32_t>(other_writes);
  }
};

/// Tasks that are sequences of tokens with questions in them: the common shape, so that one model and one set of
/// measures serve all.
///
/// Arrays of a sample, in the order of fields(). [position = length]:
///   tokens    i32  in 0..vocab_size-1
///   target    i32  what is asked after this token, in 0..vocab_size-1; 0 where nothing is
///   weight    f32  1 where the target counts, else 0; 1 somewhere in every sample
///   role      i32  TokenRole: 0 filler, 1 key, 2 value, 3 query
///   distance  i32  of a query: tokens since its answer was last written; else 0
///   writes    i32  of a query: other writes since then; else 0
/// And the same questions again, one after another as they come in the sequence, [question = questions()]:
///   asked        i32  their positions, in 0..length-1
///   asked_token  i32  their tokens
///   answer       i32  their targets
class SequenceTask : public Task {
 public:
  enum Field {
    tokens_field,
    target_field,
    weight_field,
    role_field,
    distance_field,
    writes_field,
    asked_field,
    asked_token_field,
    answer_field
  };

  SequenceTask(const SequenceShape& shape, const Seeds& seeds);

  const SequenceShape& shape() const { return shape_; }
  /// How many positions have a weight, in every sample.
  virtual std::int64_t questions() const = 0;
  std::vector<SampleField> fields() const final;
  void sample_train(std::int64_t step, int first, const Batch& batch) const final;
  void sample_eval(int set, int first, const Batch& batch) const final;

 protected:
  /// Which samples: those of a training step or of a test set. Every draw is keyed by (rng, sample, step).
  struct Source {
    const Rng& rng;
    std::uint32_t step;
    int set = training;  // index in eval_sets(), or `training`
  };
  static constexpr int training = -1;
  /// Throws when `step` does not fit the random numbers' counter.
  Source train_source(std::int64_t step) const;
  /// Throws when there is no such set.
  Source eval_source(int set) const;

  /// Sample i of a batch whose samples have `length` positions, with every array set to 0.
  static SequenceRow cleared_row(const Batch& batch, int i, std::int64_t length);

 private:
  /// Writes the arrays of positions.
  virtual void sample(const Source& source, int first, const Batch& batch) const = 0;
  void list_questions(const Batch& batch) const;

  SequenceShape shape_;
  Rng data_rng_, eval_rng_;
};

}  // namespace saltus
