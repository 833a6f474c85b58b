#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "data/text/assemble.h"

/// Descriptions of Debian's packages as texts to classify: what is this program for?
namespace saltus {

/// A binary package, its description without the archive's indentation.
struct DebianPackage {
  std::string name, version, source, section, description;
};

/// Joins a Packages index with its Translation-en by Description-md5. Throws Error when a package has no description
/// there.
std::vector<DebianPackage> join_descriptions(std::string_view packages, std::string_view translations);

/// One package a source, since packages of one source repeat each other's words: the one that says most (longest
/// description in bytes, the first of equals). In the order in which the sources are first met.
std::vector<DebianPackage> one_a_source(std::vector<DebianPackage> packages);

/// The descriptions of packages in the sections that `sections` names, each with a class of its own or shared: {"net",
/// "net"}, {"web", "net"}.
std::vector<LabelledText> section_texts(const std::vector<DebianPackage>& packages,
                                        const std::vector<std::pair<std::string, std::string>>& sections);

/// The field of a file that is one paragraph, "" when it is not there.
std::string control_field(std::string_view text, std::string_view name);

/// "Sat, 11 Jul 2026 10:16:37 UTC", as in a Release file, in ISO 8601. Throws Error for anything else.
std::string iso_date(const std::string& release_date);

}  // namespace saltus
