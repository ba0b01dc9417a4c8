#include "models/framework/closed_form_list.hpp"

#include <doctest/doctest.h>

using namespace edgewise::models;

TEST_CASE("closed forms carry prefix, page and kind") {
  ClosedFormList list("model/", "some-page");
  list.add("a", "x = 1", "4.1", 1e-3, [] { return ClosedFormList::Pair(1, 2); });
  list.add("b", "y", "3 and 6", 1e-4, [] { return ClosedFormList::Pair(3, 4); });
  list.add("c", "z", "docs/theory/other.md (2.1)", 0, [] { return ClosedFormList::Pair(5, 6); });
  list.add_reference("d", "w", "8 (R1)", 1e-9, [] { return ClosedFormList::Pair(7, 8); });
  list.printed("e", "v", "9", -0.25, 3, [] { return -0.2501; });
  const std::vector<ClosedForm> forms = list.take();
  REQUIRE(forms.size() == 5);
  CHECK(forms[0].name == "model/a");
  CHECK(forms[0].formula == "x = 1");
  CHECK(forms[0].source == "docs/theory/some-page.md, section 4.1");
  CHECK(forms[0].tolerance == 1e-3);
  CHECK(forms[0].evaluate() == std::pair(1.0, 2.0));
  CHECK(!forms[0].reference);
  CHECK(forms[1].source == "docs/theory/some-page.md, sections 3 and 6");
  CHECK(forms[2].source == "docs/theory/other.md (2.1)");
  CHECK(forms[3].reference);
  CHECK(forms[3].source == "docs/theory/some-page.md, section 8 (R1)");
  // .6 units of the third decimal of .250
  CHECK(forms[4].reference);
  CHECK(forms[4].tolerance == doctest::Approx(0.6e-3 / 0.25).epsilon(1e-14));
  CHECK(forms[4].evaluate() == std::pair(-0.25, -0.2501));
}
