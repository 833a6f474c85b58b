#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "train/run_summary.h"

namespace saltus::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Listed {
  std::string name;  // of the run folder, relative to the folder that is listed
  RunSummary summary;
};

struct Unreadable {
  std::string file, why;
};

struct Listing {
  std::vector<Listed> runs;
  std::vector<Unreadable> unreadable;
  std::vector<std::string> differing;  // keys of the configs, of which not all runs hold the same value
};

/// Every run.h5 below `folder`, sorted. What cannot be entered is passed over.
std::vector<fs::path> run_files(const std::string& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    if (at->path().filename() == "run.h5") files.push_back(at->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// "" when the run's config does not hold the key.
std::string value_of(const RunSummary& summary, const std::string& key) {
  const auto setting =
      std::find_if(summary.settings.begin(), summary.settings.end(), [&key](const Setting& s) { return s.key == key; });
  return setting == summary.settings.end() ? "" : setting->value;
}

/// In the order of the configs. Runs whose config cannot be read have no say.
std::vector<std::string> differing_keys(const std::vector<Listed>& runs) {
  std::map<std::string, std::pair<std::string, std::size_t>>
      seen;  // key -> the first value, and how many runs hold that value
  std::vector<std::string> keys;
  std::size_t readable = 0;
  for (const Listed& run : runs) {
    readable += run.summary.settings.empty() ? 0 : 1;
    for (const Setting& setting : run.summary.settings) {
      const auto [at, is_new] = seen.try_emplace(setting.key, setting.value, 0);
      if (is_new) keys.push_back(setting.key);
      if (at->second.first == setting.value) ++at->second.second;
    }
  }
  std::erase_if(keys, [&](const std::string& key) { return seen.at(key).second == readable; });
  // A section that some runs have is told by its keys.
  const auto is_section = [keys](const std::string& key) {
    return std::ranges::any_of(keys, [&](const std::string& k) { return k.starts_with(key + "."); });
  };
  std::erase_if(keys, is_section);
  return keys;
}

Listing list(const std::string& folder) {
  std::error_code error;
  check_input(fs::is_directory(folder, error), "{} is not a folder", folder);
  Listing listing;
  for (const fs::path& file : run_files(folder)) {
    try {
      const RunReader reader(file.string());
      Listed& run = listing.runs.emplace_back(
          Listed{file.parent_path().lexically_relative(folder).string(), summarize(reader, systems())});
      for (HeadlineSeries& h : run.summary.headlines)
        h.values.erase(h.values.begin(), h.values.end() - (h.values.empty() ? 0 : 1));
    } catch (const Error& e) {
      listing.unreadable.push_back({file.string(), e.what()});
    }
  }
  listing.differing = differing_keys(listing.runs);
  return listing;
}

/// Headline measures of all runs, in the order in which they are met.
std::vector<std::string> headline_names(const Listing& listing) {
  std::vector<std::string> names;
  for (const Listed& run : listing.runs) {
    for (const HeadlineSeries& h : run.summary.headlines) {
      if (std::find(names.begin(), names.end(), h.name()) == names.end()) names.push_back(h.name());
    }
  }
  return names;
}

std::string headline_text(const RunSummary& summary, const std::string& name) {
  for (const HeadlineSeries& h : summary.headlines) {
    if (h.name() == name && !h.values.empty()) return fmt::format("{:.4f}", h.values.back());
  }
  return "-";
}

std::string jump_text(const RunSummary& summary) {
  std::vector<std::string> steps;
  for (const Jump& jump : summary.jumps) steps.push_back(fmt::format("{:.0f}", jump.step));
  return steps.empty() ? "-" : fmt::format("{}", fmt::join(steps, ","));
}

/// "42000/80000" of a run that has not taken all its steps.
std::string steps_text(const RunSummary& summary) {
  const bool all = summary.steps.value_or(summary.steps_taken) == summary.steps_taken;
  return all ? fmt::format("{}", summary.steps_taken) : fmt::format("{}/{}", summary.steps_taken, *summary.steps);
}

using Row = std::vector<std::string>;

void print_rows(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    fmt::print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

/// More columns than this would not fit on most screens.
constexpr std::size_t kMostKeys = 6;

void print_text(const std::string& folder, const Listing& listing, std::size_t most_keys) {
  std::vector<std::string> keys = listing.differing;
  std::erase_if(keys, [](const std::string& key) {
    return key == "system" || key == "seed" || key == "steps";
  });  // have columns anyway
  const auto rest = keys.begin() + static_cast<std::ptrdiff_t>(std::min(keys.size(), most_keys));
  const std::vector<std::string> shown(keys.begin(), rest);
  const std::vector<std::string> headlines = headline_names(listing);
  Row header = {"run", "system", "status", "steps", "seed", "jump"};
  header.insert(header.end(), headlines.begin(), headlines.end());
  header.insert(header.end(), shown.begin(), shown.end());
  std::vector<Row> rows = {header};
  for (const Listed& run : listing.runs) {
    const RunSummary& s = run.summary;
    Row& row = rows.emplace_back(Row{run.name, s.system.empty() ? "-" : s.system, s.status, steps_text(s),
                                     s.seed ? fmt::format("{}", *s.seed) : "-", jump_text(s)});
    for (const std::string& name : headlines) row.push_back(headline_text(s, name));
    for (const std::string& key : shown) row.push_back(value_of(s, key).empty() ? "-" : value_of(s, key));
  }
  if (listing.runs.empty()) fmt::print("no runs below {}\n", folder);
  if (!listing.runs.empty()) print_rows(rows);
  if (rest != keys.end()) {
    fmt::print("\nthe configs also differ in {}; --verbose shows them\n", fmt::join(rest, keys.end(), ", "));
  }
  for (const Listed& run : listing.runs) {
    if (!run.summary.config_problem.empty())
      fmt::print("\n{}: this program cannot read its config: {}\n", run.name, run.summary.config_problem);
  }
  for (const Unreadable& u : listing.unreadable) fmt::print("\nnot listed: {}: {}\n", u.file, u.why);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json json_of(const Listing& listing) {
  Json runs = Json::array(), unreadable = Json::array();
  for (const Listed& run : listing.runs) {
    const RunSummary& s = run.summary;
    Json headlines = Json::object(), settings = Json::object(), jumps = Json::array();
    for (const HeadlineSeries& h : s.headlines)
      headlines[h.name()] = h.values.empty() ? Json(nullptr) : Json(h.values.back());
    for (const Jump& jump : s.jumps) jumps.push_back(jump.step);
    for (const std::string& key : listing.differing)
      settings[key] = value_of(s, key).empty() ? Json(nullptr) : Json(value_of(s, key));
    runs.push_back({{"run", run.name},
                    {"system", s.system},
                    {"status", s.status},
                    {"steps_taken", s.steps_taken},
                    {"steps", or_null(s.steps)},
                    {"seed", or_null(s.seed)},
                    {"wall_s", or_null(s.wall_s)},
                    {"jumps", jumps},
                    {"headlines", headlines},
                    {"settings", settings},
                    {"config_problem", s.config_problem.empty() ? Json(nullptr) : Json(s.config_problem)}});
  }
  for (const Unreadable& u : listing.unreadable) unreadable.push_back({{"file", u.file}, {"why", u.why}});
  return {{"runs", runs}, {"differing", listing.differing}, {"unreadable", unreadable}};
}

}  // namespace

Action add_ls(CLI::App& app) {
  struct Arguments {
    std::string folder = "runs";
    bool json = false, verbose = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("ls", "list all runs below a folder, and the settings in which they differ");
  verb->add_option("folder", a->folder, "where to look")->capture_default_str();
  CLI::Option* json = verb->add_flag("--json", a->json, "as JSON; what is absent or not a number is null");
  verb->add_flag("--verbose", a->verbose, "a column for every setting that differs, however many")->excludes(json);
  verb->footer("For example:\n  saltus ls runs");
  return [a] {
    const Listing listing = list(a->folder);
    if (a->json) fmt::print("{}\n", json_of(listing).dump(2, ' ', false, Json::error_handler_t::replace));
    if (!a->json) print_text(a->folder, listing, a->verbose ? listing.differing.size() : kMostKeys);
    return 0;
  };
}

}  // namespace saltus::cli
