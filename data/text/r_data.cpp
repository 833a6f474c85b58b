#include "data/text/r_data.h"

#include <lzma.h>
#include <zlib.h>

#include <bit>

#include "config/words.h"
#include "core/check.h"
#include "data/text/files.h"

namespace saltus {
namespace {

/// The types of R's serialisation (R Internals, section 1.8; SEXPTYPE) that plain data need.
enum Type : std::uint32_t {
  symbol = 1,
  pairlist = 2,
  characters = 9,
  logicals = 10,
  integers = 13,
  numbers = 14,
  strings = 16,
  list = 19,
  nil = 254,
  reference = 255
};

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

class Parser {
 public:
  explicit Parser(std::string_view bytes) : rest_(bytes) {}

  RValue object() {
    check(take(2) == "X\n", "R data: not in the binary format of serialize()");
    const std::uint32_t version = word();
    check(version == 2 || version == 3, "R data: version {} of the format, expected 2 or 3", version);
    take(8);                         // the versions of R that wrote it and that can read it
    if (version == 3) take(word());  // the encoding of texts that do not name theirs
    return value(word());
  }

 private:
  std::string_view take(std::size_t n) {
    check(n <= rest_.size(), "R data: ends early, {} bytes are wanted and {} left", n, rest_.size());
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return bytes;
  }
  std::uint32_t word() { return big_endian(take(4)); }
  double number() {
    const std::uint64_t high = word();
    return std::bit_cast<double>(high << 32 | word());
  }

  /// How many elements follow, each of at least `size` bytes.
  std::size_t length(std::size_t size) {
    const std::uint32_t n = word();
    check(n <= rest_.size() / size, "R data: ends early, {} elements are wanted and {} bytes left", n, rest_.size());
    return n;
  }

  std::optional<std::string> text(std::uint32_t flags) {
    check((flags & 0xFF) == characters, "R data: type {} in place of a text", flags & 0xFF);
    const std::uint32_t n = word();
    if (n == 0xFFFFFFFF) return std::nullopt;
    return std::string(take(n));
  }

  /// A symbol, which the file spells out once and then numbers.
  std::string name(std::uint32_t flags) {
    if ((flags & 0xFF) == symbol) return symbols_.emplace_back(text(word()).value_or("NA"));
    check((flags & 0xFF) == reference, "R data: type {} in place of a name", flags & 0xFF);
    const std::uint32_t number = flags >> 8 != 0 ? flags >> 8 : word();
    check(number >= 1 && number <= symbols_.size(), "R data: name {} of {}", number, symbols_.size());
    return symbols_[number - 1];
  }

  std::map<std::string, RValue> attributes() {
    std::map<std::string, RValue> found;
    std::uint32_t flags = word();
    for (; (flags & 0xFF) == pairlist; flags = word()) {
      check((flags & 0x400) != 0 && (flags & 0x200) == 0, "R data: an attribute without a name");
      const std::string key = name(word());
      found[key] = value(word());
    }
    check((flags & 0xFF) == nil, "R data: type {} among attributes", flags & 0xFF);
    return found;
  }

  RValue value(std::uint32_t flags) {
    check(++depth_ < 100, "R data: lists in lists, 100 deep");
    RValue v;
    switch (flags & 0xFF) {
      case nil:
        break;
      case logicals:
      case integers:
        for (std::size_t n = length(4); n > 0; --n) v.integers.push_back(static_cast<std::int32_t>(word()));
        break;
      case numbers:
        for (std::size_t n = length(8); n > 0; --n) v.numbers.push_back(number());
        break;
      case strings:
        for (std::size_t n = length(8); n > 0; --n) v.strings.push_back(text(word()));
        break;
      case list:
        for (std::size_t n = length(4); n > 0; --n) v.items.push_back(value(word()));
        break;
      default:
        throw Error(fmt::format("R data: type {} is not a plain vector", flags & 0xFF));
    }
    if ((flags & 0x200) != 0) v.attributes = attributes();
    --depth_;
    return v;
  }

