#include "train/resume.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <filesystem>

#include "config/reader.h"
#include "config/writer.h"
#include "train/hdf5.h"
#include "train/posix.h"
#include "train/provenance.h"
#include "train/recorder.h"

namespace saltus {
namespace {

std::string program() { return file_sha256("/proc/self/exe"); }

/// "  optimizer.learning_rate: 0.01 -> 0.02", a line for each key that differs; empty when none does.
std::string config_differences(const std::string& saved_yaml, const TrainConfig& config) {
  if (saved_yaml == resolved_yaml(config)) return "";
  TrainConfig saved(config.table()), now = config;
  read_config_text("the saved config", saved_yaml, {}, [&saved](Fields& f) { saved.fields(f); });
  std::string text;
  for (const Difference& d : differences([&saved](Fields& f) { saved.fields(f); }, [&now](Fields& f) { now.fields(f); })) {
    text += fmt::format("\n  {}: {} -> {}", d.key, d.a, d.b);
  }
  return text;
}

std::string now() {
  const std::time_t t = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&t, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

void remove_recorded(const std::string& folder) {
  std::error_code ignored;
  for (const char* name : {"run.h5", "journal.bin"}) std::filesystem::remove(std::filesystem::path(folder) / name, ignored);
}

}  // namespace

std::string state_path(const std::string& folder) { return folder + "/state.bin"; }

void write_config_file(const std::string& folder, const TrainConfig& config) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "cannot create the folder {}: {}", folder, error.message());
  const std::string yaml = resolved_yaml(config);
  posix::replace_file(folder + "/config.yaml", {std::as_bytes(std::span(yaml))});
}

void stamp(StateArchive& state, const TrainConfig& config, const std::string& history) {
  state.set("config_yaml", resolved_yaml(config));
  state.set("program", program());
  state.set("history", history);
}

ResumePoint resume_point(const RunOptions& options, const TrainConfig& config) {
  ResumePoint point;
  point.state = StateArchive::read(state_path(options.folder));
  if (!point.state) {
    remove_recorded(options.folder);
    point.history = fmt::format("step 0, {}: no state had been saved", now());
    return point;
  }
  const StateArchive& state = *point.state;
  const std::string keys = config_differences(state.text("config_yaml"), config);
  const bool other_program = state.text("program") != program();
  std::int64_t step = 0;
  state.get("step", std::span(&step, 1));
  check_input(options.force || (keys.empty() && !other_program), "{} was saved at step {} {}{}; --force goes on all the same and records it",
              options.folder, step, other_program ? "by another build of saltus" : "under another config",
              keys.empty() ? "" : fmt::format("{}{}\n", other_program ? " and under another config:" : ":", keys));
  point.history = fmt::format("{}step {}, {}{}{}", state.text("history"), step, now(), other_program ? ", forced: another program" : "",
                              keys.empty() ? "" : ", forced: another config:" + keys);
  return point;
}

std::string run_status(const std::string& folder) {
  const std::string path = folder + "/run.h5";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return "none";
  return hdf5::read_text_attribute(path, "status");
}

}  // namespace saltus
