// Experiments of models residual-sgd and sign-sgd from text to results, warnings, findings, and every bad input.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "models/framework/model.hpp"
#include "models/ingredients/noise.hpp"
#include "models/ingredients/rare_noise.hpp"
#include "models/nonlinear/criteria.hpp"
#include "models/nonlinear/laws.hpp"
#include "spectra/dataset.hpp"
#include "tests/approx.hpp"
#include "tests/models/framework/defaults.hpp"
#include "tests/models/framework/experiment_text.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;
using edgewise::tests::Approx;
using models::testing::error_of;
using models::testing::holds;
using models::testing::prepare;

namespace {

std::string experiment(const std::string& model, const std::string& optimizer, const std::string& more = "",
                       const std::string& noise = "law = 'gaussian'\nvariance = 0.25") {
  return "model = '" + model +
         "'\n[spectrum]\nkind = 'power-law'\ndimension = 40\nalpha = 0.25\nbeta = 0.5\n[noise]\n" + noise +
         "\n[optimizer]\n" + optimizer + "\n[time]\nsteps = 50\npoints = 5\n" + more;
}

const models::Finding* find(const std::vector<models::Finding>& findings, const std::string& name) {
  for (const auto& finding : findings)
    if (finding.name == name) return &finding;
  return nullptr;
}

bool warns(const models::Problem& problem, const std::string& part) {
  for (const std::string& warning : problem.warnings())
    if (warning.find(part) != std::string::npos) return true;
  return false;
}

const std::string cauchy = "law = 'cauchy'\nscale = 0.5";

}  // namespace

TEST_CASE("thresholds whose squares are no numbers are refused") {
  const auto refused = [](const std::string& optimizer) {
    return error_of(experiment("residual-sgd", optimizer + "\nlearning_rate = 0.01"));
  };
  for (const char* kind : {"clip", "huber", "reject", "mean-clip"})
    CHECK(holds(refused(fmt::format("kind = '{}'\nthreshold = 1e-141", kind)), "threshold: must be >= 1e-140"));
  // Norms of 1e20: residuals are cut at 1e-155.
  const std::string wide =
      "model = 'residual-sgd'\n[spectrum]\nkind = 'isotropic'\ndimension = 100\neigenvalue = 1e38\n"
      "[optimizer]\nlearning_rate = 1e-60\nthreshold = 1e-135\nkind = '";
  CHECK(holds(error_of(wide + "clip'\n[time]\nsteps = 5\n"), "threshold: cuts residuals at threshold/sqrt(tr K)"));
  CHECK_NOTHROW(prepare(wide + "huber'\n[time]\nsteps = 5\n"));
  // At the least threshold: signs of step 1e-140, mu/h the density at 0 times 2 of a residual of variance 1.25 + what is left.
  const auto p = prepare(experiment("residual-sgd", "kind = 'huber'\nthreshold = 1e-140\nlearning_rate = 0.01"));
  const auto findings = p->stability();
  const double q = std::get<double>(find(findings, "q")->value), mu = std::get<double>(find(findings, "mu")->value);
  CHECK(q == Approx(1e-280).epsilon(1e-12));
  CHECK(std::get<double>(find(findings, "efficiency")->value) == Approx(2 / std::acos(-1.0)).epsilon(1e-9));
  CHECK(mu > 0);
}

TEST_CASE("every method solves, simulates and has findings") {
  struct Case {
    std::string model, optimizer;
  };
  for (const Case& c :
       {Case{"residual-sgd", "kind = 'sgd'"}, Case{"residual-sgd", "kind = 'clip'\nthreshold = 2"},
        Case{"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nbatch = 3"}, Case{"residual-sgd", "kind = 'lad'"},
        Case{"residual-sgd", "kind = 'quantile'\ntau = 0.3"}, Case{"residual-sgd", "kind = 'reject'\nthreshold = 2"},
        Case{"residual-sgd", "kind = 'mean-clip'\nthreshold = 2\nbatch = 4"},
        Case{"residual-sgd", "kind = 'huber'\nthreshold = 0.7\nthreshold_rule = 'quantile'"},
        Case{"residual-sgd", "kind = 'clip'\nthreshold_rule = 'optimal'"},
        Case{"sign-sgd", "kind = 'sign-late'\nbatch = 4"}, Case{"sign-sgd", "kind = 'sign-early'\nbatch = 4"},
        Case{"sign-sgd", "kind = 'sign-majority'\nbatch = 4"}, Case{"sign-sgd", "kind = 'sign-ema'"},
        Case{"sign-sgd", "kind = 'ema-sign'"}, Case{"sign-sgd", "kind = 'adam'\nbatch = 2"},
        Case{"residual-sgd", "kind = 'custom'\nchi = 'r / (1 + abs(r))'"},
        Case{"sign-sgd", "kind = 'adam'\nbeta2 = 0.95"}}) {
    CAPTURE(c.optimizer);
    const auto problem = prepare(experiment(c.model, c.optimizer + "\nlearning_rate = 0.002"));
    const models::Trajectory t = problem->solve();
    REQUIRE(t.find("excess_mse"));
    REQUIRE(t.find("risk"));
    CHECK(t.find("excess_mse")->value.size() == 5);
    CHECK(t.find("excess_mse")->value.back() < t.find("excess_mse")->value.front());
    CHECK(t.find("risk")->value[2] == Approx((t.find("excess_mse")->value[2] + 0.25) / 2));
    const auto simulation = problem->simulate();
    const auto replica = simulation->replica(1, 0);
    replica->advance(50);
    std::vector<double> seen(simulation->observables().size());
    replica->observe(seen);
    // A guard: one replica; laws and equations are met to their digits in laws_test.cpp and solve_test.cpp.
    CHECK(seen[0] == Approx(t.find("excess_mse")->value.back()).epsilon(0.25));
    CHECK(find(problem->stability(), "greedy_learning_rate"));
  }
}

