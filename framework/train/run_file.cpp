#include "train/run_file.h"

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "core/check.h"
#include "train/posix.h"
#include "train/run_h5.h"

namespace saltus {
namespace {

const char* name_of(RunStatus status) {
  switch (status) {
    case RunStatus::done:
      return "done";
    case RunStatus::diverged:
      return "diverged";
    case RunStatus::failed:
      return "failed";
    case RunStatus::interrupted:
      return "interrupted";
  }
  return "";
}

std::string journal_path(const std::string& folder) { return folder + "/journal.bin"; }

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(!error, "cannot create the folder {}: {}", folder, error.message());
}

}  // namespace

RunFile::RunFile(const std::string& folder, Layout layout, const Attributes& attributes, Journal journal,
                 double flush_seconds)
    : folder_(folder),
      layout_(std::move(layout)),
      flush_seconds_(flush_seconds),
      journal_(std::move(journal)),
      steps_(layout_.size()) {
  set_attribute("Conventions", "saltus-" + std::to_string(kRunFileVersion));
  set_attribute("schema_version", kRunFileVersion);
  set_attribute("status", "running");
  for (const Attribute& attribute : attributes) set_attribute(attribute.name, attribute.value);
}

void RunFile::check_absent(const std::string& folder) {
  for (const std::string& path : {folder + "/run.h5", journal_path(folder)}) {
    std::error_code ignored;  // what cannot be looked at cannot be written either, which will be reported
    check_input(!std::filesystem::exists(path, ignored),
                "{0} holds a run already ({1}): --resume {0} goes on with it, --overwrite replaces it, --out names another folder", folder, path);
  }
}

void RunFile::remove(const std::string& folder) {
  check_input(!Journal::is_open_elsewhere(journal_path(folder)), "{} is being written by another process", folder);
  for (const std::string& path : {folder + "/run.h5", journal_path(folder)}) {
    std::error_code ignored;  // what cannot be removed will be in the way of the new run, and reported
    std::filesystem::remove(path, ignored);
  }
}

RunFile RunFile::create(const std::string& folder, Layout layout, const Attributes& attributes, double flush_seconds) {
  layout = validated(std::move(layout));
  make_folder(folder);
  check_absent(folder);
  Journal journal = Journal::create(journal_path(folder), describe(layout));
  RunFile run(folder, std::move(layout), attributes, std::move(journal), flush_seconds);
  try {
    run.flush();
  } catch (const Error&) {
    run.journal_.remove();  // so that the same command works once the cause is gone
    throw;
  }
  return run;
}

RunFile RunFile::resume(const std::string& folder, Layout layout, const Attributes& attributes, std::int64_t step,
                        double flush_seconds) {
  layout = validated(std::move(layout));
  Journal journal = Journal::reopen(journal_path(folder), describe(layout));
  journal.cut(step);
  RunFile run(folder, std::move(layout), attributes, std::move(journal), flush_seconds);
  run.journal_.for_each([&](const JournalRecord& record) { run.steps_.at(record.table).push_back(record.step); });
  for (std::vector<std::int64_t>& steps : run.steps_) std::sort(steps.begin(), steps.end());
  return run;
}

void RunFile::append(std::string_view group, std::int64_t step, std::span<const Values> row) {
  const std::uint32_t t = table_index(group);
  check_row(layout_[t], row);
  std::vector<std::int64_t>& steps = steps_[t];
  const auto place = std::lower_bound(steps.begin(), steps.end(), step);
  check(place == steps.end() || *place != step, "run file: {} has a row for step {} already", group, step);
  check(place == steps.end() || layout_[t].late_rows, "run file: {} got a row for step {} after step {}", group, step, steps.empty() ? 0 : steps.back());
  std::vector<std::span<const std::byte>> parts;
  for (const Values& values : row) parts.push_back(values.bytes());
  journal_.append(t, step, parts);
  steps.insert(place, step);
}

void RunFile::check_row(const Table& table, std::span<const Values> row) const {
  check(row.size() == table.variables.size(), "run file: {} has {} variables, the row has {}", table.group,
        table.variables.size(), row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Variable& variable = table.variables[i];
    const std::int64_t size = entry_size(table, variable.dims);
    check(row[i].type() == variable.type && static_cast<std::int64_t>(row[i].size()) == size,
          "run file: {}/{} takes {} {} values, the row has {} {}", table.group, variable.name, size,
          saltus::name_of(variable.type), row[i].size(), saltus::name_of(row[i].type()));
  }
}

void RunFile::set_attribute(const std::string& name, AttributeValue value) {
  const auto found =
      std::find_if(attributes_.begin(), attributes_.end(), [&](const Attribute& a) { return a.name == name; });
  if (found == attributes_.end()) {
    attributes_.push_back({name, std::move(value)});
  } else {
    found->value = std::move(value);
  }
}

bool RunFile::maybe_flush(double now) {
  if (now >= next_sync_) {
    journal_.sync();
    next_sync_ = now + flush_seconds_;
  }
  if (now < next_rewrite_) return false;
  const auto begin = std::chrono::steady_clock::now();
  rewrite();
  const double duration = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  next_rewrite_ = now + duration + rewrite_pause(flush_seconds_, duration);
  return true;
}

void RunFile::flush() {
  journal_.sync();
  rewrite();
}

void RunFile::finish(RunStatus status) {
  set_attribute("status", name_of(status));
  flush();
  if (status == RunStatus::done || status == RunStatus::diverged) {
    journal_.remove();
    posix::sync_path(folder_);
  }
}

std::uint32_t RunFile::table_index(std::string_view group) const {
  const auto found =
      std::find_if(layout_.begin(), layout_.end(), [&](const Table& table) { return table.group == group; });
  check(found != layout_.end(), "run file: there is no group \"{}\"", group);
  return static_cast<std::uint32_t>(found - layout_.begin());
}

void RunFile::rewrite() { replace_run_h5(folder_, layout_, {attributes_, journal_, steps_}); }

double rewrite_pause(double flush_seconds, double duration) { return std::max(flush_seconds, 50 * duration); }

}  // namespace saltus
