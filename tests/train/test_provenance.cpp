#include <chrono>
#include <regex>

#include "run_folder.h"
#include "train/provenance.h"

namespace saltus::tests {
namespace {

std::string text_of(const Attributes& attributes, const std::string& name) {
  for (const Attribute& a : attributes) {
    if (a.name == name) return std::get<std::string>(a.value);
  }
  return "absent";
}

}  // namespace

TEST_CASE("SHA-256 of a file and of a text") {
  const TempFolder folder;
  write_file(folder / "abc", "abc");  // FIPS 180-2, appendix B.1
  CHECK(file_sha256(folder / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  write_file(folder / "longer than a block", std::string(1'000'000, 'a'));  // appendix B.3
  CHECK(file_sha256(folder / "longer than a block") ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(text_sha256("abc") == file_sha256(folder / "abc"));
  CHECK(file_sha256(folder / "absent") == "unknown");
}

TEST_CASE("provenance says what built and ran the program") {
  const Attributes facts = provenance();
  const auto matches = [&](const char* name, const char* pattern) {
    CAPTURE(name, text_of(facts, name));
    CHECK(std::regex_match(text_of(facts, name), std::regex(pattern)));
  };
  matches("git_sha", "[0-9a-f]{40}|unknown");
  matches("binary_sha256", "[0-9a-f]{64}");
  matches("created", "20\\d\\d-[01]\\d-[0-3]\\dT[0-2]\\d:[0-5]\\d:[0-6]\\dZ");
  matches("hdf5_version", "1\\.\\d+\\.\\d+");
  matches("onednn_version", "\\d+\\.\\d+\\.\\d+");
  matches("compile_flags", ".*-ffp-contract=off.*");
  for (const char* name : {"hostname", "cpu_model", "isa", "compiler"}) matches(name, ".+");
  CHECK(text_of(facts, "rng") == "philox4x32-10");
}

}  // namespace saltus::tests