TEST_CASE("without a variance there is no risk, and no theory of plain SGD") {
  const auto sign = prepare(experiment("sign-sgd", "learning_rate = 0.002", "", cauchy));
  CHECK(!sign->solve().find("risk"));
  CHECK(sign->simulate()->observables().size() == 1);
  CHECK(holds(error_of(experiment("residual-sgd", "learning_rate = 0.002", "", cauchy), true),
              "x.toml: noise.law: the variance of cauchy is infinite"));
  CHECK(holds(error_of(experiment("least-squares", "learning_rate = 0.002", "", cauchy)),
              "x.toml: noise.variance: must be finite for least squares"));
}

TEST_CASE("findings") {
  const auto findings =
      prepare(experiment("residual-sgd", "kind = 'clip'\nthreshold = 3\nlearning_rate = 0.01", "", cauchy))
          ->stability();
  CHECK(std::get<bool>(find(findings, "stable")->value));
  CHECK(std::isfinite(std::get<double>(find(findings, "optimal_threshold")->value)));
  CHECK(std::isinf(std::get<double>(find(findings, "clipping_gain")->value)));
  const auto diverges = prepare(experiment("residual-sgd", "gamma = 2.5"))->stability();
  CHECK(!std::get<bool>(find(diverges, "stable")->value));
  const auto placed = [](const std::string& noise) {
    const auto found = prepare(experiment("sign-sgd", "learning_rate = 0.002\nbatch = 8", "", noise))->stability();
    return std::get<std::string>(find(found, "best_placement")->value);
  };
  CHECK(placed(cauchy) == "early");
  CHECK(placed("law = 'gaussian'\nvariance = 0.25") == "late");
}

TEST_CASE("warnings") {
  CHECK(warns(*prepare(experiment("sign-sgd", "learning_rate = 0.002\nbatch = 16")), "not delocalised"));
  const std::string flat =
      "model = 'sign-sgd'\n[spectrum]\nkind = 'isotropic'\ndimension = 40\n[optimizer]\nlearning_rate = 0.01\n"
      "[time]\nsteps = 4\n";
  CHECK(prepare(flat)->warnings().empty());
  CHECK(warns(*prepare(experiment("sign-sgd", "kind = 'sign-ema'\nlearning_rate = 0.05")), "eta << 1 - its beta"));
  CHECK(
      warns(*prepare(experiment("residual-sgd", "kind = 'mean-clip'\nlearning_rate = 0.01\nthreshold = 1\nbatch = 9")),
            "exceeds a tenth of (tr K)^2/tr K^2"));
  const std::string steep =
      "model = 'residual-sgd'\n[spectrum]\nkind = 'power-law'\ndimension = 40\nalpha = 1\nbeta = 0.5\n[optimizer]\n"
      "kind = 'clip'\nthreshold = 1\nlearning_rate = 0.01\n[time]\nsteps = 4\n";
  CHECK(warns(*prepare(steep), "intrinsic dimension tr K/|K| = 1.6 is below 5"));
}

TEST_CASE("bases: the same eigenvalues, other coordinates") {
  const std::string eigen = experiment("sign-sgd", "learning_rate = 0.004");
  const std::string cosine = experiment("sign-sgd", "learning_rate = 0.004", "[data]\nbasis = 'cosine'\n");
  const auto a = prepare(eigen)->solve(), b = prepare(cosine)->solve();
  CHECK(a.find("excess_mse")->value[0] == Approx(b.find("excess_mse")->value[0]).epsilon(1e-12));
  CHECK(std::abs(a.find("excess_mse")->value[4] - b.find("excess_mse")->value[4]) > 1e-3);
}

