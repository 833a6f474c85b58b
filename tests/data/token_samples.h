#pragma once
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "config/reader.h"
#include "data/sequence_task.h"

namespace saltus {

/// Samples of a token task with the ways that the tests look at them.
struct TokenSamples {
  /// For a task that asks `questions` times a sample; for a part of a sequence there are none to list.
  TokenSamples(int n, std::int64_t positions, std::int64_t n_questions = 0)
      : size(n),
        questions(static_cast<int>(n_questions)),
        length(static_cast<int>(positions)),
        tokens(count(), -7),
        target(count(), -7),
        weight(count(), NAN),
        role(count(), -7),
        distance(count(), -7),
        writes(count(), -7),
        asked_at(static_cast<std::size_t>(size * questions), -7),
        asked_token(asked_at),
        answers(asked_at) {}

  Batch batch() {
    return {size,
            {tokens.data(), target.data(), weight.data(), role.data(), distance.data(), writes.data(), asked_at.data(),
             asked_token.data(), answers.data()}};
  }
  std::size_t at(int sample, int position) const { return static_cast<std::size_t>(sample * length + position); }
  int token(int sample, int position) const { return tokens[at(sample, position)]; }
  int answer(int sample, int position) const { return target[at(sample, position)]; }
  bool asked(int sample, int position) const { return weight[at(sample, position)] != 0; }
  TokenRole role_of(int sample, int position) const { return static_cast<TokenRole>(role[at(sample, position)]); }
  std::vector<std::int32_t> tokens_of(int sample) const {
    return {tokens.begin() + sample * length, tokens.begin() + (sample + 1) * length};
  }
  std::vector<int> queries_of(int sample) const {
    std::vector<int> out;
    for (int t = 0; t < length; ++t) {
      if (asked(sample, t)) out.push_back(t);
    }
    return out;
  }

  /// Positions [from, from + other.length) of the samples from `first` on are those of `other`, byte by byte.
  bool holds(const TokenSamples& other, int first, int from = 0) const {
    for (int i = 0; i < other.size; ++i) {
      const auto same = [&](const auto& whole, const auto& part) {
        return std::equal(part.begin() + i * other.length, part.begin() + (i + 1) * other.length,
                          whole.begin() + (first + i) * length + from);
      };
      if (!same(tokens, other.tokens) || !same(target, other.target) || !same(weight, other.weight) ||
          !same(role, other.role) || !same(distance, other.distance) || !same(writes, other.writes)) {
        return false;
      }
    }
    return true;
  }

  int size, questions, length;
  std::vector<std::int32_t> tokens, target;
  std::vector<float> weight;
  std::vector<std::int32_t> role, distance, writes;
  std::vector<std::int32_t> asked_at, asked_token, answers;  // [question]

