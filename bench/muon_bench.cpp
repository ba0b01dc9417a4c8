/// Muon: the polar factor of a gradient against plain singular value decompositions of Eigen, measured in turns in one
/// run, and what a solved theory costs. muon_numpy.py computes the same factors in NumPy.
#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "bench/timing.hpp"
#include "linear_algebra/dense.hpp"
#include "models/framework/experiment.hpp"
#include "models/framework/model.hpp"
#include "models/muon/polar.hpp"
#include "random/random.hpp"
#include "settings/settings.hpp"

namespace {

using namespace edgewise;
using bench::best;
using linear_algebra::Matrix;

Matrix normals(std::size_t rows, std::size_t columns, std::uint64_t index) {
  Matrix out(rows, columns);
  random::Stream stream(1, index, 0);
  stream.normals({out.data(), out.size()});
  return out;
}

/// A null gradient: sum_i g_i a_i c_i' over `batch` samples, eigenvalues j^(-2 alpha) of c.
models::muon::MaybeFactored gradient(std::size_t n, std::size_t batch, double alpha) {
  models::muon::MaybeFactored out;
  out.left = normals(n, batch, 1);
  out.right = normals(n, batch, 2);
  const Matrix g = normals(batch, 1, 3);
  for (std::size_t i = 0; i < batch; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      out.left(j, i) *= g(i, 0);
      out.right(j, i) *= std::pow(static_cast<double>(j + 1), -alpha);
    }
  out.matrix =
      linear_algebra::product(out.left, out.right, linear_algebra::Transposed::no, linear_algebra::Transposed::yes);
  out.factored = batch < n / 2;
  return out;
}

double largest_difference(const Matrix& a, const Matrix& b) {
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a.data()[i] - b.data()[i]));
  return out;
}

void polar(std::size_t n, std::size_t batch, double alpha) {
  const models::muon::MaybeFactored g = gradient(n, batch, alpha);
  Matrix ours, jacobi, divided;
  const auto of = [](const auto& u, const auto& s, const auto& v, Matrix& out) {
    Eigen::Index rank = 0;
    while (rank < s.size() && s[rank] > models::muon::rank_tolerance * s[0]) ++rank;
    const Eigen::MatrixXd product = u.leftCols(rank) * v.leftCols(rank).transpose();
    out = Matrix(static_cast<std::size_t>(product.rows()), static_cast<std::size_t>(product.cols()));
    std::copy(product.data(), product.data() + product.size(), out.data());
  };
  const Eigen::Map<const Eigen::MatrixXd> view(g.matrix.data(), static_cast<Eigen::Index>(n),
                                               static_cast<Eigen::Index>(n));
  const auto times =
      best({[&] {
              if (g.factored)
                models::muon::through_core(g, models::muon::polar_factor, ours);
              else
                models::muon::polar_factor(g.matrix, ours);
            },
            [&] {
              const Eigen::JacobiSVD<Eigen::MatrixXd> svd(view, Eigen::ComputeThinU | Eigen::ComputeThinV);
              of(svd.matrixU(), svd.singularValues(), svd.matrixV(), jacobi);
            },
            [&] {
              const Eigen::BDCSVD<Eigen::MatrixXd> svd(view, Eigen::ComputeThinU | Eigen::ComputeThinV);
              of(svd.matrixU(), svd.singularValues(), svd.matrixV(), divided);
            }},
           n > 150 ? 3 : 7);
  std::printf(
      "polar n %4zu B %4zu alpha %.1f: edgewise %8.3f ms, JacobiSVD %8.3f ms (%5.1f), BDCSVD %8.3f ms (%5.1f), "
      "difference %.0e\n",
      n, batch, alpha, 1e3 * times[0], 1e3 * times[1], times[1] / times[0], 1e3 * times[2], times[2] / times[0],
      largest_difference(ours, jacobi));
}

void theory(const std::string& optimizer) {
  const std::string text =
      "title = \"bench\"\nmodel = \"matrix-least-squares\"\n[spectrum]\nkind = \"power-law\"\n"
      "dimension = 100000\nalpha = 0.75\nbeta = 0.5\ncompress = 1e-6\n[data]\noutputs = 200000\n"
      "[optimizer]\nkind = \"" +
      optimizer +
      "\"\nprotocol = \"adaptive\"\ngamma_fraction = 0.5\nbatch = 200000\n[theory]\n"
      "coefficients = \"idealised\"\nmethod = \"ode\"\n[time]\nsteps = 100000000\npoints = 40\n";
  const auto times = best({[&] {
                            const models::Experiment e = models::read_experiment(settings::read_text(text, "bench"));
                            const auto problem = models::find(e).prepare(e);
                            if (problem->solve().steps.empty()) std::abort();
                          }},
                          10);
  std::printf("theory of %s, n = 100000, 1e8 steps, read and solved: %.2f ms\n", optimizer.c_str(), 1e3 * times[0]);
}

}  // namespace

int main() {
  polar(64, 64, 0);
  polar(128, 128, 0.4);
  polar(128, 512, 0.75);
  polar(128, 32, 0.4);
  polar(256, 256, 0.4);
  theory("signsvd");
  theory("signsgd");
}
