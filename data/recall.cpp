#include "data/recall.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace saltus {
namespace {

/// The independent draws of one sample. The block has one of its own, so that samples of another length or filler have
/// the same pairs.
enum Lane : std::uint32_t { lane_block, lane_queries, lane_noise };

std::int64_t n_keys(const RecallConfig& c) { return c.shape.vocab_size / 2 - 1; }
std::int64_t first_value(const RecallConfig& c) { return c.shape.vocab_size / 2; }
std::int64_t n_values(const RecallConfig& c) { return c.shape.vocab_size - first_value(c); }

/// The first slot that lies in the sequence's last quarter.
std::int64_t first_far_slot(const RecallConfig& c) {
  const std::int64_t quarter = c.shape.length - c.shape.length / 4;
  return std::max<std::int64_t>(0, (quarter - c.block_length() + 1) / 2);
}

bool far_fits(const RecallConfig& c) { return c.n_queries() <= c.n_slots() - first_far_slot(c); }

/// Calls require(ok, key, message) for every rule between the keys.
template <class Require>
void check_rules(const RecallConfig& c, const Require& require) {
  require(c.n_pairs <= n_keys(c), "n_pairs",
          fmt::format("n_pairs {} needs as many keys, and vocab_size {} has {}: use at most {}, or a vocab_size of at "
                      "least {}",
                      c.n_pairs, c.shape.vocab_size, n_keys(c), n_keys(c), 2 * (c.n_pairs + 1)));
  require(c.n_updates <= c.n_pairs, "n_updates",
          fmt::format("n_updates {} is more than n_pairs {}: a key is written a second time at most once", c.n_updates,
                      c.n_pairs));
  require(c.n_writes() <= n_values(c), "n_updates",
          fmt::format("n_pairs {} and n_updates {} need {} values, all different, and vocab_size {} has {}", c.n_pairs,
                      c.n_updates, c.n_writes(), c.shape.vocab_size, n_values(c)));
  require(c.n_queries() <= c.n_slots(), "length",
          fmt::format("length {} is too short for {} pairs and {} queries, two tokens each: use at least {}",
                      c.shape.length, c.n_writes(), c.n_queries(), c.block_length() + 2 * c.n_queries()));
}

/// Weights of a query's slots: (i + 1)^(a - 1).
WeightedUrn power_law_slots(const RecallConfig& c) {
  std::vector<double> weights(static_cast<std::size_t>(c.n_slots()));
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = std::pow(static_cast<double>(i + 1), c.gap_power - 1);
  }
  return WeightedUrn(weights);
}

WeightedUrn last_slots(const RecallConfig& c) {
  std::vector<double> weights(static_cast<std::size_t>(c.n_slots()), 1.0);
  std::fill_n(weights.begin(), first_far_slot(c), 0.0);
  return WeightedUrn(weights);
}

const RecallConfig& checked(const RecallConfig& c) {
  check_rules(c, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  return c;
}

}  // namespace