TEST_CASE("bad input") {
  const auto sign = [](const std::string& optimizer, const std::string& more = "") {
    return experiment("sign-sgd", optimizer, more);
  };
  const auto residual = [](const std::string& optimizer, const std::string& more = "") {
    return experiment("residual-sgd", optimizer, more);
  };
  CHECK(holds(error_of(sign("kind = 'sign-lat'\nlearning_rate = 1")), "did you mean 'sign-late'?"));
  CHECK(holds(error_of(sign("")), "x.toml: optimizer.learning_rate: is required"));
  CHECK(holds(error_of(sign("learning_rate = 0")), "x.toml: optimizer.learning_rate: must be > 0"));
  CHECK(holds(error_of(sign("learning_rate = 1\ngamma = 1")), "give either learning_rate or gamma"));
  CHECK(holds(error_of(sign("gamma = 1\nlearning_rate_rule = 'greedy'")), "x.toml: optimizer.gamma"));
  CHECK(holds(error_of(sign("learning_rate = 1\nbatch = 0.5")), "x.toml: optimizer.batch: must be >= 1"));
  CHECK(holds(error_of(sign("learning_rate = 1\nbatch = 1.5")), "x.toml: optimizer.batch: must be a whole number"));
  CHECK(holds(error_of(sign("kind = 'sign-ema'\nlearning_rate = 1\nema = 1")), "x.toml: optimizer.ema: must be"));
  CHECK(holds(error_of(sign("learning_rate = 1", "[initial]\nscale = 1\n")),
              "x.toml: initial: model sign-sgd does not read this section"));
  CHECK(holds(error_of(sign("learning_rate = 1", "[data]\nlaw = 'rows'\n")), "x.toml: data.law: rows needs"));
  CHECK(holds(error_of(sign("learning_rate = 1", "[theory]\nmethod = 'volterra'\n")), "x.toml: theory.method"));
  CHECK(holds(error_of(sign("kind = 'ema-sign'\nlearning_rate = 0.001", "[theory]\nbands = true\n"), true),
              "x.toml: theory.bands: not known for 'ema-sign'"));
  CHECK(holds(error_of(residual("kind = 'clip'\nlearning_rate = 1")), "x.toml: optimizer.threshold: is required"));
  CHECK(holds(error_of(residual("kind = 'huber'\nthreshold = 0\nlearning_rate = 1")),
              "optimizer.threshold: must be >= 1e-140"));
  CHECK(holds(error_of(residual("kind = 'huber'\nthreshold = 2\nthreshold_rule = 'quantile'\nlearning_rate = 1")),
              "under the rule quantile it is a probability"));
  CHECK(holds(error_of(residual("kind = 'huber'\nthreshold = 2\nthreshold_rule = 'optimal'\nlearning_rate = 1")),
              "the rule optimal finds it"));
  CHECK(holds(error_of(residual("kind = 'huber'\nthreshold = inf\nthreshold_rule = 'sqrt-risk'\nlearning_rate = 1")),
              "must be finite under the rule sqrt-risk"));
  CHECK(holds(error_of(sign("kind = 'adam'\nbeta2 = 0\nlearning_rate = 0.001"), true),
              "x.toml: optimizer.beta2: the theory of adam needs 0 < beta2"));
  CHECK(error_of(sign("kind = 'adam'\nbeta2 = 0\nlearning_rate = 0.001"), false, true) == "no error");
  CHECK(error_of(sign("kind = 'per-example-adam'\nlearning_rate = 0.001")) == "no error");
  CHECK(holds(error_of(sign("kind = 'per-example-adam'\nlearning_rate = 0.001\nsecond_moment = 'variance'")),
              "x.toml: optimizer.batch: a variance"));
  CHECK(holds(error_of(sign("kind = 'per-example-adam'\nbatch = 4\nlearning_rate = 0.001\nzeta = 1\nsecond_moment = "
                            "'mean'")),
              "x.toml: optimizer.zeta: give either zeta or second_moment"));
  CHECK(holds(error_of(sign("kind = 'per-example-adam'\nbatch = 4\nlearning_rate = 0.001\nzeta = 0\nfloor = 0")),
              "x.toml: optimizer.floor: must be > 0"));
  CHECK(holds(error_of(residual("kind = 'custom'\nlearning_rate = 0.01")), "x.toml: optimizer.chi: is required"));
  CHECK(holds(error_of(residual("kind = 'custom'\nchi = 'r +'\nlearning_rate = 0.01")), "x.toml: optimizer.chi: "));
  CHECK(holds(error_of(residual("kind = 'custom'\nchi = '1/r'\nlearning_rate = 0.01")),
              "x.toml: optimizer.chi: is inf at r = 0"));
  CHECK(
      holds(error_of(residual("kind = 'huber'\nthreshold = 1\nlearning_rate = 0.01", "[theory]\nnorm_spread = true\n")),
            "x.toml: theory.norm_spread: is for residual methods on rows"));
  // What the other class alone reads is not listed.
  CHECK(holds(error_of(sign("kind = 'sign-late'\nlearning_rate = 0.01", "[theory]\nnorm_spread = true\n")),
              "x.toml: theory.norm_spread: unknown key"));
  CHECK(holds(error_of(residual("kind = 'sgd'\nlearning_rate = 0.01", "[theory]\ncompare = true\n")),
              "x.toml: theory.compare: unknown key"));
  for (const char* kind : {"dog", "mechanic", "nadamw", "armijo", "polyak"})
    CHECK(holds(error_of(residual("kind = 'sgd'", std::string("[rate]\nkind = '") + kind + "'\n")),
                "x.toml: rate.kind: '" + std::string(kind) + "' is not one of constant, line-search"));
  CHECK(holds(error_of(residual("kind = 'quantile'\ntau = 1\nlearning_rate = 1")), "x.toml: optimizer.tau: must be"));
  CHECK(holds(error_of(residual("kind = 'sgd'\nthreshold = 1\nlearning_rate = 1")), "unknown key"));
  CHECK(holds(error_of(residual("learning_rate = 0.01", "[monte_carlo]\nsampler = 'rows'\n"), false, true),
              "needs data.law = \"rows\""));
}

