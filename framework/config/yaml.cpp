#include "config/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace saltus {
namespace {

// References (`*anchor`) to references multiply; no config has this many values.
constexpr int max_nodes = 1'000'000;

/// yaml-cpp's words, with what usually is behind them.
std::string explained(const YAML::Exception& e) {
  struct Hint {
    const char* words;
    const char* hint;
  };
  static constexpr Hint hints[] = {
      {"illegal map value", "check the indentation; a text that contains ': ' needs quotes"},
      {"end of map not found", "check the indentation"},
      {"end of sequence not found", "check the indentation"},
      {"end of sequence flow not found", "a '[' is not closed"},
      {"end of map flow not found", "a '{' is not closed"},
      {"unknown token", "a text that starts with this character needs quotes"},
  };
  const auto hint = std::ranges::find(hints, e.msg, &Hint::words);
  return hint == std::end(hints) ? e.msg : fmt::format("{} ({})", e.msg, hint->hint);
}

/// Where yaml-cpp's marks lie in a source.
class Places {
 public:
  explicit Places(std::shared_ptr<const Source> source) : source_(std::move(source)) {}

  Place at(const YAML::Mark& mark) const {
    if (mark.is_null()) return {source_};
    const std::string& text = source_->text;
    const auto last_line = static_cast<int>(std::ranges::count(text, '\n')) + (text.ends_with('\n') ? 0 : 1);
    if (mark.line < last_line) return {source_, mark.line + 1, mark.column + 1};
    // yaml-cpp notices an unclosed bracket only behind the last line: point at the end of the text instead.
    const std::size_t end = text.find_last_not_of('\n') + 1;
    const std::string_view before = std::string_view(text).substr(0, end);
    const std::size_t newline = before.rfind('\n');
    const std::size_t start = newline == std::string_view::npos ? 0 : newline + 1;
    return {source_, static_cast<int>(std::ranges::count(before, '\n')) + 1, static_cast<int>(end - start) + 1};
  }
  const Source& source() const { return *source_; }

 private:
  std::shared_ptr<const Source> source_;
};

/// Builds the tree from the parser's events. yaml-cpp's own nodes would lose the second of two equal keys, and its
/// loader can find documents in a broken text without end.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Places& places) : places_(places) {}
  ConfigNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ == 1) return;
    // A line that is indented less than the first one starts a document for yaml-cpp, too.
    const bool separated = ("\n" + places_.source().text).find("\n---") != std::string::npos;
    fail_at(places_.at(mark), separated ? "a second document ('---'): a config is one document"
                                        : "broken YAML: this line does not line up with the first one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add({Kind::null, places_.at(mark)}, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const Place place = places_.at(mark);
    refuse_tag(tag, place);
    const bool in_quotes = tag == "!";
    if (in_quotes) refuse_open_quote(static_cast<std::size_t>(mark.pos), place);
    add({Kind::scalar, place, value, in_quotes}, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto named = anchors_.find(anchor);
    if (named == anchors_.end()) fail_at(places_.at(mark), "this reference is part of what it refers to");
    add(named->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Kind::list, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Kind::mapping, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  using Kind = ConfigNode::Kind;
  struct Open {
    ConfigNode node;
    YAML::anchor_t anchor;
    std::optional<ConfigEntry> entry = {};  // of a mapping: its key is read, its value is not
  };

  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const Place place = places_.at(mark);
    refuse_tag(tag, place);
    open_.push_back({{kind, place}, anchor});
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(ConfigNode node, YAML::anchor_t anchor) {
    nodes_ += size_of(node);
    if (nodes_ > max_nodes) fail_at(node.place, "references multiply to more than a config can hold");
    if (anchor != 0) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.entry) {
      parent.entry = ConfigEntry{key_of(node, parent.node), node.place, {}};
    } else {
      // An empty value has no text to point at: yaml-cpp marks the token after it.
      if (node.kind == Kind::null) node.place = parent.entry->place;
      parent.entry->value = std::move(node);
      parent.node.entries.push_back(std::move(*parent.entry));
      parent.entry.reset();
    }
  }

  std::string key_of(const ConfigNode& node, const ConfigNode& mapping) const {
    if (node.kind != Kind::scalar) fail_at(node.place, "a key must be a word");
    if (node.text == "<<") {
      fail_at(node.place,
              "merge keys ('<<') are not supported: put the shared keys into a file of their own and use 'inherit: "
              "file.yaml'");
    }
    if (const ConfigEntry* first = mapping.find(node.text)) {
      const std::string where =
          places_.source().is_override ? "" : fmt::format(": it stands on line {} already", first->place.line);
      fail_at(node.place, fmt::format("duplicate key '{}'{}", node.text, where));
    }
    return node.text;
  }

  static int size_of(const ConfigNode& node) {
    int size = 1;
    for (const ConfigNode& item : node.items) size += size_of(item);
    for (const ConfigEntry& entry : node.entries) size += size_of(entry.value);
    return size;
  }

  static void refuse_tag(const std::string& tag, const Place& place) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    fail_at(place, "tags ('!...') are not supported: every key has its own type");
  }

  /// yaml-cpp takes the rest of the file as the text when a quote is not closed.
  void refuse_open_quote(std::size_t start, const Place& place) const {
    const std::string_view text = std::string_view(places_.source().text).substr(start);
    if (text.empty() || (text[0] != '"' && text[0] != '\'')) return;
    for (std::size_t i = 1; i < text.size(); ++i) {
      const bool escape = text[0] == '"' ? text[i] == '\\' : text.substr(i, 2) == "''";
      if (escape)
        ++i;
      else if (text[i] == text[0])
        return;
    }
    fail_at(place, "this quote is never closed");
  }

  const Places& places_;
  ConfigNode root_ = {};
  std::vector<Open> open_;
  std::map<YAML::anchor_t, ConfigNode> anchors_;
  int documents_ = 0;
  int nodes_ = 0;
};

}  // namespace

ConfigNode parse_yaml(const std::shared_ptr<const Source>& source) {
  const Places places(source);
  TreeBuilder tree(places);
  std::istringstream text(source->text);
  try {
    YAML::Parser parser(text);
    while (parser.HandleNextDocument(tree)) {
    }
  } catch (const YAML::Exception& e) {
    fail_at(places.at(e.mark), "broken YAML: " + explained(e));
  }
  ConfigNode root = tree.take();
  if (!root.place.source) root.place.source = source;
  return root;
}

}  // namespace saltus