  std::string_view rest_;
  std::vector<std::string> symbols_;
  int depth_ = 0;
};

std::string gunzipped(const std::filesystem::path& path) {
  const gzFile file = ::gzopen(path.c_str(), "rb");
  check(file != nullptr, "cannot read {}", path.string());
  std::string bytes;
  char chunk[1 << 14];
  int got = 0;
  while ((got = ::gzread(file, chunk, sizeof chunk)) > 0) bytes.append(chunk, static_cast<std::size_t>(got));
  check(::gzclose_r(file) == Z_OK && got == 0, "{}: cannot be decompressed", path.string());
  return bytes;
}

/// An .rdb's object: its length in 4 bytes, then a zlib stream, or with `kind` 3 a letter, Z for bare LZMA2 and 0 for
/// no compression.
std::string inflated(std::string_view stored, std::int32_t kind) {
  check(stored.size() > 5, "R data: {} bytes are no compressed object", stored.size());
  std::string out(big_endian(stored), '\0');
  const auto* in = reinterpret_cast<const std::uint8_t*>(stored.data());
  auto* const to = reinterpret_cast<std::uint8_t*>(out.data());
  if (kind == 1) {
    uLongf size = out.size();
    check(::uncompress(to, &size, in + 4, stored.size() - 4) == Z_OK && size == out.size(),
          "R data: damaged zlib stream");
    return out;
  }
  check(kind == 3 && (stored[4] == 'Z' || stored[4] == '0'), "R data: compression {} of type '{}', expected zlib or xz",
        kind, stored[4]);
  if (stored[4] == '0') return std::string(stored.substr(5));
  lzma_options_lzma options;
  ::lzma_lzma_preset(&options, 6);
  const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::size_t from = 5, size = 0;
  const lzma_ret done = ::lzma_raw_buffer_decode(filters, nullptr, in, &from, stored.size(), to, &size, out.size());
  check(done == LZMA_OK && size == out.size(), "R data: damaged xz stream");
  return out;
}

}  // namespace

const RValue& RValue::item(const std::string& name) const {
  const auto names = attributes.find("names");
  std::vector<std::string> known;
  for (std::size_t i = 0; names != attributes.end() && i < names->second.strings.size() && i < items.size(); ++i) {
    known.push_back(names->second.strings[i].value_or("NA"));
    if (known.back() == name) return items[i];
  }
  throw Error(fmt::format("R data: there is no '{}', only {}", name,
                          known.empty() ? "items without names" : join(known, ", ")));
}

RValue parse_r_object(std::string_view bytes) { return Parser(bytes).object(); }

RValue read_r_object(const std::filesystem::path& base, const std::string& name) {
  const RValue index = parse_r_object(gunzipped(base.string() + ".rdx"));
  const std::vector<std::int32_t> place = index.item("variables").item(name).integers,
                                  kind = index.item("compressed").integers;
  check(place.size() == 2 && place[0] >= 0 && place[1] >= 0 && kind.size() == 1,
        "{}.rdx: expected a place and a length for '{}'", base.string(), name);
  const std::string objects = read_bytes(base.string() + ".rdb");
  const auto from = static_cast<std::size_t>(place[0]), size = static_cast<std::size_t>(place[1]);
  check(from + size <= objects.size(), "{}.rdb: has {} bytes, and '{}' ends at {}", base.string(), objects.size(), name,
        from + size);
  return parse_r_object(inflated(std::string_view(objects).substr(from, size), kind[0]));
}

std::vector<std::string> r_texts(const RValue& column) {
  const auto levels = column.attributes.find("levels");
  const bool factor = levels != column.attributes.end();
  const std::size_t rows = factor ? column.integers.size() : column.strings.size();
  std::vector<std::string> texts;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::optional<std::string>* text = nullptr;
    if (!factor) {
      text = &column.strings[row];
    } else {
      const auto level = static_cast<std::size_t>(column.integers[row]) - 1;  // NA and 0 are beyond any size
      text = level < levels->second.strings.size() ? &levels->second.strings[level] : nullptr;
    }
    check(text != nullptr && text->has_value(), "R data: row {} has no text", row + 1);
    texts.push_back(**text);
  }
  return texts;
}

}  // namespace saltus
