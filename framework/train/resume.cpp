#include "train/resume.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/reader.h"
#include "config/writer.h"
#include "train/hdf5.h"
#include "train/load_weights.h"
#include "train/posix.h"
#include "train/provenance.h"
#include "train/recorder.h"

namespace saltus {
namespace {

/// Hash of this program's file.
const std::string& program() {
  static const std::string hash = file_sha256("/proc/self/exe");
  return hash;
}

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

RunOrigin origin_of(const StateArchive& state) {
  RunOrigin origin{state.text("config_source_yaml"), state.text("overrides"), state.text("created"), state.text("resumed"), 0};
  state.get("seconds", std::span(&origin.seconds, 1));
  return origin;
}

}  // namespace

std::string state_path(const std::string& folder) { return folder + "/state.bin"; }
std::string origin_path(const std::string& folder) { return folder + "/origin.bin"; }

void begin_run(const RunOptions& options, const TrainConfig& config) {
  const std::string& folder = options.folder;
  const std::string path = folder + "/config.yaml";
  if (options.overwrite) {
    RunFile::remove(folder);
    remove_saved_state(folder);
    std::error_code ignored;
    std::filesystem::remove(folder + "/eval.h5", ignored);  // it measured the run that is replaced
  } else {
    RunFile::check_absent(folder);
    std::error_code ignored;  // what cannot be looked at cannot be written either, which will be reported
    std::ostringstream there;
    there << std::ifstream(path).rdbuf();
    check_input(!std::filesystem::exists(path, ignored) || there.str() == resolved_yaml(config),
                "{} exists and is not this run's: --out names another folder, --overwrite replaces it", path);
  }
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "cannot create the folder {}: {}", folder, error.message());
  StateArchive begun;
  stamp(begun, config, options.origin);
  begun.write(origin_path(folder));
  write_config_file(folder, config);  // last: with it the run can be resumed
}

void write_config_file(const std::string& folder, const TrainConfig& config) {
  const std::string yaml = resolved_yaml(config);
  posix::replace_file(folder + "/config.yaml", {std::as_bytes(std::span(yaml))});
}

void remove_saved_state(const std::string& folder) {
  std::error_code ignored;  // what is left behind costs room, nothing else
  std::filesystem::remove(state_path(folder), ignored);
  std::filesystem::remove(origin_path(folder), ignored);
  std::filesystem::remove_all(folder + "/recent", ignored);
}

void clear_finished_run(const std::string& folder) {
  const std::string journal = folder + "/journal.bin";
  if (Journal::is_open_elsewhere(journal)) return;  // its process is about to do it
  std::error_code ignored;
  std::filesystem::remove(journal, ignored);
  remove_saved_state(folder);
}

void stamp(StateArchive& state, const TrainConfig& config, const RunOrigin& origin) {
  state.set("config_yaml", resolved_yaml(config));
  state.set("program", program());
  state.set("config_source_yaml", origin.config_source_yaml);
  state.set("overrides", origin.overrides);
  state.set("created", origin.created);
  state.set("resumed", origin.resumed);
  state.set("seconds", std::span<const double>(&origin.seconds, 1));
}

ResumePoint resume_point(const RunOptions& options, const TrainConfig& config, const Experiment& experiment) {
  ResumePoint point{StateArchive::read(state_path(options.folder)), options.origin};
  if (!point.state) {
    RunFile::remove(options.folder);
    if (const auto begun = StateArchive::read(origin_path(options.folder))) point.origin = origin_of(*begun);
    std::string& resumed = point.origin.resumed;
    resumed += fmt::format("{}step 0, {}: no state had been saved", resumed.empty() ? "" : "\n", utc_now());
    return point;
  }
  const StateArchive& state = *point.state;
  const std::string keys = config_differences(state.text("config_yaml"), config);
  const bool other_program = state.text("program") != program();
  std::int64_t step = 0;
  state.get("step", std::span(&step, 1));
  check_input(options.force || (keys.empty() && !other_program), "{} was saved at step {} {} (--force goes on all the same and records it){}",
              options.folder, step, other_program ? "by another build of saltus" : "under another config",
              keys.empty() ? "" : (other_program ? ", and under another config:" : ":") + keys);
  const std::string path = options.folder + "/run.h5";
  if (std::filesystem::exists(path)) check_same_data(RunReader(path), experiment);
  point.origin = origin_of(state);
  std::string& resumed = point.origin.resumed;
  resumed += fmt::format("{}step {}, {}{}{}", resumed.empty() ? "" : "\n", step, utc_now(), other_program ? ", forced: another program" : "",
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
