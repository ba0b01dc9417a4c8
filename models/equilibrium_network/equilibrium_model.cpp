// Built at -O1: nothing here takes time.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "models/equilibrium_network/closed_forms.hpp"
#include "models/equilibrium_network/depth_at_width.hpp"
#include "models/equilibrium_network/depth_theory.hpp"
#include "models/equilibrium_network/finite_width.hpp"
#include "models/equilibrium_network/linear_iteration.hpp"
#include "models/equilibrium_network/linear_theory.hpp"
#include "models/equilibrium_network/nonlinear_theory.hpp"
#include "models/equilibrium_network/settings.hpp"
#include "models/equilibrium_network/simulation.hpp"
#include "models/framework/declared_model.hpp"
#include "numerics/constants.hpp"

namespace edgewise::models::equilibrium_network {

namespace {

constexpr const char* page = "docs/theory/networks-and-kernels.md, section 1";
/// Residuals below this part of the length are rounding.
constexpr double residual_floor = 1e-24;
/// Of squared rounded differences, relative to the length: some 50 units in the last place, squared.
constexpr double residual_rounding = 1e-28;
constexpr double largest_bias = 0.5;
/// Of a term that is not in a claimed value, relative.
constexpr double negligible_term = 1e-3;
/// The kurtosis of the units' squares over their number, above which rare units carry the mean.
constexpr double rare_units = 0.05;
/// Of integrals over two states, relative to the length.
constexpr double overlap_rounding = 1e-14;
/// Of an iteration that has come to its fixed point, relative to the length.
constexpr double settled_residual = 1e-7;
/// Powers of W whose traces are listed.
constexpr std::uint64_t longest_word = 12;

std::vector<double> as_doubles(const std::vector<std::uint64_t>& values) {
  return {values.begin(), values.end()};
}

class EquilibriumExperiment final : public Problem {
 public:
  explicit EquilibriumExperiment(std::shared_ptr<const EquilibriumProblem> problem) : problem_(std::move(problem)) {}

  Trajectory solve() const override {
    return inside([this] {
      Trajectory out = problem_->phi.linear() ? solve_linear() : solve_nonlinear();
      tell_rounding(out);
      limit_claims(out);
      return out;
    });
  }
  /// Of nonlinear networks along depth the term in 1/n is known of lengths alone, without memory and to a depth.
  Trajectory reference() const override {
    Trajectory out = solve();
    if (problem_->phi.linear() || problem_->error_allowed || out.valid_until == 0) return out;
    const EquilibriumProblem& p = *problem_;
    const bool claimed = nonlinear_at_width(equilibrium(p.family, p.phi, p.input_power, p.g)).claimed;
    for (Column& column : out.columns)
      if (!column.observable.name.ends_with("length")) column.valid_from = infinity;
    const double known = claimed ? static_cast<double>(longest_at_width) : 0;
    if (p.depth.at.back() > longest_at_width || !claimed)
      out.valid_until = std::min(known, out.valid_until.value_or(known));
    out.warnings.push_back(
        "curves of nonlinear networks are those of the wide limit, off by O(1/n), but for lengths without memory, off "
        "by less: what is not known so well is shown, not judged; verdict.allowed says what error is accepted, and has "
        "all judged");
    return out;
  }
  std::unique_ptr<Simulation> simulate() const override { return simulate_equilibria(problem_); }

  std::vector<Finding> stability() const override {
    std::vector<Finding> out{{"scale", problem_->g, "g: entries of W have variance g^2/n"}};
    try {
      if (problem_->phi.linear())
        linear_findings(out);
      else
        nonlinear_findings(out);
    } catch (const std::domain_error&) {
      const double at = inside([this] { return edge(problem_->family, problem_->phi, problem_->input_power); });
      out.resize(1);
      out.push_back({"in_phase", false, "whether the limit of wide networks exists"});
      out.push_back({"edge_scale", at, "g at which the phase ends"});
    }
    return out;
  }

