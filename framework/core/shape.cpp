#include "core/shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"

namespace saltus {

Shape::Shape(std::span<const std::int64_t> dims) {
  check(dims.size() <= max_rank, "a shape has at most {} axes, got {}", max_rank, dims.size());
  for (std::int64_t n : dims) check(n >= 0, "a shape cannot have a negative size, got {}", n);
  std::copy(dims.begin(), dims.end(), dims_.begin());
  rank_ = static_cast<std::int8_t>(dims.size());
}

int Shape::axis(int i) const {
  const int wrapped = i < 0 ? i + rank_ : i;
  check(wrapped >= 0 && wrapped < rank_, "axis {} does not exist in shape {}", i, *this);
  return wrapped;
}

std::int64_t Shape::size() const {
  std::int64_t n = 1;
  for (std::int64_t d : dims()) n *= d;
  return n;
}

Shape Shape::with(int i, std::int64_t n) const {
  Shape out = *this;
  out.dims_[static_cast<std::size_t>(axis(i))] = n;
  return out;
}

Shape Shape::without(int i) const {
  Shape out = *this;
  const auto first = out.dims_.begin() + axis(i);
  std::copy(first + 1, out.dims_.begin() + rank_, first);
  --out.rank_;
  out.dims_[static_cast<std::size_t>(out.rank_)] = 0;
  return out;
}

Shape Shape::inserted(int i, std::int64_t n) const {
  check(rank_ < max_rank && i >= 0 && i <= rank_, "cannot insert an axis at {} into shape {}", i, *this);
  Shape out = *this;
  const auto first = out.dims_.begin() + i;
  std::copy_backward(first, out.dims_.begin() + rank_, out.dims_.begin() + rank_ + 1);
  *first = n;
  ++out.rank_;
  return out;
}

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(dims(), ", ")); }

Shape broadcast(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::array<std::int64_t, Shape::max_rank> dims{};
  for (int i = 1; i <= rank; ++i) {
    const std::int64_t x = i <= a.rank() ? a[-i] : 1, y = i <= b.rank() ? b[-i] : 1;
    check(x == y || x == 1 || y == 1, "shapes {} and {} do not broadcast", a, b);
    dims[static_cast<std::size_t>(rank - i)] = x == 1 ? y : x;
  }
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(rank)));
}

}  // namespace saltus

fmt::format_context::iterator fmt::formatter<saltus::Shape>::format(const saltus::Shape& shape, fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(shape.str(), context);
}
