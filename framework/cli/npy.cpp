#include "cli/npy.h"

#include <fstream>

#include "core/arena.h"
#include "core/check.h"

namespace saltus::cli {

void write_npy(const std::string& path, const Shape& shape, DType dtype, const void* data) {
  std::string tuple;
  for (std::int64_t n : shape.dims()) tuple += fmt::format("{},", n);
  std::string header =
      fmt::format("{{'descr': '<{}4', 'fortran_order': False, 'shape': ({})}}", dtype == DType::i32 ? 'i' : 'f', tuple);
  constexpr std::size_t preamble =
      10;  // magic, version and the header's length as two bytes; the data start at a multiple of 64
  header.resize(aligned(preamble + header.size() + 1) - preamble - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY\x01" << '\0' << static_cast<char>(header.size() & 255) << static_cast<char>(header.size() >> 8)
       << header;
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(shape.size() * 4));
  file.close();
  check(file.good(), "cannot write {}", path);
}

}  // namespace saltus::cli
