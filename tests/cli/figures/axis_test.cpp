#include "cli/figures/axis.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/approx.hpp"

using namespace edgewise::cli;
using edgewise::tests::Approx;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// Without levels: a label stands at a tick that has one, "|" at one without.
std::string marks(const Axis& axis) {
  std::string out = axis.ticks();
  REQUIRE(out.front() == '(');
  std::string shown;
  for (std::size_t at = 0; (at = out.find('"', at)) != std::string::npos;) {
    const std::size_t end = out.find('"', at + 1), level = out.find_first_of(",)", end) - 1;
    const std::string label = out.substr(at + 1, end - at - 1);
    // Labels stand at long ticks alone.
    CHECK(out[level] == (label.empty() ? '1' : '0'));
    shown += (shown.empty() ? "" : " ") + (label.empty() ? "|" : label);
    at = end + 1;
  }
  return shown;
}

}  // namespace

TEST_CASE("logarithmic when positive and over more than one decade") {
  CHECK(axis_of({1, 40}, {1, 40}, true, 0.05).log);
  CHECK_FALSE(axis_of({1, 9}, {1, 9}, true, 0.05).log);
  CHECK_FALSE(axis_of({1, 10}, {1, 10}, true, 0.05).log);
  CHECK_FALSE(axis_of({-1, 1, 1000}, {}, true, 0.05).log);
  CHECK_FALSE(axis_of({1, 1000, -1}, {}, true, 0.05).log);
  CHECK(axis_of({0, 1, 1000}, {0, 1, 1000}, true, 0.05).log);
  CHECK_FALSE(axis_of({0, 1, 1000}, {0, 1, 1000}, false, 0.05).log);
  CHECK_FALSE(axis_of({}, {}, true, 0.05).log);
  CHECK_FALSE(axis_of({}, {1, 1000}, true, 0.05).log);
  CHECK(axis_of({unknown, 1, 1000, INFINITY}, {unknown, 1, 1000, INFINITY}, true, 0.05).log);
  // What is shown beside them decides nothing.
  CHECK(axis_of({1, 1000}, {-1, 1000}, true, 0.05).log);
  CHECK_FALSE(axis_of({1, 2}, {1, 1000}, true, 0.05).log);
}

TEST_CASE("the range: the values and a margin, from 0 where they are never negative and come near it") {
  const auto range_is = [](const std::vector<double>& decisive, const std::vector<double>& values, double margin,
                           double low, double high) {
    CAPTURE(values.front());
    CAPTURE(values.back());
    const Axis axis = axis_of(decisive, values, true, margin);
    CHECK(axis.low == Approx(low).epsilon(1e-12).scale(1e-300));
    CHECK(axis.high == Approx(high).epsilon(1e-12).scale(1e-300));
  };
  range_is({1}, {4, 2, 6, unknown, INFINITY, -INFINITY}, 0.1, 1.6, 6.4);
  range_is({1}, {-2, 5}, 0.1, -2.7, 5.7);
  range_is({1}, {-5, -1}, 0.1, -5.4, -0.6);
  range_is({1}, {0.29, 1}, 0.1, 0, 1.071);
  range_is({1}, {0.31, 1}, 0.1, 0.241, 1.069);
  range_is({1}, {0, 1}, 0.1, 0, 1.1);
  // Of a single value its size is the width, of 0 it is 1, of none the axis is that of 0 to 1.
  range_is({1}, {3, 3}, 0.1, 2.7, 3.3);
  range_is({1}, {-3}, 0.1, -3.3, -2.7);
  range_is({1}, {0}, 0.1, -0.1, 0.1);
  range_is({1}, {unknown}, 0.1, 0, 1.1);
  // On a logarithmic axis a share of its decades, and only what is positive.
  range_is({1, 100}, {1, 10000}, 0.25, 0.1, 100000);
  range_is({1, 100}, {-7, 0, 0.01, 100}, 0.25, 0.001, 1000);
  range_is({1e-299, 1e299}, {1e-299, 1e299}, 0.05, 1e-307, 1e307);
}

TEST_CASE("places, as shares of the axis") {
  const Axis linear{false, 2, 6}, logarithmic{true, 0.1, 1000};
  CHECK(linear.place(3) == 0.25);
  CHECK(linear.place(-2) == -1);
  CHECK(logarithmic.place(1) == Approx(0.25));
  CHECK(logarithmic.place(1000) == Approx(1));
  CHECK(std::isnan(logarithmic.place(0)));
  CHECK(std::isnan(logarithmic.place(-1)));
}

TEST_CASE("the range holds the data and is never empty") {
  for (const auto& values : {std::vector<double>{3, 3}, {0, 0}, {-2, 5}, {1e-300, 1e300}, {1e5, 1e5 + 1}}) {
    const Axis axis = axis_of(values, values, false, 0.05);
    CHECK(axis.low < axis.high);
    for (const double x : values) {
      CHECK(axis.place(x) >= -1e-12);
      CHECK(axis.place(x) <= 1 + 1e-12);
    }
    CHECK(axis.ticks().size() > 10);
    CHECK(axis.ticks().size() < 4000);
  }
}

