#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "config/reader.h"
#include "core/check.h"
#include "sweep/manifest.h"
#include "sweep/spec.h"
#include "sweep/values.h"
#include "train/provenance.h"
#include "train/recorder.h"
#include "train/stop_condition.h"

namespace saltus {
namespace {

constexpr std::size_t id_digits = 16;

/// Turns the jobs of a spec into checked configs, one by one.
class Expansion {
 public:
  Expansion(SystemTable table, SweepSpec spec) : table_(table), spec_(std::move(spec)) {
    for (const SpecAxis& axis : spec_.axes) {
      axes_.push_back({{}, std::vector<std::vector<std::string>>(axis.size())});
      for (const SpecAxis::Key& key : axis.keys) axes_.back().keys.push_back(key.path);
      check_input(axis.size() <= kMostJobs / count_, "this sweep has more than {} jobs", kMostJobs);
      count_ *= axis.size();
    }
  }

  std::vector<SweepJob> jobs() {
    std::vector<SweepJob> jobs;
    std::unordered_map<std::string, std::size_t> first_of;
    for (std::size_t i = 0; i < count_; ++i) {
      const std::vector<std::int64_t> index = index_of(i);
      SweepJob job = checked(i, index);
      const auto [same, is_new] = first_of.emplace(job.id, i);
      check_input(is_new, "two jobs have the same config: number {} ({}) and number {} ({})", same->second + 1,
                  written(index_of(same->second)), i + 1, written(index));
      jobs.push_back(std::move(job));
    }
    return jobs;
  }
  /// Filled by jobs().
  const std::vector<SweepAxis>& axes() const { return axes_; }

 private:
  std::vector<std::int64_t> index_of(std::size_t job) const {
    std::vector<std::int64_t> index(spec_.axes.size());
    for (std::size_t a = index.size(); a-- > 0;) {
      index[a] = static_cast<std::int64_t>(job % spec_.axes[a].size());
      job /= spec_.axes[a].size();
    }
    return index;
  }

  /// The combination as the user wrote it.
  std::string written(const std::vector<std::int64_t>& index) const {
    std::string text;
    for (std::size_t a = 0; a < index.size(); ++a) {
      for (const SpecAxis::Key& key : spec_.axes[a].keys) {
        const ConfigNode& value = key.values[static_cast<std::size_t>(index[a])];
        const std::string shown = value.kind == ConfigNode::Kind::scalar ? value.text
                                  : value.kind == ConfigNode::Kind::null ? "null"
                                                                         : "[...]";
        text += fmt::format("{}{}={}", text.empty() ? "" : " ", key.path, shown);
      }
    }
    return text;
  }

  SweepJob checked(std::size_t number, const std::vector<std::int64_t>& index) {
    try {
      return job_at(index);
    } catch (const Error& e) {
      throw Error(fmt::format("{}\n  in job {} of {}: {}", e.what(), number + 1, count_, written(index)),
                  ExitCode::bad_input);
    }
  }

  SweepJob job_at(const std::vector<std::int64_t>& index) {
    ConfigNode tree = spec_.base;
    for (std::size_t a = 0; a < index.size(); ++a) {
      for (const SpecAxis::Key& key : spec_.axes[a].keys)
        set_at(tree, key.path, key.place, key.values[static_cast<std::size_t>(index[a])]);
    }
    TrainConfig config(table_);
    const auto list = [&config](Fields& f) { config.fields(f); };
    read_config_tree(tree, list);
    const StepKind step = check_buildable(config);

    const std::vector<Setting> all = settings(list);
    SweepJob job{"", index, {}, resolved_yaml(config), step};
    job.id = text_sha256(job.config_yaml).substr(0, id_digits);
    for (std::size_t a = 0; a < index.size(); ++a) {
      std::vector<std::string>& value = axes_[a].values[static_cast<std::size_t>(index[a])];
      value.clear();
      for (const std::string& key : axes_[a].keys) {
        const auto setting = std::ranges::find(all, key, &Setting::key);
        check_input(setting != all.end(), "{} cannot be swept: it is a section", key);
        value.push_back(setting->value);
        job.settings.push_back(*setting);
      }
    }
    return job;
  }

  /// What only building the system can tell. Seeds cannot matter to it, so a config is built once for all its seeds.
  StepKind check_buildable(TrainConfig config) {
    config.seed = 0;
    config.seed_overrides = {};
    const auto [built, is_new] = built_.try_emplace(resolved_yaml(config));
    if (!is_new) return built->second;
    const std::unique_ptr<Experiment> experiment = build_experiment(config);
    const StopCondition stop(config.stop_when, *experiment);
    return built->second = step_kind({experiment.get(), &config});
  }

  SystemTable table_;
  SweepSpec spec_;
  std::vector<SweepAxis> axes_;
  std::size_t count_ = 1;
  std::map<std::string, StepKind> built_;
};

}  // namespace

Manifest make_manifest(SystemTable table, const std::string& path, std::span<const std::string> overrides) {
  Expansion expansion(table, read_spec(path, parse_overrides(overrides)));
  Manifest manifest{utc_now(), file_sha256("/proc/self/exe"), path, {}, expansion.jobs()};
  manifest.axes = expansion.axes();
  return manifest;
}

}  // namespace saltus
