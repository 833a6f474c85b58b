#include "data/text/cache.h"

#include <cstdlib>

#include "config/reader.h"
#include "config/writer.h"
#include "core/check.h"
#include "data/text/files.h"
#include "data/text/table.h"

namespace saltus {
namespace {

namespace fs = std::filesystem;

fs::path cached_file(const std::string& name, const char* ending) { return cache_folder() / (name + ending); }

[[noreturn]] void fail_damaged(const std::string& name, const std::string& why) {
  throw Error(fmt::format("the copy of {} in {} is damaged: {}\nfetch it anew: saltus data fetch {} --again", name,
                          cache_folder().string(), why, name),
              ExitCode::bad_input);
}

const char* word(Part part) { return part == Part::train ? "train" : part == Part::test ? "test" : ""; }

std::string tsv_of(const Corpus& corpus) {
  std::string tsv = "label\tpart\tsource\tescaped_text\n";
  for (const Document& d : corpus.documents)
    tsv += fmt::format("{}\t{}\t{}\t{}\n", corpus.classes[static_cast<std::size_t>(d.label)], word(d.part), d.source,
                       escaped(d.text));
  return tsv;
}

}  // namespace

fs::path cache_folder() {
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return fs::path(value ? value : "");
  };
  if (!set("SALTUS_CACHE").empty()) return set("SALTUS_CACHE");
  if (!set("XDG_CACHE_HOME").empty()) return set("XDG_CACHE_HOME") / "saltus";
  check_input(!set("HOME").empty(),
              "where is the cache of texts? None of SALTUS_CACHE, XDG_CACHE_HOME and HOME is set");
  return set("HOME") / ".cache" / "saltus";
}

void CacheEntry::fields(Fields& f) {
  f.field("name", provenance.name, "of the corpus");
  f.field("source", provenance.source, "what was read");
  f.field("source_date", provenance.source_date, "when that was released");
  f.field("licence", provenance.licence, "of the texts");
  f.field("sha256", provenance.sha256, "of what was read");
  f.field("retrieved", provenance.retrieved, "when it was read");
  f.field("documents", documents, "texts", at_least(0));
  f.field("tsv_bytes", tsv_bytes, "size of the .tsv", at_least(0));
  f.field("tsv_sha256", tsv_sha256, "of the .tsv");
}

std::optional<CacheEntry> cache_entry(const std::string& name) {
  const fs::path yaml = cached_file(name, ".yaml"), tsv = cached_file(name, ".tsv");
  std::error_code none;
  if (!fs::exists(yaml, none) && !fs::exists(tsv, none)) return std::nullopt;
  CacheEntry entry;
  try {
    read_config(yaml.string(), {}, [&entry](Fields& f) { entry.fields(f); });
  } catch (const Error& e) {
    fail_damaged(name, e.what());
  }
  return entry;
}

std::optional<Corpus> read_cached(const std::string& name) {
  const std::optional<CacheEntry> entry = cache_entry(name);
  if (!entry) return std::nullopt;
  const std::string path = cached_file(name, ".tsv").string();
  std::string damage;
  try {
    const std::string bytes = read_bytes(path), sha256 = sha256_hex(bytes);
    if (sha256 == entry->tsv_sha256) return assemble(table_texts(path, tsv_rows(path, bytes)), entry->provenance);
    damage = fmt::format("{}.tsv has {} bytes with SHA-256 {:.12}..., but {} with {:.12}... were written", name,
                         bytes.size(), sha256, entry->tsv_bytes, entry->tsv_sha256);
  } catch (const Error& e) {
    damage = e.what();
  }
  fail_damaged(name, damage);
}

CacheEntry write_cached(const Corpus& corpus) {
  const std::string tsv = tsv_of(corpus), &name = corpus.provenance.name;
  CacheEntry entry{corpus.provenance, static_cast<std::int64_t>(corpus.documents.size()),
                   static_cast<std::int64_t>(tsv.size()), sha256_hex(tsv)};
  std::error_code error;
  fs::create_directories(cache_folder(), error);
  check(!error, "cannot make the folder {}: {}", cache_folder().string(), error.message());
  write_whole(cached_file(name, ".tsv"), tsv);
  write_whole(cached_file(name, ".yaml"), write_config([&entry](Fields& f) { entry.fields(f); }));
  return entry;
}

}  // namespace saltus