TEST_CASE(
    "multiplicities that are not whole: where only sums matter the theory takes them, beside whole ones without a "
    "jump") {
  const auto text = [](const std::string& model, const std::string& optimizer, const std::string& multiplicities) {
    return "model = '" + model +
           "'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.3]\nmultiplicities = " + multiplicities +
           "\n[noise]\nlaw = 'gaussian'\nvariance = 0.25\n[optimizer]\nlearning_rate = 0.01\n" + optimizer +
           "\n[time]\nat = [1, 10, 200]\n";
  };
  const std::pair<const char*, const char*> methods[] = {{"residual-sgd", "kind = 'sgd'\nbatch = 2"},
                                                         {"residual-sgd", "kind = 'clip'\nthreshold = 2"},
                                                         {"sign-sgd", "kind = 'sign-late'\nbatch = 4"},
                                                         {"sign-sgd", "kind = 'adam'\nbatch = 2"},
                                                         {"sign-sgd", "kind = 'per-example-adam'\nbatch = 4"}};
  for (const auto& method : methods) {
    const std::string model = method.first, optimizer = method.second;
    CAPTURE(optimizer);
    const auto whole = prepare(text(model, optimizer, "[20, 70]"))->solve();
    const auto near = prepare(text(model, optimizer, "[20.00000001, 70]"))->solve();
    REQUIRE(near.steps.size() == whole.steps.size());
    for (std::size_t i = 0; i < whole.steps.size(); ++i)
      CHECK(near.columns[0].value[i] == Approx(whole.columns[0].value[i]).epsilon(1e-8));
    CHECK(holds(error_of(text(model, optimizer, "[20.5, 70]"), false, true),
                "x.toml: spectrum.multiplicities: must be whole"));
  }
  // Of SGD P is known: M' = M (1 - 2 eta lambda) + eta^2 n lambda (P + sigma^2)/B to first order in eta lambda.
  const auto t = prepare(text("residual-sgd", "kind = 'sgd'\nbatch = 2", "[2.5, 7.25]"))->solve();
  CHECK(t.columns[0].value[0] == Approx(1.3));
  const double q1 = 1 - 2 * 0.01 + 0.0001 * 2.5 * 1.55 / 2,
               q2 = 0.3 * (1 - 2 * 0.003) + 0.0001 * 0.09 * 7.25 * 1.55 / 2;
  CHECK(t.columns[0].value[1] == Approx(q1 + q2).epsilon(2e-4));  // terms of order (eta lambda)^2 aside
  CHECK(holds(error_of(text("residual-sgd", "kind = 'sgd'", "[2.5, 7]") + "[theory]\nmethod = 'sde'\n", true),
              "theory.method: sde needs every coordinate"));
}

