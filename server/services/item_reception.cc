#include "server/services/item_reception.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "favor/tokenizer/tokenizer.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace favor {
namespace {

// Up to this size the first pass takes some microseconds, less than a way through the pool.
constexpr int64_t kMaxInlineBytes = 64 << 10;
// A step of the pool.
constexpr int64_t kStepBytes = 64 << 10;
constexpr int64_t kStepItems = 256;

struct Reception {
  std::shared_ptr<UnaryCall> call;
  Compute* compute;
  Admission::Reservation* reservation;
  ItemHandling handling;

  grpc::ByteBuffer request;
  ItemSummary summary;
  ItemHandling::Cost cost;
  std::optional<grpc::ProtoBufferReader> stream;
  std::optional<ItemReader> reader;
  int64_t next = 0;
  bool is_within_item = false;
  int64_t passing_bytes = 0;  // of the item that is being taken

  absl::Status Begin() {
    grpc::ProtoBufferReader whole(&request);
    absl::StatusOr<ItemSummary> read = ReadBesideItems(&whole, handling.items);
    if (!read.ok()) return read.status();
    summary = *std::move(read);
    const absl::StatusOr<ItemHandling::Cost> known = handling.begin(summary);
    if (!known.ok()) return known.status();
    cost = *known;
    stream.emplace(&request);
    reader.emplace(&*stream);
    return absl::OkStatus();
  }

  absl::Status TakeNext(int64_t bytes) {
    passing_bytes = bytes * cost.passing_bytes_per_byte;
    if (absl::Status status = reservation->Grow(passing_bytes, "reading an input"); !status.ok()) return status;
    absl::StatusOr<std::string> item = reader->Next();
    if (!item.ok()) return item.status();
    return Taken(handling.take(*std::move(item), next++));
  }

  absl::Status Taken(const absl::StatusOr<bool>& done) {
    if (!done.ok()) return done.status();
    is_within_item = !*done;
    if (*done) reservation->Shrink(passing_bytes);
    return absl::OkStatus();
  }

  absl::Status Step() {
    if (is_within_item) {
      if (absl::Status status = call->cancellation()->Check(); !status.ok()) return status;
      return Taken(handling.go_on());
    }
    int64_t num_bytes = 0;
    for (int64_t count = 0; count < kStepItems && num_bytes < kStepBytes && next < summary.num_items && !is_within_item;
         ++count) {
      if (absl::Status status = call->cancellation()->Check(); !status.ok()) return status;
      const absl::StatusOr<int64_t> own = reader->NextBytes();
      if (!own.ok()) return own.status();
      const int64_t bytes = *own + cost.more_bytes_per_item;
      if (absl::Status status = TakeNext(bytes); !status.ok()) return status;
      num_bytes += bytes;
    }
    return absl::OkStatus();
  }

  int64_t NumSteps() const {
    const int64_t num_bytes = summary.item_bytes + summary.num_items * cost.more_bytes_per_item;
    // Only items of more than a step of the tokenizer need more than one; each may also end a step early.
    const int64_t of_long_items = 4 * Tokenization::MaxSteps(num_bytes, kTokenizeStepBytes);
    return num_bytes / kStepBytes + summary.num_items / kStepItems + 1 + of_long_items;
  }

  void End(absl::Status status, Timing timing) {
    // The reader ends before what it reads.
    reader.reset();
    stream.reset();
    const int64_t num_bytes = static_cast<int64_t>(request.Length());
    request.Clear();
    reservation->Shrink(num_bytes);
    if (status.ok() && (is_within_item || next < summary.num_items)) {
      status = absl::InternalError(absl::StrCat(handling.items, "[", next, "] was not read within its steps"));
    }
    handling.done(std::move(status), timing);
  }
};

void ReadItems(std::shared_ptr<Reception> reception) {
  Job job;
  job.phases.push_back({1, reception->NumSteps(), [reception](int64_t, int64_t) { return reception->Step(); }});
  reception->compute->Submit(
      std::move(job), reception->call->cancellation(),
      [reception](absl::Status status, Timing timing) { reception->End(std::move(status), timing); });
}

}  // namespace

void ReceiveItems(std::shared_ptr<UnaryCall> call, Compute* compute, Admission::Reservation* reservation,
                  ItemHandling handling) {
  const bool is_small = call->request_bytes() <= kMaxInlineBytes;
  auto reception = std::make_shared<Reception>();
  reception->call = std::move(call);
  reception->compute = compute;
  reception->reservation = reservation;
  reception->handling = std::move(handling);
  reception->request = reception->call->TakeRequest();
  if (is_small) {
    absl::Status status = reception->Begin();
    if (!status.ok()) return reception->End(std::move(status), {});
    return ReadItems(std::move(reception));
  }
  Job job;
  job.phases.push_back({1, 1, [reception](int64_t, int64_t) { return reception->Begin(); }});
  const Cancellation* cancellation = reception->call->cancellation();
  compute->Submit(std::move(job), cancellation, [reception](absl::Status status, Timing timing) {
    if (!status.ok()) return reception->End(std::move(status), timing);
    ReadItems(reception);
  });
}

}  // namespace favor
