#pragma once
/// \file
/// A section of an experiment file whose keys are the fields of a plain struct: declared once, and from that come reading,
/// checking, defaults and `edgewise describe`.
///
///     struct Tolerances { double rtol = 1e-8; Integrator integrator = Integrator::automatic; };
///
///     const Section<Tolerances>& tolerances() {
///       static const Section<Tolerances> section([](Section<Tolerances>& s) {
///         s.key("rtol", &Tolerances::rtol, "relative tolerance").above(0).below(1);
///         s.words("integrator", &Tolerances::integrator, "which one",
///                 {{"auto", Integrator::automatic}, {"explicit", Integrator::explicit_}});
///       });
///       return section;
///     }
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "settings/settings.hpp"

namespace edgewise::settings {

namespace fields {

template <class Field>
struct Plain {
  using type = Field;
};
template <class Field>
struct Plain<std::optional<Field>> {
  using type = Field;
};

/// How a field of this type is declared, and how it is read.
template <class Field>
struct Kind;
template <>
struct Kind<bool> {
  static constexpr auto declare = &boolean;
  static constexpr auto read = &Values::flag;
};
template <std::integral Field>
struct Kind<Field> {
  static constexpr auto declare = &integer;
  static constexpr auto read = &Values::integer;
};
template <>
struct Kind<double> {
  static constexpr auto declare = &number;
  static constexpr auto read = &Values::number;
};
template <>
struct Kind<std::string> {
  static constexpr auto declare = &text;
  static constexpr auto read = &Values::text;
};
template <>
struct Kind<std::vector<double>> {
  static constexpr auto declare = &numbers;
  static constexpr auto read = &Values::numbers;
};
template <>
struct Kind<std::vector<std::string>> {
  static constexpr auto declare = &texts;
  static constexpr auto read = &Values::texts;
};
template <>
struct Kind<Matrix> {
  static constexpr auto declare = &matrix;
  static constexpr auto read = &Values::matrix;
};
/// What a Value holds of such a field.
template <class Field>
using Stored = std::decay_t<decltype((std::declval<Values>().*Kind<Field>::read)(""))>;

}  // namespace fields

/// The keys that are fields of T. Defaults are what T{} holds; a field that is a std::optional has none, and a parameter
/// that says how its default is computed leaves the field as T{} has it.
template <class T>
class Section {
 public:
  /// \param declare  names every key
  explicit Section(const std::function<void(Section&)>& declare) { declare(*this); }

  /// `name` is the field. The parameter may be given bounds, units and the like until the next key is named.
  template <class Field>
  Parameter& key(const std::string& name, Field T::*field, const std::string& doc) {
    using Plain = typename fields::Plain<Field>::type;
    Parameter parameter = fields::Kind<Plain>::declare(name, doc);
    if constexpr (std::same_as<Field, Plain>) parameter.otherwise(static_cast<fields::Stored<Plain>>(T{}.*field));
    return add(std::move(parameter), [name, field](const Values& values, T& to) {
      to.*field = static_cast<Plain>((values.*fields::Kind<Plain>::read)(name));
    });
  }
  /// The same where a word stands for each value of an enumeration.
  template <class Enum>
  Parameter& words(const std::string& name, Enum T::*field, const std::string& doc,
                   const std::vector<std::pair<std::string, Enum>>& all) {
    Parameter parameter = text(name, doc);
    for (const auto& [word, value] : all) {
      parameter.accepted.push_back(word);
      if (value == T{}.*field) parameter.otherwise(word);
    }
    return add(std::move(parameter), [name, field, all](const Values& values, T& to) {
      const std::string& given = values.text(name);
      for (const auto& [word, value] : all)
        if (word == given) to.*field = value;
    });
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }

  /// The struct, from values that were checked against `parameters()`, alone or among others.
  T from(const Values& values) const {
    T out;
    for (std::size_t k = 0; k < parameters_.size(); ++k)
      if (parameters_[k].fallback || values.given(parameters_[k].name)) set_[k](values, out);
    return out;
  }
  /// \param also  keys that are legal here and read by somebody else. \throws Error as `settings::read`.
  T read(const Table& section, std::span<const std::string> also = {}) const {
    return from(settings::read(section, parameters_, also));
  }

 private:
  Parameter& add(Parameter parameter, std::function<void(const Values&, T&)> set) {
    parameters_.push_back(std::move(parameter));
    set_.push_back(std::move(set));
    return parameters_.back();
  }
  std::vector<Parameter> parameters_;
  std::vector<std::function<void(const Values&, T&)>> set_;
};

}  // namespace edgewise::settings
