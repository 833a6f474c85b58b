#include "train/provenance.h"

#include <fmt/format.h>
#include <hwy/targets.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "kernels/gemm.h"
#include "saltus_build.h"  // written by cmake/build_facts.cmake
#include "train/hdf5.h"

namespace saltus {
namespace {

constexpr const char* kUnknown = "unknown";

std::string hostname() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : kUnknown;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return kUnknown;
}

/// Highway's name of its best target on this CPU; the lower the bit, the better the target.
std::string isa() {
  const auto targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets & (~targets + 1));
}

std::string sha256(std::istream& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!file || !context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return kUnknown;
  std::vector<char> block(256 << 10);
  do {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    if (EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(file.gcount())) != 1) return kUnknown;
  } while (file);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (file.bad() || EVP_DigestFinal_ex(context.get(), digest.data(), &length) != 1) return kUnknown;
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

std::string utc_now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

std::string file_sha256(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return sha256(file);
}

std::string text_sha256(const std::string& text) {
  std::istringstream stream(text);
  return sha256(stream);
}

Attributes provenance() {
  Attributes facts;
  facts.push_back({"created", utc_now()});
  facts.push_back({"git_sha", SALTUS_GIT_SHA});
  if (SALTUS_GIT_DIRTY >= 0) facts.push_back({"git_dirty", std::int64_t{SALTUS_GIT_DIRTY}});
  facts.push_back({"compiler", SALTUS_COMPILER});
  facts.push_back({"compile_flags", SALTUS_COMPILE_FLAGS});
  facts.push_back({"binary_sha256", file_sha256("/proc/self/exe")});
  facts.push_back({"hdf5_version", hdf5::version()});
  facts.push_back({"onednn_version", kernels::onednn_version()});
  facts.push_back({"hostname", hostname()});
  facts.push_back({"cpu_model", cpu_model()});
  facts.push_back({"isa", isa()});
  facts.push_back({"rng", "philox4x32-10"});
  return facts;
}

}  // namespace saltus
