#include "cli/commands/sweep_ranks.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include "cli/commands/launcher.hpp"
#include "cli/interrupt.hpp"
#include "settings/settings.hpp"

#ifdef EDGEWISE_MPI
#include "cli/commands/mpi_library.hpp"
#endif

namespace edgewise::cli {

using settings::Error;
using validation::CellResult;
using validation::CellState;
using validation::FinishedCell;

namespace {

unsigned cores_allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  return std::max(1U, std::thread::hardware_concurrency());
}

#ifdef EDGEWISE_MPI

constexpr int to_root = 1, to_worker = 2;

/// Numbers and texts in a row, as bytes.
class Writer {
 public:
  template <class T>
  void put(T value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
  }
  void put(const std::string& text) {
    put(static_cast<std::uint64_t>(text.size()));
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  std::vector<char> bytes;
};

class Reader {
 public:
  explicit Reader(const std::vector<char>& bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string text() {
    const auto size = static_cast<std::size_t>(get<std::uint64_t>());
    need(size);
    std::string out(bytes_.data() + at_, size);
    at_ += size;
    return out;
  }

 private:
  void need(std::size_t size) const {
    if (size > bytes_.size() - at_) throw Error("sweep: a message between ranks is cut short");
  }
  const std::vector<char>& bytes_;
  std::size_t at_ = 0;
};

/// What a rank tells rank 0: cells that are finished, how many it could take, whether it leaves.
struct Report {
  std::vector<FinishedCell> finished;
  std::uint64_t wanted = 0;
  bool leaves = false;
};

std::vector<char> bytes_of(const Report& report) {
  Writer out;
  out.put(report.wanted);
  out.put(static_cast<std::uint8_t>(report.leaves));
  out.put(static_cast<std::uint64_t>(report.finished.size()));
  for (const auto& [cell, result] : report.finished) {
    out.put(static_cast<std::uint64_t>(cell));
    out.put(static_cast<std::uint8_t>(result.state == CellState::failed));
    out.put(result.seconds);
    out.put(static_cast<std::uint64_t>(result.measures.size()));
    for (const double x : result.measures) out.put(x);
    out.put(result.label);
    out.put(result.failure);
  }
  return std::move(out.bytes);
}

Report report_of(const std::vector<char>& bytes) {
  Reader in(bytes);
  Report out;
  out.wanted = in.get<std::uint64_t>();
  out.leaves = in.get<std::uint8_t>() != 0;
  out.finished.resize(static_cast<std::size_t>(in.get<std::uint64_t>()));
  for (FinishedCell& cell : out.finished) {
    cell.cell = static_cast<std::size_t>(in.get<std::uint64_t>());
    cell.result.state = in.get<std::uint8_t>() != 0 ? CellState::failed : CellState::finished;
    cell.result.seconds = in.get<double>();
    cell.result.measures.resize(static_cast<std::size_t>(in.get<std::uint64_t>()));
    for (double& x : cell.result.measures) x = in.get<double>();
    cell.result.label = in.text();
    cell.result.failure = in.text();
  }
  return out;
}

void send(const std::vector<char>& bytes, int rank, int tag) {
  MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, rank, tag, MPI_COMM_WORLD);
}

/// A message that is there already; its rank is -1 when there is none.
int receive(int rank, int tag, std::vector<char>& bytes) {
  int there = 0, size = 0;
  MPI_Status status;
  MPI_Iprobe(rank, tag, MPI_COMM_WORLD, &there, &status);
  if (!there) return -1;
  MPI_Get_count(&status, MPI_BYTE, &size);
  bytes.resize(static_cast<std::size_t>(size));
  MPI_Recv(bytes.data(), size, MPI_BYTE, status.MPI_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return status.MPI_SOURCE;
}

std::vector<char> bytes_of(const std::vector<std::size_t>& cells) {
  Writer out;
  for (const std::size_t cell : cells) out.put(static_cast<std::uint64_t>(cell));
  return std::move(out.bytes);
}

/// Rank 0's view of the others.
class Others final : public validation::SweepPeers {
 public:
  Others(int size, std::size_t measures, std::size_t cells)
      : measures_(measures), cells_(cells), ranks_(static_cast<std::size_t>(size)) {
    ranks_.front().left = true;
  }
  ~Others() override {
    // Whoever is computing still is asked to give it up, and waited for.
    stop();
    const auto nothing = [](std::size_t) { return std::vector<std::size_t>(); };
    while (std::any_of(ranks_.begin(), ranks_.end(), [](const Peer& p) { return !p.left; })) {
      try {
        exchange(nothing);
      } catch (const Error&) {
        MPI_Abort(MPI_COMM_WORLD, 2);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::vector<FinishedCell> exchange(const std::function<std::vector<std::size_t>(std::size_t)>& next) override {
    std::vector<FinishedCell> out;
    std::vector<char> bytes;
    for (int rank = receive(MPI_ANY_SOURCE, to_root, bytes); rank >= 0;
         rank = receive(MPI_ANY_SOURCE, to_root, bytes)) {
      Report report = report_of(bytes);
      Peer& peer = ranks_[static_cast<std::size_t>(rank)];
      for (FinishedCell& cell : report.finished) {
        if (cell.cell >= cells_ || cell.result.measures.size() != measures_)
          throw Error("sweep: a message between ranks makes no sense");
        out.push_back(std::move(cell));
      }
      peer.outstanding -= std::min(peer.outstanding, report.finished.size());
      if (report.leaves) {
        // Told to, or interrupted; its cells stay pending.
        peer.left = peer.told = true;
        peer.outstanding = 0;
      } else if (report.wanted > 0) {
        const std::vector<std::size_t> cells = peer.told ? std::vector<std::size_t>() : next(report.wanted);
        peer.outstanding += cells.size();
        if (!cells.empty()) send(bytes_of(cells), rank, to_worker);
      }
    }
    return out;
  }

  std::size_t outstanding() const override {
    std::size_t sum = 0;
    for (const Peer& peer : ranks_) sum += peer.outstanding;
    return sum;
  }

  void stop() override {
    for (std::size_t rank = 1; rank < ranks_.size(); ++rank)
      if (!std::exchange(ranks_[rank].told, true)) send({}, static_cast<int>(rank), to_worker);
  }

 private:
  struct Peer {
    std::size_t outstanding = 0;
    bool told = false, left = false;
  };
  std::size_t measures_, cells_;
  std::vector<Peer> ranks_;
};

#endif

}  // namespace

#ifdef EDGEWISE_MPI

struct Ranks::Impl {
  bool own = false;  // to be ended here
  int rank = 0, size = 1, beside = 1;

  Impl() {
    if (launch().size == 0) return;
    int running = 0;
    MPI_Initialized(&running);
    if (!running) {
      int provided = 0;
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
      own = true;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm node;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &beside);
    MPI_Comm_free(&node);
  }
  ~Impl() {
    if (own) MPI_Finalize();
  }

  std::string broadcast(std::string text) const {
    auto length = static_cast<std::uint64_t>(text.size());
    MPI_Bcast(&length, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    text.resize(static_cast<std::size_t>(length));
    MPI_Bcast(text.data(), static_cast<int>(length), MPI_BYTE, 0, MPI_COMM_WORLD);
    return text;
  }
};

bool Ranks::agree(const std::string& failure, const std::string& definition) const {
  if (impl_->size == 1) {
    if (!failure.empty()) throw Error(failure);
    return true;
  }
  const std::string of_root = impl_->broadcast(definition);
  std::string said = failure;
  if (said.empty() && of_root != definition)
    said = "reads another sweep than rank 0; is the file the same on all machines?";
  constexpr std::size_t most = 4096;
  std::array<char, most> mine{};
  said.copy(mine.data(), most - 1);
  std::vector<char> all(most * static_cast<std::size_t>(impl_->size));
  MPI_Allgather(mine.data(), static_cast<int>(most), MPI_BYTE, all.data(), static_cast<int>(most), MPI_BYTE,
                MPI_COMM_WORLD);
  for (int r = 0; r < impl_->size; ++r) {
    const char* text = all.data() + most * static_cast<std::size_t>(r);
    if (*text == 0) continue;
    if (impl_->rank == 0) throw Error(r == 0 ? std::string(text) : "rank " + std::to_string(r) + ": " + text);
    return false;
  }
  return true;
}

std::unique_ptr<validation::SweepPeers> Ranks::others(const validation::Sweep& sweep) const {
  if (impl_->size == 1) return nullptr;
  return std::make_unique<Others>(impl_->size, sweep.table().measures.size(), sweep.cells());
}

void Ranks::work(const validation::Sweep& sweep, unsigned threads) const {
  validation::SweepPool pool(sweep, threads);
  std::vector<char> bytes;
  bool asked = false, told = false;
  for (;;) {
    Report report;
    report.finished = pool.take(std::chrono::milliseconds(1));
    while (!told && receive(0, to_worker, bytes) == 0) {
      asked = false;
      told = bytes.empty();
      Reader in(bytes);
      std::vector<std::size_t> cells(bytes.size() / sizeof(std::uint64_t));
      for (std::size_t& cell : cells) cell = static_cast<std::size_t>(in.get<std::uint64_t>());
      pool.give(cells);
      if (told) pool.stop();
    }
    if (out_of_patience()) leave("");
    if (interrupted()) {
      pool.stop();
      told = true;
    }
    // Idle first: what finishes between the two is in the second.
    report.leaves = told && pool.idle();
    if (report.leaves) {
      std::vector<FinishedCell> last = pool.take(std::chrono::milliseconds(0));
      std::move(last.begin(), last.end(), std::back_inserter(report.finished));
    }
    if (!told && !asked) report.wanted = pool.wanted();
    if (report.wanted > 0) asked = true;
    if (report.leaves || report.wanted > 0 || !report.finished.empty()) send(bytes_of(report), 0, to_root);
    if (report.leaves) return;
  }
}

#else

struct Ranks::Impl {
  int rank = 0, size = 1, beside = 1;
  Impl() {
    if (launch().size > 1) throw Error("sweep: started several times by mpirun, but this program is built without MPI");
  }
};

bool Ranks::agree(const std::string& failure, const std::string&) const {
  if (!failure.empty()) throw Error(failure);
  return true;
}

std::unique_ptr<validation::SweepPeers> Ranks::others(const validation::Sweep&) const {
  return nullptr;
}

void Ranks::work(const validation::Sweep&, unsigned) const {}

#endif

Ranks::Ranks() : impl_(std::make_unique<Impl>()) {}
Ranks::~Ranks() = default;

int Ranks::rank() const {
  return impl_->rank;
}
int Ranks::size() const {
  return impl_->size;
}

unsigned Ranks::threads(unsigned asked) const {
  if (asked > 0) return asked;
  const unsigned allowed = cores_allowed(), all = std::max(1U, std::thread::hardware_concurrency());
  // A launcher that binds has shared out the cores already.
  if (allowed < all) return allowed;
  return std::max(1U, all / static_cast<unsigned>(impl_->beside));
}

}  // namespace edgewise::cli
