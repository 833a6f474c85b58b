#include "data/state_tracking.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/check.h"

namespace saltus {
namespace {

enum Lane : std::uint32_t { lane_tokens };

/// The permutations of n things in lexicographic order.
std::vector<std::vector<int>> permutations(int n) {
  std::vector<int> permutation(static_cast<std::size_t>(n));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::vector<std::vector<int>> all;
  do all.push_back(permutation);
  while (std::next_permutation(permutation.begin(), permutation.end()));
  return all;
}

/// [token, state]: which permutation is token after state.
std::vector<std::int32_t> composition_table(int n) {
  const std::vector<std::vector<int>> all = permutations(n);
  std::map<std::vector<int>, std::int32_t> rank;
  for (std::size_t r = 0; r < all.size(); ++r) rank[all[r]] = static_cast<std::int32_t>(r);
  std::vector<std::int32_t> table;
  std::vector<int> composed(static_cast<std::size_t>(n));
  for (const std::vector<int>& token : all) {
    for (const std::vector<int>& state : all) {
      for (std::size_t i = 0; i < composed.size(); ++i) composed[i] = token[static_cast<std::size_t>(state[i])];
      table.push_back(rank[composed]);
    }
  }
  return table;
}

/// Of how many things the group has the permutations: bits add up as permutations of two do.
int things(const std::string& group) {
  check(group == "parity" || group == "S3" || group == "S5", "group: must be one of parity, S3, S5, got '{}'", group);
  return group == "parity" ? 2 : group == "S3" ? 3 : 5;
}

}  // namespace

void StateTrackingConfig::fields(Fields& f) {
  f.choice("group", group, {"parity", "S3", "S5"},
           "what the tokens are: bits, or permutations of three or five things (2, 6 or 120 tokens)");
  f.field("length", length, "tokens of a sequence (T)", between(2, 1 << 24));
}

std::int64_t StateTrackingConfig::order() const {
  const int n = things(group);
  std::int64_t product = 1;
  for (int k = 2; k <= n; ++k) product *= k;
  return product;
}

StateTracking::StateTracking(const StateTrackingConfig& config, const Seeds& seeds)
    : SequenceTask({.vocab_size = config.order(), .length = config.length}, seeds),
      config_(config),
      product_(composition_table(things(config.group))) {}

std::vector<std::string> StateTracking::eval_sets() const { return {"test"}; }

void StateTracking::sample(const Source& source, int first, const Batch& batch) const {
  const auto order = static_cast<std::uint32_t>(shape().vocab_size);
  for (int i = 0; i < batch.size(); ++i) {
    RngCursor tokens(source.rng, static_cast<std::uint32_t>(first + i), source.step, lane_tokens);
    const SequenceRow row = cleared_row(batch, i, shape().length);
    std::int32_t state = 0;  // the identity
    for (std::size_t t = 0; t < row.length(); ++t) {
      const auto token = static_cast<std::int32_t>(tokens.below(order));
      state = next(state, token);
      row.ask(t, token, state, static_cast<std::int64_t>(t), static_cast<std::int64_t>(t));
    }
  }
}

}  // namespace saltus
