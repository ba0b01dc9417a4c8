// Built at -O1: nothing here takes time.
#include "models/nonlinear/method.hpp"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::models::nonlinear {

namespace {

/// In the order of Method::Kind.
const std::vector<std::string>& method_words() {
  static const std::vector<std::string> words = {
      "sgd",       "clip",       "huber",         "lad",      "quantile", "reject", "custom",          "mean-clip",
      "sign-late", "sign-early", "sign-majority", "sign-ema", "ema-sign", "adam",   "per-example-adam"};
  return words;
}

}  // namespace

std::string Method::word() const {
  return method_words()[kind_];
}

bool Method::needs_examples() const {
  return kind_ == clip || kind_ == sign_early || kind_ == sign_majority || kind_ == per_example_adam;
}

Method::Kind Method::kind_of(std::string_view word) {
  const auto& words = method_words();
  const auto at = std::ranges::find(words, word);
  if (at == words.end())
    throw std::invalid_argument("optimizer.method: unknown method '" + std::string(word) + "'" +
                                settings::suggestion(word, words) + "; accepted: " + settings::join(words));
  return static_cast<Kind>(at - words.begin());
}

}  // namespace edgewise::models::nonlinear
