#include "models/framework/closed_form_list.hpp"

#include <doctest/doctest.h>

#include "tests/approx.hpp"

using namespace edgewise::models;
using edgewise::tests::Approx;

TEST_CASE("closed forms carry prefix, page and kind") {
  ClosedFormList list("model/", "sign-and-clip");
  list.add("a", "x = 1", "2.5", 1e-3, [] { return ClosedFormList::Pair(1, 2); });
  list.add("b", "y", "2 and 3", 1e-4, [] { return ClosedFormList::Pair(3, 4); });
  list.add("c", "z", "docs/theory/least-squares-sgd.md (4.1)", 0, [] { return ClosedFormList::Pair(5, 6); });
  list.add_reference("d", "w", "8 (R1)", 1e-9, [] { return ClosedFormList::Pair(7, 8); });
  list.printed("e", "v", "9", -0.25, 3, [] { return -0.2501; });
  const std::vector<ClosedForm> forms = list.take();
  REQUIRE(forms.size() == 5);
  CHECK(forms[0].name == "model/a");
  CHECK(forms[0].formula == "x = 1");
  CHECK(forms[0].source == "docs/theory/sign-and-clip.md, section 2.5");
  CHECK(forms[0].tolerance == 1e-3);
  CHECK(forms[0].evaluate() == std::pair(1.0, 2.0));
  CHECK(!forms[0].reference);
  CHECK(forms[1].source == "docs/theory/sign-and-clip.md, sections 2 and 3");
  CHECK(forms[2].source == "docs/theory/least-squares-sgd.md (4.1)");
  CHECK(forms[3].reference);
  CHECK(forms[3].source == "docs/theory/sign-and-clip.md, section 8 (R1)");
  // .6 units of the third decimal of .250
  CHECK(forms[4].reference);
  CHECK(forms[4].tolerance == Approx(0.6e-3 / 0.25).epsilon(1e-14));
  CHECK(forms[4].evaluate() == std::pair(-0.25, -0.2501));
}