void RecallConfig::fields(Fields& f) {
  shape.fields(f);
  f.field("n_pairs", n_pairs, "key-value pairs, all of different keys", between(1, 1 << 20));
  f.field("n_updates", n_updates, "keys that are written again, with another value, which is then the answer",
          between(0, 1 << 20));
  f.field("query_repeats", query_repeats, "how often each key is asked for", between(1, 1 << 10));
  f.field("gap_power", gap_power, "a query's slot i = 1, 2, ... has probability ~ i^(a-1); 1 is uniform (a)",
          between(0, 1));
  f.choice("filler", filler, {"blank", "random"},
           "between and after the queries: token 0, or random tokens that are no keys of the sequence");
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

/// What sample() works in, made once a call.
struct Recall::Scratch {
  explicit Scratch(const RecallConfig& c)
      : key_urn(n_keys(c)),
        value_urn(n_values(c)),
        pair_urn(c.n_pairs),
        query_urn(c.n_queries()),
        key(static_cast<std::size_t>(c.n_pairs)),
        value(static_cast<std::size_t>(c.n_writes())),
        updated(static_cast<std::size_t>(c.n_updates)),
        last_write(static_cast<std::size_t>(c.n_pairs)),
        order(static_cast<std::size_t>(c.n_queries())),
        keys_below(static_cast<std::size_t>(c.n_pairs)) {}

  Urn key_urn, value_urn, pair_urn, query_urn;
  std::vector<std::int32_t> key;         // [pair]
  std::vector<std::int32_t> value;       // [write]
  std::vector<std::int32_t> updated;     // [update]: which pair
  std::vector<std::size_t> last_write;   // [pair]
  std::vector<std::int32_t> order;       // [query]: pair + n_pairs * repeat
  std::vector<std::int32_t> keys_below;  // [i]: tokens below the i-th smallest key that are no keys
  WeightedUrn::Left slots;
};

Recall::Recall(const RecallConfig& config, const Seeds& seeds)
    : SequenceTask(checked(config).shape, seeds),
      config_(config),
      slots_(power_law_slots(config)),
      far_slots_(far_fits(config) ? last_slots(config) : slots_) {}

std::vector<std::string> Recall::eval_sets() const {
  return far_fits(config_) ? std::vector<std::string>{"test", "far"} : std::vector<std::string>{"test"};
}

/// Writes the pairs and then the updates, and says in s.last_write where each key's answer is.
void Recall::write_block(RngCursor& cursor, Scratch& s, const SequenceRow& row) const {
  s.key_urn.draw(cursor, s.key);
  for (std::int32_t& key : s.key) ++key;  // 0 is blank
  s.value_urn.draw(cursor, s.value);
  s.pair_urn.draw(cursor, s.updated);
  for (std::size_t write = 0; write < s.value.size(); ++write) {
    const std::size_t pair = write < s.key.size() ? write : static_cast<std::size_t>(s.updated[write - s.key.size()]);
    s.last_write[pair] = write;
    s.value[write] += static_cast<std::int32_t>(first_value(config_));
    row.put(2 * write, s.key[pair], TokenRole::key);
    row.put(2 * write + 1, s.value[write], TokenRole::value);
  }
}

/// The queries in random order, each in a slot of its own out of those that the ones before it have left.
void Recall::write_queries(RngCursor& cursor, bool far, Scratch& s, const SequenceRow& row) const {
  const WeightedUrn& urn = far ? far_slots_ : slots_;
  urn.fill(s.slots);
  s.query_urn.draw(cursor, s.order);
  const std::size_t block = 2 * s.value.size();
  for (std::int32_t query : s.order) {
    const std::size_t pair = static_cast<std::size_t>(query) % s.key.size(), write = s.last_write[pair];
    const std::size_t position = block + 2 * static_cast<std::size_t>(urn.draw(cursor, s.slots));
    row.ask(position, s.key[pair], s.value[write], static_cast<std::int64_t>(position - (2 * write + 1)),
            static_cast<std::int64_t>(s.value.size() - 1 - write));
  }
}

/// Uniform over the tokens that are no keys of the sequence; right after a query over those of them that are no values
/// either, since a key and a value side by side read as a pair.
void Recall::write_noise(RngCursor& cursor, Scratch& s, const SequenceRow& row) const {
  const auto n_pairs = static_cast<std::uint32_t>(s.key.size());
  s.keys_below = s.key;
  std::sort(s.keys_below.begin(), s.keys_below.end());
  for (std::size_t i = 0; i < s.keys_below.size(); ++i) s.keys_below[i] -= static_cast<std::int32_t>(i);
  for (std::size_t position = 2 * s.value.size(); position < row.length(); ++position) {
    if (row.weight[position] != 0) continue;
    const bool after_query = row.weight[position - 1] != 0;
    const auto tokens = static_cast<std::uint32_t>(after_query ? first_value(config_) : config_.shape.vocab_size);
    const auto rank = static_cast<std::int32_t>(cursor.below(tokens - n_pairs));
    const auto skipped = std::upper_bound(s.keys_below.begin(), s.keys_below.end(), rank) - s.keys_below.begin();
    row.put(position, rank + skipped, TokenRole::filler);
  }
}

void Recall::sample(const Source& source, int first, const Batch& batch) const {
  Scratch s(config_);
  const bool far = source.set == 1;
  for (int i = 0; i < batch.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    const SequenceRow row = cleared_row(batch, i, config_.shape.length);
    const auto cursor = [&](Lane lane) { return RngCursor(source.rng, number, source.step, lane); };
    RngCursor block = cursor(lane_block), queries = cursor(lane_queries), noise = cursor(lane_noise);
    write_block(block, s, row);
    write_queries(queries, far, s, row);
    if (config_.filler == "random") write_noise(noise, s, row);
  }
}

}  // namespace saltus
