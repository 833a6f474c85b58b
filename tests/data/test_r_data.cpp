#include <lzma.h>
#include <zlib.h>

#include "data/r_writer.h"
#include "data/text/r_data.h"
#include "data/text_files.h"

namespace saltus {
namespace {

std::string parse_error(const std::string& bytes) {
  return error_of(
      TextFolder(), [&bytes] { parse_r_object(bytes); }, ExitCode::failed);
}

std::string with_length(const std::string& bytes, const std::string& stored) {
  return r::word(static_cast<std::uint32_t>(bytes.size())) + stored;
}

std::string zlib_stored(const std::string& bytes) {
  std::string out(bytes.size() + 100, '\0');
  uLongf size = out.size();
  REQUIRE(::compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                     bytes.size()) == Z_OK);
  return with_length(bytes, out.substr(0, size));
}

std::string xz_stored(const std::string& bytes) {
  lzma_options_lzma options;
  ::lzma_lzma_preset(&options, 6);
  const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::string out(bytes.size() + 100, '\0');
  std::size_t size = 0;
  REQUIRE(::lzma_raw_buffer_encode(filters, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(),
                                   reinterpret_cast<std::uint8_t*>(out.data()), &size, out.size()) == LZMA_OK);
  return with_length(bytes, "Z" + out.substr(0, size));
}

/// Writes base.rdx and base.rdb with the objects `first` and `second`; returns base.
std::string write_package(const TextFolder& folder, const std::string& first, const std::string& second,
                          std::int32_t compressed) {
  const auto a = static_cast<std::int32_t>(first.size()), b = static_cast<std::int32_t>(second.size());
  const std::string variables =
      r::list({r::integers({0, a}), r::integers({a, b})}, {{r::symbol("names"), r::strings({"first", "second"})}});
  const std::string index =
      r::object(r::list({variables, r::list({}), r::integers({compressed})},
                        {{r::known_symbol(1), r::strings({"variables", "references", "compressed"})}}));
  const gzFile file = ::gzopen(folder.path("Rdata.rdx").c_str(), "wb");
  REQUIRE(::gzwrite(file, index.data(), static_cast<unsigned>(index.size())) == static_cast<int>(index.size()));
  REQUIRE(::gzclose(file) == Z_OK);
  folder.write("Rdata.rdb", first + second);
  return folder.path("Rdata");
}

}  // namespace

TEST_CASE("vectors of R") {
  CHECK(parse_r_object(r::object(r::integers({1, -7}))).integers == std::vector<std::int32_t>{1, -7});
  CHECK(parse_r_object(r::object(r::numbers({0.5, -1e300}), 2)).numbers == std::vector<double>{0.5, -1e300});
  const RValue list = parse_r_object(r::object(r::list({r::strings({"a", ""}), r::nil()})));
  REQUIRE(list.items.size() == 2);
  CHECK(list.items[0].strings == std::vector<std::optional<std::string>>{"a", ""});
}

TEST_CASE("a data frame of R gives a text a row") {
  const RValue frame = parse_r_object(r::object(r::reviews({"Fine\nwine", "Sour"}, {1, 2})));
  CHECK(r_texts(frame.item("review")) == std::vector<std::string>{"Fine\nwine", "Sour"});
  CHECK(r_texts(frame.item("score")) == std::vector<std::string>{"great", "other"});
  CHECK(r_texts(frame.attributes.at("class")) == std::vector<std::string>{"data.frame"});
  CHECK(error_of(
            TextFolder(), [&frame] { frame.item("product"); }, ExitCode::failed) ==
        "R data: there is no 'product', only review, score");
}

TEST_CASE("rows without a text are named") {
  const auto error = [](const RValue& column) {
    return error_of(
        TextFolder(), [&column] { r_texts(column); }, ExitCode::failed);
  };
  for (const std::int32_t score : {0, 3, INT32_MIN})
    CHECK(error(parse_r_object(r::object(r::reviews({"a", "b"}, {1, score}))).item("score")) ==
          "R data: row 2 has no text");
  CHECK(error(parse_r_object(r::object(r::vector(16, {r::na_text()})))) == "R data: row 1 has no text");
}

TEST_CASE("every cut of an object is refused") {
  const std::string whole = r::object(r::reviews({"Fine", "Sour"}, {1, 2}));
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(parse_error(whole.substr(0, n)).starts_with("R data: "));
  CHECK(parse_error(r::object(r::word(13) + r::word(0xFFFFFFF0)))
            .starts_with("R data: ends early, 4294967280 elements are wanted"));
}

TEST_CASE("what is no plain data is refused with its type") {
  CHECK(parse_error("A\n1") == "R data: not in the binary format of serialize()");
  CHECK(parse_error(r::object(r::integers({1}), 4)) == "R data: version 4 of the format, expected 2 or 3");
  CHECK(parse_error(r::object(r::word(3))) == "R data: type 3 is not a plain vector");
  CHECK(parse_error(r::object(r::integers({1}, {{r::known_symbol(1), r::nil()}}))) == "R data: name 1 of 0");
}

TEST_CASE("objects out of a package's data, in both compressions") {
  const TextFolder folder;
  const std::string a = r::object(r::strings({"alpha"})),
                    b = r::object(r::strings(std::vector<std::string>(500, "beta")));
  const auto check_both = [](const std::string& base) {
    CHECK(r_texts(read_r_object(base, "first")) == std::vector<std::string>{"alpha"});
    CHECK(r_texts(read_r_object(base, "second")) == std::vector<std::string>(500, "beta"));
  };
  check_both(write_package(folder, zlib_stored(a), zlib_stored(b), 1));
  check_both(write_package(folder, with_length(a, "0" + a), xz_stored(b), 3));

  const auto error = [&folder](const std::string& base, const std::string& name) {
    return error_of(
        folder, [&] { read_r_object(base, name); }, ExitCode::failed);
  };
  const std::string base = folder.path("Rdata");
  CHECK(error(base, "third") == "R data: there is no 'third', only first, second");
  std::string damaged = xz_stored(b);
  damaged[8] = static_cast<char>(damaged[8] ^ 0x55);
  CHECK(error(write_package(folder, a, damaged, 3), "second") == "R data: damaged xz stream");
  CHECK(error(write_package(folder, a, damaged, 1), "second") == "R data: damaged zlib stream");
  CHECK(error(write_package(folder, a, damaged, 2), "second") ==
        "R data: compression 2 of type 'Z', expected zlib or xz");
  folder.write("Rdata.rdb", "short");
  CHECK(error(base, "second").starts_with("Rdata.rdb: has 5 bytes, and 'second' ends at "));
}

}  // namespace saltus