TEST_CASE("averages that are young or lag are warned of") {
  const auto warned = [](const std::string& method, const std::string& noise, int first, const std::string& part) {
    const auto problem = prepare(fmt::format(
        "model = 'sign-sgd'\n[spectrum]\nkind = 'isotropic'\ndimension = 400\n[noise]\n{}\n[optimizer]\nbatch = 4\n{}\n"
        "[time]\nat = [{}, 600]\n",
        noise, method, first));
    for (const std::string& warning : problem->warnings())
      if (warning.find(part) != std::string::npos) return true;
    return false;
  };
  const std::string gaussian = "law = 'gaussian'\nvariance = 0.1", heavy = "law = 'cauchy'\nscale = 0.3";
  const std::string slow = "is slow", young = "is young", infinite = "of infinite variance";
  // 2 eta a(P) kappa of some 6e-4 against a hundredth of 1 - ema.
  for (const char* kind : {"ema-sign", "sign-ema"}) {
    const std::string method = std::string("kind = '") + kind + "'\nlearning_rate = 0.0005\nema = ";
    CHECK(warned(method + "0.99", gaussian, 20, slow));
    CHECK_FALSE(warned(method + "0.9", gaussian, 20, slow));
  }
  CHECK(warned("kind = 'sign-ema'\nlearning_rate = 1e-6\nema = 0.999", gaussian, 20, young));
  CHECK_FALSE(warned("kind = 'sign-ema'\nlearning_rate = 1e-6\nema = 0.9", gaussian, 20, young));
  const std::string adam = "kind = 'adam'\nlearning_rate = 1e-5\nbeta1 = 0.5\nbeta2 = ";
  CHECK(warned(adam + "0.999", heavy, 20, infinite));
  CHECK(warned(adam + "0.99", heavy, 599, infinite));
  CHECK_FALSE(warned(adam + "0.9", heavy, 599, infinite));
  CHECK_FALSE(warned(adam + "0.999", gaussian, 20, infinite));
  // Where each begins: 2 eta (2/pi)/sqrt(P + sigma^2) at a hundredth of 1 - ema, of adam a tenth, and ten memories.
  const double drift = 2 / std::acos(-1.) / std::sqrt(1.1);
  for (const std::string kind : {"sign-ema', ema = 0.9", "ema-sign', ema = 0.9", "adam', beta1 = 0.9"})
    for (const double times : {0.99, 1.01}) {
      const double rate = times * (kind.starts_with("adam") ? 0.1 : 0.01) * 0.1 / (2 * drift);
      const std::size_t comma = kind.find(',');
      const std::string method =
          fmt::format("kind = '{}\n{}\nlearning_rate = {}", kind.substr(0, comma), kind.substr(comma + 2), rate);
      CAPTURE(method);
      CHECK(warned(method, gaussian, 20, slow) == (times > 1));
    }
  CHECK(warned("kind = 'sign-ema'\nlearning_rate = 1e-6\nema = 0.9835", gaussian, 20, young));
  CHECK_FALSE(warned("kind = 'sign-ema'\nlearning_rate = 1e-6\nema = 0.983", gaussian, 20, young));
  CHECK(warned(adam + "0.875", heavy, 79, infinite));
  CHECK_FALSE(warned(adam + "0.875", heavy, 80, infinite));
}

TEST_CASE("what the replicas may not have met of rare noise is told of SGD, not of what bounds it") {
  const auto text = [](const std::string& optimizer, const std::string& noise, const std::string& at) {
    return "model = 'residual-sgd'\n[spectrum]\nkind = 'isotropic'\ndimension = 50\n[noise]\n" + noise +
           "\n[optimizer]\nlearning_rate = 0.004\nbatch = 2\n" + optimizer + "\n[time]\nat = " + at +
           "\n[monte_carlo]\nreplicas = 3\n";
  };
  const std::string rare = "law = 'contaminated'\nscale = 0.1\noutlier_scale = 20\nprobability = 1e-4",
                    none = "law = 'none'";
  const auto reference = prepare(text("", rare, "[5, 300]"))->reference();
  const auto noise = models::ingredients::read_noise(settings::read_text("[noise]\n" + rare, "e.toml"));
  const std::vector<std::uint64_t> recorded{0, 5, 300};
  const auto steps = models::ingredients::steps_to_resolve(recorded, 1);
  std::string at = "[";
  for (const std::uint64_t step : steps) at += std::to_string(step) + ",";
  at += "]";
  const auto noisy = prepare(text("", rare, at))->solve(), silent = prepare(text("", none, at))->solve();
  std::vector<double> part;
  for (std::size_t i = 0; i < steps.size(); ++i)
    part.push_back(noisy.find("excess_mse")->value[i] - silent.find("excess_mse")->value[i]);
  const auto unmet = models::ingredients::unmet_part(*noise, steps, part, 1, 3 * 2);
  for (const auto& [name, share] : {std::pair{"excess_mse", 1.0}, {"risk", 0.5}}) {
    const auto& seen = reference.find(name)->unmet;
    REQUIRE(seen.size() == 3);
    for (std::size_t k = 0; k < 3; ++k) {
      std::size_t i = 0;
      while (steps[i] < recorded[k]) ++i;
      CHECK(seen[k] == Approx(share * unmet[i]).epsilon(1e-9));
    }
    CHECK(seen[1] > 0);
  }
  CHECK(
      prepare(text("kind = 'huber'\nthreshold = 1", rare, "[5, 300]"))->reference().find("excess_mse")->unmet.empty());
}

