#include "data/text/corpus.h"

#include <algorithm>
#include <filesystem>

#include "config/words.h"
#include "core/check.h"
#include "data/text/cache.h"
#include "data/text/encoding.h"
#include "data/text/fetch.h"
#include "data/text/files.h"
#include "data/text/table.h"

namespace saltus {
namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with("."); }

/// What a folder holds, sorted, but for what a desktop program leaves in every folder that it shows.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename() != ".DS_Store") found.push_back(at->path());
  }
  check_input(!error, "{}: error: cannot be read: {}", folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

/// As entries, refusing what is hidden: it is not meant to be read, and nothing is passed over in silence.
std::vector<fs::path> visible_entries(const fs::path& folder) {
  std::vector<fs::path> found = entries(folder);
  for (const fs::path& path : found)
    check_input(!is_hidden(path), "{}: error: is hidden: remove it, or give it another name if it is a document",
                path.string());
  return found;
}

/// The folders `test` and `train`, if the corpus has these.
bool has_parts(const std::vector<fs::path>& found) {
  const auto has = [&found](const char* name) {
    return std::ranges::any_of(found,
                               [name](const fs::path& p) { return p.filename() == name && fs::is_directory(p); });
  };
  return has("train") && has("test") &&
         std::ranges::count_if(found, [](const fs::path& p) { return fs::is_directory(p); }) == 2;
}

/// The documents of one subfolder a class. `sums` gets a line a file, as sha256sum prints it.
void read_classes(const fs::path& root, const fs::path& folder, Part part, std::vector<LabelledText>& texts,
                  std::string& sums) {
  for (const fs::path& entry : visible_entries(folder)) {
    check_input(fs::is_directory(entry),
                "{}: error: is in no class: put it into the subfolder that has its class's name, or elsewhere if it is "
                "no document",
                entry.string());
    const std::vector<fs::path> files = visible_entries(entry);
    check_input(!files.empty(), "{}: error: there is no document of this class", entry.string());
    for (const fs::path& file : files) {
      check_input(file.extension() == ".txt" && !fs::is_directory(file),
                  "{}: error: is not a .txt file, and the folder of a class has nothing else", file.string());
      std::string text = read_bytes(file);
      check_no_zero_bytes(file.string(), text);
      sums += fmt::format("{}  {}\n", sha256_hex(text), file.lexically_relative(root).string());
      texts.push_back({entry.filename().string(), std::move(text), file.string(), file.string(), part});
    }
  }
}

Corpus read_folder(const std::string& path) {
  std::vector<LabelledText> texts;
  std::string sums;
  const std::vector<fs::path> found = visible_entries(path);
  check_input(std::ranges::any_of(found, [](const fs::path& p) { return fs::is_directory(p); }),
              "{}: error: there is no subfolder in it: make one for each class, with a .txt file for each document",
              path);
  if (has_parts(found)) {
    for (const fs::path& entry : found)
      check_input(fs::is_directory(entry), "{}: error: is neither in train nor in test: put it elsewhere",
                  entry.string());
    read_classes(path, fs::path(path) / "train", Part::train, texts, sums);
    read_classes(path, fs::path(path) / "test", Part::test, texts, sums);
  } else {
    read_classes(path, path, Part::unassigned, texts, sums);
  }
  return assemble(std::move(texts), {path, path, "", "", sha256_hex(sums), utc_now_text()});
}

Corpus read_table(const std::string& path, bool csv) {
  const std::string bytes = read_bytes(path);
  check_no_zero_bytes(path, bytes);
  const std::vector<TableRow> rows = csv ? csv_rows(path, bytes) : tsv_rows(path, bytes);
  return assemble(table_texts(path, rows), {path, path, "", "", sha256_hex(bytes), utc_now_text()});
}

}  // namespace

std::string own_path(const std::string& name_or_path) {
  const std::vector<std::string> names = corpus_names();
  if (std::ranges::find(names, name_or_path) != names.end()) return "";
  return fs::absolute(name_or_path).lexically_normal().string();
}

Corpus load_corpus(const std::string& name_or_path) {
  const std::vector<std::string> names = corpus_names();
  if (std::ranges::find(names, name_or_path) != names.end()) {
    std::optional<Corpus> cached = read_cached(name_or_path);
    check_input(cached.has_value(), "{} is not in {}; fetch it first: saltus data fetch {}", name_or_path,
                cache_folder().string(), name_or_path);
    return std::move(*cached);
  }
  const fs::path path = name_or_path;
  std::error_code none;
  if (fs::is_directory(path, none)) return read_folder(name_or_path);
  const bool csv = path.extension() == ".csv";
  if (csv || path.extension() == ".tsv") return read_table(name_or_path, csv);
  check_input(!fs::exists(path, none), "{}: error: expected a .tsv, a .csv or a folder of texts", name_or_path);
  throw Error(
      fmt::format("there is no corpus '{}'{}: expected one of {}, or the path of a .tsv, a .csv or a folder of texts",
                  name_or_path, did_you_mean(name_or_path, names), join(names, ", ")),
      ExitCode::bad_input);
}

}  // namespace saltus
