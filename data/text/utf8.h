#pragma once
#include <cstddef>
#include <string_view>

namespace saltus {

/// Where the first byte is that belongs to no UTF-8 character (overlong forms and surrogates are none), or npos.
std::size_t first_invalid_utf8(std::string_view bytes);

/// Whether there is nothing but ASCII white space.
bool is_blank(std::string_view text);

}  // namespace saltus
