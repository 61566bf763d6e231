#include "client/client.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/transport/borrowed_memory.h"
#include "client/transport/call.h"
#include "client/transport/channel.h"
#include "client/transport/client_impl.h"
#include "client/transport/endpoint.h"
#include "client/transport/option_bounds.h"
#include "client/wire/decode_report.h"
#include "client/wire/decode_response.h"
#include "client/wire/encode_request.h"
#include "client/wire/field_reader.h"
#include "favor/base/version.h"
#include "favor/v1/info.pb.h"

namespace favor::client {
namespace {

constexpr char kAttend[] = "/favor.v1.AttentionService/Attend";
constexpr char kCalibrate[] = "/favor.v1.AttentionService/Calibrate";
constexpr char kGetServerInfo[] = "/favor.v1.InfoService/GetServerInfo";
constexpr char kHealthCheck[] = "/grpc.health.v1.Health/Check";
constexpr char kHealthWatch[] = "/grpc.health.v1.Health/Watch";

// Of grpc.health.v1.HealthCheckRequest and HealthCheckResponse.
constexpr int kServiceField = 1;
constexpr int kStatusField = 1;

absl::Status Validate(const ClientOptions& options) {
  const RetryOptions& retries = options.retries;
  for (const absl::Status& status : {CheckEndpoint(options.endpoint), CheckPositive("deadline", options.deadline),
                                     CheckPositive("keepalive_time", options.keepalive_time),
                                     CheckAtLeast("retries.max_retries", retries.max_retries, 0),
                                     CheckNotNegative("retries.initial_backoff", retries.initial_backoff),
                                     CheckNotNegative("retries.max_backoff", retries.max_backoff)}) {
    if (!status.ok()) return status;
  }
  for (const char c : options.api_key) {
    if (c <= ' ' || c > '~') return absl::InvalidArgumentError("api_key has a character that is not printable ASCII");
  }
  return absl::OkStatus();
}

grpc::ByteBuffer HealthRequest(absl::string_view service) {
  MessageBuilder builder;
  builder.AppendText(kServiceField, service);
  BorrowedMemory memory;
  return builder.Build(&memory);
}

ServingStatus ReadServingStatus(const grpc::ByteBuffer& response) {
  grpc::Slice slice;
  const absl::StatusOr<absl::string_view> bytes = Flatten(response, &slice);
  if (!bytes.ok()) return ServingStatus::kUnknown;
  ServingStatus status = ServingStatus::kUnknown;
  FieldReader reader(*bytes);
  while (const auto field = reader.Next()) {
    if (field->number == kStatusField && field->varint <= 3) status = static_cast<ServingStatus>(field->varint);
  }
  return status;
}

}  // namespace

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

absl::StatusOr<Client> Client::Connect(const ClientOptions& options) {
  if (absl::Status status = Validate(options); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = MakeChannel(options);
  if (!channel.ok()) return channel.status();
  return Client(std::make_unique<Impl>(options, *std::move(channel)));
}

absl::StatusOr<AttendResult> Client::Attend(const AttendInputs& inputs, const AttendOptions& options) const {
  return impl_->CallForOutput(kAttend, options.deadline, EncodeAttendRequest(inputs, options), DecodeAttendResponse);
}

absl::StatusOr<Statistics> Client::Calibrate(const CalibrateInputs& inputs, const AttentionSpec& spec,
                                             std::optional<absl::Duration> deadline) const {
  v1::CalibrateResponse wire;
  const auto parse = [&wire](absl::string_view response) {
    if (wire.ParseFromArray(response.data(), static_cast<int>(response.size()))) return absl::OkStatus();
    return absl::InternalError("the server's answer is not a favor.v1.CalibrateResponse");
  };
  const absl::Status status = impl_->Call(kCalibrate, deadline, EncodeCalibrateRequest(inputs, spec), parse);
  if (!status.ok()) return status;
  return DecodeStatistics(wire.statistics());
}

absl::StatusOr<ServerInfo> Client::GetServerInfo() const {
  v1::GetServerInfoResponse wire;
  const auto parse = [&wire](absl::string_view response) {
    if (wire.ParseFromArray(response.data(), static_cast<int>(response.size()))) return absl::OkStatus();
    return absl::InternalError("the server's answer is not a favor.v1.GetServerInfoResponse");
  };
  const absl::Status status = impl_->Call(kGetServerInfo, std::nullopt, MessageBuilder(), parse);
  if (!status.ok()) return status;
  return ServerInfo{.version = wire.version(),
                    .build = wire.build(),
                    .cpu_target = wire.cpu_target(),
                    .num_compute_threads = wire.num_compute_threads(),
                    .max_message_bytes = wire.limits().max_message_bytes(),
                    .memory_budget_bytes = wire.limits().memory_budget_bytes(),
                    .max_num_features = wire.limits().max_num_features(),
                    .max_head_dim = wire.limits().max_head_dim(),
                    .max_value_dim = wire.limits().max_value_dim(),
                    .max_inputs_per_request = wire.limits().max_inputs_per_request()};
}

absl::StatusOr<ServingStatus> Client::CheckHealth(absl::string_view service) const {
  ServingStatus serving = ServingStatus::kUnknown;
  int num_attempts = 0;
  const auto read = [&serving](grpc::ByteBuffer* response, absl::Time) {
    serving = ReadServingStatus(*response);
    return absl::OkStatus();
  };
  const absl::Status status = impl_->Call(kHealthCheck, impl_->Settings(), HealthRequest(service), &num_attempts, read);
  if (!status.ok()) return status;
  return serving;
}

absl::Status Client::WatchHealth(absl::string_view service, const std::function<bool(ServingStatus)>& on_status) const {
  if (absl::Status status = CheckIsSet("on_status", on_status != nullptr); !status.ok()) return status;
  return CallServerStream(impl_->channel(), kHealthWatch, impl_->Settings(), HealthRequest(service),
                          [&](grpc::ByteBuffer* response) { return on_status(ReadServingStatus(*response)); });
}

const std::string& Client::endpoint() const { return impl_->endpoint(); }

absl::string_view UserAgent() {
  static const std::string* const user_agent = new std::string(absl::StrCat("favor-client/", kVersion));
  return *user_agent;
}

}  // namespace favor::client