  /// What lengths and residuals of linear networks are sums of.
  std::vector<ModeColumn> mode_table() const override {
    const EquilibriumProblem& p = *problem_;
    if (!p.phi.linear())
      throw std::invalid_argument("network.activation: the traces (1/n) tr W^i W'^j are listed of linear networks");
    std::vector<ModeColumn> out{
        {"i", "1", "power of W", {}},
        {"j", "1", "power of W'", {}},
        {"trace", "1", "c_ij = (1/n) tr W^i W'^j, n -> infinity: |z_k|^2/|h|^2 is their sum below k", {}}};
    const std::uint64_t last = p.depth.at.empty() ? 0 : std::min(p.depth.at.back(), longest_word);
    for (std::uint64_t i = 0; i <= last; ++i)
      for (std::uint64_t j = i; j <= last; ++j) {
        out[0].value.push_back(static_cast<double>(i));
        out[1].value.push_back(static_cast<double>(j));
        out[2].value.push_back(iteration_word(p.family, p.g, i, j));
      }
    return out;
  }

  std::vector<std::string> warnings() const override {
    const EquilibriumProblem& p = *problem_;
    if (p.phi.linear()) return {};
    try {
      const double error = quadrature_error(p.phi, equilibrium(p.family, p.phi, p.input_power, p.g));
      if (error > 1e-8)
        return {fmt::format("averages over the nonlinearity are known to {:.1e} only; name its kinks in network.kinks",
                            error)};
    } catch (const std::domain_error&) {  // told by what is asked for
    }
    return {};
  }

  std::vector<Prediction> predictions() const override {
    const EquilibriumProblem& p = *problem_;
    std::vector<Prediction> out;
    Prediction length;
    length.name = "equilibrium";
    length.source = page;
    length.quantity = "|z|^2/n of the fixed point";
    length.runs = "reached a fixed point";
    length.observable = "equilibrium_length";
    double spread = 0;
    try {
      if (p.phi.linear()) {
        length.nominal = p.input_power * finite_width_m1(p.family, p.g, static_cast<double>(p.width));
        const LinearMoments m = linear_moments(p.family, p.g);
        // The latter where m1 < 1: of antisymmetric weights at large g a few states near eigenvalue 0 carry |z|^2.
        spread = std::max(m.m2 / m.m1, m.kurtosis());
        if (p.family.orthogonal() || (p.family.bi_invariant() && claims_curves())) add_decay(p.g, out);
      } else {
        const Equilibrium at = equilibrium(p.family, p.phi, p.input_power, p.g);
        length.nominal = nonlinear_at_width(at).length;
        // m2/m1 of the linear network of as large a stability number.
        spread = std::pow(1 - at.stability, -3);
        if (p.family.bi_invariant() && claims_curves()) add_decay(at.rate, out);
      }
    } catch (const std::domain_error&) {
      return out;
    }
    const double bias = 10 * spread / static_cast<double>(p.width);
    // So narrow, or so near the edge, that the limit says nothing of it.
    if (!(bias < largest_bias)) return out;
    length.statement = fmt::format("the fixed point has |z|^2/n = {:.6g} up to O(1/n)", length.nominal);
    length.low = length.nominal * (1 - bias);
    length.high = length.nominal * (1 + bias);
    length.centre = p.estimator == Estimator::median && p.draws == 1 ? Centre::median : Centre::mean;
    length.statistic = [](const RecordedReplica& run) -> std::optional<double> {
      const auto values = run.values("equilibrium_length");
      return values.empty() ? std::nullopt : std::optional<double>(values.back());
    };
    out.insert(out.begin(), std::move(length));
    return out;
  }

 private:
  /// What the theory refuses is named with the key that put it there.
  template <class Work>
  auto inside(const Work& work) const -> decltype(work()) {
    try {
      return work();
    } catch (const std::domain_error& e) {
      throw std::domain_error(std::string("network.scale: ") + e.what());
    }
  }