TEST_CASE("norms of rows that spread: 64 equal parts of the sorted rows, each by its mean") {
  // 70 images of 3 x 2 pixels in the files of Fashion-MNIST.
  const temporary::Folder folder;
  std::string images("\0\0\x08\x03\0\0\0\x46\0\0\0\x03\0\0\0\x02", 16), classes("\0\0\x08\x01\0\0\0\x46", 8);
  for (int i = 0; i < 70; ++i) {
    for (int j = 0; j < 6; ++j) images += static_cast<char>((i * i * (j + 3) + 17 * i + 31 * j * i) % 256);
    classes += static_cast<char>((7 * i + i * i / 3) % 10);
  }
  std::ofstream(folder / "train-images-idx3-ubyte.gz", std::ios::binary) << images;
  std::ofstream(folder / "train-labels-idx1-ubyte.gz", std::ios::binary) << classes;
  const std::string where = folder / "";
  const auto text = [&](const std::string& theory) {
    return "model = 'residual-sgd'\n[spectrum]\nkind = 'dataset'\nfolder = '" + where +
           "'\ntarget = 'label'\n[data]\nlaw = 'rows'\n[noise]\nlaw = 'gaussian'\nvariance = 0.3\n[optimizer]\nkind = "
           "'clip'\nthreshold = 0.8\nlearning_rate = 0.01\nbatch = 2\n[time]\nsteps = 3\n" +
           theory;
  };
  spectra::DatasetOptions options;
  options.folder = where;
  options.target = "label";
  const auto data = spectra::load(options);
  const double unexplained = spectra::measure(options)->spectrum.unexplained_variance;
  std::vector<double> square(70);
  double total = 0;
  for (std::size_t i = 0; i < 70; ++i) {
    for (const float x : data->row(i)) square[i] += static_cast<double>(x) * static_cast<double>(x);
    total += square[i];
  }
  std::sort(square.begin(), square.end());
  const auto spread = prepare(text("[theory]\nnorm_spread = true\n")), plain = prepare(text(""));
  const double P = plain->solve().find("excess_mse")->value[0];
  const double trace = std::get<double>(find(plain->stability(), "noise_power")->value);
  CHECK(trace == Approx(total / 70).epsilon(1e-5));
  const auto noise = models::ingredients::gaussian_noise(0.3 + unexplained);
  const double h =
      models::nonlinear::threshold_at_risk(models::nonlinear::Method::clip, "constant", 0.8, trace, *noise, P);
  double mu = 0, q = 0;
  for (int part = 0; part < 64; ++part) {
    double k = 0;
    const int first = part * 70 / 64, last = (part + 1) * 70 / 64;
    for (int i = first; i < last; ++i) k += square[static_cast<std::size_t>(i)] / (last - first) * 70 / total;
    const auto r = models::nonlinear::residual_coefficients(
        *models::nonlinear::method_nonlinearity(models::nonlinear::Method::clip, h / std::sqrt(k)), *noise, k * P);
    mu += k * r.mu / 64;
    q += k * r.q / 64;
  }
  const auto found = spread->stability();
  CHECK(std::get<double>(find(found, "drift")->value) == Approx(mu).epsilon(1e-9));
  CHECK(std::get<double>(find(found, "noise")->value) == Approx(q / 2).epsilon(1e-9));
  CHECK(std::abs(std::get<double>(find(plain->stability(), "drift")->value) / mu - 1) > 1e-3);
}

TEST_CASE("every key of a noise law reaches both models") {
  // P = 0.5 at the start. SGD: q = P + E eps^2. Signs: phi = (2/pi) E exp(-eps^2/(2 P)).
  const auto found = [](const std::string& model, const std::string& noise, const std::string& name) {
    const auto findings =
        prepare("model = '" + model +
                "'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0]\nmultiplicities = [40]\ntarget_power = [0.5]\n"
                "[noise]\n" +
                noise + "\n[optimizer]\nlearning_rate = 0.002\n[time]\nsteps = 5\n")
            ->stability();
    return std::get<double>(find(findings, name)->value);
  };
  const double two_over_pi = 2 / std::acos(-1.0);
  // Of N(0, s^2) the mean is (1 + s^2/P)^(-1/2).
  const auto normal = [](double square) { return 1 / std::sqrt(1 + square / 0.5); };
  struct Law {
    std::string keys;
    double variance, mean;
  };
  // Student's t is a normal variable of variance s^2/g, g ~ Gamma(dof/2)/(dof/2): for dof = 4 E sqrt(g/(g + s^2/P)) with
  // density 4 g e^(-2 g). Laplace and uniform by their densities.
  const auto average = [](double end, const auto& of) {
    // Simpson's rule on x = end u^3, which smooths the start.
    constexpr int n = 4000;
    double sum = 0;
    for (int i = 0; i <= n; ++i) {
      const double u = static_cast<double>(i) / n;
      sum += (i == 0 || i == n ? 1 : i % 2 == 1 ? 4 : 2) * of(end * u * u * u) * 3 * end * u * u / (3.0 * n);
    }
    return sum;
  };
  const double student =
      average(30, [](double g) { return std::sqrt(g / (g + 0.09 / 0.5)) * 4 * g * std::exp(-2 * g); });
  const double b = std::sqrt(0.3 / 2), c = std::sqrt(3 * 0.3);
  const double laplace = average(20, [b](double e) { return std::exp(-e / b) / b * std::exp(-e * e); });
  const double uniform = average(c, [c](double e) { return std::exp(-e * e) / c; });
  for (const Law& law :
       {Law{"law = 'student-t'\ndof = 4\nscale = 0.3", 0.18, student},
        Law{"law = 'student-t'\ndof = 4\nvariance = 0.18", 0.18, student},
        Law{"law = 'contaminated'\nscale = 0.2\noutlier_scale = 3\nprobability = 0.1", 0.9 * 0.04 + 0.1 * 9,
            0.9 * normal(0.04) + 0.1 * normal(9)},
        Law{"law = 'three-point'\nscale = 0.9\nprobability = 0.25", 0.25 * 0.81, 0.75 + 0.25 * std::exp(-0.81)},
        Law{"law = 'rademacher'\nvariance = 0.3", 0.3, std::exp(-0.3)},
        Law{"law = 'laplace'\nvariance = 0.3", 0.3, laplace}, Law{"law = 'uniform'\nvariance = 0.3", 0.3, uniform},
        Law{"law = 'gaussian'\nvariance = 0.3", 0.3, normal(0.3)}}) {
    CAPTURE(law.keys);
    CHECK(found("residual-sgd", law.keys, "q") == Approx(0.5 + law.variance).epsilon(1e-9));
    CHECK(found("sign-sgd", law.keys, "phi") == Approx(two_over_pi * law.mean).epsilon(1e-7));
  }
  // Cauchy: E exp(-eps^2/(2 P)) = exp(a^2) erfc(a), a = s/sqrt(2 P).
  CHECK(found("sign-sgd", "law = 'cauchy'\nscale = 0.4", "phi") ==
        Approx(two_over_pi * std::exp(0.16) * std::erfc(0.4)).epsilon(1e-9));
}

