#pragma once
/// \file
/// Spectra as CSV files.
///
/// One eigenspace a line: eigenvalue, multiplicity (default 1), target_power (default 1, of the whole eigenspace).
/// A first line with these names, in any order, says which column is which; without it they come in this order.
/// Lines that start with `#` are comments, of which the first (what the file is) and `# unexplained_variance = X` are
/// read.
#include <string>
#include <string_view>

#include "spectra/spectrum.hpp"

namespace edgewise::spectra {

/// Reads a spectrum. \throws std::runtime_error "PATH:LINE: what is wrong", or that the file cannot be read.
Spectrum read_csv(const std::string& path);

/// The spectrum as CSV text that reads back to the same doubles. Comments hold the provenance and, if given, the
/// command that made it.
std::string csv_text(const Spectrum& spectrum, std::string_view command = {});

/// The spectrum file at `beside` (`given` as seen from the experiment's folder), or, where there is none, the one of
/// that name that edgewise brings along, if it does.
std::string found_file(const std::string& beside, const std::string& given);

/// Writes `csv_text`. \throws std::runtime_error when the file cannot be written.
void write_csv(const Spectrum& spectrum, const std::string& path, std::string_view command = {});

}  // namespace edgewise::spectra
