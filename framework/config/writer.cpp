#include "config/writer.h"

#include <fmt/core.h>

#include <algorithm>

#include "config/scalars.h"

namespace saltus {
namespace {

class Writer final : public Fields {
 public:
  explicit Writer(int depth) : indentation_(static_cast<std::size_t>(depth) * 2, ' ') {}
  std::string take() { return std::move(yaml_); }

  using Fields::section;
  void section(const char* key, const char*, const std::function<void(Fields&)>& list) override {
    Writer inner(static_cast<int>(indentation_.size()) / 2 + 1);
    list(inner);
    const std::string body = inner.take();
    if (body.empty()) {
      line(key, "{}");
    } else {
      yaml_ += fmt::format("{}{}:\n{}", indentation_, key, body);
    }
  }
  void optional_section(const char* key, bool& present, const char* doc,
                        const std::function<void(Fields&)>& list) override {
    if (present) {
      section(key, doc, list);
    } else {
      line(key, "null");
    }
  }
  void require(bool, const char*, const std::string&) override {}

 protected:
  void visit(const Field& field) override { line(field.key, yaml_text(field.value)); }

 private:
  void line(const std::string& key, const std::string& value) {
    yaml_ += fmt::format("{}{}: {}\n", indentation_, key, value);
  }

  std::string indentation_;
  std::string yaml_;
};

class Flattener final : public Fields {
 public:
  Flattener(std::string prefix, std::vector<Setting>& out) : prefix_(std::move(prefix)), out_(out) {}

  using Fields::section;
  void section(const char* key, const char*, const std::function<void(Fields&)>& list) override {
    Flattener inner(prefix_ + key + ".", out_);
    list(inner);
  }
  void optional_section(const char* key, bool& present, const char* doc,
                        const std::function<void(Fields&)>& list) override {
    if (present) {
      section(key, doc, list);
    } else {
      out_.push_back({prefix_ + key, "null"});
    }
  }
  void require(bool, const char*, const std::string&) override {}

 protected:
  void visit(const Field& field) override { out_.push_back({prefix_ + field.key, yaml_text(field.value)}); }

 private:
  std::string prefix_;
  std::vector<Setting>& out_;
};

std::string value_of(const std::vector<Setting>& all, const std::string& key) {
  const auto setting = std::ranges::find(all, key, &Setting::key);
  return setting == all.end() ? "" : setting->value;
}

}  // namespace

std::string write_config(const std::function<void(Fields&)>& list) {
  Writer writer(0);
  list(writer);
  return writer.take();
}

std::vector<Setting> settings(const std::function<void(Fields&)>& list) {
  std::vector<Setting> all;
  Flattener flattener("", all);
  list(flattener);
  return all;
}

std::vector<Difference> differences(const std::function<void(Fields&)>& a, const std::function<void(Fields&)>& b) {
  const std::vector<Setting> in_a = settings(a), in_b = settings(b);
  std::vector<Difference> found;
  for (const Setting& setting : in_a) {
    const std::string other = value_of(in_b, setting.key);
    if (setting.value != other) found.push_back({setting.key, setting.value, other});
  }
  for (const Setting& setting : in_b) {
    if (value_of(in_a, setting.key).empty()) found.push_back({setting.key, "", setting.value});
  }
  return found;
}

}  // namespace saltus
