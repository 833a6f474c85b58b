#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/text/cache.h"

/// Corpora out of Debian's archive, which needs no account and keeps what it once published. Nothing of the system is
/// changed and no privilege is needed: packages are taken apart in a temporary folder, and apt reads its lists into
/// one.
namespace saltus {

struct CorpusSource {
  const char* name;
  const char* doc;       // what there is to learn
  const char* from;      // what it is read from
  const char* download;  // how much has to be fetched, about
};
std::span<const CorpusSource> corpus_sources();
std::vector<std::string> corpus_names();

/// Fetches the corpus and puts it into the cache (cache.h), in place of one that is there. `say` is given a line for
/// each thing that is begun. Throws Error (failed), saying what else could be done, when something is missing or cannot
/// be reached; what the programs said is in NAME.log of the cache folder then. Throws Error (bad_input) for an unknown
/// name.
CacheEntry fetch_corpus(const std::string& name, const std::function<void(const std::string&)>& say);

}  // namespace saltus