  /// The residual of a bi-invariant family falls by rate^2 an iteration. It is read at the last two recorded depths at which
  /// rounding hides it in no draw: to ask each run for its own would choose the slow ones.
  void add_decay(double rate, std::vector<Prediction>& to) const {
    const double fastest = std::max(0.5, 1 - 3 / std::sqrt(static_cast<double>(problem_->width)));  // of draws
    std::vector<double> usable;
    for (const std::uint64_t k : problem_->depth.at)
      if (const auto depth = static_cast<double>(k); k >= 5 && std::pow(fastest * rate, 2 * depth) > residual_floor)
        usable.push_back(depth);
    if (usable.size() < 2) return;
    const double from = usable[usable.size() - 2], until = usable.back();
    Prediction out;
    out.name = "iteration_rate";
    out.statement = fmt::format("the plain iteration converges at the rate sqrt S = {:.6g}", rate);
    out.source = page;
    out.quantity = fmt::format("sqrt of the residual's fall per iteration from depth {:g} to {:g}", from, until);
    out.runs = "have a residual there";
    out.nominal = rate;
    out.low = 0.95 * rate;
    out.high = 1.05 * rate;
    out.statistic = [from, until](const RecordedReplica& run) -> std::optional<double> {
      const auto residual = run.values("residual");
      double first = 0, last = nan;
      for (std::size_t k = 0; k < residual.size(); ++k) {
        if (run.steps[k] == from) first = residual[k];
        if (run.steps[k] == until) last = residual[k];
      }
      if (!(first > 0) || !(last >= 0)) return std::nullopt;
      return std::pow(last / first, 0.5 / (until - from));
    };
    to.push_back(std::move(out));
  }

  Trajectory solve_linear() const {
    const EquilibriumProblem& p = *problem_;
    const double q = p.input_power, n = static_cast<double>(p.width);
    const LinearMoments m = linear_moments(p.family, p.g);
    Trajectory out = started("linear, at finite width");
    std::vector<double> length, residual, transient;
    curves_of_width(length, residual);
    for (double& l : length) l *= q;
    for (double& r : residual) r *= q;
    add(out, "length", length);
    add(out, "residual", residual);
    if (p.correlation) {
      std::vector<double> overlap(length);
      for (double& l : overlap) l *= *p.correlation;
      add(out, "overlap", overlap);
    }
    const double equilibrium_length = q * finite_width_m1(p.family, p.g, n);
    // Of what is beyond 1/n: up to about (kurtosis/n)^2, relative.
    const bool claimed = p.family.orthogonal() || 2 * std::pow(m.kurtosis() / n, 2) < negligible_term;
    add_equilibrium(out, "length", equilibrium_length, claimed);
    if (p.correlation) add_equilibrium(out, "overlap", *p.correlation * equilibrium_length, claimed);
    if ((p.family.bi_invariant() && p.family.kind != FamilyKind::bi_invariant) || std::abs(p.family.tau) == 1) {
      for (const std::uint64_t k : p.depth.at) transient.push_back(worst_transient(p.family, p.g, k));
      out.columns.push_back({{"worst_transient", "1", "|W^k|^2 in operator norm"}, std::move(transient), {}});
    }
    out.report.emplace_back("length_map", m.m1);
    out.report.emplace_back("kurtosis", m.kurtosis());
    warn_of_iteration(out, p.g * spectral_radius(p.family));
    return out;
  }

  /// At the recorded depths, in units of the input: to the depth where they are known at this width, from there on as the
  /// limit goes on to the fixed point of this width.
  void curves_of_width(std::vector<double>& length, std::vector<double>& residual) const {
    const EquilibriumProblem& p = *problem_;
    const auto n = static_cast<double>(p.width);
    length = iteration_lengths(p.family, p.g, p.depth.at);
    for (const std::uint64_t k : p.depth.at) residual.push_back(iteration_residual(p.family, p.g, k));
    if (p.family.orthogonal()) {
      for (std::size_t i = 0; i < length.size(); ++i) length[i] = orthogonal_length(p.g, n, p.depth.at[i]);
      return;
    }
    const std::uint64_t known = known_depth(p.family, n);
    const WidthCurves at_width = curves_at_width(p.family, p.g, n, known);
    const double m1 = linear_moments(p.family, p.g).m1, at_rest = finite_width_m1(p.family, p.g, n) - m1;
    const double way = m1 - iteration_lengths(p.family, p.g, std::array{known}).front();
    const double beyond = at_width.length[known] - (m1 - way) - at_rest;
    const double last = iteration_residual(p.family, p.g, known);
    for (std::size_t i = 0; i < length.size(); ++i) {
      const std::uint64_t k = p.depth.at[i];
      length[i] =
          k <= known ? at_width.length[k] : length[i] + at_rest + (way == 0 ? 0 : beyond * (m1 - length[i]) / way);
      residual[i] = k <= known ? at_width.residual[k] : residual[i] * (last > 0 ? at_width.residual[known] / last : 1);
    }
  }

