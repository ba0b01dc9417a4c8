// The closed forms of a model are evaluated in the closed_forms_test.cpp of its folder.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "models/framework/model.hpp"
#include "tests/models/framework/closed_form_check.hpp"

using namespace edgewise::models;

TEST_CASE("every closed form of every model is evaluated by one test, and has a name of its own") {
  std::set<std::string> names;
  for (const Model* model : all())
    for (const ClosedForm& form : model->closed_forms()) {
      CAPTURE(form.name);
      CHECK(names.insert(form.name).second);
      CHECK(std::ranges::count_if(testing::ClosedFormCheck::all(), [&](const testing::ClosedFormCheck& check) {
              return check.model == model->description().name && check.takes(form.name);
            }) == 1);
    }
}
