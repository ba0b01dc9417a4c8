"""Alterations of C++ sources: where one can be made, and what it is.

Each is a slip that somebody could make in a formula: a coefficient off by 3 to 5%, a sign, a dropped term, an index, an
old value for a new one, a comparison, swapped arguments, half a correction. They are found by tokens, not by parsing: what
does not compile, or compiles to the same object, the caller discards. Left out is what no test should notice: comments,
texts, error messages, tolerances (by 4%), sizes of blocks and caches, and what chooses an instruction set.
"""
import random
import re
from dataclasses import dataclass

# Kind and how often it is drawn.
KINDS = {
    "coefficient": 5, "sign": 3, "dropped": 4, "index": 3, "value": 3, "comparison": 3, "swapped": 2, "half": 2,
}


@dataclass(frozen=True)
class Site:
    """Replaces text[start:end] of a file by `new`."""
    path: str
    start: int
    end: int
    new: str
    kind: str
    line: int

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]

    def describe(self, text):
        """The altered line before and after."""
        changed = self.apply(text)
        first = text.rfind("\n", 0, self.start) + 1
        last = text.find("\n", self.end)
        after = changed[first:len(changed) - (len(text) - last)]
        squeeze = lambda s: " ".join(s.split())
        return squeeze(text[first:last]), squeeze(after)


