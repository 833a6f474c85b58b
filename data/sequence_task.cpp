#include "data/sequence_task.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace saltus {

void SequenceShape::fields(Fields& f) {
  f.field("vocab_size", vocab_size, "different tokens (V)", between(4, 1 << 24));
  f.field("length", length, "tokens of a sequence (T)", between(2, 1 << 24));
}

SequenceTask::SequenceTask(const SequenceShape& shape, const Seeds& seeds)
    : shape_(shape), data_rng_(seeds.data, Stream::data), eval_rng_(seeds.eval, Stream::eval) {}

std::vector<SampleField> SequenceTask::fields() const {
  const auto array = [this](const char* name, DType dtype) {
    return SampleField{name, Shape{shape_.length}, dtype, {"position"}};
  };
  const auto of_questions = [this](const char* name) {
    return SampleField{name, Shape{questions()}, DType::i32, {"question"}};
  };
  return {array("tokens", DType::i32), array("target", DType::i32),   array("weight", DType::f32),
          array("role", DType::i32),   array("distance", DType::i32), array("writes", DType::i32),
          of_questions("asked"),       of_questions("asked_token"),   of_questions("answer")};
}

SequenceTask::Source SequenceTask::train_source(std::int64_t step) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  return {data_rng_, static_cast<std::uint32_t>(step)};
}

SequenceTask::Source SequenceTask::eval_source(int set) const {
  const auto n_sets = static_cast<int>(eval_sets().size());
  check(set >= 0 && set < n_sets, "test set {} is outside 0..{}", set, n_sets - 1);
  return {eval_rng_, static_cast<std::uint32_t>(set), set};
}

void SequenceTask::sample_train(std::int64_t step, int first, const Batch& batch) const {
  sample(train_source(step), first, batch);
  list_questions(batch);
}

void SequenceTask::sample_eval(int set, int first, const Batch& batch) const {
  sample(eval_source(set), first, batch);
  list_questions(batch);
}

void SequenceTask::list_questions(const Batch& batch) const {
  const std::int64_t length = shape_.length, expected = questions();
  std::int32_t *asked = batch.i32(asked_field), *token = batch.i32(asked_token_field),
               *answer = batch.i32(answer_field);
  for (std::int64_t i = 0; i < batch.size(); ++i) {
    std::int64_t found = 0;
    for (std::int64_t t = i * length; t < (i + 1) * length; ++t) {
      if (batch.f32(weight_field)[t] == 0) continue;
      check(found < expected, "sequence task: a sample has more than {} questions", expected);
      const std::int64_t to = i * expected + found;
      asked[to] = static_cast<std::int32_t>(t - i * length);
      token[to] = batch.i32(tokens_field)[t];
      answer[to] = batch.i32(target_field)[t];
      ++found;
    }
    check(found == expected, "sequence task: a sample has {} questions instead of {}", found, expected);
  }
}

SequenceRow SequenceTask::cleared_row(const Batch& batch, int i, std::int64_t length) {
  const auto n = static_cast<std::size_t>(length), begin = static_cast<std::size_t>(i) * n;
  const auto cleared = [n, begin](auto* array) {
    std::fill_n(array + begin, n, 0);
    return std::span(array + begin, n);
  };
  return {.tokens = cleared(batch.i32(tokens_field)),
          .target = cleared(batch.i32(target_field)),
          .weight = cleared(batch.f32(weight_field)),
          .role = cleared(batch.i32(role_field)),
          .distance = cleared(batch.i32(distance_field)),
          .writes = cleared(batch.i32(writes_field))};
}

}  // namespace saltus