  /// The fixed point of nonlinear networks of this width: bi-invariant ones with the term in 1/n, as long as that is small.
  struct AtWidth {
    double length = 0;
    double std = nan;  ///< from draw to draw; NaN where it is not known
    bool claimed =
        false;  ///< what is beyond 1/n is negligible: up to about 4 times the square of kurtosis/n or of that term
  };
  AtWidth nonlinear_at_width(const Equilibrium& at) const {
    const EquilibriumProblem& p = *problem_;
    if (!p.family.bi_invariant()) return {at.length};
    const auto n = static_cast<double>(p.width);
    const double unit = unit_of_power(p.phi, p.input_power);
    const WidthMoments m = width_moments(p.family, in_units(p.phi, std::sqrt(unit)), p.input_power / unit,
                                         p.gaussian_input, in_units(at, unit));
    const JacobianMoments x = jacobian_moments(p.family, at);
    const double bias = unit * m.bias;
    const bool small = std::abs(bias) / n < largest_bias * at.length;
    return {small ? at.length + bias / n : at.length, unit * std::sqrt(std::max(0.0, m.variance) / n),
            small && observes_means() && m.kurtosis / n < rare_units &&
                4 * std::pow(std::max(x.m2 / (x.m1 * x.m1), std::abs(bias) / at.length) / n, 2) < negligible_term};
  }

  Trajectory solve_nonlinear() const {
    const EquilibriumProblem& p = *problem_;
    const Equilibrium at = equilibrium(p.family, p.phi, p.input_power, p.g);
    Trajectory out = started("self-consistency, continued from g = 0");
    const double equilibrium_overlap =
        p.correlation ? pair_equilibrium(p.phi, p.input_power, *p.correlation, at).overlap : 0;
    std::vector<double> spread;
    if (p.family.bi_invariant())
      spread = add_memoryless_curves(out, at, equilibrium_overlap);
    else
      add_curves_with_memory(out, at, equilibrium_overlap);
    add_equilibrium(out, "length", nonlinear_at_width(at).length);
    if (p.correlation) add_equilibrium(out, "overlap", equilibrium_overlap);
    if (!spread.empty())
      out.columns.push_back(
          {{"length_std", "1", "of |z_k|^2/n from draw to draw, to leading order in 1/n"}, std::move(spread), {}});
    out.report.emplace_back("stability_number", at.stability);
    if (!std::isnan(at.rate)) {
      out.report.emplace_back("iteration_rate", at.rate);
      warn_of_iteration(out, at.rate);
    } else {
      out.warnings.push_back(
          "whether the plain iteration converges is not known: phi' is of both signs and the weights have memory");
    }
    return out;
  }

  void add_curves(Trajectory& out, DepthCurves curves) const {
    add(out, "length", std::move(curves.length));
    add(out, "residual", std::move(curves.residual));
    if (problem_->correlation) add(out, "overlap", std::move(curves.overlap));
  }

  /// Lengths with their term in 1/n, where it is small; the rest is the limit's. Returns how far lengths lie apart.
  std::vector<double> add_memoryless_curves(Trajectory& out, const Equilibrium& at, double equilibrium_overlap) const {
    const EquilibriumProblem& p = *problem_;
    std::vector<double> spread;
    DepthCurves curves =
        depth_curves(p.phi, p.input_power, p.g, p.correlation, {at.length, equilibrium_overlap}, p.depth.at);
    if (!p.depth.at.empty()) {
      const double unit = unit_of_power(p.phi, p.input_power);
      const DepthAtWidth width = depth_at_width(p.family, in_units(p.phi, std::sqrt(unit)), p.input_power / unit,
                                                p.gaussian_input, in_units(at, unit), p.depth.at.back());
      for (std::size_t i = 0; i < p.depth.at.size(); ++i)
        if (const double more = unit * width.bias_at(p.depth.at[i]) / static_cast<double>(p.width);
            std::abs(more) < largest_bias * curves.length[i])
          curves.length[i] += more;
      for (const std::uint64_t k : p.depth.at)
        spread.push_back(unit * std::sqrt(width.variance_at(k) / static_cast<double>(p.width)));
    }
    if (curves.extrapolated) {
      out.valid_until = static_cast<double>(longest_walk);
      out.warnings.push_back(fmt::format(
          "so near the edge, curves beyond depth {} are geometric on their way to the fixed point", longest_walk));
    }
    add_curves(out, std::move(curves));
    return spread;
  }

