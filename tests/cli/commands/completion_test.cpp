// The completion scripts, that of bash as bash runs it.
#include "cli/commands/completion.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/cli/program_run.hpp"

using edgewise::cli::testing::run;
using edgewise::temporary::Folder;

namespace {

/// What bash offers for the last word of a command line, one a line.
class Bash {
 public:
  explicit Bash(std::string place)
      : script_(folder_.file("edgewise.bash", run({"completion", "bash"}).out)), place_(std::move(place)) {}

  std::string offers(const std::string& line) const {
    const std::string command =
        "cd '" + place_ + "' && bash --norc -c 'source \"" + script_ + "\"; COMP_WORDS=(" + line +
        "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _edgewise; printf \"%s\\n\" \"${COMPREPLY[@]}\"'";
    std::string out;
    if (FILE* pipe = popen(command.c_str(), "r")) {
      char buffer[4096];
      while (const std::size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
      pclose(pipe);
    }
    return "\n" + out;
  }
  bool offers(const std::string& line, const std::string& word) const {
    return offers(line).find("\n" + word + "\n") != std::string::npos;
  }

 private:
  Folder folder_;
  std::string script_, place_;
};

}  // namespace

TEST_CASE("bash completes commands, options, names, models with their kinds, and files" *
          doctest::skip(std::system("bash -c '' 2>/dev/null") != 0)) {
  const Folder folder;
  folder.file("mine.toml", "");
  folder.file("other.csv", "");
  const Bash bash(folder / "");
  CHECK(bash.offers("edgewise s").find("\nsolve\nsimulate\nstability\n") != std::string::npos);
  CHECK(bash.offers("edgewise solve --thr") == "\n--threads\n");
  CHECK(bash.offers("edgewise solve m") == "\nmine.toml\n");
  CHECK(bash.offers("edgewise plot o") == "\nother.csv\n");
  CHECK(bash.offers("edgewise solve -o o") == "\nother.csv\n");
  CHECK(bash.offers("edgewise describe dow") == "\ndowg\n");
  CHECK(bash.offers("edgewise new least-sq") == "\nleast-squares\n");
  CHECK(bash.offers("edgewise new least-squares dil") == "\ndiloco\n");
  CHECK(bash.offers("edgewise new network -") == "\n-h\n--help\n-o\n--output\n--format\n--quiet\n");
  CHECK(bash.offers("edgewise modes --format \"\"", "json"));
  CHECK(!bash.offers("edgewise modes --format \"\"", "nc"));
  CHECK(bash.offers("edgewise solve --set optimizer.learning_rate") ==
        "\noptimizer.learning_rate=\noptimizer.learning_rate_rule=\n");
  CHECK(bash.offers("edgewise completion z") == "\nzsh\n");
  CHECK(bash.offers("edgewise list opt") == "\noptimizers\n");
}

TEST_CASE("every command stands in every script, and a shell that has none is named") {
  for (const std::string& shell : edgewise::cli::shells()) {
    CAPTURE(shell);
    const auto script = run({"completion", shell});
    CHECK(script.status == 0);
    for (const char* word : {"solve", "learnability", "completion", "least-squares", "retry-failed", "signsvd"})
      CHECK(script.out.find(word) != script.out.npos);
  }
  const auto other = run({"completion", "fissh"});
  CHECK(other.status == 2);
  CHECK(other.one_line());
  CHECK(other.says("did you mean 'fish'?"));
  CHECK(run({"completion"}).says("shell is required"));
}

TEST_CASE("the script of fish, line by line; that of zsh offers by the same cases as that of bash") {
  using namespace edgewise::cli;
  CommandWords solve{"solve", "it's a \\ sign", {}};
  solve.options = {{{"-o", "--output"}, "to a file", true, true},
                   {{"--format"}, "of it", true, false, {"csv", "nc"}},
                   {{"--quiet"}, "say less"}};
  solve.endings = {"toml", "csv"};
  CommandWords fresh{"new", "begin", {}};
  fresh.words = {"muon", "network"};
  fresh.after = {{"muon", {"svd", "sign"}}};
  const std::vector<CommandWords> commands{solve, fresh};
  CHECK(completion_script("fish", commands) == R"(# Completion of edgewise in fish: edgewise completion fish | source
complete -c edgewise -f
complete -c edgewise -n __fish_use_subcommand -l help -d 'print help'
complete -c edgewise -n __fish_use_subcommand -l version -d 'print the version'
complete -c edgewise -n __fish_use_subcommand -a solve -d 'it\'s a \\ sign'
complete -c edgewise -n '__fish_seen_subcommand_from solve' -a '(__fish_complete_suffix .toml)'
complete -c edgewise -n '__fish_seen_subcommand_from solve' -a '(__fish_complete_suffix .csv)'
complete -c edgewise -n '__fish_seen_subcommand_from solve' -s o -l output -r -F -d 'to a file'
complete -c edgewise -n '__fish_seen_subcommand_from solve' -l format -x -a 'csv nc' -d 'of it'
complete -c edgewise -n '__fish_seen_subcommand_from solve' -l quiet -d 'say less'
complete -c edgewise -n __fish_use_subcommand -a new -d 'begin'
complete -c edgewise -n '__fish_seen_subcommand_from new' -a 'muon network'
complete -c edgewise -n '__fish_seen_subcommand_from new; and __fish_seen_subcommand_from muon' -a 'svd sign'
)");
  const auto cases = [&](const char* shell) {
    const std::string script = completion_script(shell, commands);
    const std::size_t from = script.find("  case \"$command $before\" in\n"), to = script.find("\n  esac\n", from);
    REQUIRE(to != std::string::npos);
    return script.substr(from, to - from);
  };
  CHECK(cases("zsh") == cases("bash"));
  CHECK(cases("zsh") == R"(  case "$command $before" in
    'solve -o'|'solve --output') any=1;;
    'solve --format') offers='csv nc';;
    'new muon') offers='svd sign'; options='';;
    *) case "$command" in
      solve) offers=''; endings='toml csv'; options='-o --output --format --quiet';;
      new) offers='muon network'; endings=''; options='';;
      esac;;)");
  CHECK(completion_script("zsh", commands).starts_with("#compdef edgewise\n"));
  CHECK(completion_script("zsh", commands).find("compadd -- solve new --help --version\n") != std::string::npos);
}
