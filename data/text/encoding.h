#pragma once
#include <string>
#include <string_view>

namespace saltus {

/// Refuses a file that cannot be UTF-8 as a whole, so that its lines mean something: UTF-16, and bytes that are 0.
/// Throws Error (bad_input) "<path>:<line>: error: <what it looks like and what to do>".
void check_no_zero_bytes(const std::string& path, std::string_view bytes);

/// Refuses bytes that are not UTF-8. Throws Error (bad_input) "<place>: error: the <what> is not UTF-8: ...".
void check_utf8(const std::string& place, std::string_view what, std::string_view bytes);

/// Without the mark that some programs put in front of UTF-8.
std::string_view without_byte_order_mark(std::string_view bytes);

}  // namespace saltus
