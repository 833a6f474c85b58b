#include "experiments/lama/studies/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>

#include "experiments/lama/parameters.h"
#include "experiments/lama/studies/timed_part.h"

namespace saltus::lama {
namespace {

struct Settings {
  std::vector<std::int64_t> length = {32, 64, 128, 256, 512, 1024}, n_heads = {1, 2, 4, 8, 16, 32};
  std::int64_t timed_heads = 8, d_embed = 64, d_hidden = 48, rank = 1, d_attention = 64, classifier_width = 64;
  std::int64_t vocabulary = 5000, classes = 2;
  std::int64_t batch = 8, rounds = 5;
  double least_ms = 20;
  std::int64_t slope_to = 512;

  void fields(Fields& f) {
    f.field("length", length, "words of a text (T) that times are measured at, at least three, rising", at_least(1));
    f.field("n_heads", n_heads, "heads (m) that parameters are counted for", between(1, 1024));
    f.field("timed_heads", timed_heads, "heads of everything timed; must divide 2 d_hidden for the transformer's sake",
            between(1, 1024));
    f.field("d_embed", d_embed, "width of a word's embedding", at_least(1));
    f.field("d_hidden", d_hidden, "units of each direction of the GRU; a word is 2 d_hidden wide", at_least(1));
    f.field("rank", rank, "columns of each factor of a head's bilinear form", at_least(1));
    f.field("d_attention", d_attention, "hidden units of structured's attention", at_least(1));
    f.field("classifier_width", classifier_width, "hidden units of the classifier", at_least(1));
    f.field("vocabulary", vocabulary, "numbers that a word can have", between(2, 1 << 24));
    f.field("classes", classes, "classes of the texts", at_least(2));
    f.field("batch", batch, "texts computed at once", between(1, 1 << 16));
    f.field("rounds", rounds, "times everything is timed, in turns; the median counts", between(1, 1000));
    f.field("least_ms", least_ms, "milliseconds of processor time that one timing repeats its part for, at least",
            at_least(0));
    f.field("slope_to", slope_to,
            "beside the slope over the upper half of the lengths: one over the lengths up to this", at_least(1));
    f.require(length.size() >= 3 && std::ranges::is_sorted(length, std::ranges::less_equal()), "length",
              "a slope needs three lengths or more, each longer than the one before");
    f.require(length.size() < 2 || length[1] <= slope_to, "slope_to",
              fmt::format("slope_to ({}) must leave two lengths to fit over", slope_to));
    f.require(!n_heads.empty(), "n_heads", "parameters are counted for one number of heads or more: [8]");
    f.require(2 * d_hidden % timed_heads == 0, "timed_heads",
              fmt::format("timed_heads ({}) must divide the width of an encoded word ({} = 2 d_hidden)", timed_heads,
                          2 * d_hidden));
  }

