#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "experiments/registry.h"
#include "train/progress_line.h"
#include "train/run_summary.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kColumns = 80;

/// What a run's files say, for text and JSON alike.
struct Shown {
  explicit Shown(const std::string& path)
      : file(path),
        folder(std::filesystem::path(path).parent_path().string()),
        reader(path),
        summary(summarize(reader, systems())) {
    if (folder.empty()) folder = ".";
    if (reader.has_group("weights")) snapshots = reader.steps("weights");
    std::error_code error;
    if (std::filesystem::exists(folder + "/config.yaml", error)) config_file = folder + "/config.yaml";
    state_saved = std::filesystem::exists(folder + "/state.bin", error);
  }

  bool over() const { return summary.status == "done" || summary.status == "diverged"; }
  std::string resume_command() const { return over() || config_file.empty() ? "" : command() + " train --resume " + folder; }

  std::string file, folder, config_file;
  RunReader reader;
  RunSummary summary;
  std::vector<std::int64_t> snapshots;
  bool state_saved = false;
};

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::llround(seconds));
  if (s >= 3600) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{:.1f} s", seconds);
}

std::string number(double x) {
  const double size = std::abs(x);
  return x == 0 || !std::isfinite(x) || (size >= 1e-3 && size < 1e5) ? fmt::format("{:.4f}", x)
                                                                     : fmt::format("{:.2e}", x);
}

/// The coordinates of a variable's entries, in the order in which they are stored: "ic", "layer 1 head 0" as "1.0"; ""
/// for a scalar.
std::vector<std::string> entry_names(const Table& table, const std::vector<std::string>& dims) {
  std::vector<std::string> names = {""};
  for (const std::string& dim_name : dims) {
    const Dim& dim = dim_of(table, dim_name);
    std::vector<std::string> longer;
    for (const std::string& name : names) {
      for (std::int64_t i = 0; i < dim.size; ++i) {
        const std::string label = dim.labels.empty() ? fmt::format("{}", i) : dim.labels[static_cast<std::size_t>(i)];
        longer.push_back(name.empty() ? label : name + "." + label);
      }
    }
    names = std::move(longer);
  }
  return names;
}

/// Variables without axes, two on a line where there are many.
void print_scalars(const RunReader& run, const Table& table) {
  std::vector<std::string> cells;
  std::size_t name_width = 0;
  for (const Variable& variable : table.variables) {
    if (variable.dims.empty()) name_width = std::max(name_width, variable.name.size());
  }
  for (const Variable& variable : table.variables) {
    if (!variable.dims.empty()) continue;
    const double value = run.last_row(table.group, variable.name).at(0);
    cells.push_back(fmt::format("{:<{}}{:>10}", variable.name, name_width, number(value)));
  }
  const std::size_t columns = cells.size() > 4 && 2 * (name_width + 10) + 6 <= kColumns ? 2 : 1, lines = (cells.size() + columns - 1) / columns;
  for (std::size_t i = 0; i < lines; ++i) {
    fmt::print("  {}{}\n", cells[i], columns == 2 && i + lines < cells.size() ? "    " + cells[i + lines] : "");
  }
}

/// The variables that share their axes, as lines; their entries as columns, as many at a time as a line holds.
void print_last_rows(const RunReader& run, const Table& table, const std::vector<std::string>& dims) {
  const std::string axes = fmt::format("{}", fmt::join(dims, "."));
  std::size_t name_width = axes.size(), column_width = 10;
  std::vector<std::pair<std::string, std::vector<double>>> lines;
  for (const Variable& variable : table.variables) {
    name_width = std::max(name_width, variable.name.size());
    if (variable.dims == dims) lines.emplace_back(variable.name, run.last_row(table.group, variable.name));
  }
  const std::vector<std::string> columns = entry_names(table, dims);
  for (const std::string& column : columns) column_width = std::max(column_width, column.size() + 1);
  const std::size_t fitting =
      std::max<std::size_t>(1, (kColumns - 2 - std::min(name_width, kColumns / 2)) / column_width);
  for (std::size_t first = 0; first < columns.size(); first += fitting) {
    const std::size_t last = std::min(first + fitting, columns.size());
    std::string header = fmt::format("  {:<{}}", axes, name_width);
    for (std::size_t i = first; i < last; ++i) header += fmt::format("{:>{}}", columns[i], column_width);
    fmt::print("{}\n", header);
    for (const auto& [name, values] : lines) {
      std::string line = fmt::format("  {:<{}}", name, name_width);
      for (std::size_t i = first; i < last; ++i) line += fmt::format("{:>{}}", number(values[i]), column_width);
      fmt::print("{}\n", line);
    }
  }
}

