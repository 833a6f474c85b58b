#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/thread_pool.h"
#include "train/layout.h"

namespace saltus {

/// What a study is given besides its settings.
struct StudyContext {
  std::uint64_t seed = 0;
  ThreadPool& pool;
  std::function<void(double done)>
      progress;  // to be told the share of the work that is done, now and then, by one thread
};

/// What it found.
struct Findings {
  Layout tables;                   // of constants alone: the result file's groups
  std::vector<std::string> lines;  // the result in words and numbers, for the terminal
};

/// A computation from a config that is not a training run: a flow to integrate, a loss surface, a comparison of
/// estimators. Its result is a function of its settings and the seed, but for times, whose long_name says so.
struct Study {
  std::function<void(Fields&)> settings;
  std::function<Findings(const StudyContext&)> run;
};

/// The table of studies (experiments/registry.cpp): every `make` gives a Study with its own defaults.
struct StudyEntry {
  const char* name;  // "<system>.<study>"
  const char* doc;
  Study (*make)();
};
using StudyTable = std::span<const StudyEntry>;

/// A study's config file.
struct StudyConfig {
  explicit StudyConfig(StudyTable table) : table_(table) {}

  std::string study_name;
  Study study;
  std::int64_t seed = 0;
  void fields(Fields& f);

 private:
  StudyTable table_;
};

/// The config as a complete YAML file.
std::string resolved_yaml(const StudyConfig& config);

/// Runs it and writes what it found to `path`, with the config and where the numbers come from. Returns the lines.
/// Equal settings and seeds give equal numbers, whatever the number of threads; times differ.
std::vector<std::string> run_study(const StudyConfig& config, const std::string& path, int threads,
                                   const std::function<void(double)>& progress);

}  // namespace saltus
