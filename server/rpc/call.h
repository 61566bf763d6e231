#ifndef FAVOR_SERVER_RPC_CALL_H_
#define FAVOR_SERVER_RPC_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "favor/base/cancellation.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "server/execution/compute.h"
#include "server/observability/call_log.h"
#include "server/observability/metrics.h"
#include "server/observability/tracer.h"
#include "server/rpc/calls_in_flight.h"
#include "server/rpc/completion_queues.h"
#include "server/rpc/open_streams.h"
#include "server/security/key_ring.h"

namespace favor {

// What all calls of a method share.
struct CallEnvironment {
  std::string service;
  std::string method;
  MethodMetrics metrics;
  const CallLog* log;
  CallsInFlight* calls_in_flight;
  // Calls that gRPC holds tags of: those in flight, those waiting for an arrival, those just ending. Their queue must
  // not shut down before there are none.
  CallsInFlight* calls_alive;
  KeyRing* keys = nullptr;         // null: nobody needs a key
  const Tracer* tracer = nullptr;  // null: no call is recorded
};

// Who wants to know about calls; none is owned.
struct CallObservers {
  Metrics* metrics;
  const CallLog* log;
  CallsInFlight* calls_in_flight;
  CallsInFlight* calls_alive;
  OpenStreams* open_streams;
  KeyRing* keys = nullptr;
  const Tracer* tracer = nullptr;

  // `type` is "unary" or "bidi_stream".
  CallEnvironment ForMethod(const char* service, const char* method, const char* type) const {
    return {service, method, metrics->ForMethod(service, method, type), log, calls_in_flight, calls_alive,
            keys,    tracer};
  }
};

// One RPC from its arrival to the end of its answer: deadline, cancellation, metrics and log, the same for every
// method. A call keeps itself alive while gRPC holds tags of it; whoever works on it holds a shared_ptr besides.
class Call : public std::enable_shared_from_this<Call>, private Endable {
 public:
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Cancelled when the client goes away or its deadline passes. Lives as long as the call.
  const Cancellation* cancellation() const { return &*cancellation_; }
  // What its key allows of what its caller asks for, as metadata `favor-priority`.
  Priority priority() const { return cancellation_->priority(); }

  // Ends the call with an error. Exactly one of Fail() and the Reply() of a derived class is to be called, once, from
  // any thread.
  void Fail(const absl::Status& status);

  // The status of a call whose client is known to be gone, perhaps before its Cancellation knows: cancelled, or past
  // its deadline.
  absl::Status WhyGone() const;

  // For the log; before the end.
  void set_timing(const Timing& timing) { timing_ = timing; }

 protected:
  explicit Call(const CallEnvironment* environment) : environment_(environment) {}

  // To be called once, from the function that creates the call: registers for the end of the call, then asks gRPC for
  // an arrival.
  void Listen(grpc::ServerCompletionQueue* queue);
  // Notes the final status, and the bytes of a response that goes with it; `finished_tag()` is to go to gRPC then.
  void End(const absl::Status& status, std::optional<int64_t> response_bytes = std::nullopt);
  // Notes the final status and sends it alone.
  void EndWith(const absl::Status& status);
  // Fails a call that needs a message and got none: mostly because its client is gone.
  void FailWithoutRequest();

  // Ends the call whatever gRPC is at with it, as no status sent after a message can. Its client gets the status unless
  // it is gone; the first counts. Finished_tag() is still to go to gRPC. Thread-safe.
  void CutShort(const absl::Status& status);
  // Of a call that waited for its client, `to_take` a message or to send one.
  static absl::Status IdleError(absl::Duration timeout, bool to_take);

  // Ends the work for the call, wherever it is.
  void Cancel() { cancellation_->Cancel(); }
  // Messages that were received and sent, on the queue's thread.
  void CountReceived(int64_t bytes);
  void CountSent(int64_t bytes);
  // One more tag of this call that gRPC is going to hand back, to a function that ends with DropTag(). Before
  // finished_tag() comes back; thread-safe.
  void AddTag() { ++tags_left_; }
  // Nothing of this call may be touched after it.
  void DropTag();

  virtual void Request(grpc::ServerCompletionQueue* queue, CompletionTag* arrived) = 0;
  // Makes the next call of the method wait for an arrival.
  virtual void ListenForNext(grpc::ServerCompletionQueue* queue) = 0;
  virtual void Handle() = 0;
  virtual void SendStatus(const grpc::Status& status, CompletionTag* finished) = 0;

  grpc::ServerContext* context() { return &context_; }
  CompletionTag* finished_tag() { return &finished_; }

 private:
  void OnArrived(bool ok);
  // Takes the call out of its caller's limits.
  absl::Status EnterKey();
  absl::StatusOr<Priority> ReadPriority() const;
  // The server stops: ends the call with a status that tells its client to go elsewhere.
  void EndEarly() override;
  void OnDone();
  void OnFinished(bool ok);
  void LetGo();
  void Record(bool sent) const;
  // Of the request's metadata; empty when there is none of that name.
  absl::string_view FindHeader(absl::string_view name) const;

  const CallEnvironment* const environment_;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  grpc::ServerContext context_;
  std::optional<Cancellation> cancellation_;
  absl::Time arrival_;
  std::string peer_;  // kept: gRPC forgets it when the connection goes
  TraceContext trace_;
  KeyRing::Pass pass_;
  Timing timing_;
  absl::Status status_;
  bool has_no_request_ = false;
  absl::Mutex mutex_;
  std::optional<absl::Status> cut_short_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> response_bytes_;
  CallTraffic received_, sent_;

  CompletionTag arrived_;
  CompletionTag done_;
  CompletionTag finished_;
  std::atomic<int> tags_left_{0};  // after the arrival
  std::shared_ptr<Call> myself_;   // while gRPC holds tags
};

}  // namespace favor

#endif  // FAVOR_SERVER_RPC_CALL_H_