  /// Depth by depth as far as that is followed; beyond, where the iteration has converged, the fixed point, but of the
  /// residual nothing: it goes on as the spectrum of W D lets it, and none of the known laws is near enough.
  void add_curves_with_memory(Trajectory& out, const Equilibrium& at, double equilibrium_overlap) const {
    const EquilibriumProblem& p = *problem_;
    std::vector<std::uint64_t> followed;
    for (const std::uint64_t k : p.depth.at)
      if (k <= longest_memory) followed.push_back(k);
    const std::size_t inside = followed.size();
    const bool beyond = inside < p.depth.at.size();
    if (beyond) followed.push_back(longest_memory);
    DepthCurves curves = depth_curves_with_memory(p.family.tau, p.phi, p.input_power, p.g, p.correlation, followed);
    const bool settled = curves.residual.back() <= settled_residual * curves.length.back();
    if (beyond)
      out.warnings.push_back(fmt::format(
          "with memory, the iteration is followed to depth {0}{1}; ask for depths up to {0}", longest_memory,
          settled ? ", beyond which its residual is not known and left out" : " and has not settled by then"));
    if (beyond && !settled && !(at.rate < 1)) return;  // where it goes is not known
    out.report.emplace_back("sampling_error", curves.sampling_error);
    out.method += "; along depth averages over sampled paths";
    if (!beyond) {
      out.report.emplace_back("sampling_error_of_residual", curves.residual_error);
      return add_curves(out, std::move(curves));
    }
    curves.length.resize(inside);
    curves.length.resize(p.depth.at.size(), at.length);
    add(out, "length", std::move(curves.length));
    if (!settled) out.columns.back().valid_from = std::log(1e-4) / std::log(at.rate);
    if (!settled || !p.correlation) return;
    curves.overlap.resize(inside);
    curves.overlap.resize(p.depth.at.size(), equilibrium_overlap);
    add(out, "overlap", std::move(curves.overlap));
  }

