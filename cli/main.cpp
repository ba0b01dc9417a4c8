#include <iostream>
#include <string>
#include <vector>

#include "cli/interrupt.hpp"
#include "cli/program.hpp"

int main(int argc, char** argv) {
  edgewise::cli::catch_interrupts();
  return edgewise::cli::run(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
}
