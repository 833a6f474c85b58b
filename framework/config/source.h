#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace saltus {

/// A text that config values come from: a file, or one override of the command line.
struct Source {
  std::string name;  // a file's path as the user gave it, or an override's origin
  std::string text;  // lines end with \n only, no byte order mark
  bool is_override = false;
  std::string key = {};  // of an override: its dotted path
  int order = 0;         // sources in the order they were opened
};

/// A spot in a source. line and column (in bytes) count from 1; line 0 is the source as a whole.
struct Place {
  std::shared_ptr<const Source> source;
  int line = 0;
  int column = 0;
};

/// Which of two places a reader meets first.
bool operator<(const Place& a, const Place& b);

/// Throws Error (bad_input) with `message` in a compiler's style, the source line and a caret below it:
///     configs/x.yaml:12:3: error: unknown key 'lerning_rate'
///       12 |   lerning_rate: 0.1
///          |   ^
/// An override shows itself instead: "<command line>: override 2 'model.n_heads=0': must be >= 1".
[[noreturn]] void fail_at(const Place& place, std::string_view message);

/// A file's bytes. Throws Error (bad_input) if it cannot be read; the message is put at `asked_at` when another file
/// asked for it.
std::string read_text(const std::string& path, const Place* asked_at);

/// Strips a byte order mark, ends every line with \n, refuses what is not UTF-8 text and tabs in indentation.
std::shared_ptr<const Source> file_source(std::string name, std::string_view bytes, int order);

/// Whether `bytes` are UTF-8 without control characters other than tab and line ends.
bool is_text(std::string_view bytes);

}  // namespace saltus
