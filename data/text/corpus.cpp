#include "data/text/corpus.h"

#include <algorithm>
#include <filesystem>

#include "config/words.h"
#include "core/check.h"
#include "data/text/cache.h"
#include "data/text/fetch.h"
#include "data/text/files.h"
#include "data/text/table.h"

namespace saltus {
namespace {

namespace fs = std::filesystem;

/// What a folder holds, sorted; names that begin with a dot are hidden and not meant.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().starts_with(".")) found.push_back(at->path());
  }
  check_input(!error, "{}: error: cannot be read: {}", folder.string(), error.message());
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<fs::path> subfolders(const fs::path& folder) {
  std::vector<fs::path> found = entries(folder);
  std::erase_if(found, [](const fs::path& path) { return !fs::is_directory(path); });
  return found;
}

/// The documents of one subfolder a class. `sums` gets a line a file, as sha256sum prints it.
void read_classes(const fs::path& root, const fs::path& folder, Part part, std::vector<LabelledText>& texts,
                  std::string& sums) {
  for (const fs::path& entry : entries(folder)) {
    if (!fs::is_directory(entry)) {
      check_input(entry.extension() != ".txt",
                  "{}: error: is in no class: put it into the subfolder that has its class's name", entry.string());
      continue;
    }
    const std::vector<fs::path> files = entries(entry);
    check_input(!files.empty(), "{}: error: there is no document of this class", entry.string());
    for (const fs::path& file : files) {
      check_input(file.extension() == ".txt" && !fs::is_directory(file),
                  "{}: error: is not a .txt file, and the folder of a class has nothing else", file.string());
      std::string text = read_bytes(file);
      sums += fmt::format("{}  {}\n", sha256_hex(text), file.lexically_relative(root).string());
      texts.push_back({entry.filename().string(), std::move(text), file.string(), file.string(), part});
    }
  }
}

Corpus read_folder(const std::string& path) {
  std::vector<LabelledText> texts;
  std::string sums;
  const std::vector<fs::path> folders = subfolders(path);
  check_input(!folders.empty(),
              "{}: error: there is no subfolder in it: make one for each class, with a .txt file for each document",
              path);
  if (folders.size() == 2 && folders[0].filename() == "test" && folders[1].filename() == "train") {
    read_classes(path, folders[1], Part::train, texts, sums);
    read_classes(path, folders[0], Part::test, texts, sums);
  } else {
    read_classes(path, path, Part::unassigned, texts, sums);
  }
  return assemble(std::move(texts), {path, path, "", "", sha256_hex(sums), utc_now_text()});
}

Corpus read_table(const std::string& path, bool csv) {
  const std::string bytes = read_bytes(path);
  const std::vector<TableRow> rows = csv ? csv_rows(path, bytes) : tsv_rows(path, bytes);
  return assemble(table_texts(path, rows), {path, path, "", "", sha256_hex(bytes), utc_now_text()});
}

}  // namespace

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
