#include "cli/sweep_collect.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/verbs.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::vector<CollectReport::Job>& jobs) {
  Json all = Json::array();
  for (const CollectReport::Job& job : jobs) all.push_back({{"id", job.id}, {"job", job.name}, {"why", job.why}});
  return all;
}

}  // namespace

void print(const CollectReport& report) {
  fmt::print("collected {} of {} runs into {}\n", report.collected, report.collected + report.missing.size(),
             report.file);
  for (const CollectReport::Job& job : report.diverged)
    fmt::print("  {}  {}: diverged; it is there up to that step\n", job.id, job.name);
  for (const CollectReport::Job& job : report.missing) fmt::print("  {}  {}: missing: {}\n", job.id, job.name, job.why);
  fmt::print(
      "open it with: /usr/bin/python3 -c \"import xarray; print(xarray.open_dataset('{}', engine='h5netcdf', "
      "group='eval'))\"\n",
      report.file);
}

Action add_collect(CLI::App& sweep) {
  struct Arguments {
    std::string folder, file;
    bool json = false, quiet = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      sweep.add_subcommand("collect", "put the measures of all runs into one file with the swept keys as dimensions");
  verb->add_option("folder", a->folder, "the sweep's folder")->required();
  verb->add_option("--out", a->file, "file to write; default: sweep.h5 in the sweep's folder");
  CLI::Option* as_json = verb->add_flag("--json", a->json, "print what was collected and what is missing as JSON");
  verb->add_flag("--quiet", a->quiet, "say nothing; the file names what is missing")->excludes(as_json);
  verb->footer(
      "  saltus sweep collect sweeps/seeds\n\n"
      "Runs that are not over are NaN in the file and named; collecting again later replaces it. docs/sweep_file.md "
      "describes the file.");
  return [a] {
    Sweep opened(a->folder);
    const CollectReport report = collect(opened, a->file.empty() ? default_sweep_file(a->folder) : a->file);
    const Json json = {{"file", report.file},
                       {"collected", report.collected},
                       {"diverged", json_of(report.diverged)},
                       {"missing", json_of(report.missing)}};
    if (a->json) fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
    if (!a->json && !a->quiet) print(report);
    return static_cast<int>(ExitCode::ok);
  };
}

}  // namespace saltus::cli