  Trajectory started(const char* method) const {
    Trajectory out;
    out.steps = as_doubles(problem_->depth.at);
    out.method = method;
    return out;
  }
  void add(Trajectory& out, std::string_view name, std::vector<double> values) const {
    for (const Observable& o : equilibrium_observables(*problem_))
      if (o.name == name) out.columns.push_back({o, std::move(values), {}});
  }
  /// Of the fixed point: a mean, which is not what draws that are ranked tell.
  void add_equilibrium(Trajectory& out, const std::string& of, double value, bool claimed = true) const {
    add(out, "equilibrium_" + of, std::vector<double>(problem_->depth.at.size(), value));
    if (!claimed || !observes_means()) out.columns.back().valid_from = infinity;
  }
  /// Dimensions that weights mix: of a bi-invariant family those of its singular values that are not 0.
  double mixed_dimensions() const {
    const double share = problem_->family.kind == FamilyKind::bi_invariant ? problem_->family.kurtosis : 1;
    return static_cast<double>(problem_->width) / share;
  }
  bool claims_curves() const { return !(mixed_dimensions() < narrowest); }
  /// Whether the fixed points of a replica's draws are averaged, and not ranked.
  bool observes_means() const { return problem_->draws == 1 || problem_->estimator == Estimator::mean; }
  /// Draws have rates of their own, whose spread, n^(-1/2), the mean residual feels from depth n^(1/2) on.
  void limit_claims(Trajectory& out) const {
    const EquilibriumProblem& p = *problem_;
    if (p.phi.linear() && p.family.orthogonal()) {
      out.exact = true;
      if (p.width > 1) return;
      out.valid_until = 0;
      out.warnings.push_back(
          "of width 1 orthogonal weights are +g or -g: a few replicas may all have one of them, so that curves are "
          "shown, not judged");
      return;
    }
    const double deepest = p.phi.linear() ? static_cast<double>(known_depth(p.family, static_cast<double>(p.width)))
                                          : std::floor(std::sqrt(mixed_dimensions()));
    if (!p.phi.linear() && !claims_curves()) {
      out.valid_until = 0;
      out.warnings.push_back(
          fmt::format("the limit of wide networks claims nothing of curves at {} below {}: shown, not judged",
                      p.width < narrowest ? "widths" : "a width/kurtosis", narrowest));
    } else if (!out.steps.empty() && out.steps.back() > deepest) {
      out.valid_until = std::min(deepest, out.valid_until.value_or(infinity));
      out.warnings.push_back(
          fmt::format("draws of width {} have rates of their own: beyond depth {:g} their mean residual is {}, and "
                      "curves are shown, not "
                      "judged",
                      p.width, deepest, p.phi.linear() ? "not known" : "not the limit's"));
    }
  }
  /// Of residuals, squares of differences of drawn states; of overlaps that are 0, of which averages leave rounding, or
  /// the error of sampled paths.
  void tell_rounding(Trajectory& out) const {
    const Column* length = out.find("equilibrium_length");
    for (Column& column : out.columns) {
      if (column.observable.name == "residual") column.rounding = residual_rounding * length->value.front();
      if (!column.observable.name.ends_with("overlap")) continue;
      if (problem_->phi.odd && *problem_->correlation == 0) std::ranges::fill(column.value, 0.0);
      column.rounding = overlap_rounding * length->value.front();
    }
  }
  static void warn_of_iteration(Trajectory& out, double rate) {
    if (rate >= 1)
      out.warnings.push_back(fmt::format(
          "the fixed point exists, but the plain iteration diverges (spectral radius {:.6g}); damped ones find it",
          rate));
  }

  void phase_findings(std::vector<Finding>& out, double edge_at, double rate) const {
    out.push_back({"in_phase", true, "whether the limit of wide networks exists"});
    out.push_back({"edge_scale", edge_at, "g at which the phase ends"});
    if (std::isnan(rate)) return;  // not known
    out.push_back({"iteration_rate", rate, "spectral radius at the fixed point: the error's factor per iteration"});
    out.push_back({"iteration_converges", rate < 1, "whether the plain iteration finds the fixed point"});
  }

  void linear_findings(std::vector<Finding>& out) const {
    const EquilibriumProblem& p = *problem_;
    const LinearMoments m = linear_moments(p.family, p.g);
    const double q = p.input_power, n = static_cast<double>(p.width);
    phase_findings(out, linear_edge(p.family), p.g * spectral_radius(p.family));
    out.push_back({"gamma", m.gamma, "(1/n) tr (I - W)^-1"});
    out.push_back({"length_map", m.m1, "m1 = |z|^2/|h|^2"});
    out.push_back(
        {"length_map_at_width", finite_width_m1(p.family, p.g, n), "to O(1/n); m1 where that is over half of it"});
    out.push_back({"second_moment", m.m2, "m2 = (1/n) tr (GG')^2, G = (I - W)^-1"});
    out.push_back({"kurtosis", m.kurtosis(), "m2/m1^2 of the singular values: what families differ in"});
    if (p.family.bi_invariant())
      out.push_back({"free_cumulant", (p.family.kurtosis - 2) * std::pow(p.g, 4),
                     "a2 = (1/n) tr (WW')^2 - 2 g^4, the fourth: what bi-invariant families differ in"});
    if (p.family.kind != FamilyKind::bi_invariant)
      out.push_back({"smallest_singular_value", std::sqrt(smallest_singular_value_squared(p.family, p.g)),
                     "of I - W, n -> infinity"});
    out.push_back({"equilibrium_std", q * std::sqrt(p.gaussian_input ? 2 * m.m2 / n : 2 * m.spread / (n + 2)),
                   "of |z|^2/n from draw to draw, to leading order in 1/n"});
    out.push_back({"tangent_kernel", std::pow(p.g * m.m1, 2) * q * p.correlation.value_or(1),
                   "over standard-normalised W, readout v.z/sqrt n; of two inputs where there is a correlation"});
  }

