#pragma once
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "config/reader.h"
#include "core/check.h"

namespace saltus {

/// A config with a key of every type, in the shape that real ones have: `system` decides what follows.
struct Study {
  struct Model {
    std::int64_t d_model = 8, n_heads = 2;
    std::vector<std::int64_t> widths = {16};
    void fields(Fields& f) {
      f.field("d_model", d_model, "width of the residual stream", at_least(1));
      f.field("n_heads", n_heads, "attention heads a layer", at_least(1));
      f.field("widths", widths, "units of each hidden layer", at_least(1));
      f.require(d_model % n_heads == 0, "n_heads", fmt::format("{} heads do not divide d_model {}", n_heads, d_model));
    }
    bool operator==(const Model&) const = default;
  };
  struct Memory {
    std::int64_t window = 4;
    double decay = 0.5;
    void fields(Fields& f) {
      f.field("window", window, "tokens that the memory sees at once", at_least(1));
      f.field("decay", decay, "what is kept from token to token", between(0, 1));
    }
    bool operator==(const Memory&) const = default;
  };
  struct Optimizer {
    std::string kind = "sgd";
    double learning_rate = 0.01;
    std::optional<double> clip;
    void fields(Fields& f) {
      f.choice("kind", kind, {"sgd", "adam"}, "update rule");
      f.field("learning_rate", learning_rate, "step size", above(0));
      f.field("clip", clip, "largest norm of the gradient", above(0));
    }
    bool operator==(const Optimizer&) const = default;
  };

  std::string system;
  std::string name = "run";
  std::int64_t seed = 0;
  std::optional<std::int64_t> stop_at;
  bool log = true;
  std::vector<double> noise = {};
  std::vector<std::string> labels = {"a"};
  Model model;
  std::optional<Memory> memory;
  Optimizer optimizer;

  void fields(Fields& f) {
    f.choice("system", system, {"icl", "titans"}, "what is trained");
    f.field("name", name, "what the run is called");
    f.field("seed", seed, "start of all random numbers");
    f.field("stop_at", stop_at, "last step", at_least(0));
    f.field("log", log, "whether measures are written");
    f.field("noise", noise, "noise of each test set", at_least(0));
    f.field("labels", labels, "names of the test sets");
    f.section("model", model, "the network");
    if (system == "titans") f.section("memory", memory, "what is learnt while reading");
    f.section("optimizer", optimizer, "how parameters move");
  }
  bool operator==(const Study&) const = default;
};

inline Study read_study(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  Study study;
  read_config_text("x.yaml", yaml, parse_overrides(overrides), [&](Fields& f) { study.fields(f); });
  return study;
}

/// What the user sees when `action` refuses an input.
template <class Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    return e.what();
  }
  return "accepted";
}

inline std::string refusal_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  return refusal([&] { read_study(yaml, overrides); });
}

/// A folder of config files that lives as long as the object; the working folder meanwhile, so that messages show short
/// paths.
class Folder {
 public:
  Folder() : before_(std::filesystem::current_path()) {
    std::string name = (std::filesystem::temp_directory_path() / "saltus-config-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::filesystem::current_path(path_);
  }
  ~Folder() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  static Study read(const std::string& name, const std::vector<std::string>& overrides = {}) {
    Study study;
    read_config(name, parse_overrides(overrides), [&](Fields& f) { study.fields(f); });
    return study;
  }
  static std::string refusal_of(const std::string& name) {
    return refusal([&] { read(name); });
  }

 private:
  std::filesystem::path path_, before_;
};

}  // namespace saltus
