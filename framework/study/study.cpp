#include "study/study.h"

#include "config/writer.h"
#include "train/provenance.h"
#include "train/run_h5.h"

namespace saltus {

void StudyConfig::fields(Fields& f) {
  std::vector<std::string> names;
  for (const StudyEntry& entry : table_) names.emplace_back(entry.name);
  const std::string before = study_name;
  f.choice("study", study_name, names, "which study this is; decides the keys of `settings`");
  for (const StudyEntry& entry : table_) {
    if (study_name == entry.name && (study_name != before || !study.run)) study = entry.make();
  }
  f.field("seed", seed, "seed of everything random", at_least(0));
  if (study.settings) f.section("settings", "what is computed", study.settings);
}

std::string resolved_yaml(const StudyConfig& config) {
  StudyConfig copy = config;
  return write_config([&copy](Fields& f) { copy.fields(f); });
}

std::vector<std::string> run_study(const StudyConfig& config, const std::string& path, int threads,
                                   const std::function<void(double)>& progress) {
  ThreadPool pool(threads);
  const Findings found = config.study.run({static_cast<std::uint64_t>(config.seed), pool, progress});
  Attributes attributes = provenance();
  const std::string yaml = resolved_yaml(config);
  attributes.push_back({"study", config.study_name});
  attributes.push_back({"config_yaml", yaml});
  attributes.push_back({"config_hash", text_sha256(yaml)});
  attributes.push_back({"seed", config.seed});
  write_result_file(path, found.tables, attributes);
  return found.lines;
}

}  // namespace saltus
