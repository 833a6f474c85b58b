#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "config/fields.h"
#include "data/text/corpus.h"

/// Fetched corpora: two files each in the cache folder, NAME.tsv (with the header label, part, source, escaped_text)
/// and NAME.yaml, its provenance. load_corpus also reads such a .tsv as a user's own, wherever it is copied to.
namespace saltus {

/// $SALTUS_CACHE, $XDG_CACHE_HOME/saltus or ~/.cache/saltus, the first that is set. Throws Error (bad_input) when none
/// is.
std::filesystem::path cache_folder();

/// What NAME.yaml holds.
struct CacheEntry {
  Provenance provenance;
  std::int64_t documents = 0;
  std::int64_t tsv_bytes = 0;
  std::string tsv_sha256;
  void fields(Fields& f);
};

/// Nothing when the corpus is not there. Throws Error (bad_input), saying how to fetch it anew, when its files cannot
/// be read.
std::optional<CacheEntry> cache_entry(const std::string& name);

/// As cache_entry, with the texts, which must have the checksum that was noted when they were written.
std::optional<Corpus> read_cached(const std::string& name);

/// Writes the corpus under its provenance's name, each file whole or not at all.
CacheEntry write_cached(const Corpus& corpus);

}  // namespace saltus
