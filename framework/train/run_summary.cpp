#include "train/run_summary.h"

#include <algorithm>
#include <filesystem>

#include "config/reader.h"
#include "core/check.h"
#include "train/config.h"

namespace saltus {
namespace {

/// Column `label` of a [row, label] variable.
std::vector<double> series_of(const RunReader& run, const Table& table, const std::string& label,
                              const std::string& variable) {
  const std::vector<std::string>& labels = table.dims.at(0).labels;
  const auto at = static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin());
  const auto known = [&](const Variable& v) { return v.name == variable && v.dims == std::vector{table.dims[0].name}; };
  if (at == labels.size() || std::none_of(table.variables.begin(), table.variables.end(), known)) return {};
  const std::vector<double> values = run.values(table.group, variable);
  std::vector<double> series;
  for (std::size_t i = at; i < values.size(); i += labels.size()) series.push_back(values[i]);
  return series;
}

std::optional<std::int64_t> first_across_half(const std::vector<double>& series,
                                              const std::vector<std::int64_t>& steps) {
  const auto across = [&series](double value) { return series[0] < 0.5 ? value >= 0.5 : value <= 0.5; };
  const auto found = std::find_if(series.begin(), series.end(), across);
  return found == series.end() ? std::nullopt : std::optional(steps[static_cast<std::size_t>(found - series.begin())]);
}

std::vector<HeadlineSeries> headline_series(const RunReader& run, const TrainConfig& config) {
  std::vector<HeadlineSeries> all;
  if (!run.has_group("eval")) return all;
  const Table eval = run.table("eval");
  const std::vector<std::int64_t> steps = run.steps("eval");
  const std::unique_ptr<Experiment> experiment = config.system.build(config.seeds());
  for (const Experiment::Headline& headline : experiment->headlines) {
    HeadlineSeries& h = all.emplace_back(HeadlineSeries{headline.set, headline.measure, {}, {}});
    h.values = series_of(run, eval, h.set, h.measure);
    if (!h.values.empty() && h.measure == "accuracy") h.half_at = first_across_half(h.values, steps);
  }
  return all;
}

std::vector<Jump> jumps_of(const RunReader& run) {
  std::vector<Jump> jumps;
  if (!run.has_group("events")) return jumps;
  const auto column = [&run](const char* name) { return run.values("events", name); };
  const std::vector<double> step = column("step"), before = column("before"), after = column("after"),
                            step_10 = column("step_10"), step_90 = column("step_90"),
                            plateau = column("plateau_length");
  for (std::size_t i = 0; i < step.size(); ++i)
    jumps.push_back({step[i], before[i], after[i], step_10[i], step_90[i], plateau[i]});
  return jumps;
}

/// As far as the rows tell, for a run whose end has not been written.
std::int64_t steps_seen(const RunReader& run) {
  std::int64_t seen = 0;
  for (const char* group : {"train", "eval"}) {
    if (!run.has_group(group)) continue;
    const std::vector<std::int64_t> steps = run.steps(group);
    if (!steps.empty()) seen = std::max(seen, steps.back());
  }
  return seen;
}

/// Without the keys of a section that only one of the two has: that it is there is a difference, what it leaves out is
/// none.
std::vector<Difference> telling(std::vector<Difference> differences) {
  std::erase_if(differences, [](const Difference& d) {
    return d.b.empty() || (d.a.empty() && d.b == "null" && d.key.find('.') != std::string::npos);
  });
  return differences;
}

void add_config(RunSummary& summary, const RunReader& run, SystemTable systems) {
  TrainConfig config(systems), defaults(systems);
  const auto list = [&config](Fields& f) { config.fields(f); };
  try {
    read_config_text(run.path() + ": config_yaml", run.text("config_yaml").value_or(""), {}, list);
  } catch (const Error& error) {
    summary.config_problem = error.what();
    return;
  }
  defaults.system_name = config.system_name;
  summary.steps = config.steps;
  summary.settings = settings(list);
  summary.differences = telling(differences([&defaults](Fields& f) { defaults.fields(f); }, list));
  summary.headlines = headline_series(run, config);
}

}  // namespace

RunSummary summarize(const RunReader& run, SystemTable systems) {
  RunSummary summary;
  summary.system = run.text("system").value_or("");
  summary.status = run.text("status").value_or("");
  summary.seed = run.integer("seed");
  summary.steps_taken = run.integer("steps_taken").value_or(steps_seen(run));
  summary.wall_s = run.number("wall_s");
  summary.jumps = jumps_of(run);
  add_config(summary, run, systems);
  return summary;
}

std::string find_run_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  check_input(fs::exists(path, error), "there is no {}", path);
  if (!fs::is_directory(path, error)) return path;
  const std::string file = (fs::path(path) / "run.h5").string();
  if (fs::exists(file, error)) return file;
  check_input(
      !fs::exists(fs::path(path) / "config.yaml", error),
      "{0} has recorded nothing yet: there is no {1}. If no process works on it, go on with: saltus train --resume {0}",
      path, file);
  check_input(false, "{0} is not a run folder: there is no {1}. Runs below it: saltus ls {0}", path, file);
  return file;
}

}  // namespace saltus