TEST_CASE("options of spectra, rates and clocks reach both models") {
  for (const char* model : {"residual-sgd", "sign-sgd"}) {
    CAPTURE(model);
    const auto solved = [&](const std::string& spectrum, const std::string& optimizer) {
      return prepare("model = '" + std::string(model) + "'\n[spectrum]\nkind = 'power-law'\n" + spectrum +
                     "\n[noise]\nvariance = 0.25\n[optimizer]\n" + optimizer + "\n[time]\nsteps = 37\npoints = 4\n")
          ->solve();
    };
    // sum_j j^(-2 alpha - 2 beta), and tr K = sum_j j^(-2 alpha).
    double power = 0, trace = 0;
    for (double j = 1; j <= 30; ++j) {
      power += std::pow(j, -1.4);
      trace += std::pow(j, -0.6);
    }
    const std::string law = "dimension = 30\nalpha = 0.3\nbeta = 0.4";
    const models::Trajectory plain = solved(law, "learning_rate = 0.003");
    CHECK(plain.find("excess_mse")->value[0] == Approx(power).epsilon(1e-12));
    CHECK(plain.steps.size() == 4);
    CHECK(plain.steps.back() == 37);
    CHECK(solved(law + "\nsignal = 1.7", "learning_rate = 0.003").find("excess_mse")->value[0] ==
          Approx(1.7).epsilon(1e-12));
    const models::Trajectory scaled = solved(law, fmt::format("gamma = {:.17g}", 0.003 * trace));
    for (std::size_t k = 0; k < 4; ++k)
      CHECK(scaled.find("excess_mse")->value[k] == Approx(plain.find("excess_mse")->value[k]).epsilon(1e-12));
  }
  // Two coordinates of variances 1 and 1/4 that correlate by 0.6: tr(K K_sigma) = 1 + 1/4 + 2 K_12 (2/pi) arcsin 0.6.
  const auto found =
      prepare(
          "model = 'sign-sgd'\n[spectrum]\nkind = 'autoregressive'\ndimension = 2\nalpha = 1.0\n"
          "correlation = 0.6\n[noise]\nvariance = 0.25\n[optimizer]\nlearning_rate = 0.003\n[time]\nsteps "
          "= 5\n")
          ->stability();
  CHECK(std::get<double>(find(found, "noise_trace")->value) ==
        Approx(1.25 + 2 * 0.3 * 2 / std::acos(-1.0) * std::asin(0.6)).epsilon(1e-12));
}

TEST_CASE("the rate of the step before is a multiple of the best one, under a greedy rule of signs") {
  const auto problem =
      prepare(experiment("sign-sgd", "learning_rate_rule = 'greedy'\nlearning_rate = 0.7\nbatch = 2", "at = [1, 2]\n"));
  const models::Trajectory t = problem->solve();
  CHECK(t.find("learning_rate")->value[0] == 0);
  CHECK(t.find("learning_rate")->value[1] ==
        Approx(0.7 * std::get<double>(find(problem->stability(), "greedy_learning_rate")->value)).epsilon(1e-7));
}