void print_table(const RunReader& run, const char* group, const char* title) {
  if (!run.has_group(group)) return;
  const std::vector<std::int64_t> steps = run.steps(group);
  if (steps.empty()) return;
  const Table table = run.table(group);
  fmt::print("\n{}, step {}\n", title, steps.back());
  std::vector<std::vector<std::string>> printed;
  for (const Variable& variable : table.variables) {
    if (std::find(printed.begin(), printed.end(), variable.dims) != printed.end()) continue;
    printed.push_back(variable.dims);
    if (variable.dims.empty()) {
      print_scalars(run, table);
      continue;
    }
    print_last_rows(run, table, variable.dims);
  }
}

std::string text(const Shown& shown, const char* attribute) { return shown.reader.text(attribute).value_or("unknown"); }

void print_head(const Shown& shown) {
  const RunSummary& s = shown.summary;
  fmt::print("{}\n", shown.folder);
  fmt::print("  system    {}, seed {}", s.system.empty() ? "unknown" : s.system,
             s.seed ? fmt::format("{}", *s.seed) : "unknown");
  if (const auto n = shown.reader.integer("parameter_count")) fmt::print(", {} parameters", *n);
  fmt::print("\n  status    {}: {}{} steps taken", s.status, s.steps_taken,
             s.steps ? fmt::format(" of {}", *s.steps) : "");
  const std::string resumed = shown.reader.text("resumed").value_or("");
  if (s.wall_s) fmt::print(", {}", duration(*s.wall_s));
  fmt::print("\n");
  if (s.status == "running") {
    const auto age = std::filesystem::file_time_type::clock::now() - std::filesystem::last_write_time(shown.file);
    fmt::print("            run.h5 was written {} ago\n", duration(std::chrono::duration<double>(age).count()));
  }
  fmt::print("  program   git {:.12}{}, sha256 {:.12}, {}\n", text(shown, "git_sha"),
             shown.reader.integer("git_dirty").value_or(0) != 0 ? " with changes" : "", text(shown, "binary_sha256"),
             text(shown, "isa"));
  fmt::print("  started   {} on {}\n", text(shown, "created"), text(shown, "hostname"));
  for (std::size_t begin = 0; begin < resumed.size();) {
    const std::size_t end = std::min(resumed.find('\n', begin), resumed.size());
    fmt::print("  resumed   {}\n", resumed.substr(begin, end - begin));
    begin = end + 1;
  }
}

void print_settings(const RunSummary& s) {
  fmt::print("\nall settings\n");
  for (const Setting& setting : s.settings) fmt::print("  {}={}\n", setting.key, setting.value);
}

void print_differences(const RunSummary& s) {
  if (!s.config_problem.empty()) {
    fmt::print("\nthis program cannot read the run's config:\n{}\n", s.config_problem);
    return;
  }
  if (s.differences.empty()) {
    fmt::print("\nall settings are the defaults of {}\n", s.system);
    return;
  }
  fmt::print("\ndiffers from the defaults of {}, which are in brackets\n", s.system);
  std::size_t key_width = 0, width = 0;
  for (const Difference& d : s.differences) key_width = std::max(key_width, d.key.size());
  std::vector<std::string> cells;
  for (const Difference& d : s.differences) {
    cells.push_back(fmt::format("{:<{}}  {}{}", d.key, key_width, d.b, d.a.empty() ? "" : fmt::format(" ({})", d.a)));
    width = std::max(width, cells.back().size());
  }
  const std::size_t columns = 2 * (width + 2) <= kColumns ? 2 : 1, lines = (cells.size() + columns - 1) / columns;
  for (std::size_t i = 0; i < lines; ++i) {
    if (i + lines < cells.size() && columns == 2) fmt::print("  {:<{}}  {}\n", cells[i], width, cells[i + lines]);
    if (i + lines >= cells.size() || columns == 1) fmt::print("  {}\n", cells[i]);
  }
}

/// What the system had to say of the data, if anything.
void print_data(const RunReader& run) {
  if (const std::optional<std::string> summary = run.text("data_summary"))
    fmt::print("\ndata\n{}\n", indented(*summary));
}

void print_jumps(const RunSummary& s) {
  if (s.headlines.empty() || s.headlines[0].values.empty()) return;
  const HeadlineSeries& first = s.headlines[0];
  fmt::print("\n{}  {}\n", first.name(), sparkline(first.values, 40, sparkline_top(first.measure, first.values)));
  for (const Jump& jump : s.jumps) {
    fmt::print(
        "  jump at step {:.0f}: {:.2f} to {:.2f} (size {:.2f}), width {:.0f},\n    after a plateau of {:.0f} steps\n",
        jump.step, jump.before, jump.after, jump.size(), jump.width(), jump.plateau_length);
  }
  if (s.jumps.empty()) fmt::print("  no jump\n");
  if (first.measure != "accuracy") return;
  if (first.half_at) fmt::print("  crossed 1/2 at step {}\n", *first.half_at);
  if (!first.half_at) fmt::print("  has not crossed 1/2\n");
}

