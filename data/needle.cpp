#include "data/needle.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "data/sequence_draws.h"

namespace saltus {
namespace {

/// The independent draws of one sample, and of the task. Pairs have one of their own, so that samples of another length
/// have the same.
enum Lane : std::uint32_t { lane_pairs, lane_places, lane_filler, lane_sentence };

std::int64_t n_keys(const NeedleConfig& c) { return c.first_value() - 1; }
std::int64_t n_values(const NeedleConfig& c) { return c.first_filler() - c.first_value(); }
std::int64_t n_filler_tokens(const NeedleConfig& c) { return c.shape.vocab_size - c.first_filler(); }

bool far_fits(const NeedleConfig& c) { return 2 * c.n_pairs <= c.shape.length / 4; }

/// Calls require(ok, key, message) for every rule between the keys.
template <class Require>
void check_rules(const NeedleConfig& c, const Require& require) {
  require(c.n_pairs <= std::min(n_keys(c), n_values(c)), "n_pairs",
          fmt::format("n_pairs {} needs as many keys, and vocab_size {} has {}, a quarter without the blank: use a "
                      "vocab_size of at least {}",
                      c.n_pairs, c.shape.vocab_size, n_keys(c), 4 * (c.n_pairs + 1)));
  require(c.n_filler() >= 0, "length",
          fmt::format("length {} is too short for n_pairs {} of two tokens each and the query: use at least {}",
                      c.shape.length, c.n_pairs, 2 * c.n_pairs + 1));
  require(c.filler != "repeated" || c.sentence_length <= n_filler_tokens(c), "sentence_length",
          fmt::format("a sentence of {} different tokens needs as many filler tokens, and vocab_size {} has {}",
                      c.sentence_length, c.shape.vocab_size, n_filler_tokens(c)));
}

/// Fills `out` with different numbers out of 0..n-1, uniformly over their orders. By trial: for a handful.
void draw_different(RngCursor& cursor, std::int64_t n, std::vector<std::int64_t>& out) {
  for (auto next = out.begin(); next != out.end();) {
    *next = cursor.below(static_cast<std::uint32_t>(n));
    if (std::find(out.begin(), next, *next) == next) ++next;
  }
}

}  // namespace

void NeedleConfig::fields(Fields& f) {
  shape.fields(f);
  f.field("n_pairs", n_pairs, "key-value pairs in the filler; one of them is asked for", between(1, 4));
  f.choice("filler", filler, {"random", "repeated"},
           "random: tokens drawn from half of the vocabulary; repeated: one sentence of them again and again");
  f.field("sentence_length", sentence_length, "tokens of the repeated sentence, all different", between(1, 1 << 20));
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

Needle::Needle(const NeedleConfig& config, const Seeds& seeds) : SequenceTask(config.shape, seeds), config_(config) {
  check_rules(config, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  if (config.filler != "repeated") return;
  const Rng task_rng(seeds.task, Stream::task);
  RngCursor cursor(task_rng, 0, 0, lane_sentence);
  sentence_.resize(static_cast<std::size_t>(config.sentence_length));
  Urn(n_filler_tokens(config)).draw(cursor, sentence_);
  for (std::int32_t& token : sentence_) token += static_cast<std::int32_t>(config.first_filler());
}

std::vector<std::string> Needle::eval_sets() const {
  return far_fits(config_) ? std::vector<std::string>{"test", "far"} : std::vector<std::string>{"test"};
}

void Needle::sample(const Source& source, int first, const Batch& batch) const {
  stretch(source, first, 0, config_.shape.length, batch);
}

void Needle::stretch_of_train(std::int64_t step, int first, std::int64_t from, std::int64_t count,
                              const Batch& batch) const {
  stretch(train_source(step), first, from, count, batch);
}

void Needle::stretch_of_eval(int set, int first, std::int64_t from, std::int64_t count, const Batch& batch) const {
  stretch(eval_source(set), first, from, count, batch);
}

/// A pair is one of n_filler + n_pairs things in a row, at any of these places; in the far set the row is cut off at
/// the end of the first quarter.
void Needle::draw_layout(const Source& source, std::uint32_t number, Layout& out) const {
  RngCursor pairs(source.rng, number, source.step, lane_pairs), places(source.rng, number, source.step, lane_places);
  const std::int64_t tokens = source.set == far_set ? config_.shape.length / 4 : config_.shape.length - 1;
  draw_different(places, tokens - config_.n_pairs, out.place);
  std::sort(out.place.begin(), out.place.end());
  draw_different(pairs, n_keys(config_), out.key);
  draw_different(pairs, n_values(config_), out.value);
  for (std::size_t i = 0; i < out.place.size(); ++i) {
    out.place[i] += static_cast<std::int64_t>(i);  // the pairs before take two tokens each
    out.key[i] += 1;                               // 0 is blank
    out.value[i] += config_.first_value();
  }
  out.asked = pairs.below(static_cast<std::uint32_t>(config_.n_pairs));
}

/// Filler at every position; pairs are written over it. A random token is that of its position in the whole sequence, a
/// sentence goes on behind a pair where it was.
void Needle::write_filler(const Source& source, std::uint32_t number, const Layout& layout, std::int64_t from,
                          const SequenceRow& row) const {
  const auto n_tokens = static_cast<std::uint64_t>(n_filler_tokens(config_));
  Rng::Block block{};
  std::size_t pairs_before = 0;
  for (std::size_t i = 0; i < row.length(); ++i) {
    const std::int64_t position = from + static_cast<std::int64_t>(i);
    if (sentence_.empty()) {
      if (i == 0 || position % 4 == 0) {
        block = source.rng.block(static_cast<std::uint32_t>(position / 4), number, source.step, lane_filler);
      }
      // No rejection, so that every position has its own word: a token's probability is off by less than V 2^-32 of it.
      const std::uint64_t token = block.word[position % 4] * n_tokens >> 32;
      row.put(i, config_.first_filler() + static_cast<std::int64_t>(token), TokenRole::filler);
    } else {
      while (pairs_before < layout.place.size() && layout.place[pairs_before] < position) ++pairs_before;
      const auto at =
          static_cast<std::size_t>(std::max<std::int64_t>(0, position - 2 * static_cast<std::int64_t>(pairs_before)));
      row.put(i, sentence_[at % sentence_.size()], TokenRole::filler);
    }
  }
}

void Needle::stretch(const Source& source, int first, std::int64_t from, std::int64_t count, const Batch& batch) const {
  const std::int64_t last = config_.shape.length - 1;
  check(from >= 0 && count >= 1 && from <= last && count <= last + 1 - from,
        "positions {}..{} are not a stretch of the sequence's 0..{}", from, from + count - 1, last);
  Layout layout(static_cast<std::size_t>(config_.n_pairs));
  const auto index = [from](std::int64_t position) { return static_cast<std::size_t>(position - from); };
  const auto inside = [from, count](std::int64_t position) { return position >= from && position < from + count; };
  for (int i = 0; i < batch.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    const SequenceRow row = cleared_row(batch, i, count);
    draw_layout(source, number, layout);
    write_filler(source, number, layout, from, row);
    for (std::size_t p = 0; p < layout.place.size(); ++p) {
      const std::int64_t place = layout.place[p];
      if (inside(place)) row.put(index(place), layout.key[p], TokenRole::key);
      if (inside(place + 1)) row.put(index(place + 1), layout.value[p], TokenRole::value);
    }
    if (!inside(last)) continue;
    row.ask(index(last), layout.key[layout.asked], layout.value[layout.asked], last - (layout.place[layout.asked] + 1),
            static_cast<std::int64_t>(layout.place.size() - 1 - layout.asked));
  }
}

}  // namespace saltus