TEST_CASE("a line search takes the greedy rate, a constant rule none: both classes") {
  for (const std::string model : {"residual-sgd", "sign-sgd"}) {
    CAPTURE(model);
    const auto same = [&](const std::string& optimizer, const std::string& rate, const std::string& written) {
      const models::Trajectory ruled = prepare(experiment(model, optimizer, rate))->solve(),
                               plain = prepare(experiment(model, written))->solve();
      REQUIRE(ruled.columns.size() == plain.columns.size());
      REQUIRE(ruled.steps == std::vector<double>{0, 1, 4, 14, 50});
      for (std::size_t c = 0; c < plain.columns.size(); ++c) {
        CAPTURE(plain.columns[c].observable.name);
        for (std::size_t k = 0; k < 5; ++k)
          CHECK(ruled.columns[c].value[k] == Approx(plain.columns[c].value[k]).epsilon(1e-12));
      }
    };
    same("batch = 2", "[rate]\nkind = 'line-search'\nmultiplier = 0.7\n",
         "batch = 2\nlearning_rate_rule = 'greedy'\nlearning_rate = 0.7");
    same("batch = 2\nlearning_rate = 0.01", "[rate]\nkind = 'constant'\n", "batch = 2\nlearning_rate = 0.01");
  }
}

TEST_CASE("residual and sign methods: what is left out is what the description says") {
  std::string model;
  const auto check = [&](const std::string& keys, const char* key, const char* usual, const char* other) {
    CAPTURE(model);
    models::testing::check_default(
        "model = '" + model +
            "'\n[spectrum]\nkind = 'list'\neigenvalues = [1.0, 0.5]\nmultiplicities = [2, 3]\ntarget_power = [0.7, 2]\n"
            "[noise]\nvariance = 0.2\n[time]\nat = [1, 12]\n" +
            keys,
        key, usual, other);
  };
  for (const std::string each : {"residual-sgd", "sign-sgd"}) {
    model = each;
    const std::string plain = "[optimizer]\nlearning_rate = 0.05\n", theory = plain + "[theory]\n",
                      ode = theory + "method = 'ode'\n", sde = theory + "method = 'sde'\n";
    check(plain, "noise.law", "'gaussian'", "'laplace'");
    check(plain, "optimizer.batch", "1", "2");
    check(plain, "optimizer.learning_rate_rule", "'constant'", "'greedy'");
    check(plain, "monte_carlo.sampler", "'auto'", "'naive'");
    check(plain, "theory.method", "'recursion'", "'ode'");
    check(plain, "theory.bands", "false", "true");
    check(plain + "batch = 2\n", "theory.effects", "false", "true");
    check(ode, "theory.integrator", "'auto'", "'sdirk4'");
    check(ode + "integrator = 'explicit'\n", "theory.rtol", "1e-8", "1e-4");
    check(ode + "integrator = 'explicit'\n", "theory.atol", "0", "1e-3");
    check(sde, "theory.paths", "64", "63");
    check(sde + "paths = 8\n", "theory.time_step", "1", "0.5");
    check(theory, "theory.scale_drift", "1", "1.05");
    check(theory, "theory.scale_noise", "1", "1.05");
  }
  const std::string rate = "[optimizer]\nlearning_rate = 0.02\n";
  check(rate, "optimizer.kind", "'sign-late'", "'sign-early'");
  check(rate + "batch = 3\n", "theory.compare", "false", "true");
  check(rate + "kind = 'sign-ema'\n", "optimizer.ema", "0.9", "0.91");
  check(rate + "kind = 'ema-sign'\n", "optimizer.ema", "0.9", "0.91");
  check(rate + "kind = 'adam'\n", "optimizer.beta1", "0.9", "0.91");
  check(rate + "kind = 'adam'\n", "optimizer.beta2", "0.99", "0.98");
  check(rate + "kind = 'adam'\n", "optimizer.floor", "1e-8", "1e-2");
  const std::string variance = rate + "batch = 4\nkind = 'per-example-adam'\n";
  check(variance, "optimizer.beta2", "0.95", "0.94");
  check(variance, "optimizer.floor", "1e-3", "1e-2");
  check(variance, "optimizer.second_moment", "'per-example'", "'variance'");
  model = "residual-sgd";
  check(rate, "optimizer.kind", "'sgd'", "'lad'");
  check(rate + "kind = 'quantile'\n", "optimizer.tau", "0.5", "0.6");
  check(rate + "kind = 'huber'\nthreshold = 0.9\n", "optimizer.threshold_rule", "'constant'", "'sqrt-risk'");
}

TEST_CASE("a threshold is a column of the theory alone, which no run is asked for") {
  const auto problem = prepare(
      experiment("residual-sgd", "kind = 'clip'\nthreshold = 2\nthreshold_rule = 'sqrt-risk'\nlearning_rate = 0.01",
                 "[theory]\neffects = true\n"));
  const models::Trajectory solved = problem->solve();
  const models::Column* threshold = solved.find("threshold");
  REQUIRE(threshold);
  CHECK(std::isinf(threshold->valid_from));
  const auto simulation = problem->simulate();
  for (const models::Observable& seen : simulation->observables()) CHECK(seen.name != "threshold");
}
