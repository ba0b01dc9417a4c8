/// Tables as CSV: results, sweeps and spectra, each reader in turn.
#include <stdexcept>
#include <string>

#include "cli/commands/sweep_input.hpp"
#include "cli/results/csv.hpp"
#include "cli/results/sweep_output.hpp"
#include "spectra/csv.hpp"
#include "tests/fuzz/reader.hpp"
#include "tests/temporary_folder.hpp"

using namespace edgewise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  fuzz::take_or_refuse("input.csv", [&] {
    const std::string again = cli::csv_text(cli::read_csv(text, "input.csv"));
    fuzz::require(cli::csv_text(cli::read_csv(again, "input.csv")) == again, "a result reads back");
  });
  fuzz::take_or_refuse("input.csv", [&] {
    const std::string again = cli::sweep_csv_text(cli::read_sweep_csv(text, "input.csv"));
    fuzz::require(cli::sweep_csv_text(cli::read_sweep_csv(again, "input.csv")) == again, "a sweep reads back");
  });
  static const temporary::Folder folder;
  const std::string path = folder.file("input.csv", text);
  try {
    const spectra::Spectrum spectrum = spectra::read_csv(path);
    fuzz::require(spectrum.multiplicity.size() == spectrum.modes() && spectrum.target_power.size() == spectrum.modes(),
                  "a spectrum's columns have one length");
    for (std::size_t i = 0; i < spectrum.modes(); ++i)
      fuzz::require(spectrum.eigenvalue[i] >= 0 && spectrum.multiplicity[i] > 0 && spectrum.target_power[i] >= 0,
                    "eigenvalues and powers are not negative");
  } catch (const std::runtime_error& e) {
    fuzz::require(std::string_view(e.what()).find("input.csv") != std::string_view::npos, "a message names its file");
  }
  return 0;
}
