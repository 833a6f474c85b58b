#include "experiments/icl_classification/clamps.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

namespace saltus::icl_classification {
namespace {

/// A pattern's name and the queries that it is for.
struct Kind {
  const char* name;
  const char* queries;  // all: or any part of them that the clamp names
};
constexpr std::array<Kind, 11> kinds = {{{"previous_token", "all"},
                                         {"own_item", "labels"},
                                         {"induction", "target"},
                                         {"labels", "target"},
                                         {"items", "target"},
                                         {"uniform", "all"},
                                         {"self", "all"},
                                         {"zero", "all"},
                                         {"not_previous", "all"},
                                         {"not_induction", "target"},
                                         {"only_labels", "target"}}};
constexpr std::array<std::string_view, 3> forbidding = {"not_previous", "not_induction", "only_labels"};
const std::vector<std::string> query_words = {"all", "items", "labels", "target"};

std::string kind_names() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds) names.emplace_back(kind.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

template <class Number>
std::optional<Number> number(const std::string& text) {
  Number n{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(n) : std::nullopt;
}

/// Reads "*" or a number below `count` into `place`; returns what is wrong.
std::string read_place(const std::string& text, const char* what, std::int64_t count,
                       std::optional<std::int64_t>& place) {
  if (text == "*") return {};
  place = number<std::int64_t>(text);
  if (place && *place >= 0 && *place < count) return {};
  return fmt::format("there is no {0} '{1}': {0}s are 0 to {2}, or * for each", what, text, count - 1);
}

/// Reads a strength or queries, whichever the word is; returns what is wrong.
std::string read_option(const std::string& word, const Kind& kind, Clamp& clamp) {
  if (const std::optional<double> strength = number<double>(word)) {
    clamp.strength = *strength;
    return *strength > 0 && *strength <= 1 ? "" : fmt::format("strength {} is not in (0, 1]", word);
  }
  if (std::ranges::find(query_words, word) == query_words.end())
    return fmt::format("'{}' is neither a strength in (0, 1] nor queries: {}", word, fmt::join(query_words, ", "));
  clamp.queries = word;
  const bool fits = kind.queries == std::string("all") || kind.queries == word;
  return fits ? "" : fmt::format("{} is for {} queries only", kind.name, kind.queries);
}

bool chosen(const std::string& queries, std::int64_t position, std::int64_t n_pairs) {
  if (queries == "all") return true;
  if (position == 2 * n_pairs) return queries == "target";
  return queries == (position % 2 == 0 ? "items" : "labels");
}

bool forbids(const Clamp& clamp) { return std::ranges::find(forbidding, clamp.pattern) != forbidding.end(); }

/// The clamps of one layer, as its scores [head, batch, query, key] meet them.
struct Site {
  Var scores;
  std::int64_t n_pairs;
  std::int64_t heads = scores.shape()[0], batch = scores.shape()[1], queries = scores.shape()[2],
               keys = scores.shape()[3], first_query = keys - queries;
  Graph& graph = *scores.graph;

  /// [head, query]: `value` where the clamp applies, else 0.
  std::vector<double> at_places(const Clamp& clamp, double value) const {
    std::vector<double> values;
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = first_query; i < keys; ++i)
        values.push_back(clamp.head.value_or(h) == h && chosen(clamp.queries, i, n_pairs) ? value : 0);
    }
    return values;
  }
  /// The same, as [head, 1, query, 1].
  Var where(const Clamp& clamp, double value) const {
    return graph.constant(at_places(clamp, value), {heads, 1, queries, 1});
  }

  /// [1, 1, query, key], with `value(query, key)` for positions that the query sees.
  template <class Value>
  Var fixed(const Value& value) const {
    std::vector<double> values;
    for (std::int64_t i = first_query; i < keys; ++i) {
      for (std::int64_t j = 0; j < keys; ++j) values.push_back(j <= i ? static_cast<double>(value(i, j)) : 0);
    }
    return graph.constant(std::move(values), {1, 1, queries, keys});
  }

  Var previous(bool first_to_itself) const {
    return fixed([=](std::int64_t i, std::int64_t j) { return j == i - 1 || (first_to_itself && i == 0); });
  }

  /// [1, batch, 1, key]: 1 on the items, or on the labels, of the target's class.
  Var matches(bool labels) const {
    const Var ids = graph.input("context_match", {batch, n_pairs}, DType::i32);
    const Var of_pair = slice(one_hot(ids, 2), 2, 1, 2);                    // [batch, pair, 1]
    const Var of_tokens = pad(of_pair, 2, labels ? 1 : 0, labels ? 0 : 1);  // [batch, pair, 2]
    return reshape(pad(reshape(of_tokens, {batch, 2 * n_pairs}), 1, 0, 1), {1, batch, 1, keys});
  }

  /// What a forbidding clamp adds to the scores, broadcast to them: the logarithm of the share that it leaves.
  Var penalty(const Clamp& clamp) const {
    const double log_left = clamp.strength < 1 ? std::log1p(-clamp.strength) : -1e9;  // exp(-1e9) is 0 everywhere
    const Var forbidden = clamp.pattern == "not_previous"  ? previous(false)
                          : clamp.pattern == "only_labels" ? fixed([](auto, auto j) { return j % 2 == 0; })
                                                           : matches(true);  // [1, batch or 1, query or 1, key]
    return where(clamp, log_left) * forbidden;
  }

  /// The pattern that does not depend on the sequence, [1, 1, query, key].
  Var ideal(const std::string& pattern) const {
    if (pattern == "previous_token" || pattern == "own_item") return previous(true);
    if (pattern == "uniform")
      return fixed([](std::int64_t i, std::int64_t) { return 1.0 / static_cast<double>(i + 1); });
    if (pattern == "self") return fixed([](std::int64_t i, std::int64_t j) { return i == j; });
    if (pattern == "labels")
      return fixed(
          [this](std::int64_t, std::int64_t j) { return j % 2 == 1 ? 1.0 / static_cast<double>(n_pairs) : 0; });
    return fixed([](std::int64_t, std::int64_t) { return 0; });
  }

  Var clamped(Var pattern, const Clamp& clamp) const {
    if (clamp.pattern == "induction" || clamp.pattern == "items") {
      const Var right = matches(clamp.pattern == "induction");  // [1, batch, 1, key]
      const Var count = sum(right, -1, true);                   // [1, batch, 1, 1]
      const Var any = gate(graph.constant(1), count);           // [1, batch, 1, 1]
      return mixed(pattern, right / (count + (1.0 - any)), where(clamp, clamp.strength) * any);
    }
    const Var fixed_ideal = ideal(clamp.pattern);
    const std::vector<double> strengths = at_places(clamp, clamp.strength);
    // Where all are 1, nothing is left of the scores, and nobody needs to compute them.
    if (std::ranges::count(strengths, 1) == std::ssize(strengths)) return broadcast_to(fixed_ideal, scores.shape());
    return mixed(pattern, fixed_ideal, where(clamp, clamp.strength));
  }

  static Var mixed(Var trained, Var ideal, Var strength) { return (1.0 - strength) * trained + strength * ideal; }
};

}  // namespace

