#include "sweep/status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

namespace saltus {
namespace {

using Json = nlohmann::ordered_json;

bool went_wrong(JobState state) { return state == JobState::failed || state == JobState::diverged; }

/// "1:02:03" or "4:05"
std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

/// Since 1970, of a text as utc_now() writes it; 0 for any other text.
double seconds_of_utc(const std::string& text) {
  std::tm utc{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return end && *end == '\0' ? static_cast<double>(::timegm(&utc)) : 0;
}

std::string described(const JobStatus& j) {
  const std::string& error = j.record.last_error;
  return fmt::format("{:<11}  {}  {}{}{}", name_of(j.state), j.job->id, j.job->name(),
                     went_wrong(j.state) && !error.empty() ? "\n  " : "", went_wrong(j.state) ? error : "");
}

std::optional<double> eta(const std::vector<JobStatus>& jobs) {
  double known = 0, sum = 0, running = 0, unfinished = 0, elapsed = 0;
  const auto now = static_cast<double>(std::time(nullptr));
  for (const JobStatus& j : jobs) {
    if (j.state == JobState::done && j.record.seconds > 0) ++known, sum += j.record.seconds;
    if (j.state == JobState::pending || j.state == JobState::interrupted) ++unfinished, elapsed += j.record.seconds;
    if (j.state == JobState::running)
      ++running, elapsed += j.record.seconds + std::max(0.0, now - seconds_of_utc(j.record.started));
  }
  if (known == 0 || running == 0) return std::nullopt;
  return std::max(0.0, (unfinished + running) * sum / known - elapsed) / running;
}

}  // namespace

std::int64_t SweepStatus::count(JobState state) const { return std::ranges::count(jobs, state, &JobStatus::state); }

bool SweepStatus::is_over() const {
  return count(JobState::done) + count(JobState::failed) + count(JobState::diverged) ==
         static_cast<std::int64_t>(jobs.size());
}

std::string SweepStatus::line() const {
  std::vector<std::string> parts;
  for (const JobState state : {JobState::done, JobState::running, JobState::failed, JobState::diverged,
                               JobState::interrupted, JobState::pending}) {
    if (const std::int64_t n = count(state); n > 0 || state == JobState::done)
      parts.push_back(fmt::format("{} {}", n, name_of(state)));
  }
  return fmt::format("{} job{}: {}{}", jobs.size(), jobs.size() == 1 ? "" : "s", fmt::join(parts, ", "),
                     eta_seconds ? "; ETA " + duration(*eta_seconds) : "");
}

std::string SweepStatus::text() const {
  std::string text = line() + "\n";
  for (const JobStatus& j : jobs) {
    if (j.state == JobState::running || went_wrong(j.state)) text += described(j) + "\n";
  }
  return text;
}

std::string SweepStatus::json() const {
  Json json = {{"jobs", jobs.size()}};
  for (const JobState state : kJobStates) json[name_of(state)] = count(state);
  json["eta_seconds"] = eta_seconds ? Json(*eta_seconds) : Json();
  json["list"] = Json::array();
  for (const JobStatus& j : jobs) {
    Json settings = Json::object();
    for (const Setting& setting : j.job->settings) settings[setting.key] = setting.value;
    const JobRecord& r = j.record;
    json["list"].push_back({{"id", j.job->id},
                            {"state", name_of(j.state)},
                            {"settings", settings},
                            {"attempts", r.attempts},
                            {"last_exit_code", r.last_exit_code ? Json(*r.last_exit_code) : Json()},
                            {"last_error", r.last_error},
                            {"started", r.started},
                            {"ended", r.ended},
                            {"worker", r.worker},
                            {"seconds", r.seconds}});
  }
  return json.dump(1) + "\n";
}

SweepStatus look_at(Sweep& sweep) {
  SweepStatus status;
  for (const SweepJob& job : sweep.jobs()) status.jobs.push_back({&job, sweep.state(job), sweep.record(job.id)});
  status.eta_seconds = eta(status.jobs);
  return status;
}

StatusDisplay::StatusDisplay(std::FILE* out, Sweep& sweep)
    : out_(out), live_(out && ::isatty(::fileno(out)) != 0), sweep_(sweep) {
  const SweepStatus status = look_at(sweep);
  for (const JobStatus& j : status.jobs) told_.push_back(went_wrong(j.state));
  over_ = status.is_over();
}

void StatusDisplay::show(const SweepStatus& status, bool line_is_due, bool last) {
  over_ = status.is_over();
  if (!out_) return;
  for (std::size_t i = 0; i < told_.size(); ++i) {
    const JobStatus& job = status.jobs[i];
    // run.h5 tells of a divergence a moment before the worker's record tells of the reason.
    const bool complete = last || job.record.last_exit_code.has_value();
    if (told_[i] || !went_wrong(job.state) || !complete) continue;
    told_[i] = true;
    fmt::print(out_, "{}{}\n", live_ ? "\r\x1b[K" : "", described(job));
  }
  if (live_) fmt::print(out_, "\r{}\x1b[K", status.line());
  if (!live_ && line_is_due) fmt::print(out_, "{}\n", status.line());
  std::fflush(out_);
}

bool StatusDisplay::update() {
  const Clock::time_point start = Clock::now();
  if (start < next_look_) return over_;
  const bool line_is_due = start >= next_line_;
  if (line_is_due) next_line_ = start + std::chrono::seconds(10);
  show(look_at(sweep_), line_is_due, false);
  // A look at many jobs takes a while: spend little of the time on it.
  next_look_ = start + std::max<Clock::duration>(std::chrono::milliseconds(200), 30 * (Clock::now() - start));
  return over_;
}

void StatusDisplay::finish() {
  show(look_at(sweep_), true, true);
  if (live_ && out_) fmt::print(out_, "\n");
}

}  // namespace saltus
