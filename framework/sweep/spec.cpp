#include "sweep/spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/scalars.h"
#include "core/check.h"
#include "sweep/values.h"

namespace saltus {
namespace {

using Kind = ConfigNode::Kind;

constexpr int first_override_order = 1 << 20;  // messages show what is wrong in a file first
constexpr std::string_view prefix = "sweep.";

/// Gathers the axes of a `sweep:` section.
class SectionReader {
 public:
  explicit SectionReader(std::vector<SpecAxis>& axes) : axes_(axes) {}

  void read(const ConfigNode& section) {
    if (section.kind != Kind::mapping)
      fail_at(section.place, fmt::format("sweep: expected a mapping of keys to values, got {}", shown(section)));
    for (const ConfigEntry& entry : section.entries) {
      if (entry.key == "zip") {
        read_zips(entry.value);
      } else {
        std::vector<SpecAxis::Key> keys;
        gather(entry, "", keys);
        for (SpecAxis::Key& key : keys) add(SpecAxis{{std::move(key)}});
      }
    }
  }

 private:
  /// A key, or all keys below a nested mapping.
  static void gather(const ConfigEntry& entry, const std::string& above, std::vector<SpecAxis::Key>& keys) {
    const std::string path = above + entry.key;
    if (entry.value.kind == Kind::mapping) {
      for (const ConfigEntry& inner : entry.value.entries) gather(inner, path + ".", keys);
    } else {
      keys.push_back({path, entry.place, swept_values(entry.value)});
    }
  }

  void read_zips(const ConfigNode& node) {
    const bool several = node.kind == Kind::list;
    for (const ConfigNode& zip : several ? node.items : std::vector<ConfigNode>{node}) {
      if (zip.kind != Kind::mapping)
        fail_at(zip.place, fmt::format("zip: expected a mapping of keys that move together, got {}", shown(zip)));
      SpecAxis axis;
      for (const ConfigEntry& entry : zip.entries) gather(entry, "", axis.keys);
      if (axis.keys.empty()) fail_at(zip.place, "zip: expected a mapping of keys that move together, got none");
      for (const SpecAxis::Key& key : axis.keys) {
        if (key.values.size() != axis.size()) {
          fail_at(key.place, fmt::format("zip: {} has {} values, {} has {}: keys that move together need equally many",
                                         key.path, key.values.size(), axis.keys[0].path, axis.size()));
        }
      }
      add(std::move(axis));
    }
  }

  void add(SpecAxis axis) {
    for (const SpecAxis::Key& key : axis.keys) {
      const auto same = [&key](const SpecAxis::Key& other) { return other.path == key.path; };
      const bool twice =
          std::ranges::count_if(axis.keys, same) > 1 ||
          std::ranges::any_of(axes_, [&same](const SpecAxis& other) { return std::ranges::any_of(other.keys, same); });
      if (twice) fail_at(key.place, fmt::format("the key '{}' is swept twice", key.path));
    }
    axes_.push_back(std::move(axis));
  }

  std::vector<SpecAxis>& axes_;
};

ConfigNode take_section(ConfigNode& root) {
  const auto entry = std::ranges::find(root.entries, "sweep", &ConfigEntry::key);
  if (entry == root.entries.end()) return {Kind::mapping, root.place};
  ConfigNode section = std::move(entry->value);
  root.entries.erase(entry);
  return section;
}

std::vector<SpecAxis>::iterator find_axis(std::vector<SpecAxis>& axes, const std::string& path) {
  return std::ranges::find_if(axes, [&path](const SpecAxis& axis) {
    return std::ranges::find(axis.keys, path, &SpecAxis::Key::path) != axis.keys.end();
  });
}

/// Whether an override changes the axes, and of which key.
struct AxisOverride {
  bool is_axis;
  std::string path;
};
AxisOverride axis_override(const Override& change) {
  if (change.key.starts_with(prefix)) return {true, change.key.substr(prefix.size())};
  return {change.value.find_first_of("[{\"'") != 0 && is_values_text(change.value), change.key};
}

/// Puts an axis in the place of the one that the file gives its key, or behind all others; or takes the file's away.
void apply(const Override& change, int order, std::vector<SpecAxis>& axes) {
  const auto [is_axis, path] = axis_override(change);
  const auto same = find_axis(axes, path);
  check_input(same == axes.end() || same->keys.size() == 1,
              "{}: {} moves together with other keys in the file's zip: change it there", change.origin, path);
  if (!is_axis) {
    if (same != axes.end()) axes.erase(same);
    return;
  }
  check_input(!path.empty() && path != "zip" && !path.starts_with("zip."),
              "{}: keys that move together (zip) can be given in the file only", change.origin);
  const ConfigNode value = override_value({path, change.value, change.origin}, order);
  SpecAxis axis{{{path, Place{value.place.source}, swept_values(value)}}};
  if (same == axes.end()) {
    axes.push_back(std::move(axis));
  } else {
    *same = std::move(axis);
  }
}

}  // namespace

SweepSpec read_spec(const std::string& path, std::span<const Override> overrides) {
  std::vector<Override> for_all;
  std::ranges::copy_if(overrides, std::back_inserter(for_all),
                       [](const Override& o) { return !axis_override(o).is_axis; });
  SweepSpec spec{read_tree(path, for_all), {}};
  SectionReader(spec.axes).read(take_section(spec.base));
  for (std::size_t i = 0; i < overrides.size(); ++i)
    apply(overrides[i], first_override_order + static_cast<int>(i), spec.axes);
  check_input(!spec.axes.empty(),
              "{}: error: no key is swept: add a section 'sweep:', or values on the command line, such as seed=0..9",
              path);
  return spec;
}

}  // namespace saltus