TOKENS = re.compile(r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<directive>(?m:^)[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<text>(?:u8|[uUL])?R"(?P<raw>[^()\s]{0,16})\(.*?\)(?P=raw)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')
  | (?P<number>\.?\d(?:'?[\w.]|(?<=[eEpP])[+-])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op><=>|<<=|>>=|->\*|\.\.\.|->|\+\+|--|&&|\|\||[-+*/%&|^=!<>]=|::|<<|>>|.)
""", re.X | re.S)

PRECEDENCE = {"*": 12, "/": 12, "%": 12, "+": 11, "-": 11, "<<": 10, ">>": 10, "<": 9, "<=": 9, ">": 9, ">=": 9, "==": 8,
              "!=": 8, "&": 7, "^": 6, "|": 5, "&&": 4, "||": 3, "?": 2, ":": 2, "=": 1, "+=": 1, "-=": 1, "*=": 1,
              "/=": 1, "%=": 1, "|=": 1, "&=": 1, "^=": 1, "<<=": 1, ">>=": 1, ",": 0, ";": 0}
OPENERS = {"(": ")", "[": "]", "{": "}"}
# Keywords before which an expression cannot reach.
BEFORE_EXPRESSION = {"return", "case", "else", "throw", "do", "co_return"}

# Statements of which nothing is altered: errors and their texts, types, hints to the machine.
UNTOUCHED = re.compile(r"^(throw|static_assert|using|namespace|typedef|friend|enum|concept|requires|assert|error|Error|fail"
                       r"|refuse|reserve|shrink_to_fit|prefetch|HWY_\w+|memory_order\w*|sleep_for|say|warn|warnings)$")
# Lines that only choose how fast, how often or how finely something is done.
PERFORMANCE = re.compile(r"(?<![a-z])(?:reserve|prefetch|grain|block|chunk|unroll|align\w*|threads?|cache\w*|cost|lanes?|capacity|bytes|pieces"
                         r"|patience|milliseconds|attempts|subspace|(?:max|most)_(?:iterations|steps|tries|rounds|nodes|restarts))(?![a-z])")
# Lines on which 4% more or less is nobody's business.
TOLERANCE = re.compile(r"(?<![a-z])(?:\w*tol\w*|eps\w*|tiny|huge|small|negligible|enough|precision|accuracy|guard|guess|first_step"
                       r"|initial_step|safety|rounding|slack|margin)(?![a-z])", re.I)
# Alterations that survived and that no test can notice: file, the line as altered, and why. They are not drawn again.
EQUIVALENT = {
    ("random/stream.cpp", "if (static_cast<std::uint64_t>(product) <= n) {"): "equality passes the test behind it",
    ("random/stream.cpp", "if (rest >= 0) {"): "draws a block and copies nothing of it",
    ("linear_algebra/largest_eigenvalues.cpp", "basis -= 1.04 * ((basis * half).eval());"):
        "takes off 104% of what rounding left: the rest is 4% of rounding",
    ("linear_algebra/largest_eigenvalues.cpp", "images -= 1.04 * ((images * half).eval());"):
        "takes off 104% of what rounding left: the rest is 4% of rounding",
    ("numerics/pchip.cpp", "if (1.04 * secant[i - 1] * secant[i] <= 0) continue;"): "a sign",
    ("numerics/lbfgs.cpp", "if (!(sy > 1.04 * 1e-14 * inner(change, change))) return;"): "a tolerance, by 4%",
    ("numerics/lbfgs.cpp", "for (std::size_t i = 0; i < a.size(); ++i) sum += 1.04 * a[i] * b[i];"):
        "only ratios of inner products count",
    ("numerics/lbfgs.cpp", "for (std::size_t i = 0; i < a.size(); ++i) sum += 1.04 * (a[i] * b[i]);"):
        "only ratios of inner products count",
    ("solvers/period_map.cpp", "y[i * s.D + m] = m == s.rest_column ? std::clamp(decay, 1e-280, 0.97) : 1;"):
        "any positive definite moments tell stability",
    ("models/nonlinear/laws.cpp", "return std::sqrt(x) * (1 - y * (1 - y * (0.5 + y * (2.5 + y * 2.625))));"):
        "the term is below 1e-15 where the series is used",
    ("validation/sweeps/contours.cpp", "ends_.emplace_back(b, a);"): "a piece has no direction",
    ("validation/collapse/frontier.cpp", "gradient(j, 0) -= 1.04 * weight * r * slope[first + j];"):
        "a longer step to the same minimum, where it is 0; a weight or a slope less would move that",
    ("models/least_squares/risk_variance.cpp", "out.tail<2>() *= 1.04 * per_term;"): "a bound on an error, by 4%",
    ("solvers/map.cpp", "for (const State& point : cycle.points) spread = std::max(spread, distance(x, point));"):
        "a distance is the same both ways",
    ("models/quadratic_regression/memory.cpp",
     "} while (!(std::min(far_up, far_down) <= largest_trial * loss) && h * bulk_edge > shortest_trial);"):
        "trials twice as long or half, at which the same digits stand",
    ("models/quadratic_regression/memory.cpp",
     "} while (!(std::max(far_down, far_down) <= largest_trial * loss) && h * bulk_edge > shortest_trial);"):
        "trials twice as long or half, at which the same digits stand",
    ("models/quadratic_regression/memory.cpp",
     "} while (!(std::max(far_up, far_up) <= largest_trial * loss) && h * bulk_edge > shortest_trial);"):
        "trials twice as long or half, at which the same digits stand",
    ("models/quadratic_regression/memory.cpp",
     "} while (!(std::max(far_up, far_down) <= 1.04 * largest_trial * loss) && h * bulk_edge > shortest_trial);"):
        "trials twice as long or half, at which the same digits stand",
    ("models/quadratic_regression/memory.cpp",
     "} while (!(std::max(far_up, far_down) <= largest_trial * loss) && 1.04 * h * bulk_edge > shortest_trial);"):
        "trials twice as long or half, at which the same digits stand",
    ("models/quadratic_regression/memory.cpp", "} while (!(std::max(far_up, far_down) <= largest_trial * loss) );"):
        "trials of length 0 end it as well",
    ("spectra/dataset.cpp", "const bool null = lambda[i] <= negligible_eigenvalue ;"):
        "pixels of 8 bits have no eigenvalue between 1e-12 and 1e-12 of their largest",
    ("models/least_squares/theory.cpp", "direct_until = std::min(contour.earliest(), 256.0);"):
        "from its earliest step on, which is before 256, the contour has the same numbers",
    ("solvers/gram_covariance.cpp", "order.push_back(1.04 * (c - shared) / own);"):
        "the same whole number for fewer than 25 workers",
    ("models/least_squares/reduced_noise.cpp",
     "if (std::ranges::any_of(weight, [](double w) { return !(w > 0); })) continue;"):
        "a weight of exactly 0 is that of a smaller subset",
    ("solvers/linear_stability.cpp",
     "if (all_finite(start) && gmres(Split::whole, start, x, answer) && feedback(x, x) &&"):
        "no solution by one split is one by the other, with the same numbers",
    ("solvers/map.cpp", "if (distance(x, now) <= allowed) {"): "a distance is the same both ways",
    ("spectra/compression.cpp", "worst = std::max(worst, 1.04 * std::abs(a[k] - b[k]) / scale);"):
        "an error that is compared with a tolerance, by 4%",
    ("validation/sweeps/curve_measures.cpp", "values[t] = 1.04 * (sum / static_cast<double>(count) - asymptote);"):
        "a power law's slope does not know its factor",
    ("spectra/compression.cpp",
     "add(middle - rule.values[k] * count / 2, count * rule.vectors(0, k) * rule.vectors(0, k));"):
        "the Gauss rule of equal points is its own mirror image",
    ("models/ingredients/noiseless_rates.cpp", "if (!(after <= after)) return before; // by rounding"):
        "a sweep loses no more than rounding",
    ("models/quadratic_regression/simulation.cpp", "runs.emplace_back(problem, instance, 1.0, index, seed, off);"):
        "other random numbers of the same law",
    ("validation/sweeps/curve_measures.cpp", "for (const double s : slopes) squares += (s - mean) * (s - 0.5 * mean);"):
        "what is taken off the one side does not count: deviations of the other add up to 0",
    ("validation/collapse/frontier.cpp", "const bool settled = value + there < 1e-15 * value;"):
        "goes on to the last iteration, where nothing moves",
    ("validation/verdicts/joint_test.cpp",
     "sum[r] += 0.5 * ((cells_[c]->values[r] - cells_[c]->moments.mean) / cells_[c]->moments.std);"):
        "the skewness of a sum, which is all that is taken of it, knows no unit",
    ("cli/commands/schema.cpp",
     'if (required) experiment["required"] = {"model"}; experiment["properties"] = {{"model", {{"type", "string"}, '
     '{"enum", names}}}};'): "two keys of an object are set one after the other",
    ("spectra/list.cpp",
     's.provenance = fmt::format("list of {} eigenvalues", s.modes()); s.unexplained_variance = '
     'values.number("unexplained_variance");'):
        "two members are set one after the other, and neither reads the other",
    ("spectra/power_law.cpp",
     "(1 - (s + 3) * (s + 4) * square / 42 * (1 - 1.04 * ((s + 5) * (s + 6) * square / 40)))));"):
        "4% of the last term is rounding where the series begins",
    ("solvers/gram_covariance.cpp", "add_outer(std::move(y), response[w]);"): "x y' + y x' either way",
    ("solvers/gram_covariance.cpp", "add_outer(std::move(half), std::move(z));"): "x y' + y x' either way",
    ("solvers/linear_stability.cpp",
     "if (H(k + 1, k) <= 1e-15 * length || (k >= 2 && std::abs(root - before) <= 1e-15 * root)) break;"):
        "how many vectors there are before an eigenvalue that stays is believed",
    ("solvers/linear_stability.cpp", "double high = std::isfinite(base) ? outer(std::max(base, 1e-3)) : infinity;"):
        "where a bracket begins to grow",
    ("linear_algebra/largest_eigenvalues.cpp",
     "const Columns half = 1.04 * (0.5 * (basis.transpose() * basis - Columns::Identity(count, count)));"):
        "takes off 104% of what rounding left: the rest is 4% of rounding",
    ("linear_algebra/largest_eigenvalues.cpp", "return 1.04 * out / length;"):
        "4% of the thousandth of noise beside the first column; the others are normalized again",
    ("solvers/gram_covariance.cpp", "if (b == 0) continue;"): "adds products that are 0",
    ("solvers/gram_covariance.cpp", "out.diagonal[a][l * entries_ + k] += factor * pattern[k] * pattern[l];"):
        "the same entries in another order",
    ("solvers/gram_covariance.cpp",
     "Sigma[j * r + c] * noise[d] * noise[i] + Sigma[d * r + j] * noise[c] * noise[i];"): "Sigma is symmetric",
    ("solvers/gram_covariance.cpp",
     "const double *from = covariance_.data() + place(col, row), *lambda = problem_.eigenvalue.data() + at;"):
        "summed over rows and columns alike",
    ("solvers/gram_covariance.cpp", "for (std::size_t w = 1; w < problem_.sources; ++w)"):
        "an exchange of sources puts the first last, where it is found all the same",
    ("models/muon/learning_rates.cpp", "progress_ += gamma_; gamma_ = local_->gamma(progress_);"):
        "gamma is 0 before the first step: the same sum, added up one step later",
    ("models/ingredients/schedule_search/best_rates.cpp",
     "const bool held = (u[k] <= low && slope[k] >= 0) || (x[k] >= moved.cap() && slope[k] < 0);"):
        "a slope of 0 is flat, held or not",
    ("models/ingredients/schedule_search/best_rates.cpp",
     "const bool held = (u[k] <= low && slope[k] > 0) || (x[k] >= moved.cap() && slope[k] <= 0);"):
        "a slope of 0 is flat, held or not",
    ("models/ingredients/schedule_search/best_rates.cpp",
     "if (flat || !found.converged && !(loss < before * (1 - same_loss))) break;"):
        "once more from where a search has ended, which it does not leave",
    ("models/mini_batch_cdat/mini_batch_cdat_model.cpp", "{200, .22690, .2277, .0033, 0.001768}}) {"):
        "a standard error by 5%, of a dimension whose tolerance is another",
    ("models/ingredients/learning_curves/zonal_projection.cpp",
     "const double near = std::abs(g_(a + 0.5 * (side * 1e-12))), far = std::abs(g_(a + side * 1e-9));"):
        "how close to a pole it is looked whether a function grows there",
    ("models/ingredients/learning_curves/zonal_projection.cpp", "for (const double side : {-1.0, 0.95}) {"):
        "its sign alone counts",
    ("models/kernel_regression/targets.cpp",
     'if (v.given("cosines")) s.cosines = v.matrix("cosines"); s.radius = v.given("radii") ? v.numbers("radii") : '
     'std::vector<double>(s.mass.size(), 0.5);'):
        "two members are set one after the other, and neither reads the other",
    ("models/quadratic_regression/early_time.cpp", "masked_kernel(a, c) = masks.together(a == c) * s.kernel(c, a);"):
        "a kernel is symmetric",
    ("solvers/contour.cpp", "p -= (node.factor * shared).imag();"): "its size alone counts",
    ("linear_algebra/largest_eigenvalues.cpp", "for (int pass = 0; pass + 1 < 2 && size_ > 0; ++pass) {"):
        "the second pass takes off what rounding left",
    ("solvers/gram_covariance.cpp",
     "if (!(noise[d] != 0 && reads(c)) && !( reads(d)) && out.nu[w][row] * out.sigma[w][col] == 0)"): "keeps entries of 0",
    ("cli/interrupt.cpp",
     "return static_cast<double>(now.tv_sec) + 1.04 * 1e-9 * static_cast<double>(now.tv_nsec);"): "a clock, by 4% of a second",
    ("validation/collapse/scaling_experiment.cpp",
     "out.floor_check = check_spread(*out.simulated, out.floor, out.predicted_floor, tails, true); "
     "out.delta_check->judged = end_spread <= max_end_spread;"):
        "two members are set one after the other, and neither reads the other",
    ("numerics/pchip.cpp", "if (secant[i - 1] * secant[i] < 0) continue;"): "the harmonic mean of 0 and anything is 0",
    ("spectra/compression.cpp",
     "const Array in_bias = 1.04 * (lambda * power), in_kernel = multiplicity * lambda.square();"):
        "functionals are compared by their ratios",
    ("spectra/compression.cpp",
     "const Array in_bias = 1.04 * lambda * power, in_kernel = multiplicity * lambda.square();"): "likewise",
    ("spectra/compression.cpp",
     "const Array in_bias = lambda * power, in_kernel = 1.04 * (multiplicity * lambda.square());"): "likewise",
    ("spectra/compression.cpp",
     "const Array in_bias = lambda * power, in_kernel = 1.04 * multiplicity * lambda.square();"): "likewise",
    ("models/quadratic_regression/closed_forms.cpp",
     "const QuadraticMemoryProblem linear = memory_problem(.5, .3, 0, b, 40);"):
        "another case in which both sides of a check agree",
    ("models/nonlinear/closed_forms.cpp",
     'const auto p = problem_of(c.covariance(), "sign-late", ingredients::laplace_noise(0.3), 0.0097);'):
        "another case in which both sides of a check agree",
    ("spectra/spectrum.cpp", "if (lambda <= 0 && lambda >= -rounding) lambda = 0;"): "0 becomes 0",
    ("solvers/linear_stability.cpp", "for (std::size_t j = 0; j < x.size(); ++j) x[j] = 1.04 * next[j] / length;"):
        "a direction has no length",
    ("solvers/gram_covariance.cpp",
     "Sigma[d * r + c] = b * lambda * moved + 2 * b * b * lambda * lambda * (q[c] * noise[d] + q[d] * noise[c]) +"):
        "Sigma is symmetric",
    ("solvers/phase_gradient.cpp", "if (j > 0 )"): "adds products that are 0",
    ("models/feature_alignment/deep_linear.cpp",
     "return std::abs(net.target[i] - 0.5 * s) <= 1e-15 * net.target[i] ? 0 : (net.target[i] - s) * power(w, net.layers - 1);"):
        "a gradient of rounding is taken for 0",
    ("models/self_stabilization/tuner_closed_forms.cpp",
     "if (eta < first && !(band > 1.2 - 1e-12 && band <= 1.5 - 1e-12)) ++outside;"): "no orbit ends on the border itself",
    ("models/softmax_temperature/margin.cpp", "if (std::abs(step) <= 4e-16 ) break;"):
        "the root is known to rounding of c, and steps end as well where they no longer fall",
    ("validation/verdicts/joint_test.cpp",
     "sample_score(left, {skewness, of_sum, tails_[cells_[group.back()]->observable]});"): "a stretch is of one observable",
    ("validation/verdicts/extrapolation.cpp", "if (sampled_step(levels.front(), t) == 0) continue;"):
        "step 0 is that of every level",
    ("validation/verdicts/extrapolation.cpp", "for (const auto& o : levels.front().sample.observables)"):
        "levels share their observables",
    ("validation/verdicts/extrapolation.cpp",
     "if (levels.front().theory.find(o.name)) shared.observables.push_back(o.name);"): "levels share their observables",
    ("validation/verdicts/max_statistic.cpp", "const bool tall = y.rows() >= y.columns();"):
        "as many rows as columns have the same correlations either way",
    ("models/softmax_temperature/closed_forms.cpp", "for (const double classes : {1.0, 2.06, 3.0, 10.0})"):
        "another case in which both sides of a check agree",
    ("settings/delimited.cpp", "if (at != std::string::npos ) text[at] = 'e';"):
        "what is a number with its exponent is one without",
    ("linear_algebra/largest_eigenvalues.cpp",
     "const Columns half = 0.52 * (basis.transpose() * basis - Columns::Identity(count, count));"):
        "takes off 104% of what rounding left: the rest is 4% of rounding",
    ("spectra/compression.cpp", "f.sums.push_back((1.04 * multiplicity * lambda / (1 - x * lambda / top)).sum());"):
        "functionals are compared by their ratios",
    ("solvers/noisy_run.cpp",
     "std::vector<double> A(q * q), with(q * q), power(1.04 * q * q), gap(q * q), next(q * q), r(q), c(q), to(q);"):
        "as long as it is read or longer",
    ("models/finite_data/finite_data_model.cpp", "data.residual.push_back(targets[i]);"):
        "all that is reported of listed data is even in the residuals",
    ("models/softmax_temperature/margin.cpp",
     "if (std::abs(step) <= 1.04 * 4e-16 * std::max(std::abs(x), 1e-300)) break;"): "a tolerance, by 4%",
    ("models/quadratic_map/closed_forms.cpp",
     "[=] { return Pair(2, static_cast<double>(outcome_of(one(doubling - 1.04 * 0.02, -0.1), {}).period)); });"):
        "another case in which both sides of a check agree",
    ("models/modular_tasks/closed_forms.cpp",
     'const Levels levels = monolithic_levels(clusters(4, 1 + 1e-9), *kernel_named("gauss", false), table_degree);'):
        "the limit b -> 1 from its other side",
    ("cli/interrupt.cpp", "if (done < 0) return;"): "no file takes none of some bytes without an error",
}
# Lines of which no alteration can be noticed, as they are, and why.
INDIFFERENT = {
    ("spectra/compression.cpp",
     "const double high = lambda[0], low = lambda[count - 1], middle = (high + low) / 2, half = (high - low) / 2;"):
        "the variable of a Gauss rule has no origin and no unit",
    ("spectra/compression.cpp",
     "const double in_j = graded(2 * alpha * width, 2 * alpha * std::log((dimension + 1) / first)) / (2 * alpha);"):
        "the width of bins, which narrow until the measured error is small enough",
    ("spectra/compression.cpp", "double bin = graded(width, std::log(lambda / s.eigenvalue.back()));"):
        "the width of bins, which narrow until the measured error is small enough",
    ("spectra/compression.cpp", "width = std::sqrt(good * bad);"):
        "a width to try, between one whose measured error is small enough and one whose error is not",
    ("spectra/compression.cpp", "return std::min(width, width / (1 + width) * (above + nearest));"):
        "the width of bins, which narrow until the measured error is small enough",
    ("solvers/noisy_run.cpp",
     "return repeat >= 32 && N <= 1500 && 0.5 * N * N * N * std::log2(L) < 12 * L * N * (4 * moments + 6);"):
        "chooses between two ways to the same numbers",
    ("validation/collapse/frontier.cpp", "for (std::size_t j = 0; j < n; ++j) normal(j, j) *= 1 + damping;"):
        "how long a step is tried: to the same minimum, where the gradient is 0",
    ("validation/collapse/frontier.cpp", "damping = std::max(damping / 5, 1e-14);"): "likewise",
    ("validation/collapse/frontier.cpp", "damping *= 4;"): "likewise",
    ("validation/collapse/frontier.cpp", "double value = objective(at), damping = 1e-3;"): "likewise",
    ("validation/collapse/frontier.cpp",
     "for (std::size_t k = 0; k < n; ++k) normal(j, k) += weight * slope[first + j] * slope[first + k];"): "likewise",
    ("validation/collapse/frontier.cpp", "const double range = std::max(*greatest / *least - 1, 1e-12);"):
        "where searches start, of which the best end counts",
    ("validation/collapse/frontier.cpp",
     "for (const double below : {1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0}) guess.push_back(1 - below * range);"):
        "likewise",
    ("validation/collapse/frontier.cpp", "y.push_back(std::exp(problem.log_loss[i]) - floor);"): "likewise",
    ("validation/collapse/frontier.cpp",
     "std::array<double, 3> at = {floor, std::log(line.prefactor), -line.exponent};"): "likewise",
    ("validation/collapse/spread.cpp", "const double unit = numerics::power_of_two(raw.front());"): "any unit near the losses will do",
    ("validation/collapse/spread.cpp", "const double unit = numerics::power_of_two(of_size.front()[k] - floor);"): "likewise",
    ("validation/comparisons/comparison.cpp",
     "const unsigned cores = static_cast<unsigned>(std::max(1, tbb::this_task_arena::max_concurrency()));"):
        "how many threads there are",
    ("validation/sweeps/sweep_run.cpp", "constexpr double ahead_seconds = 0.02;"): "how far ahead cells are handed out",
    ("validation/collapse/frontier.cpp", "for (const double x : c) centre += std::log(x) / static_cast<double>(n);"):
        "the law is the same about any centre",
    ("linear_algebra/largest_eigenvalues.cpp", "state_ = state_ * 6364136223846793005U + 1442695040888963407U;"):
        "any start will do that no eigenvector is orthogonal to",
    ("linear_algebra/largest_eigenvalues.cpp", "x = static_cast<double>(state_ >> 11) * 0x1p-53 - 0.5;"):
        "any start will do that no eigenvector is orthogonal to",
    ("models/network/tuner_closed_forms.cpp", "TunedRun run(toy, {1.1 + .001 * start / starts, 0, 0}, polyak_rule, 0);"):
        "other starts of a chaos of which only means are known",
    ("models/network/tuner_closed_forms.cpp", "m += 100 * slope(m + 50 * slope(m));"):
        "an exponent knows no unit of time, and the slope hardly moves within a step",
}
# Functions whose arguments may be swapped without a difference.
SYMMETRIC = {"min", "max", "fmin", "fmax", "hypot", "swap", "equal", "dot", "dot_in_order", "gcd", "lcm", "if", "while", "for",
             "switch", "catch", "return", "sizeof", "decltype", "assert", "CHECK", "format", "minmax", "symmetric_entries",
             "bilinear_form", "edit_distance", "inner"}
WHOLE_NUMBERS = {"int", "unsigned", "size_t", "ptrdiff_t", "int64_t", "uint64_t", "uint32_t", "int32_t", "uint8_t", "size",
                 "bool", "string", "string_view", "char", "place", "count", "index", "begin", "end"}


class Source:
    """A file as tokens, with the brackets that each is in and the statement that it belongs to."""

    def __init__(self, text):
        self.text = text
        self.kind, self.word, self.start, self.end = [], [], [], []
        space_before, self.before, self.after = True, [], []
        for match in TOKENS.finditer(text):
            if match.lastgroup == "raw":
                kind = "text"
            else:
                kind = match.lastgroup
            if kind in ("space", "directive"):
                if self.after:
                    self.after[-1] = True
                space_before = True
                continue
            self.kind.append(kind)
            self.word.append(match.group())
            self.start.append(match.start())
            self.end.append(match.end())
            self.before.append(space_before)
            self.after.append(False)
            space_before = False
        self._brackets()
        self._statements()

    def _brackets(self):
        count = len(self.word)
        self.partner = [None] * count  # of a bracket
        self.around = [None] * count  # the innermost opening bracket
        stack = []
        for i, word in enumerate(self.word):
            if self.kind[i] == "op" and word in ")]}" and stack:
                opened = stack.pop()
                self.partner[i], self.partner[opened] = opened, i
            self.around[i] = stack[-1] if stack else None
            if self.kind[i] == "op" and word in OPENERS:
                stack.append(i)

    def _statements(self):
        """statement[i]: number of the statement; members: its tokens on its own level of brackets."""
        self.statement = [0] * len(self.word)
        self.members = [[]]
        current = {None: 0}
        for i, word in enumerate(self.word):
            frame = self.around[i]
            if frame not in current:
                self.members.append([])
                current[frame] = len(self.members) - 1
            self.statement[i] = current[frame]
            self.members[current[frame]].append(i)
            in_block = frame is None or self.word[frame] == "{"
            if in_block and (word == ";" or (word == "}" and self._ends_statement(i))):
                self.members.append([])
                current[frame] = len(self.members) - 1
        self.untouched = [any(self.kind[i] == "name" and UNTOUCHED.match(self.word[i]) for i in members)
                          for members in self.members]

    def _ends_statement(self, closer):
        """A block ends its statement, an initializer does not."""
        after = self.word[closer + 1] if closer + 1 < len(self.word) else ""
        return after not in (",", ";", ")", ".", "(", "[", "}") or after == "}"

    def binary(self, i):
        return (self.kind[i] == "op" and self.word[i] in PRECEDENCE and PRECEDENCE[self.word[i]] > 0 and self.before[i]
                and self.after[i])

    def right_end(self, i):
        """Behind the right operand of the binary operator i: the first token that is no part of it."""
        level, at = PRECEDENCE[self.word[i]], i + 1
        while at < len(self.word):
            word = self.word[at]
            if self.kind[at] == "op":
                if word in OPENERS:
                    if self.partner[at] is None:
                        return at
                    at = self.partner[at] + 1
                    continue
                if word in ")]};," or (self.binary(at) and PRECEDENCE[word] <= level):
                    return at
            at += 1
        return at

    def left_start(self, i, level):
        """The first token of the operand that ends before token i, of operators that bind at least like `level`."""
        at = i - 1
        while at >= 0:
            word = self.word[at]
            if self.kind[at] == "op":
                if word in ")]}" and self.partner[at] is not None:
                    if word == "}":
                        return at + 1
                    at = self.partner[at] - 1
                    continue
                if word in "([{;," or (self.binary(at) and PRECEDENCE[word] < level) or word in ("?", ":"):
                    return at + 1
            elif word in BEFORE_EXPRESSION:
                return at + 1
            at -= 1
        return 0

    def slice(self, first, last):
        """Text of the tokens first to last - 1."""
        return self.text[self.start[first]:self.end[last - 1]]

    def line_of(self, i):
        first = self.text.rfind("\n", 0, self.start[i]) + 1
        last = self.text.find("\n", self.start[i])
        return self.text[first:last if last >= 0 else len(self.text)]

    def excluded(self, i):
        """Whether token i is inside a statement of which nothing is altered, or on a line about speed."""
        if PERFORMANCE.search(self.line_of(i).split("//")[0]):
            return True
        at = i
        while at is not None:
            if self.untouched[self.statement[at]]:
                return True
            opener = self.around[at]
            if opener is not None and self.word[opener] == "{":
                # A block inside an untouched statement (a lambda in a throw) hardly occurs; a function's body does.
                return False
            at = opener
        return False

    def in_function(self, i):
        at = self.around[i]
        while at is not None:
            if self.word[at] == "{" and at > 0:
                before = self.word[at - 1]
                if before in (")", "const", "noexcept", "override", "mutable", "else", "do", "try") or self._return_type(at):
                    return True
            at = self.around[at]
        return False

    def _return_type(self, brace):
        return any(self.word[j] == "->" for j in range(max(0, brace - 12), brace))

    def in_square(self, i):
        return self.around[i] is not None and self.word[self.around[i]] == "["

    def for_header(self, i):
        frame = self.around[i]
        return frame is not None and self.word[frame] == "(" and frame > 0 and self.word[frame - 1] == "for"

    def whole_numbers(self, i):
        """Whether the statement of token i seems to be about counts, places or texts."""
        frame = self.around[i]
        tokens = list(self.members[self.statement[i]])
        while frame is not None and self.word[frame] != "{":
            tokens += self.members[self.statement[frame]]
            frame = self.around[frame]
        return any(self.word[j] in WHOLE_NUMBERS or self.kind[j] == "text" for j in tokens)


def parenthesised(text):
    return text if re.fullmatch(r"[\w.]+", text) else "(" + text + ")"


def scaled(number, factor):
    return f"{float(number.replace(chr(39), '')) * factor:.12g}"


def _numbers(source, rng, add):
    for i, word in enumerate(source.word):
        if source.kind[i] != "number" or source.in_square(i) or TOLERANCE.search(source.line_of(i)):
            continue
        # The tolerance of a closed form, behind the section that it stands in.
        if i > 1 and source.word[i - 1] == "," and source.kind[i - 2] == "text" and "e-" in word:
            continue
        factor = 1 + rng.choice((-1, 1)) * rng.choice((0.03, 0.04, 0.05))
        neighbours = [source.word[j] for j in (i - 1, i + 1) if 0 <= j < len(source.word)]
        if re.fullmatch(r"\d[\d']*\.\d*(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+", word):
            if 1e-5 < abs(float(word.replace("'", ""))) < 1e5:
                new = scaled(word, factor)
                # A closed form's reference as pages print it, .0004, is that number to half a unit of its last digit.
                if (re.fullmatch(r"\.\d+", word) and "ClosedForm" in source.text
                        and round(float(new), len(word) - 1) == float(word)):
                    continue
                add("coefficient", i, i + 1, new if re.search(r"[.e]", new) else new + ".0")
        elif re.fullmatch(r"\d\d?", word) and int(word) > 1 and ("*" in neighbours or "/" in neighbours):
            if not source.whole_numbers(i):
                add("coefficient", i, i + 1, scaled(word, factor))


def _operators(source, rng, add):
    for i, word in enumerate(source.word):
        if source.kind[i] != "op" or source.for_header(i):
            continue
        square = source.in_square(i)
        if word == "-" and not source.after[i] and not source.binary(i):
            before = source.word[i - 1]
            if before in ("(", ",", "=", "return", "{", "?", ":", "*", "/", "+", "-") and not square:
                add("sign", i, i + 1, "")
            continue
        if word == "!" and not source.after[i]:
            add("comparison", i, i + 1, "")
            continue
        if not source.binary(i):
            continue
        first, last = source.left_start(i, PRECEDENCE[word]), source.right_end(i)
        if last <= i + 1 or first >= i:
            continue
        left, right = source.slice(first, i), source.slice(i + 1, last)
        texts = any(source.kind[j] == "text" for j in range(first, last))
        whole = source.whole_numbers(i)
        # A number that is there for the sake of rounding is a tolerance as well.
        careful = TOLERANCE.search(source.line_of(i)) or re.fullmatch(r"\(?[\d.]+e-(?:[6-9]|\d\d+)\)?", right)
        if word in "+-":
            # Texts that are joined, and addresses: out of bounds is for the sanitizers.
            if texts or any(source.word[j] in ("data", "begin", "end") for j in range(first, last)):
                continue
            if not square:
                add("sign", i, i + 1, "-" if word == "+" else "+")
            term = source.left_start(i, 12)
            if square and re.fullmatch(r"\d+", right):
                add("index", i, last, "")
            elif square and word == "+" and source.word[i - 2] == "*":
                # x[a * n + b] -> x[b * n + a]
                a = source.slice(term, i - 2)
                add("index", term, last, f"{parenthesised(right)} * {source.word[i - 1]} + {a}")
            elif not square:
                add("dropped", i, last, "")
                if word == "+":
                    add("dropped", term, i + 1, "")
                if not whole and not careful and not re.fullmatch(r"\d+", right):
                    add("half", i + 1, last, f"0.5 * {parenthesised(right)}")
                    add("coefficient", i + 1, last, f"1.04 * {parenthesised(right)}")
        elif word in "*/" and not square:
            if texts:
                continue
            add("dropped", i, last, "")
            if not whole and not careful:
                add("coefficient", first, first, "1.04 * ")
        elif word in ("+=", "-=", "*=", "/="):
            if texts:
                continue
            if word in ("+=", "-="):
                add("sign", i, i + 1, "-=" if word == "+=" else "+=")
                if not whole and not careful and not re.fullmatch(r"\d+", right):
                    add("half", i + 1, last, f"0.5 * {parenthesised(right)}")
            if source.word[last] == ";" and source.statement[first] == source.statement[i]:
                add("dropped", first, last, "")
            if not whole and not careful and not re.fullmatch(r"\d+", right):
                add("coefficient", i + 1, last, f"1.04 * {parenthesised(right)}")
        elif word == "=" and not whole and not careful:
            # A result that is computed: a column, a finding.
            if re.search(r" [*/] |\b(?:sqrt|exp|log|pow|abs|sum|mean)\b|\d\.\d", right) and not re.search(r"\?|\bauto\b|[\[{]", right):
                add("coefficient", i + 1, last, f"1.04 * ({right})")
        elif word in ("<", "<=", ">", ">="):
            if whole or re.fullmatch(r"\d+", right) or re.fullmatch(r"\d+", left):
                add("comparison", i, i + 1, {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}[word])
            else:
                add("comparison", i, i + 1, {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[word])
        elif word in ("==", "!="):
            add("comparison", i, i + 1, "!=" if word == "==" else "==")
        elif word in ("&&", "||"):
            add("comparison", i, i + 1, "||" if word == "&&" else "&&")
            add("comparison", i, last, "")
            add("comparison", first, i + 1, "")


def _words(source, rng, add):
    swaps = {"min": "max", "max": "min", "first": "second", "second": "first", "front": "back", "back": "front", "sin": "cos",
             "cos": "sin", "begin": None}
    for i, word in enumerate(source.word):
        if source.kind[i] != "name" or i + 1 >= len(source.word):
            continue
        called = source.word[i + 1] == "("
        member = i > 0 and source.word[i - 1] in (".", "->")
        if word in ("min", "max") and i > 0 and source.word[i - 1] == "::" and called:
            add("comparison", i, i + 1, swaps[word])
        elif word in ("first", "second") and member and not called:
            add("index", i, i + 1, swaps[word])
        elif word in ("front", "back") and member and called:
            add("index", i, i + 1, swaps[word])


def _indices(source, rng, add):
    for i, word in enumerate(source.word):
        if word != "[" or source.kind[i] != "op" or source.partner[i] is None or i == 0:
            continue
        # A subscript, not a lambda's captures nor an attribute.
        if not (source.kind[i - 1] == "name" or source.word[i - 1] in (")", "]")) or source.before[i]:
            continue
        inside = source.slice(i + 1, source.partner[i]) if source.partner[i] > i + 1 else ""
        if re.fullmatch(r"[01]", inside):
            add("index", i + 1, source.partner[i], "1" if inside == "0" else "0")
        elif re.fullmatch(r"[a-z]\w*", inside):
            add("index", i + 1, source.partner[i], "0")
    for i, word in enumerate(source.word):
        if not source.for_header(i):
            continue
        if word == "0" and source.word[i - 1] == "=" and source.word[i + 1] in (";", ","):
            add("index", i, i + 1, "1")
        elif word == "<" and source.binary(i):
            last = source.right_end(i)
            add("index", i - 1, i, f"{source.word[i - 1]} + 1") if source.kind[i - 1] == "name" and last > i + 1 else None


def _arguments(source, rng, add):
    for i, word in enumerate(source.word):
        if word != "(" or source.kind[i] != "op" or source.partner[i] is None or i == 0 or source.kind[i - 1] != "name":
            continue
        if source.word[i - 1] in SYMMETRIC or source.before[i]:
            continue
        # A declaration names types: no operand is followed by a name.
        edges, at = [i + 1], i + 1
        while at < source.partner[i]:
            if source.word[at] in OPENERS and source.kind[at] == "op" and source.partner[at]:
                at = source.partner[at]
            elif source.word[at] == "," and source.kind[at] == "op":
                edges.append(at + 1)
            at += 1
        edges.append(source.partner[i] + 1)
        spans = [(a, b - 1) for a, b in zip(edges, edges[1:])]
        for (a, b), (c, d) in zip(spans, spans[1:]):
            if not (0 < b - a <= 8 and 0 < d - c <= 8):
                continue
            one, two = source.slice(a, b), source.slice(c, d)
            plain = lambda x, y: not any(source.kind[j] in ("name", "op") and source.kind[j + 1] == "name" and source.after[j]
                                         and source.word[j] not in PRECEDENCE for j in range(x, y - 1))
            if one != two and plain(a, b) and plain(c, d) and not any(
                    source.kind[j] == "text" or source.word[j] in "&{" for j in (*range(a, b), *range(c, d))):
                add("swapped", a, d, f"{two}, {one}")


DECLARED = re.compile(r"(?:const )?(double|std::vector<double>|std::span<const double>|std::span<double>|Matrix"
                      r"|std::uint64_t)[ &]+$")


def _values(source, rng, add):
    """One variable for another of its type, and statements the other way round, so that one sees the old value."""
    declared = []  # (name, type, token, scope opener, scope end)
    for i, word in enumerate(source.word):
        if source.kind[i] != "name" or i + 1 >= len(source.word) or source.word[i + 1] not in ("=", ",", ")", ";", "{", ":"):
            continue
        match = DECLARED.search(source.text[max(0, source.start[i] - 60):source.start[i]])
        if match:
            type_name = match.group(1)
        elif source.word[i - 1] == "," and source.kind[i - 2] in ("name", "number", "op") and declared and \
                source.statement[declared[-1][2]] == source.statement[i] and \
                (source.around[i] is None or source.word[source.around[i]] == "{"):
            type_name = declared[-1][1]
        else:
            continue
        frame = source.around[i]
        if frame is None:
            continue
        if source.word[frame] == "(":
            # Parameters live in the block behind.
            at = source.partner[frame]
            if at is None:
                continue
            while at < len(source.word) and source.word[at] not in ("{", ";"):
                at += 1
            if at >= len(source.word) or source.word[at] == ";" or source.partner[at] is None:
                continue
            declared.append((word, type_name, i, at, source.partner[at]))
        elif source.word[frame] == "{" and source.partner[frame] is not None and source.in_function(i):
            declared.append((word, type_name, i, i, source.partner[frame]))
    names = {}
    for entry in declared:
        names.setdefault(entry[0], []).append(entry)
    for i, word in enumerate(source.word):
        if source.kind[i] != "name" or word not in names or source.for_header(i):
            continue
        if source.word[i - 1] in (".", "->", "::") or source.word[i + 1] in ("=", "+=", "-=", "*=", "/=", "::", "("):
            continue
        mine = [e for e in names[word] if e[3] < i < e[4]]
        if not mine or any(e[2] == i for e in names[word]):
            continue
        own = max(mine, key=lambda e: e[2])
        others = [e for e in declared if e[1] == own[1] and e[0] != word and e[3] < i < e[4] and e[2] < i]
        if others:
            nearest = min(others, key=lambda e: abs(e[2] - own[2]))
            add("value", i, i + 1, nearest[0])
    statements = [m for m in source.members if m and source.word[m[-1]] == ";"]
    by_start = {m[0]: m for m in statements}
    for one in statements:
        two = by_start.get(one[-1] + 1)
        if not two or source.around[one[0]] != source.around[two[0]]:
            continue
        if not all(any(source.word[j] in ("=", "+=", "-=", "*=") for j in m) and source.kind[m[0]] == "name"
                   and source.kind[m[1]] == "op" and source.word[m[1]] not in ("::", "<", "&", "*") for m in (one, two)):
            continue
        target = source.word[one[0]]
        if any(source.word[j] == target for j in range(two[0] + 1, two[-1])):
            a, b = source.slice(one[0], one[-1] + 1), source.slice(two[0], two[-1] + 1)
            add("value", one[0], two[-1] + 1, f"{b} {a}")


def sites(path, text, everything=False):
    """All alterations of a file, in a stable order; with those that are known to change nothing if `everything`."""
    source = Source(text)
    found = {}

    def add(kind, first, last, new):
        start = source.start[first]
        end = source.end[last - 1] if last > first else start
        if kind in ("sign", "dropped", "half", "value", "comparison", "index", "swapped") and not source.in_function(first):
            return
        if source.excluded(first) or text[start:end] == new:
            return
        found.setdefault((start, end, new), Site(path, start, end, new, kind, text.count("\n", 0, start) + 1))

    rng = random.Random(path)
    for find in (_numbers, _operators, _words, _indices, _arguments, _values):
        find(source, rng, add)
    kept = {line for of, line in EQUIVALENT if of == path and not everything}
    as_is = {line for of, line in INDIFFERENT if of == path and not everything}
    out = [found[key] for key in sorted(found)]
    if not kept and not as_is:
        return out
    described = ((site, site.describe(text)) for site in out)
    return [site for site, (before, after) in described if before not in as_is and after not in kept]


def stale(root):
    """Entries of EQUIVALENT and INDIFFERENT that mean nothing any more: files that are gone, and lines that no alteration makes
    or alters."""
    gone, lost = set(), []
    for path in sorted({of for of, _ in (*EQUIVALENT, *INDIFFERENT)}):
        if not (root / path).is_file():
            gone.add(path)
            continue
        text = (root / path).read_text()
        described = [site.describe(text) for site in sites(path, text, everything=True)]
        before, after = {b for b, _ in described}, {a for _, a in described}
        lost += [(of, line) for of, line in EQUIVALENT if of == path and line not in after]
        lost += [(of, line) for of, line in INDIFFERENT if of == path and line not in before]
    return sorted(gone), lost


def draw(all_sites, seed):
    """The sites in the order of a seed: kinds by their weight, a second one of a line only after all lines had one."""
    rng = random.Random(seed)
    later, lines = [], set()
    by_kind = {kind: [] for kind in KINDS}
    for site in all_sites:
        by_kind[site.kind].append(site)
    for group in by_kind.values():
        rng.shuffle(group)
    while any(by_kind.values()):
        kinds = [kind for kind, group in by_kind.items() if group]
        site = by_kind[rng.choices(kinds, [KINDS[k] for k in kinds])[0]].pop()
        if (site.path, site.line) in lines:
            later.append(site)
        else:
            lines.add((site.path, site.line))
            yield site
    yield from later
