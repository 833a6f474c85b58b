#include "data/markov_chains.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "data/transition_matrices.h"
#include "kernels/random.h"

namespace saltus {
namespace {

enum Lane : std::uint32_t { lane_chain, lane_tokens };

constexpr std::int64_t most_contexts = 256;
/// To draw a misleading chain. Of 3 states about one in 30 is taken, at concentration 0.1 one in 1,500; of more, more.
constexpr int most_attempts = 100000;

/// out[i] = (p[0] + ... + p[i]) 2^32: a random word w stands for the number of entries that are <= w. The last, which
/// is 2^32 and no word, is left out.
void write_thresholds(std::span<const double> p, std::uint32_t* out) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < p.size(); ++i) {
    sum += p[i];
    out[i] = static_cast<std::uint32_t>(std::min(sum * 0x1p32, 0x1p32 - 1));
  }
}

std::uint32_t pick(const std::uint32_t* thresholds, std::size_t n, std::uint32_t word) {
  std::uint32_t below = 0;
  for (std::size_t i = 0; i + 1 < n; ++i) below += thresholds[i] <= word;
  return below;
}

std::size_t index_of_largest(std::span<const double> p) {
  return static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

}  // namespace

void MarkovChainsConfig::fields(Fields& f) {
  f.field("states", states, "states of a chain, which are the tokens (k)", between(2, 64));
  f.field("order", order, "states that the next one depends on: 1 (bigrams) or 2 (trigrams)", between(1, 2));
  f.field("length", length, "states of a sequence after which the next is asked (T)", between(2, 1 << 16));
  f.field("concentration", concentration, "of the Dirichlet distribution of each row; 1 is uniform (alpha)",
          between(0.01, 1000));
  f.choice(
      "rows", rows, {"dirichlet", "doubly_stochastic"},
      "dirichlet: independent rows; doubly_stochastic: columns add up to 1 too, so all states are equally frequent");
  f.choice("start", start, {"stationary", "uniform"}, "law of the first states");
  f.field("shifted_concentration", shifted_concentration,
          "concentration of the test set `shifted`; null: there is none", between(0.01, 1000));
  f.require(contexts() <= most_contexts, "states",
            fmt::format("{} states of order 2 make {} contexts: at most {} are allowed, so 16 states", states,
                        contexts(), most_contexts));
  f.require(rows == "dirichlet" || order == 1, "rows",
            "doubly_stochastic makes a square matrix, a chain of order 1: set order 1, or rows dirichlet");
}

MarkovChains::MarkovChains(const MarkovChainsConfig& config, const Seeds& seeds)
    : config_(config),
      data_rng_(seeds.data, Stream::data),
      eval_rng_(seeds.eval, Stream::eval),
      prior_(config.concentration),
      shifted_(config.shifted_concentration.value_or(config.concentration)) {}

std::vector<SampleField> MarkovChains::fields() const {
  return {{"tokens", Shape{config_.length}, DType::i32, {"position"}},
          {"target", Shape{config_.length}, DType::i32, {"position"}},
          {"transition", Shape{config_.contexts(), config_.states}, DType::f32, {"context", "state"}}};
}

std::vector<std::string> MarkovChains::eval_sets() const {
  std::vector<std::string> sets = {"iid"};
  if (config_.shifted_concentration) sets.emplace_back("shifted");
  if (config_.unigram_can_mislead()) sets.emplace_back("unigram_misleads");
  return sets;
}

void MarkovChains::sample_train(std::int64_t step, int first, const Batch& batch) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  sample(data_rng_, static_cast<std::uint32_t>(step), Prior::train, first, batch);
}

void MarkovChains::sample_eval(int set, int first, const Batch& batch) const {
  const std::string name = eval_sets().at(static_cast<std::size_t>(set));
  const Prior prior = name == "iid" ? Prior::train : name == "shifted" ? Prior::shifted : Prior::misleading;
  sample(eval_rng_, static_cast<std::uint32_t>(set), prior, first, batch);
}

/// What one call needs, made once.
struct MarkovChains::Scratch {
  std::vector<double> chain;              // [context, state]
  std::vector<double> square;             // [context, context], for the stationary distribution
  std::vector<double> first;              // [context]: law of the first `order` states
  std::vector<double> columns;            // [state]: sums of a square chain's
  std::vector<std::uint32_t> thresholds;  // [context, state], a row's last entry unused
  std::vector<std::uint32_t> first_thresholds, words;

  explicit Scratch(const MarkovChainsConfig& c) {
    const auto contexts = static_cast<std::size_t>(c.contexts()), k = static_cast<std::size_t>(c.states);
    chain.resize(contexts * k);
    square.resize(contexts * contexts);
    first.assign(contexts, 1 / static_cast<double>(contexts));
    columns.resize(k);
    thresholds.resize(contexts * k);
    first_thresholds.resize(contexts);
    words.resize((static_cast<std::size_t>(c.length) + 1 + 31) / 32 * 32);  // whole vectors of fill_words
  }
};

