// An equation of one's own in the shape of coupled modes, dM_i/dt = -rate_i M_i + source_i with p = sum W_i M_i, followed by the
// stiff stepper: gradient flow with noise, rate_i = 2 lambda_i, source_i = lambda_i p / 10, eigenvalues over 12 decades.
#include <edgewise/solvers/coupled_modes.hpp>
#include <edgewise/solvers/integrate.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

class NoisyFlow final : public edgewise::solvers::CoupledModes {
 public:
  explicit NoisyFlow(std::vector<double> eigenvalue) : lambda_(std::move(eigenvalue)) {}
  std::size_t size() const override { return lambda_.size(); }
  std::span<const double> weights(std::size_t) const override { return lambda_; }
  void coefficients(double, std::span<const double> p, std::span<double> rate,
                    std::span<double> source) const override {
    for (std::size_t i = 0; i < lambda_.size(); ++i) {
      rate[i] = 2 * lambda_[i];
      source[i] = 0.1 * lambda_[i] * p[0];
    }
  }
  void sensitivity(double, std::span<const double>, std::span<const double>, std::span<double> u) const override {
    for (std::size_t i = 0; i < lambda_.size(); ++i) u[i] = 0.1 * lambda_[i];
  }
  bool affine() const override { return true; }
  bool autonomous() const override { return true; }

 private:
  std::vector<double> lambda_;
};

int main() {
  std::vector<double> lambda;
  for (int i = 0; i <= 12; ++i) lambda.push_back(std::pow(10.0, -i));
  const NoisyFlow flow(lambda);
  const std::vector<double> start(lambda.size(), 1.0), times{0, 1, 1e3, 1e6, 1e9};
  const edgewise::solvers::Solution solution = edgewise::solvers::integrate(flow, start, times);
  for (std::size_t k = 0; k < solution.times.size(); ++k)
    std::printf("t = %-8.0e p = %.12e\n", solution.times[k], solution.shared[k][0]);
  std::printf("%zu steps\n", solution.statistics.steps);
  return solution.times.size() == times.size() ? 0 : 1;
}
