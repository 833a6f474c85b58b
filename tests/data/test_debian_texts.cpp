#include "data/text/debian.h"
#include "data/text_files.h"

namespace saltus {
namespace {

// Two packages of one source, one whose source has a version, and one without a source of another name.
const std::string packages = R"(Package: chess
Version: 1.0-1
Description: plays
Description-md5: aa
Section: games

Package: chess-engine
Source: chess
Version: 1.0-1
Description-md5: bb
Tag: game::board,
 role::program
Section: games

Package: libstar-dev
Source: star (2.0)
Version: 2.0+b1
Description-md5: cc
Section: science

Package: mailer
Version: 3
Description-md5: dd
Section: mail)";
const std::string translations = R"(Package: chess
Description-md5: aa
Description-en: plays chess

Package: chess-engine
Description-md5: bb
Description-en: thinks about chess
 It looks ahead:
  * four moves
 .
 And no further.

Package: libstar-dev
Description-md5: cc
Description-en: maps stars

Package: mailer
Description-md5: dd
Description-en: carries letters
)";

}  // namespace

TEST_CASE("packages are joined with their descriptions") {
  const std::vector<DebianPackage> joined = join_descriptions(packages, translations);
  REQUIRE(joined.size() == 4);
  CHECK(joined[0].source == "chess");
  CHECK(joined[1].source == "chess");
  CHECK(joined[2].source == "star");
  CHECK(joined[3].source == "mailer");
  CHECK(joined[1].description == "thinks about chess\nIt looks ahead:\n * four moves\n\nAnd no further.");
  CHECK(joined[3].description == "carries letters");
  CHECK(error_of(
            TextFolder(), [] { join_descriptions("Package: lost\nDescription-md5: ee\n", translations); },
            ExitCode::failed) == "Translation-en has no description of the package lost");
}

TEST_CASE("a source is told by the package that says most") {
  const std::vector<DebianPackage> chosen = one_a_source(join_descriptions(packages, translations));
  REQUIRE(chosen.size() == 3);
  CHECK(chosen[0].name == "chess-engine");
  CHECK(one_a_source({{"a", "1", "s", "x", "same"}, {"b", "1", "s", "x", "size"}})[0].name == "a");
}

TEST_CASE("sections are classes, or share one") {
  const std::vector<LabelledText> texts = section_texts(one_a_source(join_descriptions(packages, translations)),
                                                        {{"games", "fun"}, {"mail", "net"}, {"web", "net"}});
  REQUIRE(texts.size() == 2);
  CHECK(texts[0].label == "fun");
  CHECK(texts[0].source == "chess-engine 1.0-1");
  CHECK(texts[1].label == "net");
  CHECK(texts[1].text == "carries letters");
}

TEST_CASE("fields and dates of a signed release file") {
  const std::string release =
      "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nDate: Sat, 01 Feb 2025 09:08:07 UTC\n";
  CHECK(control_field(release, "Origin") == "Debian");
  CHECK(control_field(release, "Version") == "");
  CHECK(iso_date(control_field(release, "Date")) == "2025-02-01T09:08:07Z");
  CHECK_THROWS_AS(iso_date("2025-02-01"), Error);
  CHECK_THROWS_AS(iso_date("Sat, 01 Feu 2025 09:08:07 UTC"), Error);
}

}  // namespace saltus
