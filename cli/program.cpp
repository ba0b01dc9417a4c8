#include "cli/program.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <csignal>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <optional>

#include "cli/commands/catalog.hpp"
#include "cli/commands/commands.hpp"
#include "cli/commands/completion.hpp"
#include "cli/commands/launcher.hpp"
#include "cli/commands/sweep.hpp"
#include "cli/interrupt.hpp"
#include "settings/failure.hpp"
#include "settings/settings.hpp"
#include "settings/shown.hpp"

namespace edgewise::cli {
namespace {

using settings::Error;

/// What CLI11 fills in; numbers stay text, so that messages about them are ours.
struct CommandLine {
  std::string threads, seed, format, word, title, folder, target, rows, store, floor, horizon, reference, noise,
      observable, kernel, dimension, s2, length, layers, delta, kind;
  std::vector<std::string> outputs, overrides, files, observables, guides, slices, weights, coefficients;
  bool quiet = false, restart = false, retry_failed = false, bias = false;
};

template <class Number>
std::optional<Number> read_number(const std::string& option, const std::string& text, const std::string& what) {
  if (text.empty()) return std::nullopt;
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error != std::errc())
    throw Error(fmt::format("{}: must be {}, got '{}'", option, what, settings::shown(text)));
  return value;
}

constexpr const char *whole = "a whole number >= 0", *seeds = "a whole number >= 0, at most 9223372036854775807";

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

/// An option that is given has a value; of a path its user says so, and a text may be empty.
void check_values(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    const std::string type = option->get_type_name();
    if (option->nonpositional() && type != "TEXT" && type != "PATH")
      for (const std::string& value : option->results())
        if (value.empty()) throw Error(option->get_name() + ": the value is empty");
  }
}

/// The first word that is no option must be a command.
void check_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  const std::vector<std::string> names = command_names(app);
  if (arguments.empty())
    throw Error(fmt::format("a command is needed: {}; `edgewise --help` tells more", settings::join(names)));
  const std::string& first = arguments.front();
  if (first.starts_with("-")) {
    if (first == "-h" || first == "--help" || first == "--version") return;
    const std::vector<std::string> known = {"--help", "--version"};
    throw Error(fmt::format("unknown option '{}'{} before the command; options come after it: edgewise COMMAND {} ...",
                            settings::shown(first), settings::suggestion(first, known), settings::shown(first)));
  }
  if (std::find(names.begin(), names.end(), first) == names.end())
    throw Error(fmt::format("unknown command '{}'{}; commands: {}", settings::shown(first),
                            settings::suggestion(first, names), settings::join(names)));
}

/// Words that CLI11 could not place. \param app  with all commands
void check_extras(const CLI::App& app, const CLI::App& command) {
  const std::vector<std::string> extras = command.remaining();
  if (extras.empty()) return;
  const std::string& word = extras.front();
  if (!word.starts_with("-") || word == "-")
    throw Error(fmt::format("{}: one argument too many: '{}'; see `edgewise {} --help`", command.get_name(),
                            settings::shown(word), command.get_name()));
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
    for (const std::string& name : option->get_snames()) options.push_back("-" + name);
  }
  std::sort(options.begin(), options.end());
  // As CLI11 takes them, --output=FILE and -oFILE.
  const std::string name = word.starts_with("--") ? word.substr(0, word.find('=')) : word.substr(0, 2);
  for (const CLI::App* other : app.get_subcommands([](const CLI::App*) { return true; }))
    if (other->get_option_no_throw(name))
      throw Error(fmt::format("{}: {} is an option of other commands, nothing here would use it; options: {}",
                              command.get_name(), name, settings::join(options)));
  throw Error(fmt::format("{}: unknown option '{}'{}; options: {}", command.get_name(), settings::shown(name),
                          settings::suggestion(name, options), settings::join(options)));
}

