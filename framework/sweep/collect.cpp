#include "sweep/collect.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "core/check.h"
#include "sweep/sweep_file.h"
#include "train/run_reader.h"

namespace saltus {
namespace {

constexpr std::int64_t kSweepFileVersion = 1;
constexpr const char* kGroups[] = {"train", "eval", "progress", "events"};  // weights and attention stay in the runs

std::string run_path(const Sweep& sweep, const SweepJob& job) { return sweep.run_folder(job.id) + "/run.h5"; }

/// Adds a run's tables to those of the runs before; throws Error when it cannot be read or does not fit.
void merge_run(std::vector<MergedTable>& groups, const Sweep& sweep, const SweepJob& job) {
  const RunReader run(run_path(sweep, job));
  check(run.text("config_yaml") == job.config_yaml, "{} is the run of another config", run.path());
  std::vector<MergedTable> merged = groups;
  for (std::size_t g = 0; g < merged.size(); ++g) {
    if (run.has_group(kGroups[g])) merge(merged[g], run.table(kGroups[g]), run.steps(kGroups[g]), run.path());
  }
  groups = std::move(merged);  // all of it or nothing
}

/// Everything that all jobs have to say, but their numbers.
struct Survey {
  std::vector<MergedTable> groups = std::vector<MergedTable>(std::size(kGroups));
  std::vector<std::size_t> usable;  // indices of jobs
  JobTexts runs{"run", "folder of the run, relative to the sweep's; empty where it is missing", {}};
  JobTexts states{"status", "what had become of the job when its run was collected", {}};
  CollectReport report;
};

Survey survey(Sweep& sweep) {
  Survey s;
  for (std::size_t j = 0; j < sweep.jobs().size(); ++j) {
    const SweepJob& job = sweep.jobs()[j];
    const JobState state = sweep.state(job);
    std::string why = state == JobState::done || state == JobState::diverged ? "" : name_of(state);
    if (why.empty()) {
      try {
        merge_run(s.groups, sweep, job);
      } catch (const Error& error) {
        why = error.what();
      }
    }
    s.states.values.emplace_back(name_of(state));
    s.runs.values.push_back(why.empty() ? "runs/" + job.id : "");
    if (why.empty()) s.usable.push_back(j);
    if (!why.empty()) s.report.missing.push_back({job.id, job.name(), why});
    if (why.empty() && state == JobState::diverged) s.report.diverged.push_back({job.id, job.name(), "diverged"});
  }
  std::erase_if(s.groups, [](const MergedTable& merged) { return merged.table.variables.empty(); });
  s.report.collected = s.usable.size();
  return s;
}

/// A job a line. One text, since HDF5 takes no list of more than 64 KiB as an attribute.
std::string lines(const std::vector<CollectReport::Job>& jobs) {
  std::string text;
  for (const CollectReport::Job& job : jobs)
    text += fmt::format("{}{} {}: {}", text.empty() ? "" : "\n", job.id, job.name, job.why);
  return text;
}

void put_run(SweepFile& file, const std::vector<MergedTable>& groups, const Sweep& sweep, const SweepJob& job) {
  const RunReader run(run_path(sweep, job));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string& group = groups[g].table.group;
    if (!run.has_group(group)) continue;
    const Table own = run.table(group);
    const std::vector<std::int64_t> steps = run.steps(group);
    for (std::size_t v = 0; v < groups[g].table.variables.size(); ++v) {
      const std::string& name = groups[g].table.variables[v].name;
      const auto variable = std::find_if(own.variables.begin(), own.variables.end(),
                                         [&name](const Variable& o) { return o.name == name; });
      if (variable != own.variables.end())
        file.put(g, v, job, spread(groups[g], *variable, own, steps, run.values(group, name)));
    }
  }
}

}  // namespace

std::string default_sweep_file(const std::string& sweep_folder) { return sweep_folder + "/sweep.h5"; }

CollectReport collect(Sweep& sweep, const std::string& path) {
  Survey s = survey(sweep);
  s.report.file = path;
  check(!s.usable.empty(), "there is nothing to collect: none of the {} runs of {} is over", sweep.jobs().size(),
        sweep.folder());
  try {
    SweepFile file(path, sweep.manifest(), s.groups, {s.runs, s.states},
                   {{"sweep_schema_version", kSweepFileVersion},
                    {"program_sha256", sweep.manifest().program_sha256},
                    {"diverged", lines(s.report.diverged)},
                    {"missing", lines(s.report.missing)}});
    for (const std::size_t j : s.usable) put_run(file, s.groups, sweep, sweep.jobs()[j]);
    file.finish();
  } catch (const Error& error) {
    throw Error(fmt::format("cannot write {}: {}", path, error.what()));
  }
  return s.report;
}

}  // namespace saltus
