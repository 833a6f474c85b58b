#pragma once
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/check.h"
#include "experiments/registry.h"
#include "sweep/manifest.h"

namespace saltus {

/// A folder of its own for one test, removed with everything in it.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "saltus-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    std::ofstream(*this / name, std::ios::binary) << text;
    return *this / name;
  }

 private:
  std::string path_;
};

/// A network that trains in a blink.
inline const std::string small_config = R"(system: icl_classification
steps: 3
batch_size: 8
task: {n_classes: 16, n_labels: 8, n_pairs: 4, max_pairs: 4, item_dim: 15, novel_pool: 16}
model: {classifier_width: 16}
eval: {every: 2, size: 32}
checkpoints: {every: 2, probes: 4}
)";

/// The manifest of the small network with this `sweep:` section, indented by two blanks, and these overrides.
inline Manifest manifest_of(const TempFolder& folder, const std::string& section,
                            const std::vector<std::string>& overrides = {}) {
  const std::string path = folder.write("x.yaml", small_config + (section.empty() ? "" : "sweep:\n" + section));
  return make_manifest(systems(), path, overrides);
}

/// What the user sees when `action` refuses an input; the temporary folder's name is taken out.
template <class Action>
std::string refusal(const TempFolder& folder, const Action& action) {
  try {
    action();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    std::string text = e.what();
    for (std::size_t at = 0; (at = text.find(folder.path() + "/")) != std::string::npos;)
      text.erase(at, folder.path().size() + 1);
    return text;
  }
  return "accepted";
}

}  // namespace saltus