/// The stationary law of the chain's contexts.
void MarkovChains::find_stationary(Scratch& s) const {
  const auto k = static_cast<std::size_t>(config_.states), contexts = s.first.size();
  if (contexts == k) {
    std::copy(s.chain.begin(), s.chain.end(), s.square.begin());
  } else {
    std::fill(s.square.begin(), s.square.end(), 0.0);
    for (std::size_t c = 0; c < contexts; ++c) {
      for (std::size_t next = 0; next < k; ++next) s.square[c * contexts + c % k * k + next] = s.chain[c * k + next];
    }
  }
  stationary_distribution(s.square, s.first);
}

/// Rows of the prior in which one state, drawn at random, has the second largest probability everywhere, until that is
/// the most frequent state.
void MarkovChains::draw_misleading_chain(RngCursor& cursor, Scratch& s) const {
  const auto k = static_cast<std::size_t>(config_.states);
  const std::size_t frequent = cursor.below(static_cast<std::uint32_t>(k));
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    for (std::size_t i = 0; i < k; ++i) {
      const std::span row(s.chain.data() + i * k, k);
      prior_.draw(cursor, row);
      const std::size_t largest = index_of_largest(row);
      std::size_t second = largest == 0 ? 1 : 0;
      for (std::size_t j = 0; j < k; ++j) {
        if (j != largest && row[j] > row[second]) second = j;
      }
      std::swap(row[frequent], row[second]);
    }
    find_stationary(s);
    if (index_of_largest(s.first) == frequent) return;
  }
  check(false, "no chain of {} states and concentration {} was found in which the unigram misleads", k,
        config_.concentration);
}

/// The chain and, unless it is uniform, the law of its first states.
void MarkovChains::draw_chain(RngCursor& cursor, Prior prior, Scratch& s) const {
  const auto k = static_cast<std::size_t>(config_.states);
  if (prior == Prior::misleading) {
    draw_misleading_chain(cursor, s);
    if (config_.start == "uniform") std::fill(s.first.begin(), s.first.end(), 1 / static_cast<double>(k));
    return;
  }
  const Dirichlet& rows = prior == Prior::shifted ? shifted_ : prior_;
  for (std::size_t c = 0; c < s.first.size(); ++c) rows.draw(cursor, {s.chain.data() + c * k, k});
  if (config_.rows == "doubly_stochastic") {
    make_doubly_stochastic(s.chain, s.columns);  // whose stationary law is uniform
  } else if (config_.start == "stationary") {
    find_stationary(s);
  }
}

void MarkovChains::write_sequence(Scratch& s, std::int32_t* tokens, std::int32_t* target) const {
  const auto k = static_cast<std::size_t>(config_.states), T = static_cast<std::size_t>(config_.length);
  const std::size_t contexts = s.first.size();
  for (std::size_t c = 0; c < contexts; ++c) write_thresholds({s.chain.data() + c * k, k}, s.thresholds.data() + c * k);
  write_thresholds(s.first, s.first_thresholds.data());
  const std::uint32_t* word = s.words.data();
  std::size_t context = pick(s.first_thresholds.data(), contexts, *word++);
  std::size_t t = 0;
  if (config_.order == 2) {
    tokens[0] = static_cast<std::int32_t>(context / k);
    target[0] = static_cast<std::int32_t>(context % k);
    t = 1;
  }
  std::size_t state = context % k;
  for (; t < T; ++t) {
    tokens[t] = static_cast<std::int32_t>(state);
    const std::size_t next = pick(s.thresholds.data() + context * k, k, *word++);
    target[t] = static_cast<std::int32_t>(next);
    context = config_.order == 1 ? next : state * k + next;
    state = next;
  }
}

void MarkovChains::sample(const Rng& rng, std::uint32_t step, Prior prior, int first, const Batch& batch) const {
  Scratch s(config_);
  std::int32_t *tokens = batch.i32(tokens_field), *target = batch.i32(target_field);
  float* transition = batch.f32(transition_field);
  for (int i = 0; i < batch.size(); ++i, tokens += config_.length, target += config_.length) {
    const auto number = static_cast<std::uint32_t>(first + i);
    RngCursor cursor(rng, number, step, lane_chain);
    draw_chain(cursor, prior, s);
    for (const double p : s.chain) *transition++ = static_cast<float>(p);
    fill_words(rng, {.sample = number, .step = step, .lane = lane_tokens}, s.words);
    write_sequence(s, tokens, target);
  }
}

}  // namespace saltus
