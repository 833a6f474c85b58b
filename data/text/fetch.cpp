#include "data/text/fetch.h"

#include <algorithm>

#include "config/words.h"
#include "core/check.h"
#include "data/text/command.h"
#include "data/text/debian.h"
#include "data/text/files.h"
#include "data/text/r_data.h"

namespace saltus {
namespace {

namespace fs = std::filesystem;
using Say = std::function<void(const std::string&)>;

/// Where a corpus is made: a folder that goes away, and the log of the programs that run.
struct Workshop {
  fs::path folder, log;
  const Say& say;

  void run(const std::vector<std::string>& arguments, const fs::path& out = {}) const {
    run_command(arguments, folder, log, out);
  }
  std::string output_of(const std::vector<std::string>& arguments) const {
    run(arguments, folder / "out");
    return read_bytes(folder / "out");
  }
};

/// Lets apt fetch its lists into the workshop, and returns the file that makes apt-get work with these. Hooks that
/// clean up after an update are left out: they would clean the system's own lists.
fs::path fresh_lists(const Workshop& shop) {
  for (const char* folder : {"lists/partial", "cache/archives/partial"}) fs::create_directories(shop.folder / folder);
  fs::permissions(shop.folder, fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add);  // for apt's own user
  const fs::path config = shop.folder / "apt.conf";
  const std::string at = shop.folder.string();
  write_whole(
      config,
      fmt::format("Dir::State \"{0}\";\nDir::State::lists \"{0}/lists\";\nDir::Cache \"{0}/cache\";\n"
                  "Acquire::Languages \"en\";\n#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
                  "#clear APT::Update::Post-Invoke-Success;\n",
                  at));
  shop.say("fetching the package lists");
  shop.run({"apt-get", "-c", config.string(), "update"});
  return config;
}

/// The one .deb that is in the workshop.
fs::path downloaded(const Workshop& shop) {
  for (const fs::directory_entry& entry : fs::directory_iterator(shop.folder)) {
    if (entry.path().extension() == ".deb") return entry.path();
  }
  throw Error("apt-get download brought no .deb");
}

/// Takes a package apart in the workshop without installing it. Its lists may be missing or name a version that is
/// gone: then fresh ones are fetched.
fs::path unpacked(const Workshop& shop, const std::string& package) {
  shop.say("fetching the package " + package);
  try {
    shop.run({"apt-get", "download", package});
  } catch (const Error&) {
    const fs::path config = fresh_lists(shop);
    shop.say("fetching the package " + package);
    shop.run({"apt-get", "-c", config.string(), "download", package});
  }
  const fs::path deb = downloaded(shop);
  shop.run({"dpkg-deb", "-x", deb.string(), "unpacked"});
  return deb;
}

/// The rows of a data frame with a text `review` and a factor `score`.
void add_reviews(const RValue& frame, const std::string& object, Part part, std::vector<LabelledText>& texts) {
  const std::vector<std::string> reviews = r_texts(frame.item("review")), scores = r_texts(frame.item("score"));
  check(reviews.size() == scores.size(), "{} has {} reviews and {} scores", object, reviews.size(), scores.size());
  for (std::size_t row = 0; row < reviews.size(); ++row) {
    const std::string source = fmt::format("{} row {}", object, row + 1);
    texts.push_back({scores[row], reviews[row], source, source, part});
  }
}

void check_counts(const std::vector<LabelledText>& texts, Part part, const std::string& label, std::ptrdiff_t all,
                  std::ptrdiff_t of_label) {
  const auto n = std::ranges::count(texts, part, &LabelledText::part);
  const auto k =
      std::ranges::count_if(texts, [&](const LabelledText& t) { return t.part == part && t.label == label; });
  check(n == all && k == of_label, "there are {} reviews, {} of them {}; {} and {} are known to be there", n, k, label,
        all, of_label);
}

Corpus fetch_fine_foods(const Workshop& shop) {
  const std::string package = "r-cran-modeldata";
  const fs::path deb = unpacked(shop, package);
  shop.say("reading training_data and testing_data");
  const fs::path r_package = shop.folder / "unpacked/usr/lib/R/site-library/modeldata";
  std::vector<LabelledText> texts;
  add_reviews(read_r_object(r_package / "data/Rdata", "training_data"), "training_data", Part::train, texts);
  add_reviews(read_r_object(r_package / "data/Rdata", "testing_data"), "testing_data", Part::test, texts);
  check_counts(texts, Part::train, "great", 4000, 2600);
  check_counts(texts, Part::test, "great", 1000, 658);
  Provenance p;
  std::string version = shop.output_of({"dpkg-deb", "-f", deb.string(), "Version"});
  version.resize(std::min(version.find('\n'), version.size()));
  p.source = fmt::format("Debian package {} {}, objects training_data and testing_data", package, version);
  const std::string date =
      control_field(read_bytes(r_package / "DESCRIPTION"), "Date/Publication");  // 2023-01-25 08:20:02 UTC
  p.source_date =
      date.ends_with(" UTC") && date.size() == 23 ? date.substr(0, 10) + "T" + date.substr(11, 8) + "Z" : date;
  p.licence = "the package: MIT; the reviews, by customers of Amazon, are said to be CC0 (not checked)";
  p.sha256 = sha256_hex(read_bytes(deb));
  return assemble(std::move(texts), p);
}

/// An index file that apt has.
struct Index {
  std::string path, key;  // key: "main/binary-amd64/Packages", its name in the Release file
};

std::string field_of(const std::string& text, const std::string& name) {
  const std::string word = "\n" + name + "=";
  const std::size_t at = text.find(word);
  if (at == std::string::npos) return "";
  std::string value = text.substr(at + word.size(), text.find('\n', at + 1) - at - word.size());
  std::erase(value, '"');
  return value;
}

/// The index of Debian's main component that was made by `kind` and belongs to the release `codename`.
Index find_index(const Workshop& shop, const fs::path& config, const std::string& codename, const std::string& kind,
                 const std::string& architecture) {
  std::vector<std::string> arguments = {"apt-get",         "-c",
                                        config.string(),   "indextargets",
                                        "--format",        "$(FILENAME)|$(METAKEY)",
                                        "Origin: Debian",  "Codename: " + codename,
                                        "Component: main", "Created-By: " + kind};
  if (!architecture.empty()) arguments.push_back("Architecture: " + architecture);
  const std::string out = shop.output_of(arguments), line = out.substr(0, out.find('\n'));
  const std::size_t bar = line.find('|');
  check(bar != std::string::npos, "apt-get update brought no {} of Debian's release '{}', component main{}", kind,
        codename, log_end(shop.log));
  return {line.substr(0, bar), line.substr(bar + 1)};
}

/// Debian's Release file beside an index: its name ends before what is the index's key.
fs::path release_file(const Index& index) {
  std::string key = index.key;
  std::ranges::replace(key, '/', '_');
  const std::size_t at = index.path.rfind(key);
  for (const char* name : {"InRelease", "Release"}) {
    const fs::path file = index.path.substr(0, at) + name;
    if (fs::exists(file)) return file;
  }
  throw Error("apt-get update brought no Release file");
}

Corpus fetch_sections(const Workshop& shop, const std::vector<std::pair<std::string, std::string>>& sections) {
  const std::string codename = field_of("\n" + read_bytes("/etc/os-release"), "VERSION_CODENAME");
  std::string architecture = shop.output_of({"dpkg", "--print-architecture"});
  architecture.resize(std::min(architecture.find('\n'), architecture.size()));
  const fs::path config = fresh_lists(shop);
  const Index packages = find_index(shop, config, codename, "Packages", architecture),
              translations = find_index(shop, config, codename, "Translations", "");
  shop.say("reading descriptions and sections");
  const std::string packages_text = shop.output_of({"/usr/lib/apt/apt-helper", "cat-file", packages.path});
  const std::string translations_text = shop.output_of({"/usr/lib/apt/apt-helper", "cat-file", translations.path});
  const std::string release = read_bytes(release_file(packages));
  Provenance p;
  p.source = fmt::format(
      "Debian {} {}, component main, {}: Packages and Translation-en; sha256 is of the Release file, which has theirs",
      control_field(release, "Codename"), control_field(release, "Version"), architecture);
  p.source_date = iso_date(control_field(release, "Date"));
  p.licence = "as the packages that are described, all free software by Debian's guidelines";
  p.sha256 = sha256_hex(release);
  return assemble(section_texts(one_a_source(join_descriptions(packages_text, translations_text)), sections), p);
}

Corpus fetch_debian_sections(const Workshop& shop) {
  std::vector<std::pair<std::string, std::string>> sections;
  for (const char* name : {"admin", "database", "editors", "electronics", "fonts", "games", "graphics", "mail", "math",
                           "net", "science", "sound", "text", "video", "web"})
    sections.emplace_back(name, name);
  return fetch_sections(shop, sections);
}

Corpus fetch_debian_topics4(const Workshop& shop) {
  return fetch_sections(shop, {{"net", "net"},
                               {"web", "net"},
                               {"mail", "net"},
                               {"science", "sci"},
                               {"math", "sci"},
                               {"electronics", "sci"},
                               {"sound", "media"},
                               {"graphics", "media"},
                               {"video", "media"},
                               {"games", "games"}});
}

using Fetch = Corpus (*)(const Workshop&);
constexpr CorpusSource kSources[] = {
    {"small_fine_foods", "reviews of food on Amazon: great (five stars) or other; 4,000 train, 1,000 test",
     "Debian package r-cran-modeldata", "4 MB"},
    {"debian_sections", "descriptions of Debian's packages: which of 15 sections; about 6,900",
     "Debian's package lists", "15 MB"},
    {"debian_topics4", "the same, ten of the sections merged into net, sci, media, games; about 4,800",
     "Debian's package lists", "15 MB"},
};
constexpr Fetch kFetches[] = {fetch_fine_foods, fetch_debian_sections, fetch_debian_topics4};
static_assert(std::size(kSources) == std::size(kFetches));

}  // namespace

std::span<const CorpusSource> corpus_sources() { return kSources; }

std::vector<std::string> corpus_names() {
  std::vector<std::string> names;
  for (const CorpusSource& source : kSources) names.emplace_back(source.name);
  return names;
}

CacheEntry fetch_corpus(const std::string& name, const Say& say) {
  const std::vector<std::string> names = corpus_names();
  const auto at = std::ranges::find(names, name) - names.begin();
  check_input(at < std::ssize(names), "there is no corpus '{}' to fetch{}: expected one of {}", name,
              did_you_mean(name, names), join(names, ", "));
  const fs::path log = cache_folder() / (name + ".log");
  std::error_code error;
  fs::create_directories(cache_folder(), error);
  check(!error, "cannot make the folder {}: {}", cache_folder().string(), error.message());
  fs::remove(log, error);
  try {
    const TemporaryFolder folder;
    Corpus corpus = kFetches[at](Workshop{folder.path(), log, say});
    corpus.provenance.name = name;
    corpus.provenance.retrieved = utc_now_text();
    const CacheEntry entry = write_cached(corpus);
    fs::remove(log, error);
    return entry;
  } catch (const Error& e) {
    throw Error(fmt::format(
        "cannot fetch {}: {}\nIt is read from {}: that needs Debian, or a machine with apt-get and dpkg-deb whose apt "
        "sources are Debian's, and a network. Where those are: saltus data fetch {}, and then copy {}.tsv and "
        "{}.yaml into {} here. Or use a .tsv, a .csv or a folder of your own.",
        name, e.what(), kSources[at].from, name, name, name, cache_folder().string()));
  }
}

}  // namespace saltus