Clamp parse_clamp(const std::string& text, std::int64_t n_layers, std::int64_t n_heads) {
  std::istringstream words(text);
  std::string place, word;
  Clamp clamp;
  words >> place >> clamp.pattern;
  const std::size_t dot = place.find('.');
  const auto kind = std::ranges::find(kinds, clamp.pattern, &Kind::name);
  if (dot == std::string::npos || clamp.pattern.empty()) {
    clamp.problem = "write layer.head pattern [strength] [queries], as in \"0.0 previous_token 0.5 labels\"";
  } else if (kind == kinds.end()) {
    clamp.problem = fmt::format("there is no pattern '{}': use one of {}", clamp.pattern, kind_names());
  } else {
    clamp.queries = kind->queries;
    clamp.problem = read_place(place.substr(0, dot), "layer", n_layers, clamp.layer);
    if (clamp.problem.empty()) clamp.problem = read_place(place.substr(dot + 1), "head", n_heads, clamp.head);
    while (clamp.problem.empty() && words >> word) clamp.problem = read_option(word, *kind, clamp);
  }
  return clamp;
}

std::function<Var(Var scores)> clamped_pattern(std::span<const Clamp> clamps, std::int64_t layer,
                                               std::int64_t n_pairs) {
  std::vector<Clamp> here;
  for (const Clamp& clamp : clamps) {
    if (clamp.layer.value_or(layer) == layer) here.push_back(clamp);
  }
  if (here.empty()) return {};
  return [here, n_pairs](Var scores) {
    const Site site{scores, n_pairs};
    for (const Clamp& clamp : here) {
      if (forbids(clamp)) scores = scores + site.penalty(clamp);
    }
    Var pattern = causal_softmax(scores);  // [head, batch, query, key]
    for (const Clamp& clamp : here) {
      if (!forbids(clamp)) pattern = site.clamped(pattern, clamp);
    }
    return pattern;
  };
}

}  // namespace saltus::icl_classification
