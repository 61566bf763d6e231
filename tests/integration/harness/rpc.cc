#include "tests/integration/harness/rpc.h"

#include "absl/strings/str_cat.h"
#include "favor/v1/attention.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "tests/integration/harness/attend_wire.h"

namespace favor::testing {
namespace {

// Runs `call` with a context that has the deadline of the options.
template <typename Call>
grpc::Status WithContext(const CallOptions& options, const Call& call) {
  grpc::ClientContext own;
  grpc::ClientContext* context = options.context != nullptr ? options.context : &own;
  context->set_deadline(absl::ToChronoTime(absl::Now() + options.deadline));
  return call(context);
}

// The detail of this type in grpc-status-details-bin.
template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  for (const google::protobuf::Any& any : details.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

}  // namespace

std::shared_ptr<grpc::Channel> ConnectTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  // With them a call may outlive its deadline for ever: see half_answer_test.cc.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

AttendAnswer Attend(const std::shared_ptr<grpc::Channel>& channel, const v1::AttendRequest& request,
                    const CallOptions& options) {
  AttendAnswer answer;
  const auto stub = v1::AttentionService::NewStub(channel);
  answer.status = WithContext(
      options, [&](grpc::ClientContext* context) { return stub->Attend(context, request, &answer.response); });
  return answer;
}

Answer<std::string> CallWithBytes(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                  const std::string& request, const CallOptions& options) {
  Answer<std::string> answer;
  grpc::GenericStub stub(channel);
  const grpc::Slice slice(request);
  const grpc::ByteBuffer bytes(&slice, 1);
  answer.status = WithContext(options, [&](grpc::ClientContext* context) {
    grpc::CompletionQueue queue;
    auto reader = stub.PrepareUnaryCall(context, method, bytes, &queue);
    reader->StartCall();
    grpc::ByteBuffer response;
    grpc::Status status;
    reader->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    answer.response = BytesOf(response);
    return status;
  });
  return answer;
}

grpc::Status CallWithHeadersAlone(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                                  const CallOptions& options, bool ends_requests) {
  grpc::GenericStub stub(channel);
  return WithContext(options, [&](grpc::ClientContext* context) {
    grpc::CompletionQueue queue;
    auto stream = stub.PrepareCall(context, method, &queue);
    void* tag = nullptr;
    bool ok = false;
    stream->StartCall(nullptr);
    queue.Next(&tag, &ok);
    if (ends_requests) {
      stream->WritesDone(nullptr);
      queue.Next(&tag, &ok);
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
    return status;
  });
}

std::vector<std::string> BadFieldsOf(const grpc::Status& status) {
  std::vector<std::string> fields;
  if (const auto bad_request = DetailOf<google::rpc::BadRequest>(status)) {
    for (const auto& violation : bad_request->field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

std::optional<absl::Duration> RetryDelayOf(const grpc::Status& status) {
  const auto retry_info = DetailOf<google::rpc::RetryInfo>(status);
  if (!retry_info) return std::nullopt;
  return absl::Seconds(retry_info->retry_delay().seconds()) + absl::Nanoseconds(retry_info->retry_delay().nanos());
}

std::string Describe(const grpc::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), ": ",
                      status.error_message());
}

AttentionImplementation AttentionOver(std::shared_ptr<grpc::Channel> channel, const WireForm& form) {
  return [channel = std::move(channel), form](const AttentionSpec& spec,
                                              const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    AttentionCase attention_case;
    attention_case.spec = spec;
    attention_case.queries = Decode(inputs.queries);
    attention_case.keys = Decode(inputs.keys);
    attention_case.values = Decode(inputs.values);
    attention_case.query_lengths.assign(inputs.query_lengths.begin(), inputs.query_lengths.end());
    attention_case.key_lengths.assign(inputs.key_lengths.begin(), inputs.key_lengths.end());
    attention_case.projection = inputs.projection;
    const AttendAnswer answer = Attend(channel, ToRequest(attention_case, form));
    if (!answer.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(answer.status.error_code()), answer.status.error_message());
    }
    AttentionResult result;
    result.output = FromWire(answer.response.output(), form.layout);
    result.report.num_features = answer.response.report().num_features();
    result.report.degenerate_rows = answer.response.report().degenerate_rows();
    return result;
  };
}

}  // namespace favor::testing
