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

/// What the words behind a pattern have said so far.
struct Options {
  std::optional<double> strength;
  std::optional<std::string> queries;
};

/// Reads a strength or queries, whichever the word is; returns what is wrong.
std::string read_option(const std::string& word, const Kind& kind, Options& options) {
  if (const std::optional<double> strength = number<double>(word)) {
    if (options.strength) return fmt::format("it has two strengths, {} and {}: give one", *options.strength, word);
    options.strength = strength;
    return *strength > 0 && *strength <= 1 ? "" : fmt::format("strength {} is not in (0, 1]", word);
  }
  if (std::ranges::find(query_words, word) == query_words.end())
    return fmt::format("'{}' is neither a strength in (0, 1] nor queries: {}", word, fmt::join(query_words, ", "));
  if (options.queries)
    return fmt::format("it names queries twice, {} and {}: give one word, or a clamp for each", *options.queries, word);
  options.queries = word;
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

  /// 1 where a forbidding clamp forbids, [1, batch or 1, query or 1, key].
  Var forbidden(const Clamp& clamp) const {
    if (clamp.pattern == "not_previous") return previous(false);
    if (clamp.pattern == "only_labels") return fixed([](auto, auto j) { return j % 2 == 0; });
    return matches(true);
  }

  /// Scores under a forbidding clamp, at the places [head, query] where `strengths` is not 0: each loses the logarithm
  /// of the share that is left. Softmax of these is what removal from its pattern gives, and exact where all that the
  /// query looked at is forbidden.
  Var penalised(const Clamp& clamp, std::vector<double> strengths) const {
    for (double& s : strengths) s = s < 1 ? std::log1p(-s) : -1e9;  // exp(-1e9) is 0 everywhere
    return scores + graph.constant(std::move(strengths), {heads, 1, queries, 1}) * forbidden(clamp);
  }

  /// A pattern under a forbidding clamp.
  Var without(Var pattern, const Clamp& clamp, std::vector<double> strengths) const {
    const Var taken = graph.constant(std::move(strengths), {heads, 1, queries, 1});  // [head, 1, query, 1]
    const Var left = pattern * (1.0 - taken * forbidden(clamp));                     // [head, batch, query, key]
    const Var total = sum(left, -1, true);                                           // [head, batch, query, 1]
    const Var any = gate(graph.constant(1), total);                                  // [head, batch, query, 1]
    return left * (sum(pattern, -1, true) / (total + (1.0 - any)));
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

/// A clamp in its turn. What it forbids, if it does, it takes off the scores at those places [head, query] where no
/// pattern has been put before, and off the pattern at the others.
struct Step {
  const Clamp* clamp;
  std::vector<double> on_scores, on_pattern;  // [head, query]: strengths
};

bool any_of(const std::vector<double>& strengths) {
  return std::ranges::any_of(strengths, [](double s) { return s != 0; });
}

std::vector<Step> in_order(const Site& site, const std::vector<Clamp>& clamps) {
  std::vector<Step> steps;
  std::vector<bool> put(static_cast<std::size_t>(site.heads * site.queries));  // [head, query]
  for (const Clamp& clamp : clamps) {
    Step step{&clamp, site.at_places(clamp, clamp.strength), {}};
    step.on_pattern.resize(step.on_scores.size());
    for (std::size_t i = 0; i < put.size(); ++i) {
      if (put[i]) std::swap(step.on_scores[i], step.on_pattern[i]);
      if (!forbids(clamp)) put[i] = put[i] || step.on_scores[i] != 0;
    }
    if (!forbids(clamp)) step.on_scores = step.on_pattern = {};
    steps.push_back(std::move(step));
  }
  return steps;
}

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
    Options options;
    while (clamp.problem.empty() && words >> word) clamp.problem = read_option(word, *kind, options);
    clamp.strength = options.strength.value_or(clamp.strength);
    clamp.queries = options.queries.value_or(clamp.queries);
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
    Site site{scores, n_pairs};
    const std::vector<Step> steps = in_order(site, here);
    for (const Step& step : steps) {
      if (any_of(step.on_scores)) site.scores = site.penalised(*step.clamp, step.on_scores);
    }
    Var pattern = causal_softmax(site.scores);  // [head, batch, query, key]
    for (const Step& step : steps) {
      if (!forbids(*step.clamp)) pattern = site.clamped(pattern, *step.clamp);
      if (any_of(step.on_pattern)) pattern = site.without(pattern, *step.clamp, step.on_pattern);
    }
    return pattern;
  };
}

}  // namespace saltus::icl_classification