class Program {
 public:
  Program() : app_("Theory and Monte Carlo validation of learning dynamics in high dimension.", "edgewise") {
    app_.set_version_flag("--version", std::string("edgewise " EDGEWISE_VERSION));
    app_.require_subcommand(0, 1);
    app_.footer(
        "Exit status: 0 done (and agrees), 1 disagrees, 2 bad input or failure, 3 inconclusive.\n"
        "`edgewise COMMAND --help` tells the options of a command.");
    const std::string all_groups = settings::join(groups(), "|");

    command("list", "names that an experiment can use: " + all_groups, [this](const Context& c) {
      return list(c, line_.word);
    }).add_option("group", line_.word, all_groups + "; all when left out");
    command("describe", "equations, parameters with defaults and units, and source of any listed name",
            [this](const Context& c) { return describe(c, line_.word); })
        .add_option("name", line_.word, "a name that `list` shows, or a section of the experiment file")
        ->required();
    CLI::App& starting = command("new", "a commented experiment file with every key, to begin with",
                                 [this](const Context& c) { return new_experiment(c, line_.word, line_.kind); });
    starting.add_option("model", line_.word, "one of `edgewise list models`")->required();
    starting.add_option("kind", line_.kind,
                        "an optimizer of the model, or another of its kinds; default: the usual one");
    starting.get_option("--output")->description("write to this file, which must not be there yet; repeatable");
    command("check", "reads files and says what is wrong with them, without computing anything",
            [this](const Context& c) { return check(c, line_.files); })
        .add_option("file", line_.files, "files of experiments, sweeps or comparisons (TOML)")
        ->required();
    experiment(command("solve", "solve the theory", [this](const Context& c) { return solve(c, line_.word); }));
    experiment(command("simulate", "run the algorithm, many times",
                       [this](const Context& c) { return simulate(c, line_.word); }));
    command("validate", "theory, simulation, and the verdict whether they agree",
            [this](const Context& c) { return validate(c, line_.files); })
        .add_option("experiment", line_.files, "experiment files (TOML); with several, -o names a folder")
        ->required();
    experiment(command("stability", "kernel norm, thresholds, growth factor, steady state, heavy-tail flag",
                       [this](const Context& c) { return stability(c, line_.word); }));
    experiment(command("modes", "what every mode contributes in the steady state: gain, contraction, noise, variance",
                       [this](const Context& c) { return modes(c, line_.word); }));
    experiment(command("tune", "search the best hyperparameters at a fixed budget of samples, section [tune]",
                       [this](const Context& c) { return tune(c, line_.word); }));
    experiment(command("schedule",
                       "the best learning rate of every step, and how far each family of schedules is from it",
                       [this](const Context& c) { return schedule(c, line_.word); }));
    CLI::App& comparing = command("compare", "several optimizers, each at its optimum; or methods on workloads, scored",
                                  [this](const Context& c) {
                                    return compare(c, line_.files, {line_.observable, line_.store, line_.restart});
                                  });
    comparing.add_option("file", line_.files, "experiment files, or one file of methods and workloads (TOML)")
        ->required();
    comparing.add_option("--observable", line_.observable, "of experiments: what is compared at the last step")
        ->type_name("NAME");
    comparing.add_option("--store", line_.store, "of methods: database of finished runs, found again")
        ->type_name("PATH");
    comparing.add_flag("--restart", line_.restart, "discard what the store holds");

    command("closed-forms", "check every formula that is known exactly", [this](const Context& c) {
      return closed_forms(c, line_.word);
    }).add_option("pattern", line_.word, "part of a name, or a pattern with * and ?; all when left out");

    CLI::App& sweeping = command("sweep", "a grid of experiments, kept cell by cell; run again it goes on where it was",
                                 [this](const Context& c) {
                                   return sweep(c, line_.word, {line_.store, line_.restart, line_.retry_failed});
                                 });
    sweeping.add_option("sweep", line_.word, "sweep file (TOML)")->required();
    sweeping.get_option("--output")
        ->description("write to this file, .nc or .csv, or draw it, .svg, .png or .pdf; repeatable");
    sweeping
        .add_option("--store", line_.store,
                    "database of finished cells; default: the output's or the sweep's "
                    "name with ending .db")
        ->type_name("PATH");
    sweeping.add_flag("--restart", line_.restart, "discard what the store holds");
    sweeping.add_flag("--retry-failed", line_.retry_failed, "compute failed cells again");

    CLI::App& collapsing = command(
        "collapse", "do loss curves of several sizes fall on each other, and how does that compare with their noise",
        [this](const Context& c) {
          return collapse(c, line_.files, {line_.floor, line_.horizon, line_.reference, line_.noise});
        });
    collapsing
        .add_option(
            "curves", line_.files,
            "CSV files with columns size, step or compute, loss, and seed, schedule, or sweeps (.db, .nc, .csv) "
            "with axes and measures of these names; or an experiment (TOML) with a section [collapse]")
        ->required();
    collapsing.add_option("--floor", line_.floor, "irreducible loss L0: a number, or fit to the frontier (default)")
        ->type_name("VALUE");
    collapsing
        .add_option(
            "--horizon", line_.horizon,
            "where runs are compared: their ends (default), envelope (compute-optimal, from constant-rate runs), "
            "or a formula of size for the step")
        ->type_name("FORMULA");
    collapsing.add_option("--reference", line_.reference, "schedule whose runs give floor and horizon")
        ->type_name("LABEL");
    collapsing
        .add_option(
            "--noise", line_.noise,
            "instead of the collapse, fit the relative noise model of all schedules with one factor to the runs "
            "of this one, of constant rate; columns rate, and noise")
        ->type_name("LABEL");

    CLI::App& plotting = command("plot", "draw results", [this](const Context& c) {
      PlotOptions options{line_.observables, {}, line_.title, line_.slices};
      for (const std::string& text : line_.guides) {
        options.guides.push_back(read_number<double>("--guide", text, "a number").value_or(NAN));
        if (!std::isfinite(options.guides.back()))
          throw Error(fmt::format("--guide: must be a number, got '{}'", settings::shown(text)));
      }
      return plot(c, line_.files, options);
    });
    plotting
        .add_option("result", line_.files, "results (.csv, .nc) to draw in one figure, or a sweep (.db, .nc, .csv)")
        ->required();
    repeatable(plotting.add_option("--observable", line_.observables, "what to draw; repeated, one panel each"),
               "NAME");
    repeatable(plotting.add_option("--guide", line_.guides, "a line proportional to step^EXPONENT; repeatable"),
               "EXPONENT");
    plotting.add_option("--title", line_.title, "title of the figure")->type_name("TEXT");
    repeatable(
        plotting.add_option("--slice", line_.slices, "of a sweep: only where an axis has this value; repeatable"),
        "AXIS=VALUE");

    CLI::App& measuring =
        command("measure", "covariance spectrum and target powers of a data set", [this](const Context& c) {
          return measure(c, {line_.word, line_.folder, line_.target,
                             read_number<std::size_t>("--rows", line_.rows, whole).value_or(0)});
        });
    measuring.add_option("dataset", line_.word, "fashion-mnist")->required();
    measuring.add_option("--folder", line_.folder, "where its files are")->type_name("PATH");
    measuring.add_option("--target", line_.target, "label (class number) or class-K")->type_name("NAME");
    measuring.add_option("--rows", line_.rows, "use the first N rows; 0 for all")->type_name("N");

    CLI::App& learning = command(
        "learnability", "bounds how many samples formulas need, up to an unknown constant; norms in a kernel's space",
        [this](const Context& c) {
          LearnabilityOptions options;
          for (const std::string& text : line_.weights)
            options.weights.push_back(read_number<double>("--weight", text, "a number").value_or(NAN));
          options.delta = read_number<double>("--delta", line_.delta, "a number");
          options.kernel = line_.kernel;
          options.bias = line_.bias;
          options.dimension = read_number<double>("--dimension", line_.dimension, "a number");
          options.s2 = read_number<double>("--s2", line_.s2, "a number");
          options.layers = read_number<double>("--layers", line_.layers, "a number");
          for (const std::string& text : line_.coefficients)
            options.coefficients.push_back(read_number<double>("--coefficient", text, "a number").value_or(NAN));
          options.length = read_number<double>("--length", line_.length, "a number");
          return learnability(c, line_.files, options);
        });
    learning
        .add_option(
            "formula", line_.files,
            "functions of unit linear forms, e.g. \"s + 0.1*e\", \"exp(x)/(3 - y)\", \"force(2, 0.2, 0.6, 4)\"; "
            "docs/kernels.md lists what they may hold")
        ->required();
    repeatable(
        learning.add_option("--weight", line_.weights, "of a stratum, one for each formula: shares of the samples"),
        "D");
    learning.add_option("--delta", line_.delta, "of strata: the bound may fail with this probability; default 0.05")
        ->type_name("P");
    learning
        .add_option("--kernel", line_.kernel,
                    "norms of a function of one variable in the space of arc0, arc1, ntk, ntk1, deep-ntk, gauss, exp "
                    "or taylor")
        ->type_name("NAME");
    learning.add_flag("--bias", line_.bias, "of the kernel: taken at (1 + rho)/2");
    learning.add_option("--dimension", line_.dimension, "of the kernel: d of the sphere; default 3")->type_name("D");
    learning.add_option("--s2", line_.s2, "of gauss and exp; default 1")->type_name("S2");
    learning.add_option("--layers", line_.layers, "hidden layers of deep-ntk; default 2")->type_name("N");
    repeatable(learning.add_option("--coefficient", line_.coefficients, "of taylor: b_0, b_1, .. of sum b_k rho^k"),
               "B");
    learning.add_option("--length", line_.length, "of the kernel: |w| of the variable <w, x>; default 1")
        ->type_name("W");

    command("schema", "a JSON schema of experiment, sweep and comparison files, for editors",
            [](const Context& c) { return schema(c); });
    command("completion", "a script by which a shell completes the command line: source <(edgewise completion bash)",
            [this](const Context& c) { return completion(c); })
        .add_option("shell", line_.word, settings::join(shells(), "|"))
        ->required();
  }