  void nonlinear_findings(std::vector<Finding>& out) const {
    const EquilibriumProblem& p = *problem_;
    const Equilibrium at = equilibrium(p.family, p.phi, p.input_power, p.g);
    phase_findings(out, edge(p.family, p.phi, p.input_power), at.rate);
    out.push_back({"stability_number", at.stability, "S = g^2 E (phi'/(1 - c phi'))^2 < 1"});
    out.push_back({"drive_variance", at.q, "q of xi in u = xi + c phi(u)"});
    out.push_back({"response", at.chi, "chi = (1/n) tr dz/dh"});
    out.push_back({"memory", at.c, "c = tau g^2 chi"});
    out.push_back({"mean_square_state", at.length, "E z^2"});
    out.push_back({"mean_square_slope", at.d1, "E phi'^2"});
    out.push_back({"mean_fourth_slope", at.d2, "E phi'^4"});
    if (p.family.bi_invariant()) {
      const AtWidth width = nonlinear_at_width(at);
      out.push_back({"mean_square_state_at_width", width.length, "to O(1/n); E z^2 where that is over half of it"});
      out.push_back({"equilibrium_std", width.std, "of |z|^2/n from draw to draw, to leading order in 1/n"});
      const JacobianMoments x = jacobian_moments(p.family, at);
      out.push_back({"jacobian_first_moment", x.m1, "(1/n) tr XX', X = (I - W diag phi')^-1"});
      out.push_back({"jacobian_second_moment", x.m2, "(1/n) tr (XX')^2"});
      out.push_back({"kurtosis", x.m2 / (x.m1 * x.m1), "of the singular values of X"});
    }
    if (!p.correlation && !p.family.bi_invariant()) return;
    const PairEquilibrium pair = pair_equilibrium(p.phi, p.input_power, p.correlation.value_or(1), at);
    if (p.correlation) {
      out.push_back({"drive_correlation", pair.correlation, "rho of the two inputs' drives"});
      out.push_back({"overlap", pair.overlap, "E z z'"});
    }
    if (!p.family.bi_invariant()) return;
    const TangentKernels kernels = tangent_kernels(pair, p.g);
    out.push_back({"tangent_kernel", kernels.of_state, "over standard-normalised W, readout v.z/sqrt n"});
    out.push_back({"tangent_kernel_of_preactivation", kernels.of_preactivation, "the same, readout v.u/sqrt n"});
  }

  std::shared_ptr<const EquilibriumProblem> problem_;
};

std::vector<Observable> observables_of_model() {
  EquilibriumProblem p;
  p.correlation = 0;
  return equilibrium_observables(p);
}

std::unique_ptr<Problem> build_equilibrium(const Experiment& experiment,
                                           std::span<const settings::Description* const>) {
  return std::make_unique<EquilibriumExperiment>(read_equilibrium(experiment));
}

}  // namespace

const Model& equilibrium_network_model();
const Model& equilibrium_network_model() {
  static const DeclaredModel model({
      .description = {"equilibrium-network",
                      "deep equilibrium networks at initialisation: families of weights, phases, iteration",
                      "z = phi(u), u = W z + h;  linear: z = (I - W)^-1 h\n"
                      "wide limit: u = xi + c phi(u), xi ~ N(0, q), q = q_h + g^2 E z^2, c = tau g^2 chi, chi = E "
                      "phi'/(1 - c phi')\n"
                      "stable phase: S = g^2 E (phi'/(1 - c phi'))^2 < 1; linear: g (1 + tau) < 1",
                      "Agarwala, Schoenholz 2022; docs/theory/networks-and-kernels.md, section 1",
                      settings::with_sections({{"network", network_parameters()}, {"input", input_parameters()}})},
      .sections = {"network", "input", "monte_carlo"},
      .axis = &depth_axis(),
      .dimension = {"network", "width"},
      .observables = observables_of_model(),
      .closed_forms = equilibrium_closed_forms,
      .monte_carlo = solver_parameters(),
      .build = build_equilibrium,
      .start = R"(network = { scale = 0.5, width = 100 }
depth.max = 10)",
  });
  return model;
}

}  // namespace edgewise::models::equilibrium_network
