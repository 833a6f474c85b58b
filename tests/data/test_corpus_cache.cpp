#include <set>

#include "data/text/cache.h"
#include "data/text/fetch.h"
#include "data/text_files.h"

namespace saltus {
namespace {

/// As a fetch would have left it.
Corpus reviews() {
  Corpus corpus;
  corpus.classes = {"great", "other"};
  corpus.documents = {{1, "two\nlines\tand a \\", "row 1", Part::train}, {0, "fine \"wine\"", "row 2", Part::test}};
  corpus.provenance = {"small_fine_foods",    "Debian package 1.0: a 'quoted' \"name\"", "2023-01-25", "CC0", "ab12",
                       "2026-01-02T03:04:05Z"};
  return corpus;
}

std::string load_error(const TextFolder& folder) {
  return error_of(folder, [] { load_corpus("small_fine_foods"); });
}

}  // namespace

TEST_CASE("a cached corpus comes back as it was") {
  const TextFolder folder;
  CHECK_FALSE(cache_entry("small_fine_foods"));
  const CacheEntry written = write_cached(reviews());
  CHECK(written.documents == 2);
  CHECK(written.tsv_bytes ==
        static_cast<std::int64_t>(std::filesystem::file_size(folder.path("cache/small_fine_foods.tsv"))));
  const Corpus corpus = load_corpus("small_fine_foods"), before = reviews();
  CHECK(corpus.classes == before.classes);
  REQUIRE(corpus.documents.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(corpus.documents[i].label == before.documents[i].label);
    CHECK(corpus.documents[i].text == before.documents[i].text);
    CHECK(corpus.documents[i].source == before.documents[i].source);
    CHECK(corpus.documents[i].part == before.documents[i].part);
  }
  CHECK(corpus.provenance.source == before.provenance.source);
  CHECK(corpus.provenance.sha256 == before.provenance.sha256);
  CHECK(corpus.provenance.retrieved == before.provenance.retrieved);

  // A copy of it elsewhere is a corpus like any other.
  std::filesystem::copy(folder.path("cache/small_fine_foods.tsv"), folder.path("mine.tsv"));
  CHECK(load_corpus(folder.path("mine.tsv")).documents[0].text == before.documents[0].text);
}

TEST_CASE("nothing but the two files is left behind by writing") {
  const TextFolder folder;
  write_cached(reviews());
  write_cached(reviews());
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("cache")))
    names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"small_fine_foods.tsv", "small_fine_foods.yaml"});
}

TEST_CASE("a damaged cache says so and how to fetch anew") {
  const TextFolder folder;
  write_cached(reviews());
  const std::string again = "\nfetch it anew: saltus data fetch small_fine_foods --again";
  std::string tsv = read_bytes(folder.path("cache/small_fine_foods.tsv"));
  tsv.back() = 'x';
  folder.write("cache/small_fine_foods.tsv", tsv);
  const std::string error = load_error(folder);
  CHECK(error.starts_with("the copy of small_fine_foods in cache is damaged: small_fine_foods.tsv has "));
  CHECK(error.ends_with(" were written" + again));

  std::filesystem::remove(folder.path("cache/small_fine_foods.tsv"));
  CHECK(load_error(folder) ==
        "the copy of small_fine_foods in cache is damaged: cache/small_fine_foods.tsv: error: cannot be read: No such "
        "file "
        "or directory" +
            again);

  write_cached(reviews());
  folder.write("cache/small_fine_foods.yaml", "documents: many\n");
  CHECK(load_error(folder).starts_with(
      "the copy of small_fine_foods in cache is damaged: cache/small_fine_foods.yaml:1:12: error: documents: "));
  std::filesystem::remove(folder.path("cache/small_fine_foods.yaml"));
  CHECK(load_error(folder).ends_with("cache/small_fine_foods.yaml: error: no such file" + again));
}

TEST_CASE("the cache is where the environment says") {
  const TextFolder folder;
  CHECK(cache_folder() == folder.path("cache"));
  ::unsetenv("SALTUS_CACHE");
  const char* home = std::getenv("HOME");
  const std::string home_before = home ? home : "";
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const std::string xdg_before = xdg ? xdg : "";
  ::setenv("HOME", "/h", 1);
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  CHECK(cache_folder() == "/x/saltus");
  ::unsetenv("XDG_CACHE_HOME");
  CHECK(cache_folder() == "/h/.cache/saltus");
  ::setenv("HOME", home_before.c_str(), 1);
  if (xdg) ::setenv("XDG_CACHE_HOME", xdg_before.c_str(), 1);
}

TEST_CASE("a name that cannot be fetched is refused with the nearest") {
  const TextFolder folder;
  CHECK(error_of(folder, [] { fetch_corpus("debian_section", [](const std::string&) {}); }) ==
        "there is no corpus 'debian_section' to fetch (did you mean 'debian_sections'?): expected one of "
        "small_fine_foods, debian_sections, debian_topics4");
}

}  // namespace saltus