  /// What shells complete, command by command.
  std::vector<CommandWords> words() const {
    std::vector<CommandWords> out;
    for (const CLI::App* command : app_.get_subcommands([](const CLI::App*) { return true; })) {
      CommandWords one{command->get_name(), command->get_description(), {}};
      for (const CLI::Option* option : command->get_options()) {
        OptionWords said{{}, option->get_description(), option->get_items_expected_max() > 0};
        for (const std::string& name : option->get_snames()) said.names.push_back("-" + name);
        for (const std::string& name : option->get_lnames()) said.names.push_back("--" + name);
        if (said.names.empty()) continue;
        said.path = said.has_value && option->get_type_name() == "PATH";
        if (said.names.back() == "--format") said.words = reach_of(one.name).formats;
        if (said.names.back() == "--set") said.words = assignable_keys();
        one.options.push_back(std::move(said));
      }
      add_operands(one);
      out.push_back(std::move(one));
    }
    return out;
  }

  Status completion(const Context& context) const {
    const std::string& shell = line_.word;
    if (std::ranges::find(shells(), shell) == shells().end())
      throw Error(fmt::format("completion: '{}' is not one of {}{}", settings::shown(shell), settings::join(shells()),
                              settings::suggestion(shell, shells())));
    context.print(completion_script(shell, words()));
    return done;
  }