void print_files(const Shown& shown) {
  if (!shown.snapshots.empty()) {
    fmt::print("\nsnapshots of all weights: {}, steps {} to {}\n", shown.snapshots.size(), shown.snapshots.front(),
               shown.snapshots.back());
  }
  fmt::print("files: {} ({:.1f} MB){}\n", shown.file, static_cast<double>(std::filesystem::file_size(shown.file)) / 1e6,
             shown.config_file.empty() ? "" : fmt::format("\n       {}", shown.config_file));
  const std::string command = shown.resume_command();
  if (command.empty()) return;
  fmt::print("\n{}: {}\n", shown.summary.status == "running" ? "if its process is gone, go on with" : "go on with",
             command);
  if (!shown.state_saved) fmt::print("  (no state had been saved: it starts again from step 0)\n");
}

/// A variable's entries, nested by its axes: an object by label where an axis has labels, a list where it has none.
Json nested(const Table& table, std::span<const std::string> dims, std::span<const double> values) {
  if (dims.empty()) return values[0];
  const Dim& dim = dim_of(table, dims[0]);
  const auto n = static_cast<std::size_t>(dim.size);
  Json json = dim.labels.empty() ? Json::array() : Json::object();
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t part = values.size() / n;
    Json inner = nested(table, dims.subspan(1), values.subspan(i * part, part));
    if (dim.labels.empty()) json.push_back(std::move(inner));
    if (!dim.labels.empty()) json[dim.labels[i]] = std::move(inner);
  }
  return json;
}

Json last_row_json(const RunReader& run, const char* group) {
  if (!run.has_group(group) || run.steps(group).empty()) return nullptr;
  const Table table = run.table(group);
  Json json = {{table.growing, run.steps(group).back()}};
  for (const Variable& variable : table.variables)
    json[variable.name] = nested(table, variable.dims, run.last_row(group, variable.name));
  return json;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json json_of(const Shown& shown) {
  const RunSummary& s = shown.summary;
  Json json = {{"folder", shown.folder},       {"system", s.system},
               {"status", s.status},           {"seed", or_null(s.seed)},
               {"steps_taken", s.steps_taken}, {"steps", or_null(s.steps)},
               {"wall_s", or_null(s.wall_s)},  {"parameter_count", or_null(shown.reader.integer("parameter_count"))}};
  json["differences"] = Json::object();
  for (const Difference& d : s.differences)
    json["differences"][d.key] = {{"value", or_null(d.b)}, {"default", or_null(d.a)}};
  json["config_problem"] = or_null(s.config_problem);
  json["data_summary"] = or_null(shown.reader.text("data_summary"));
  json["headline"] = s.headlines.empty() ? Json(nullptr)
                                         : Json{{"set", s.headlines[0].set},
                                                {"measure", s.headlines[0].measure},
                                                {"crossed_half_at", or_null(s.headlines[0].half_at)}};
  json["jumps"] = Json::array();
  for (const Jump& j : s.jumps) {
    json["jumps"].push_back({{"step", j.step},
                             {"before", j.before},
                             {"after", j.after},
                             {"size", j.size()},
                             {"step_10", j.step_10},
                             {"step_90", j.step_90},
                             {"width", j.width()},
                             {"plateau_length", j.plateau_length}});
  }
  json["eval"] = last_row_json(shown.reader, "eval");
  json["progress"] = last_row_json(shown.reader, "progress");
  json["snapshots"] = shown.snapshots;
  json["files"] = {{"run", shown.file}, {"config", or_null(shown.config_file)}};
  json["resume"] = or_null(shown.resume_command());
  for (const char* name : {"git_sha", "binary_sha256", "isa", "created", "hostname", "resumed"}) {
    json["provenance"][name] = or_null(shown.reader.text(name));
  }
  json["provenance"]["git_dirty"] = or_null(shown.reader.integer("git_dirty"));
  return json;
}

int show(const std::string& path, bool as_json, bool verbose) {
  const Shown shown(find_run_file(path));
  if (as_json) {
    fmt::print("{}\n", json_of(shown).dump(2, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  print_head(shown);
  print_differences(shown.summary);
  if (verbose) print_settings(shown.summary);
  print_data(shown.reader);
  print_jumps(shown.summary);
  print_table(shown.reader, "eval", "last evaluation");
  print_table(shown.reader, "progress", "last progress measures");
  print_files(shown);
  return 0;
}

}  // namespace

Action add_show(CLI::App& app) {
  struct Arguments {
    std::string path;
    bool json = false, verbose = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      app.add_subcommand("show", "sum up a run on one screen: settings, jumps, final measures, where its files are");
  verb->add_option("run", a->path, "run folder, or its run.h5")->required();
  CLI::Option* json = verb->add_flag("--json", a->json, "as JSON; what is absent or not a number is null");
  verb->add_flag("--verbose", a->verbose, "all settings, too, in the form that the command line takes")->excludes(json);
  verb->footer("For example:\n  saltus show runs/k512");
  return [a] { return show(a->path, a->json, a->verbose); };
}

}  // namespace saltus::cli
