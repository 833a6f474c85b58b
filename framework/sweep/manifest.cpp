#include "sweep/manifest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "train/posix.h"

namespace saltus {
namespace {

using Json = nlohmann::ordered_json;

constexpr int manifest_version = 1;

Json to_json(const SweepAxis& axis) {
  if (axis.keys.size() > 1) return {{"keys", axis.keys}, {"values", axis.values}};
  Json values = Json::array();
  for (const std::vector<std::string>& value : axis.values) values.push_back(value[0]);
  return {{"key", axis.keys[0]}, {"values", values}};
}

SweepAxis axis_from(const Json& json) {
  if (json.contains("keys")) return {json.at("keys"), json.at("values")};
  SweepAxis axis{{json.at("key")}, {}};
  for (const Json& value : json.at("values")) axis.values.push_back({value});
  return axis;
}

Json to_json(const SweepJob& job) {
  Json settings = Json::object();
  for (const Setting& setting : job.settings) settings[setting.key] = setting.value;
  Json json = {{"id", job.id}, {"index", job.index}, {"settings", settings}, {"config_yaml", job.config_yaml}};
  if (job.step.at_once > 1) json["step"] = {{"kind", job.step.name}, {"at_once", job.step.at_once}};
  return json;
}

SweepJob job_from(const Json& json) {
  SweepJob job{json.at("id"), json.at("index"), {}, json.at("config_yaml")};
  if (json.contains("step")) job.step = {json.at("step").at("kind"), json.at("step").at("at_once")};
  for (const auto& [key, value] : json.at("settings").items()) job.settings.push_back({key, value});
  return job;
}

std::string manifest_path(const std::string& folder) { return folder + "/manifest.json"; }

}  // namespace

std::string SweepJob::name() const {
  std::vector<std::string> parts;
  for (const Setting& setting : settings) parts.push_back(setting.key + "=" + setting.value);
  return fmt::format("{}", fmt::join(parts, " "));
}

Manifest load_manifest(const std::string& folder) {
  const std::string path = manifest_path(folder);
  check_input(std::filesystem::exists(path), "{} holds no sweep: there is no {}; `saltus sweep create` makes one",
              folder, path);
  try {
    std::ifstream file(path);
    const Json json = Json::parse(file);
    const int version = json.at("version");
    check_input(version == manifest_version, "{} has version {}; this saltus reads version {}", path, version,
                manifest_version);
    Manifest manifest{json.at("created"), json.at("program_sha256"), json.at("config"), {}, {}};
    for (const Json& axis : json.at("axes")) manifest.axes.push_back(axis_from(axis));
    for (const Json& job : json.at("jobs")) manifest.jobs.push_back(job_from(job));
    return manifest;
  } catch (const Json::exception& e) {
    throw Error(fmt::format("{} is damaged: {}", path, e.what()), ExitCode::bad_input);
  }
}

void save_manifest(const std::string& folder, const Manifest& manifest) {
  Json axes = Json::array(), jobs = Json::array();
  for (const SweepAxis& axis : manifest.axes) axes.push_back(to_json(axis));
  for (const SweepJob& job : manifest.jobs) jobs.push_back(to_json(job));
  const Json json = {{"version", manifest_version},
                     {"created", manifest.created},
                     {"program_sha256", manifest.program_sha256},
                     {"config", manifest.config},
                     {"axes", axes},
                     {"jobs", jobs}};
  const std::string text = json.dump(1) + "\n";
  posix::replace_file(manifest_path(folder), {std::as_bytes(std::span(text))});
}

}  // namespace saltus