  ModelConfig model() const {
    return {.d_embed = d_embed,
            .d_hidden = d_hidden,
            .n_heads = timed_heads,
            .rank = rank,
            .d_attention = d_attention,
            .classifier_width = classifier_width};
  }
  ParameterCounts parameters(const char* pooling, std::int64_t heads) const {
    ModelConfig m = model();
    m.pooling = pooling;
    m.n_heads = heads;
    return parameter_counts(m, vocabulary, classes);
  }
};

constexpr const char* counted[] = {"lama", "lama_ctx", "structured", "bilinear", "transformer"};

template <class T>
std::vector<double> as_doubles(const std::vector<T>& v) {
  return {v.begin(), v.end()};
}

double median(std::vector<double> v) {
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

/// Some of the lengths, one after another.
struct Range {
  std::size_t begin, end;
};

/// The upper half of the lengths, the middle one included.
Range upper_half(const Settings& s) { return {s.length.size() / 2, s.length.size()}; }

/// Those up to slope_to.
Range lower(const Settings& s) {
  return {0, static_cast<std::size_t>(std::ranges::upper_bound(s.length, s.slope_to) - s.length.begin())};
}

/// Least squares' slope of log y on log x over a range of x.
double slope(const std::vector<std::int64_t>& x, const double* y, const Range& range) {
  const auto n = static_cast<double>(range.end - range.begin);
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    mean_x += std::log(static_cast<double>(x[i])) / n;
    mean_y += std::log(y[i]) / n;
  }
  for (std::size_t i = range.begin; i < range.end; ++i) {
    const double dx = std::log(static_cast<double>(x[i])) - mean_x;
    xx += dx * dx;
    xy += dx * (std::log(y[i]) - mean_y);
  }
  return xy / xx;
}

/// Of every timed part, row-major.
struct Times {
  std::vector<double> of_round;             // [timed, length, round]
  std::vector<double> ms, mflop;            // [timed, length]
  std::vector<double> slope_ms, slope_ops, slope_ms_lower, slope_ops_lower;  // [timed]
};

Times measured(const Settings& s, const StudyContext& context) {
  const std::span<const Part> parts = timed_parts();
  const Seeds seeds{.init = context.seed, .data = context.seed, .eval = context.seed, .task = context.seed};
  const auto rounds = static_cast<std::size_t>(s.rounds), lengths = s.length.size();
  const std::size_t all = parts.size() * lengths;
  Times t;
  t.of_round.resize(all * rounds);
  t.mflop.resize(all);
  // In turns, so that a machine that is slow for a while is slow for all; compiled anew, since a long text's scores
  // take much memory.
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < all; ++i) {
      const TextShape shape{s.vocabulary, s.classes, s.length[i % lengths]};
      const TimedPart part(parts[i / lengths], s.model(), shape, s.batch, seeds);
      t.of_round[i * rounds + round] = part.milliseconds(s.least_ms);
      t.mflop[i] = part.flops() / 1e6;
      context.progress(static_cast<double>(round * all + i + 1) / static_cast<double>(rounds * all));
    }
  }
  for (auto begin = t.of_round.begin(); begin != t.of_round.end(); begin += s.rounds)
    t.ms.push_back(median({begin, begin + s.rounds}));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double *ms = t.ms.data() + i * lengths, *ops = t.mflop.data() + i * lengths;
    t.slope_ms.push_back(slope(s.length, ms, upper_half(s)));
    t.slope_ops.push_back(slope(s.length, ops, upper_half(s)));
    t.slope_ms_lower.push_back(slope(s.length, ms, lower(s)));
    t.slope_ops_lower.push_back(slope(s.length, ops, lower(s)));
  }
  return t;
}

Table table_of(const Settings& s, const Times& t) {
  std::vector<std::string> labels;
  for (const Part& part : timed_parts()) labels.emplace_back(part.label);
  std::vector<double> parameters;
  for (const char* pooling : counted) {
    for (const std::int64_t m : s.n_heads) {
      const std::vector<double> values = s.parameters(pooling, m).values();
      parameters.insert(parameters.end(), values.begin(), values.end());
    }
  }
  const std::string differs = "; depends on the machine and its load: no two runs of the study agree";
  Table table{.group = "cost",
              .growing = "",
              .dims = {{.name = "pooling", .labels = {std::begin(counted), std::end(counted)}},
                       {.name = "n_heads", .values = as_doubles(s.n_heads)},
                       {.name = "part", .labels = part_names()},
                       {.name = "timed", .labels = labels},
                       {.name = "length", .long_name = "words of a text", .values = as_doubles(s.length)},
                       {.name = "round", .size = s.rounds}}};
  table.constants = {
      {"parameters", {"pooling", "n_heads", "part"}, parameters, "numbers that each part of the model learns"},
      {"mflop",
       {"timed", "length"},
       t.mflop,
       fmt::format("millions of operations a text of {} heads, a multiplication and an addition being two",
                   s.timed_heads)},
      {"mflop_slope", {"timed"}, t.slope_ops, "slope of log mflop on log length over the upper half of the lengths"},
      {"mflop_slope_lower",
       {"timed"},
       t.slope_ops_lower,
       fmt::format("slope of log mflop on log length over the lengths up to {}", s.slope_to)},
      {"milliseconds",
       {"timed", "length"},
       t.ms,
       fmt::format("inference, milliseconds of one thread's processor time a text, {} heads, batches of {}, median "
                   "of rounds{}",
                   s.timed_heads, s.batch, differs)},
      {"milliseconds_of_round", {"timed", "length", "round"}, t.of_round, "milliseconds, round by round" + differs},
      {"milliseconds_slope",
       {"timed"},
       t.slope_ms,
       "slope of log milliseconds on log length over the upper half of the lengths" + differs},
      {"milliseconds_slope_lower",
       {"timed"},
       t.slope_ms_lower,
       fmt::format("slope of log milliseconds on log length over the lengths up to {}{}", s.slope_to, differs)}};
  return table;
}

