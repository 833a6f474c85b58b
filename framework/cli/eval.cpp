#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "config/reader.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "train/evaluate_run.h"
#include "train/provenance.h"
#include "train/run_h5.h"
#include "train/run_summary.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string run, lengths, out;
  EvaluationRequest request;
  bool json = false, overwrite = false;
};

std::int64_t whole_number(std::string_view text, const std::string& all) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  check_input(error == std::errc() && end == text.data() + text.size() && n > 0 && n <= 1'000'000'000,
              "--lengths {}: '{}' is not a length between 1 and 1000000000; write first:last:step, as in 10:100:5, or "
              "a list, as in 10,20,40",
              all, text);
  return n;
}

std::vector<std::int64_t> split_numbers(const std::string& text, char separator) {
  std::vector<std::int64_t> numbers;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find(separator, from), text.size());
    numbers.push_back(whole_number(std::string_view(text).substr(from, to - from), text));
    from = to + 1;
  }
  return numbers;
}

/// "10:100:5" is 10, 15, ..., 100; "10,20,40" is itself.
std::vector<std::int64_t> parse_lengths(const std::string& text) {
  if (text.find(':') == std::string::npos) return split_numbers(text, ',');
  const std::vector<std::int64_t> parts = split_numbers(text, ':');
  check_input(parts.size() <= 3 && parts[0] <= parts[1], "--lengths {}: write first:last:step, as in 10:100:5", text);
  std::vector<std::int64_t> lengths;
  const std::int64_t step = parts.size() == 3 ? parts[2] : 1;
  check_input((parts[1] - parts[0]) / step < 10000, "--lengths {}: that is more than 10000 lengths", text);
  for (std::int64_t n = parts[0]; n <= parts[1]; n += step) lengths.push_back(n);
  return lengths;
}

/// As parse_lengths, refusing a length that comes twice.
std::vector<std::int64_t> checked_lengths(const std::string& text) {
  const std::vector<std::int64_t> lengths = parse_lengths(text);
  std::vector<std::int64_t> sorted = lengths;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  check_input(twice == sorted.end(), "--lengths {}: {} comes twice", text, twice == sorted.end() ? 0 : *twice);
  return lengths;
}

/// One number of the answer: "loss", or "risk ridge" of a measure with a labelled axis.
struct Column {
  std::string title;
  const std::vector<SetMeans>* means;
  std::size_t number;
};

void add_columns(std::vector<Column>& columns, const std::vector<Measure>& measures,
                 const std::vector<SetMeans>& means) {
  std::size_t at = 0;
  for (const Measure& m : measures) {
    const bool labelled = m.dims.size() == 1 && !m.dims[0].labels.empty();
    if (m.dims.empty()) columns.push_back({m.name, &means, at});
    for (std::size_t i = 0; labelled && i < m.dims[0].labels.size(); ++i)
      columns.push_back({m.name + " " + m.dims[0].labels[i], &means, at + i});
    at += static_cast<std::size_t>(m.size());
  }
}

/// "(0.0123)"; nothing where a standard error is not known: of a set that is one group of examples.
std::string in_brackets(double error) { return std::isnan(error) ? "" : fmt::format(" ({:.4f})", error); }

void print_set(const Evaluation& e, std::size_t set, const std::vector<Column>& columns) {
  fmt::print("\ntest set {}\n", e.sets[set]);
  for (const Column& c : columns) {
    const SetMeans& means = c.means->front();
    const double error = means.error[set][c.number];
    fmt::print("  {:<28} {:>9.4f}{}\n", c.title, means.mean[set][c.number],
               std::isnan(error) ? "" : fmt::format(" ± {:.4f}", error));
  }
}

void print_by_length(const Evaluation& e, std::size_t set, const std::vector<Column>& columns) {
  fmt::print("\ntest set {}; standard errors in brackets\n  length", e.sets[set]);
  for (const Column& c : columns) fmt::print("  {:>18}", c.title);
  fmt::print("\n");
  for (std::size_t i = 0; i < e.lengths.size(); ++i) {
    fmt::print("  {:>6}", e.lengths[i]);
    for (const Column& c : columns) {
      fmt::print("  {:>18}", fmt::format("{:.4f}{}", (*c.means)[i].mean[set][c.number],
                                         in_brackets((*c.means)[i].error[set][c.number])));
    }
    fmt::print("\n");
  }
}