TEST_CASE("what gnuplot cannot tell from 0 is drawn as 0") {
  const Axis tiny = axis_of({5e-324, 5e-324}, {5e-324, 5e-324}, false, 0.05);
  CHECK_FALSE(tiny.log);
  CHECK(tiny.high - tiny.low > 0.09);
  const Axis mixed = axis_of({1e-310, 1, 2}, {1e-310, 1, 2}, true, 0.05);
  CHECK_FALSE(mixed.log);
  CHECK(mixed.low == 0);
  CHECK(axis_of({-1e-310, 1, 20}, {1, 20}, true, 0.05).log);
}

TEST_CASE(
    "ticks of a logarithmic axis: powers of ten, few enough to read, and numbers between where these are too few") {
  const auto log = [](double low, double high) { return marks({true, low, high}); };
  CHECK(log(0.9, 1.1e4) ==
        "| 1 | | | | | | | | 10 | | | | | | | | 10^{2} | | | | | | | | 10^{3} | | | | | | | | 10^{4}");
  CHECK(log(1, 10) == "1 | | | | | | | | 10");
  CHECK(log(0.15, 0.6) == "0.2 | | 0.5 |");
  CHECK(log(0.04, 0.25) == "| 0.05 | | | | 0.1 0.2");
  CHECK(log(4e-6, 3e-5) == "| 5×10^{−6} | | | | 10^{−5} 2×10^{−5} |");
  CHECK(log(5e-4, 2e-3) == "5×10^{−4} | | | | 0.001 0.002");
  CHECK(log(500, 3000) == "500 | | | | 1000 2000 |");
  CHECK(log(5000, 2e4) == "5000 | | | | 10^{4} 2×10^{4}");
  // 7 decades have a label each, of 8 every second has; of more than 56 no others are shown.
  CHECK(log(1e-3, 1e3).starts_with("10^{−3} | | | | | | | | 10^{−2} |"));
  CHECK(log(1e-4, 1e3) == "10^{−4} | 10^{−2} | 1 | 10^{2} |");
  CHECK(log(1e-20, 1e20) ==
        "| | 10^{−18} | | | | | 10^{−12} | | | | | 10^{−6} | | | | | 1 | | | | | 10^{6} | | | | | 10^{12} | | | | | "
        "10^{18} | |");
  CHECK(log(1, 1e55) ==
        "1 | | | | | | | 10^{8} | | | | | | | 10^{16} | | | | | | | 10^{24} | | | | | | | 10^{32} | | | "
        "| | | | 10^{40} | | | | | | | 10^{48} | | | | | | |");
  CHECK(log(1e-40, 1e40) == "10^{−36} 10^{−24} 10^{−12} 1 10^{12} 10^{24} 10^{36}");
  CHECK(Axis{true, 2, 20}.ticks() ==
        "(\"2\" 2 0, \"\" 3 1, \"\" 4 1, \"5\" 5 0, \"\" 6 1, \"\" 7 1, \"\" 8 1, \"\" 9 1, \"10\" 10 0, \"20\" 20 0)");
}

TEST_CASE("ticks of a linear axis: steps of 1, 2 or 5, about five of them") {
  const auto linear = [](double low, double high) { return marks({false, low, high}); };
  CHECK(Axis{false, 0, 1}.ticks() ==
        "(\"0\" 0 0, \"0.2\" 0.2 0, \"0.4\" 0.4 0, \"0.6\" 0.6000000000000001 0, \"0.8\" 0.8 0, \"1\" 1 0)");
  CHECK(linear(0, 5) == "0 1 2 3 4 5");
  CHECK(linear(0, 5.1) == "0 2 4");
  CHECK(linear(0, 10) == "0 2 4 6 8 10");
  CHECK(linear(0, 10.1) == "0 5 10");
  CHECK(linear(0, 25) == "0 5 10 15 20 25");
  CHECK(linear(0, 30) == "0 10 20 30");
  CHECK(linear(-0.7, 0.7) == "−0.5 0 0.5");
  CHECK(linear(12, 13) == "12 12.2 12.4 12.6 12.8 13");
  // Beyond 10^5, and below 10^-3, as multiples of the largest power.
  CHECK(linear(0, 99999) == "0 20000 40000 60000 80000");
  CHECK(linear(0, 250000) == "0 0.5×10^{5} 1×10^{5} 1.5×10^{5} 2×10^{5} 2.5×10^{5}");
  CHECK(linear(-250000, 0) == "−2.5×10^{5} −2×10^{5} −1.5×10^{5} −1×10^{5} −0.5×10^{5} 0");
  CHECK(linear(0, 0.005) == "0 0.001 0.002 0.003 0.004 0.005");
  CHECK(linear(0, 0.0005) == "0 1×10^{−4} 2×10^{−4} 3×10^{−4} 4×10^{−4} 5×10^{−4}");
}