 private:
  std::size_t count() const { return static_cast<std::size_t>(size * length); }
};

inline TokenSamples train_tokens(const SequenceTask& task, int n, std::int64_t step = 0, int first = 0) {
  TokenSamples s(n, task.shape().length, task.questions());
  task.sample_train(step, first, s.batch());
  return s;
}

inline TokenSamples eval_tokens(const SequenceTask& task, const std::string& set, int n, int first = 0) {
  const std::vector<std::string> sets = task.eval_sets();
  TokenSamples s(n, task.shape().length, task.questions());
  task.sample_eval(static_cast<int>(std::find(sets.begin(), sets.end(), set) - sets.begin()), first, s.batch());
  return s;
}

/// What the arrays of every token task must satisfy together.
inline void check_arrays(const TokenSamples& s, std::int64_t vocab_size) {
  for (int i = 0; i < s.size; ++i) {
    REQUIRE(!s.queries_of(i).empty());
    for (int t = 0; t < s.length; ++t) {
      const std::size_t at = s.at(i, t);
      REQUIRE((s.tokens[at] >= 0 && s.tokens[at] < vocab_size));
      REQUIRE((s.target[at] >= 0 && s.target[at] < vocab_size));
      REQUIRE((s.weight[at] == 0 || s.weight[at] == 1));
      REQUIRE((s.role[at] >= 0 && s.role[at] <= 3));
      REQUIRE((s.role_of(i, t) == TokenRole::query) == s.asked(i, t));
      REQUIRE((s.distance[at] >= 0 && s.distance[at] <= t && s.writes[at] >= 0));
      if (!s.asked(i, t)) REQUIRE((s.target[at] == 0 && s.distance[at] == 0 && s.writes[at] == 0));
    }
    const std::vector<int> queries = s.queries_of(i);
    REQUIRE(queries.size() == static_cast<std::size_t>(s.questions));
    for (int q = 0; q < s.questions; ++q) {
      const auto at = static_cast<std::size_t>(i * s.questions + q);
      const int position = queries[static_cast<std::size_t>(q)];
      REQUIRE(s.asked_at[at] == position);
      REQUIRE(s.asked_token[at] == s.token(i, position));
      REQUIRE(s.answers[at] == s.answer(i, position));
    }
  }
}

/// What every token task must satisfy as a task: its fields, and that samples are a pure function of (step, sample).
inline void check_sequence_task(const SequenceTask& task) {
  const std::vector<SampleField> fields = task.fields();
  const std::vector<std::string> names = {"tokens", "target", "weight",      "role",  "distance",
                                          "writes", "asked",  "asked_token", "answer"};
  REQUIRE(fields.size() == names.size());
  for (std::size_t k = 0; k < names.size(); ++k) {
    CHECK(fields[k].name == names[k]);
    const bool of_questions = k >= SequenceTask::asked_field;
    CHECK(fields[k].shape == Shape{of_questions ? task.questions() : task.shape().length});
    CHECK(fields[k].dtype == (names[k] == "weight" ? DType::f32 : DType::i32));
    CHECK(fields[k].dims == std::vector<std::string>{of_questions ? "question" : "position"});
  }

  const TokenSamples whole = train_tokens(task, 48, 77);
  check_arrays(whole, task.shape().vocab_size);
  for (int first : {0, 1, 31}) CHECK(whole.holds(train_tokens(task, 17, 77, first), first));
  CHECK(whole.holds(train_tokens(task, 1, 77, 47), 47));
  for (const std::string& set : task.eval_sets()) {
    const TokenSamples of_set = eval_tokens(task, set, 48);
    check_arrays(of_set, task.shape().vocab_size);
    CHECK(of_set.holds(eval_tokens(task, set, 16, 20), 20));
    CHECK(of_set.tokens != whole.tokens);
  }

  std::set<std::vector<std::int32_t>> different;
  for (std::int64_t step : {std::int64_t{77}, std::int64_t{78}, std::int64_t{4294967295}}) {
    const TokenSamples s = train_tokens(task, 48, step);
    for (int i = 0; i < s.size; ++i) different.insert(s.tokens_of(i));
  }
  CHECK(different.size() == 3 * 48);
  TokenSamples none(1, task.shape().length, task.questions());
  CHECK_THROWS_WITH(task.sample_train(4294967296, 0, none.batch()),
                    "step 4294967296 is outside 0..2^32-1, which the random numbers are keyed by");
  const auto n_sets = task.eval_sets().size();
  CHECK_THROWS_WITH(task.sample_eval(static_cast<int>(n_sets), 0, none.batch()),
                    "test set " + std::to_string(n_sets) + " is outside 0.." + std::to_string(n_sets - 1));
}

/// The first line of the message that refuses a task's default config with these changes, or "" if they are accepted.
template <class Config>
std::string refusal(const std::string& yaml) {
  try {
    Config config;
    read_config_text("task.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
  return "";
}

struct Refused {
  std::string yaml, message;
};

/// How far the chi-square of counts against equal shares lies above its mean, in standard deviations of the normal law
/// that its cube root has nearly (Wilson and Hilferty 1931), also with few counts.
inline double uniform_excess(const std::vector<int>& counts) {
  double n = 0, sum = 0;
  for (int c : counts) n += c;
  const double expected = n / static_cast<double>(counts.size()), dof = static_cast<double>(counts.size()) - 1;
  for (int c : counts) sum += (c - expected) * (c - expected) / expected;
  return (std::cbrt(sum / dof) - (1 - 2 / (9 * dof))) / std::sqrt(2 / (9 * dof));
}

/// |observed - expected| in standard deviations of a binomial fraction of n.
inline double fraction_deviations(double observed, double expected, double n) {
  return std::abs(observed - expected) / std::sqrt(expected * (1 - expected) / n);
}

}  // namespace saltus
