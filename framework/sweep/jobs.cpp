#include "sweep/jobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/check.h"
#include "sweep/lease.h"
#include "train/posix.h"
#include "train/resume.h"
#include "train/trainer.h"

namespace saltus {
namespace {

using Json = nlohmann::ordered_json;

constexpr double short_lease_seconds = 60;  // of what is held for the blink of an eye

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

/// A file that cannot be read now is taken for one of a run that is not over: going on with the run mends it.
std::string status_of(const std::string& run_folder) {
  try {
    return run_status(run_folder);
  } catch (const Error&) {
    return "none";
  }
}

/// Whether an attempt that ended with this code is a job's last one until somebody asks for a retry.
bool is_failure(const std::optional<int>& code) {
  constexpr std::array others = {ExitCode::ok, ExitCode::diverged, ExitCode::interrupted};
  return code && std::ranges::none_of(others, [&code](ExitCode other) { return *code == static_cast<int>(other); });
}

}  // namespace

const char* name_of(JobState state) {
  constexpr std::array names = {"pending", "running", "done", "diverged", "failed", "interrupted"};
  return names[static_cast<std::size_t>(state)];
}

Sweep::Sweep(std::string folder) : folder_(std::move(folder)), manifest_(load_manifest(folder_)) {}

JobState Sweep::state(const SweepJob& job) {
  if (const auto known = ended_.find(job.id); known != ended_.end()) return known->second;
  // The lease first: its holder may end the run and give it back while this looks, but not the other way round.
  const bool held = live_holder(lease_path(job.id)).has_value();
  const JobState state = state_under_lease(job);
  const bool ended = state == JobState::done || state == JobState::diverged;
  return held && !ended ? JobState::running : state;
}

JobState Sweep::state_under_lease(const SweepJob& job) {
  const bool begun = was_begun(job);
  const std::string status = begun ? status_of(run_folder(job.id)) : "none";
  if (status == "done" || status == "diverged")
    return ended_[job.id] = status == "done" ? JobState::done : JobState::diverged;
  if (is_failure(record(job.id).last_exit_code)) return JobState::failed;
  return begun ? JobState::interrupted : JobState::pending;
}

bool Sweep::was_begun(const SweepJob& job) const {
  return text_of(run_folder(job.id) + "/config.yaml") == job.config_yaml;
}

bool Sweep::can_resume(const SweepJob& job, const std::string& program) const {
  try {
    const std::optional<StateArchive> state = StateArchive::read(state_path(run_folder(job.id)));
    return !state || state->text("program") == program;
  } catch (const Error&) {
    return false;
  }
}

JobRecord Sweep::record(const std::string& id) const {
  const Json json = Json::parse(text_of(record_path(id)), nullptr, false);
  JobRecord record;
  if (!json.is_object()) return record;
  record.attempts = json.value("attempts", record.attempts);
  if (json.contains("last_exit_code") && json["last_exit_code"].is_number())
    record.last_exit_code = json["last_exit_code"].get<int>();
  record.last_error = json.value("last_error", "");
  record.started = json.value("started", "");
  record.ended = json.value("ended", "");
  record.worker = json.value("worker", "");
  record.seconds = json.value("seconds", 0.0);
  return record;
}

void Sweep::save_record(const std::string& id, const JobRecord& r) const {
  const Json json = {
      {"attempts", r.attempts},     {"last_exit_code", r.last_exit_code ? Json(*r.last_exit_code) : Json()},
      {"last_error", r.last_error}, {"started", r.started},
      {"ended", r.ended},           {"worker", r.worker},
      {"seconds", r.seconds}};
  // What a child says may hold bytes that are no UTF-8.
  const std::string text = json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  posix::replace_file(record_path(id), {std::as_bytes(std::span(text))});
}

bool Sweep::retry(const SweepJob& job, bool also_diverged) {
  const std::optional<Lease> lease = Lease::acquire(lease_path(job.id), short_lease_seconds);
  if (!lease) return false;
  JobRecord r = record(job.id);
  ended_.erase(job.id);
  const std::string status = was_begun(job) ? status_of(run_folder(job.id)) : "none";
  const bool failed = status != "done" && status != "diverged" && is_failure(r.last_exit_code);
  if (!failed && !(also_diverged && status == "diverged")) return false;
  if (status == "diverged") std::filesystem::remove_all(run_folder(job.id));
  r.last_exit_code.reset();
  save_record(job.id, r);
  return true;
}

Created create_sweep(const std::string& folder, const Manifest& manifest) {
  Created created = Created::anew;
  if (std::filesystem::exists(folder + "/manifest.json")) {
    Sweep old(folder);
    const auto ids = [](const Manifest& m) {
      std::vector<std::string> all;
      for (const SweepJob& job : m.jobs) all.push_back(job.id + " " + job.name());
      return all;
    };
    const bool same = ids(old.manifest()) == ids(manifest);
    const bool same_program = old.manifest().program_sha256 == manifest.program_sha256;
    if (same && same_program) return Created::same;
    for (const SweepJob& job : old.jobs()) {
      const std::optional<std::string> holder = live_holder(old.lease_path(job.id));
      check_input(
          !holder,
          "{} holds another sweep, and a worker ({}) is at it: stop it first, or name another folder with --out",
          folder, holder.value_or(""));
    }
    created = same ? Created::same_by_another_program : Created::replaced;
  }
  std::error_code error;
  for (const char* part : {"runs", "jobs", "leases"}) {
    std::filesystem::create_directories(std::filesystem::path(folder) / part, error);
    check(!error, "cannot create the folder {}/{}: {}", folder, part, error.message());
  }
  save_manifest(folder, manifest);
  return created;
}

std::string default_sweep_folder(const std::string& config_path) {
  return "sweeps/" + std::filesystem::path(config_path).stem().string();
}

}  // namespace saltus
