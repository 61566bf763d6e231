#ifndef FAVOR_SERVER_SERVICES_ITEM_RECEPTION_H_
#define FAVOR_SERVER_SERVICES_ITEM_RECEPTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/convert/item_reader.h"
#include "server/execution/admission.h"
#include "server/execution/compute.h"
#include "server/rpc/unary_call.h"

namespace favor {

// What a method does with the items of its requests.
struct ItemHandling {
  const char* items;  // name of the field, for errors

  // What an item costs.
  struct Cost {
    int64_t more_bytes_per_item = 0;  // read with each one, as a prompt
    // Memory while an item is taken, of which nothing is left behind, for each of its bytes and those read with it.
    int64_t passing_bytes_per_byte = 1;
  };
  // Reads the rest of the request. Runs once, first, and on the completion queue's thread when the request is small.
  std::function<absl::StatusOr<Cost>(const ItemSummary& summary)> begin;
  // Takes the next item, on the compute pool; false when it is long and needs go_on(), step by step, until that returns
  // true: no more often than Tokenization::MaxSteps() for its bytes. An error ends the call.
  std::function<absl::StatusOr<bool>(std::string item, int64_t index)> take;
  std::function<absl::StatusOr<bool>()> go_on;
  // The end, on the compute pool, or on the caller's thread when begin() failed. The timing is that of the items.
  std::function<void(absl::Status status, Timing timing)> done;
};

// Takes the request of a call and reads it in steps of a millisecond or two on the compute pool. `compute` and
// `reservation` must live until done() has run. The reservation, which holds the bytes of the request, grows for as
// long as items need memory; before done() the request's own are given back.
void ReceiveItems(std::shared_ptr<UnaryCall> call, Compute* compute, Admission::Reservation* reservation,
                  ItemHandling handling);

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_ITEM_RECEPTION_H_
