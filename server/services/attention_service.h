#ifndef FAVOR_SERVER_SERVICES_ATTENTION_SERVICE_H_
#define FAVOR_SERVER_SERVICES_ATTENTION_SERVICE_H_

#include <cstdint>
#include <list>
#include <memory>

#include "favor/v1/attention.pb.h"
#include "server/execution/admission.h"
#include "server/execution/attend_execution.h"
#include "server/execution/compute.h"
#include "server/execution/projection_draws.h"
#include "server/observability/metrics.h"
#include "server/rpc/call.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"

namespace favor {

// What the methods of attention work with; none is owned.
struct AttentionDependencies {
  Admission* admission;
  Compute* compute;
  const AttendExecution* execution;
  ProjectionDraws* draws;
  Metrics* metrics;
  int64_t max_message_bytes;  // of responses
};

// favor.v1.AttentionService. Must outlive the server that it is given to.
class AttentionService {
 public:
  AttentionService(const AttentionDependencies& dependencies, const CallObservers& observers);

  RpcServer::Service ForServer();

 private:
  void Attend(std::shared_ptr<UnaryCall> call) const;
  void Execute(std::shared_ptr<UnaryCall> call, std::shared_ptr<Admission::Reservation> reservation,
               AttendWork work) const;
  void FailAttend(UnaryCall& call, const absl::Status& status) const;

  const AttentionDependencies dependencies_;
  ByteService service_;  // bytes: a tensor is copied once between wire and kernel
  std::list<UnaryCall::Method> methods_;
  StreamCall::Method attend_stream_;
};

}  // namespace favor

#endif  // FAVOR_SERVER_SERVICES_ATTENTION_SERVICE_H_