  int run(std::vector<std::string> arguments, std::ostream& out, std::ostream& err) {
    Context context{out, err};
    if (!arguments.empty() && arguments.front() == "analyze") arguments.front() = "stability";
    check_command(app_, arguments);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
      app_.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      for (const CLI::App* command : app_.get_subcommands())
        if (command->count("--help") > 0) {
          context.print(command->help("edgewise"));
          return done;
        }
      context.print(app_.help());
      return done;
    } catch (const CLI::CallForVersion& e) {
      context.print(std::string(e.what()) + "\n");
      return done;
    } catch (const CLI::ParseError& e) {
      // Complain of an unknown option first: it is often why something else is missing.
      for (const CLI::App* command : app_.get_subcommands()) check_extras(app_, *command);
      throw Error(
          fmt::format("{}: {}; see `edgewise {} --help`", arguments.front(), missing(e.what()), arguments.front()));
    }
    const CLI::App* command = app_.get_subcommands().front();
    check_extras(app_, *command);
    check_values(*command);
    context.outputs = line_.outputs;
    context.overrides = line_.overrides;
    context.threads =
        read_number<unsigned>("--threads", line_.threads, "a whole number >= 0 (0: all cores)").value_or(0);
    if (const auto seed = read_number<std::int64_t>("--seed", line_.seed, seeds)) {
      if (*seed < 0) throw Error(fmt::format("--seed: must be {}, got '{}'", seeds, settings::shown(line_.seed)));
      context.seed = static_cast<std::uint64_t>(*seed);
    }
    context.quiet = line_.quiet;
    const std::vector<std::string> formats = reach_of(command->get_name()).formats;
    const CLI::Option* format = command->get_option_no_throw("--format");
    if (format && format->count() > 0 && std::find(formats.begin(), formats.end(), line_.format) == formats.end())
      throw Error(fmt::format("--format: must be one of {}, got '{}'{}", settings::join(formats),
                              settings::shown(line_.format), settings::suggestion(line_.format, formats)));
    context.format = line_.format;
    for (const char* serial : {"check", "modes", "solve", "stability", "tune"})
      if (command->get_name() == serial && !line_.threads.empty())
        context.say(fmt::format("  warning: --threads changes nothing: `{}` runs no replicas", serial));
    if (command->get_name() != "sweep" && !works_alone(context, command->get_name())) return done;
    return actions_.at(command->get_name())(context);
  }

 private:
  CLI::App& command(const std::string& name, const std::string& help, std::function<Status(const Context&)> action) {
    CLI::App& sub = *app_.add_subcommand(name, help);
    actions_[name] = std::move(action);
    sub.allow_extras();
    const Reach reach = reach_of(name);
    if (!reach.formats.empty()) {
      repeatable(
          sub.add_option("-o,--output", line_.outputs, "write to this file; its ending chooses the format; repeatable"),
          "PATH");
      sub.add_option("--format", line_.format, "of what is written: " + settings::join(reach.formats))
          ->type_name("NAME");
    }
    if (reach.experiment) {
      repeatable(sub.add_option("--set", line_.overrides, "override a value of the experiment; repeatable"),
                 "SECTION.KEY=VALUE");
      sub.add_option("--threads", line_.threads, "threads that share replicas or cells; 0 for all cores")
          ->type_name("N");
      sub.add_option("--seed", line_.seed, "seed of the random numbers")->type_name("N");
    }
    sub.add_flag("--quiet", line_.quiet, "print results and errors only");
    return sub;
  }

  /// What of the common options a command can use.
  struct Reach {
    bool experiment = true;  ///< it reads experiments, whose values, seed and threads can be given
    /// What --format may be: of tables, of figures, or both; empty: it writes nothing.
    std::vector<std::string> formats;
  };
  static Reach reach_of(const std::string& command) {
    static const std::map<std::string, Reach> all = {
        {"list", {false, {"csv", "json", "txt"}}},
        {"describe", {false, {"csv", "json", "txt"}}},
        {"closed-forms", {false, {"csv", "json", "txt"}}},
        {"learnability", {false, {"csv", "json", "txt"}}},
        {"new", {false, {"toml"}}},
        {"schema", {false, {"json"}}},
        {"completion", {false, {}}},
        {"measure", {false, {"csv"}}},
        {"plot", {false, {"svg", "png", "pdf"}}},
        {"check", {true, {}}},
        {"stability", {true, {"csv", "json", "txt"}}},
        {"tune", {true, {"csv", "json", "txt"}}},
        {"modes", {true, {"csv", "json"}}},
        {"schedule", {true, {"csv", "json", "txt", "svg", "png", "pdf"}}},
        {"sweep", {true, {"csv", "nc", "svg", "png", "pdf"}}},
        {"collapse", {true, {"csv", "nc", "json", "txt", "svg", "png", "pdf"}}},
        {"compare", {true, {"csv", "json", "txt", "svg", "png", "pdf"}}}};
    const auto found = all.find(command);
    return found == all.end() ? Reach{true, {"csv", "nc", "json"}} : found->second;
  }

  /// What the command lacks, in our own words. \param said  by the parser, which begins with the option's name
  std::string missing(const std::string& said) const {
    for (const CLI::App* command : app_.get_subcommands())
      for (const CLI::Option* option : command->get_options())
        if (option->get_required() && option->count() == 0) return option->get_name(true) + " is required";
    return said.starts_with("-") ? fmt::format("{} needs a value", said.substr(0, said.find_first_of(":= ")))
                                 : "cannot be read";
  }

  /// Whether this process is to do the work of a command that knows no ranks: of those that mpirun has started only the
  /// first, which says so.
  static bool works_alone(const Context& context, const std::string& command) {
    const Launch started = launch();
    if (started.size <= 1) return true;
    if (started.rank > 0) return false;
    context.say(fmt::format(
        "  warning: `{}` knows no ranks: {}; only `sweep` shares its work among them, threads are "
        "chosen by --threads",
        command,
        started.rank == 0 ? fmt::format("of the {} that were started the first works, the others end", started.size)
                          : fmt::format("all {} that were started do the same", started.size)));
    return true;
  }

  void experiment(CLI::App& sub) { sub.add_option("experiment", line_.word, "experiment file (TOML)")->required(); }

  static void repeatable(CLI::Option* option, const std::string& type) {
    // One value each time, so that `--set a.b=1 FILE` leaves the file alone.
    option->expected(1)->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->type_name(type);
  }

  CLI::App app_;
  CommandLine line_;
  std::map<std::string, std::function<Status(const Context&)>> actions_;
};

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  interrupted() = false;
  // Where the limit on the size of files is reached, writing shall fail, not end the program.
  std::signal(SIGXFSZ, SIG_IGN);
  std::string message;
  try {
    return Program().run(arguments, out, err);
  } catch (const std::bad_alloc&) {
    message = "out of memory";
  } catch (const std::exception& e) {
    message = settings::said_by(e);
  } catch (...) {
    message = "unknown failure";
  }
  err << "edgewise: " << settings::shown(message, longest_message) << std::endl;
  return failed;
}

}  // namespace edgewise::cli
