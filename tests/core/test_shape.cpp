#include <catch2/catch.hpp>
#include <vector>

#include "core/check.h"
#include "core/shape.h"

namespace saltus {

using Catch::Matchers::Contains;

TEST_CASE("a shape knows its rank, sizes and number of elements") {
  const Shape s{128, 17, 63};
  CHECK(s.rank() == 3);
  CHECK(s[0] == 128);
  CHECK(s[-1] == 63);
  CHECK(s.axis(-3) == 0);
  CHECK(s.size() == 128 * 17 * 63);
  CHECK(s.str() == "[128, 17, 63]");
  CHECK(std::vector<std::int64_t>(s.dims().begin(), s.dims().end()) == std::vector<std::int64_t>{128, 17, 63});
}

TEST_CASE("the scalar shape has one element, and a shape with an empty axis none") {
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{3, 0}.size() == 0);
}

TEST_CASE("shapes are equal when all their sizes are") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2} == Shape{2, 1});
  CHECK_FALSE(Shape{2} == Shape{2, 0});
}

TEST_CASE("axes can be set, dropped and inserted") {
  const Shape s{2, 3, 4};
  CHECK(s.with(-1, 9) == Shape{2, 3, 9});
  CHECK(s.without(1) == Shape{2, 4});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(s.inserted(0, 7) == Shape{7, 2, 3, 4});
  CHECK(s.inserted(3, 7) == Shape{2, 3, 4, 7});
  // The room of a dropped axis must not show in ==.
  CHECK(s.without(0).inserted(0, 2) == s);
}

TEST_CASE("what is no shape or no axis is refused") {
  CHECK_THROWS_AS((Shape{1, 2, 3, 4, 5, 6}), Error);
  CHECK_THROWS_AS((Shape{2, -1}), Error);
  CHECK_THROWS_WITH((Shape{2, 3}[2]), Contains("axis 2") && Contains("[2, 3]"));
  CHECK_THROWS_AS((Shape{2, 3}[-3]), Error);
  CHECK_THROWS_AS((Shape{2, 3}.inserted(3, 1)), Error);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1}.inserted(0, 1)), Error);
}

TEST_CASE("operands broadcast as in NumPy") {
  CHECK(broadcast(Shape{2, 3}, Shape{2, 3}) == Shape{2, 3});
  CHECK(broadcast(Shape{2, 3}, Shape{3}) == Shape{2, 3});
  CHECK(broadcast(Shape{}, Shape{4}) == Shape{4});
  CHECK(broadcast(Shape{5, 1, 4}, Shape{3, 1}) == Shape{5, 3, 4});
  CHECK(broadcast(Shape{1}, Shape{0}) == Shape{0});
  CHECK_THROWS_WITH(broadcast(Shape{2, 3}, Shape{2}), Contains("[2, 3]") && Contains("[2]"));
}

}  // namespace saltus