/// A row of the printed tables.
std::string row(const std::string& label, const std::vector<std::string>& cells) {
  std::string line = fmt::format("{:<34}", label);
  for (const std::string& cell : cells) line += fmt::format("{:>9}", cell);
  return line;
}

void add_parameter_lines(const Settings& s, std::vector<std::string>& lines) {
  std::vector<std::string> head;
  for (const std::int64_t m : s.n_heads) head.push_back(fmt::format("m = {}", m));
  lines.push_back(row("parameters of the attention", head));
  for (const char* pooling : counted) {
    std::vector<std::string> cells;
    for (const std::int64_t m : s.n_heads) cells.push_back(fmt::format("{}", s.parameters(pooling, m).attention));
    lines.push_back(row(pooling, cells));
  }
  lines.push_back(row("parameters of the model", head));
  for (const char* pooling : counted) {
    std::vector<std::string> cells;
    for (const std::int64_t m : s.n_heads) cells.push_back(fmt::format("{}", s.parameters(pooling, m).total()));
    lines.push_back(row(pooling, cells));
  }
  const ParameterCounts lama = s.parameters("lama_ctx", s.timed_heads),
                        transformer = s.parameters("transformer", s.timed_heads);
  const auto ratio = [&transformer](std::int64_t n) {
    return static_cast<double>(transformer.attention) / static_cast<double>(n);
  };
  lines.push_back(fmt::format(
      "m = {}: a transformer's attention has {:.1f} times lama_ctx's parameters; {:.1f} times, if the {} of "
      "the word MLP count as lama_ctx's attention",
      s.timed_heads, ratio(lama.attention), ratio(lama.attention + lama.word_mlp), lama.word_mlp));
}

void add_time_lines(const Settings& s, const Times& t, std::vector<std::string>& lines) {
  std::vector<std::string> head;
  for (const std::int64_t length : s.length) head.push_back(fmt::format("T = {}", length));
  const std::int64_t from = s.length[upper_half(s).begin], to = s.length[lower(s).end - 1];
  head.insert(head.end(), {fmt::format("T <= {}", to), "MFLOP", fmt::format("T >= {}", from), "MFLOP"});
  lines.push_back(row("milliseconds a text, then slopes", head));
  const std::span<const Part> parts = timed_parts();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::vector<std::string> cells;
    for (std::size_t l = 0; l < s.length.size(); ++l)
      cells.push_back(fmt::format("{:.4f}", t.ms[i * s.length.size() + l]));
    for (const auto* slopes : {&t.slope_ms_lower, &t.slope_ops_lower, &t.slope_ms, &t.slope_ops})
      cells.push_back(fmt::format("{:.2f}", (*slopes)[i]));
    lines.push_back(row(parts[i].label, cells));
  }
  lines.push_back(
      fmt::format("slopes: of log milliseconds on log T, up to T = {} and from T = {} on; beside them what counting "
                  "operations gives. Times are one thread's processor time, batches of {}, medians of {} rounds; they "
                  "differ from run to run",
                  to, from, s.batch, s.rounds));
}

Findings run(const Settings& s, const StudyContext& context) {
  const Times t = measured(s, context);
  std::vector<std::string> lines;
  add_parameter_lines(s, lines);
  lines.emplace_back();
  add_time_lines(s, t, lines);
  return {{table_of(s, t)}, lines};
}

}  // namespace

Study cost_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::lama