Json json_of(const Evaluation& e, const std::vector<Column>& columns) {
  Json json = {{"step", e.step}, {"seed", e.seed}, {"lengths", e.lengths}};
  for (std::size_t set = 0; set < e.sets.size(); ++set) {
    for (const Column& c : columns) {
      Json& entry = json["sets"][e.sets[set]][c.title];
      for (const SetMeans& means : *c.means) {
        entry["mean"].push_back(means.mean[set][c.number]);
        entry["standard_error"].push_back(means.error[set][c.number]);
      }
    }
  }
  return json;
}

Attributes attributes(const RunReader& run, const Evaluation& e, const Arguments& a, const std::string& overrides) {
  Attributes all = provenance();
  for (const char* name : {"system", "config_yaml", "config_hash"}) {
    if (const std::optional<std::string> text = run.text(name)) all.push_back({name, *text});
  }
  all.push_back({"run", run.path()});
  all.push_back({"ckpt_step", e.step});
  all.push_back({"eval_seed", e.seed});
  all.push_back({"samples", a.request.samples});
  all.push_back({"overrides", overrides});
  return all;
}

/// "20000 fresh examples a set (seed 1)"; where a set has fewer: "400 validation, 1000 test examples".
std::string examples(const Evaluation& e, std::int64_t asked) {
  if (std::ranges::count(e.samples, asked) == std::ssize(e.samples))
    return fmt::format("{} fresh examples a set (seed {})", asked, e.seed);
  std::vector<std::string> counts;
  for (std::size_t set = 0; set < e.sets.size(); ++set)
    counts.push_back(fmt::format("{} {}", e.samples[set], e.sets[set]));
  return fmt::format("{} examples", fmt::join(counts, ", "));
}

int eval(Arguments& a, const CLI::App& verb) {
  const RunReader run(find_run_file(a.run));
  const std::vector<std::string> overrides = verb.remaining();
  a.request.overrides = parse_overrides(overrides);
  if (!a.lengths.empty()) a.request.lengths = checked_lengths(a.lengths);
  if (a.out.empty()) a.out = (std::filesystem::path(run.path()).parent_path() / "eval.h5").string();
  check_result_path(a.out, a.overwrite);

  const Evaluation e = evaluate_run(run, systems(), a.request);
  write_result_file(a.out, {table_of(e)}, attributes(run, e, a, fmt::format("{}", fmt::join(overrides, " "))));
  std::vector<Column> columns;
  add_columns(columns, e.measures, e.model);
  add_columns(columns, e.reference_measures, e.references);
  if (a.json) {
    fmt::print("{}\n", json_of(e, columns).dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  fmt::print("{} at step {}, on {}\n", a.run, e.step, examples(e, a.request.samples));
  for (std::size_t set = 0; set < e.sets.size(); ++set) {
    e.lengths.empty() ? print_set(e, set, columns) : print_by_length(e, set, columns);
  }
  fmt::print("\nresults: {} (group eval)\n", a.out);
  if (!e.lengths.empty())
    fmt::print("next: {} {}\n      draws risk against length; several files in one picture\n", script("plot_eval.py"),
               a.out);
  return 0;
}

}  // namespace

Action add_eval(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand(
      "eval", "measure a trained model on fresh examples, at any context length, beside the system's references");
  verb->add_option("run", a->run, "run folder, or its run.h5")->required();
  verb->add_option("--lengths", a->lengths, "context lengths: first:last:step or a list. Default: the training length");
  CLI::Option* stream =
      verb->add_flag("--stream", a->request.stream, "read the sequences in stretches: any length, at constant memory");
  verb->add_option("--samples", a->request.samples,
                   "examples in each test set; standard errors come from the spread of groups of 128")
      ->check(CLI::Range(16, 1 << 24))
      ->capture_default_str();
  verb->add_option("--seed", a->request.seed,
                   "seed of the examples. Default: one more than the run's own, so that they are fresh")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--step", a->request.step, "snapshot to measure, by its step. Default: the last");
  verb->add_option("--threads", a->request.threads, "threads; any number gives the same numbers. Default: one a core")
      ->check(CLI::Range(1, 1024));
  verb->add_option("--out", a->out, "result file. Default: eval.h5 in the run's folder");
  verb->add_flag("--overwrite", a->overwrite, "replace the result file if there is one");
  verb->add_flag("--json", a->json, "print the numbers as JSON");
  verb->allow_extras();
  verb->footer(
      "Keys of the run's config can be changed for the measurement, as in task.noise_std=0. For example:\n"
      "  saltus eval runs/h2 --lengths 10:100:5");
  return [a, verb, stream] {
    check_input(stream->count() > 0 || a->request.samples >= 1000, "--samples {}: at least 1000, for standard errors",
                a->request.samples);
    return eval(*a, *verb);
  };
}

}  // namespace saltus::cli
