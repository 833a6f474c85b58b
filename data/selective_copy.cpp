#include "data/selective_copy.h"

#include "core/check.h"

namespace saltus {
namespace {

/// The independent draws of one sample.
enum Lane : std::uint32_t { lane_tokens, lane_places };

/// Calls require(ok, key, message) for the rule between the keys.
template <class Require>
void check_rules(const SelectiveCopyConfig& c, const Require& require) {
  require(2 * c.n_marked <= c.shape.length, "n_marked",
          fmt::format("n_marked {} tokens are shown and asked for: length {} is too short, use at least {}", c.n_marked,
                      c.shape.length, 2 * c.n_marked));
}

}  // namespace

void SelectiveCopyConfig::fields(Fields& f) {
  shape.fields(f);
  f.field("n_marked", n_marked, "tokens to copy", between(1, 1 << 23));
  f.choice("spacing", spacing, {"random", "none"},
           "random: the tokens lie anywhere among the blanks; none: at the beginning, side by side");
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

SelectiveCopy::SelectiveCopy(const SelectiveCopyConfig& config, const Seeds& seeds)
    : SequenceTask(config.shape, seeds), config_(config) {
  check_rules(config, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
}

std::vector<std::string> SelectiveCopy::eval_sets() const { return {"test"}; }

void SelectiveCopy::sample(const Source& source, int first, const Batch& batch) const {
  const std::int64_t blank = 0, marker = config_.shape.vocab_size - 1;
  const std::int64_t inputs = config_.input_length(), n_marked = config_.n_marked;
  const bool scattered = config_.spacing == "random";
  for (int i = 0; i < batch.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    RngCursor tokens(source.rng, number, source.step, lane_tokens),
        places(source.rng, number, source.step, lane_places);
    const SequenceRow row = cleared_row(batch, i, config_.shape.length);
    std::int64_t marked = 0;
    for (std::int64_t position = 0; position < inputs; ++position) {
      // A uniform subset, position by position: each is taken with the share of those still needed among those left.
      const auto left = static_cast<std::uint32_t>(inputs - position);
      const bool take = scattered ? places.below(left) < n_marked - marked : marked < n_marked;
      if (!take) {
        row.put(static_cast<std::size_t>(position), blank, TokenRole::filler);
        continue;
      }
      const std::int64_t token = 1 + tokens.below(static_cast<std::uint32_t>(marker - 1));
      row.put(static_cast<std::size_t>(position), token, TokenRole::value);
      const std::int64_t query = inputs + marked;
      ++marked;
      row.ask(static_cast<std::size_t>(query), marker, token, query - position, n_marked - marked);
    }
  }
}

}  // namespace saltus
