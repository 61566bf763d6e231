#include "tests/integration/harness/attend_stream.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "tests/integration/harness/client_tensors.h"
#include "tests/support/streamed_attention.h"

namespace favor::testing {
namespace {

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

template <typename Request, typename Response, typename Call>
absl::StatusOr<Response> CallUnary(const std::shared_ptr<grpc::Channel>& channel, const Request& request, Call call) {
  const auto stub = v1::AttentionService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
  Response response;
  const grpc::Status status = (stub.get()->*call)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

}  // namespace

AttendStreamClient::AttendStreamClient(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline)
    : stub_(v1::AttentionService::NewStub(channel)) {
  context_.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  stream_ = stub_->AttendStream(&context_);
}

bool AttendStreamClient::Start(const v1::AttentionSpec& spec, const v1::AttentionState* state,
                               v1::DataType output_type) {
  v1::AttendStreamRequest request;
  *request.mutable_start()->mutable_spec() = spec;
  if (state != nullptr) *request.mutable_start()->mutable_state() = *state;
  request.mutable_start()->set_output_type(output_type);
  return Send(request);
}

std::optional<v1::AttendStreamResponse> AttendStreamClient::Read() {
  v1::AttendStreamResponse response;
  if (!stream_->Read(&response)) return std::nullopt;
  return response;
}

std::optional<v1::AttentionState> AttendStreamClient::GetState(v1::AttentionState::Encoding encoding) {
  v1::AttendStreamRequest request;
  request.set_get_state(encoding);
  if (!Send(request)) return std::nullopt;
  const auto response = Read();
  if (!response || !response->has_state()) return std::nullopt;
  return response->state();
}

grpc::Status AttendStreamClient::Finish() {
  while (Read()) {
  }
  return stream_->Finish();
}

DoubleTensor RowsOf(const DoubleTensor& tensor, int64_t begin, int64_t count) {
  Shape shape = tensor.shape;
  shape.length = count;
  DoubleTensor rows(shape);
  for (int64_t outer = 0; outer < shape.batch_size * shape.num_heads; ++outer) {
    std::copy_n(tensor.values.begin() + (outer * tensor.shape.length + begin) * shape.dim, count * shape.dim,
                rows.values.begin() + outer * count * shape.dim);
  }
  return rows;
}

v1::AttendStreamRequest ChunkOf(const DoubleTensor* queries, const DoubleTensor* keys, const DoubleTensor* values,
                                int64_t begin, int64_t count, const WireForm& form) {
  v1::AttendStreamRequest request;
  v1::AttendStreamRequest::Chunk* chunk = request.mutable_chunk();
  if (queries) *chunk->mutable_queries() = ToWire(RowsOf(*queries, begin, count), form.type, form.layout);
  if (keys) *chunk->mutable_keys() = ToWire(RowsOf(*keys, begin, count), form.type, form.layout);
  if (values) *chunk->mutable_values() = ToWire(RowsOf(*values, begin, count), form.type, form.layout);
  return request;
}

std::vector<int64_t> RandomPieces(std::mt19937& random, int64_t length, int64_t max_length) {
  std::vector<int64_t> pieces;
  while (length > 0) {
    pieces.push_back(std::min<int64_t>(length, static_cast<int64_t>(random() % (max_length + 1))));
    length -= pieces.back();
  }
  return pieces;
}

AttentionImplementation StreamOver(std::shared_ptr<grpc::Channel> channel, const WireForm& form, uint32_t seed,
                                   int64_t max_length) {
  return [=](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    const AttentionCase whole = CaseFromInputs(spec, inputs);
    std::mt19937 random(seed);
    AttendStreamClient stream(channel);
    stream.Start(ToRequest(whole, form).spec(), nullptr, form.output_type);
    const Shape& queries = whole.queries.shape;
    AttentionResult result;
    result.output = DoubleTensor({queries.batch_size, queries.num_heads, queries.length, whole.values.shape.dim});
    int64_t begin = 0;
    if (!spec.causal) {
      for (const int64_t count : RandomPieces(random, whole.keys.shape.length, max_length)) {
        stream.Send(ChunkOf(nullptr, &whole.keys, &whole.values, begin, count, form));
        begin += count;
      }
      v1::AttendStreamRequest end;
      end.set_end_of_keys(true);
      stream.Send(end);
    }
    begin = 0;
    for (const int64_t count : RandomPieces(random, queries.length, max_length)) {
      stream.Send(ChunkOf(&whole.queries, spec.causal ? &whole.keys : nullptr, spec.causal ? &whole.values : nullptr,
                          begin, count, form));
      const auto response = stream.Read();
      if (!response) return FromGrpc(stream.Finish());
      PutRows(FromWire(response->output(), form.layout), begin, &result.output);
      begin += count;
    }
    stream.SendNoMore();
    if (const auto last = stream.Read()) {
      result.report.num_features = last->report().num_features();
      result.report.degenerate_rows = last->report().degenerate_rows();
    }
    const absl::Status status = FromGrpc(stream.Finish());
    if (!status.ok()) return status;
    return result;
  };
}

AttentionImplementation ShardsOver(std::vector<std::shared_ptr<grpc::Channel>> channels, const WireForm& form,
                                   uint32_t seed, int64_t max_length) {
  return [=](const AttentionSpec& spec, const AttentionInputs& inputs) -> absl::StatusOr<AttentionResult> {
    const AttentionCase whole = CaseFromInputs(spec, inputs);
    std::mt19937 random(seed);
    v1::MergeRequest merge;
    int64_t begin = 0;
    size_t turn = 0;
    for (const int64_t count : RandomPieces(random, whole.keys.shape.length, max_length)) {
      v1::FoldRequest fold;
      *fold.mutable_spec() = ToRequest(whole, form).spec();
      *fold.mutable_keys() = ToWire(RowsOf(whole.keys, begin, count), form.type, form.layout);
      *fold.mutable_values() = ToWire(RowsOf(whole.values, begin, count), form.type, form.layout);
      auto state = Fold(channels[turn++ % channels.size()], fold);
      if (!state.ok()) return state.status();
      *merge.add_states() = *std::move(state);
      begin += count;
    }
    auto merged = Merge(channels.front(), merge);
    if (!merged.ok()) return merged.status();
    v1::ReadRequest read;
    *read.mutable_state() = *std::move(merged);
    *read.mutable_queries() = ToWire(whole.queries, form.type, form.layout);
    read.set_output_type(form.output_type);
    const auto response = ReadState(channels.back(), read);
    if (!response.ok()) return response.status();
    AttentionResult result;
    result.output = FromWire(response->output(), form.layout);
    result.report.num_features = response->report().num_features();
    result.report.degenerate_rows = response->report().degenerate_rows();
    return result;
  };
}

absl::StatusOr<v1::AttentionState> Fold(const std::shared_ptr<grpc::Channel>& channel, const v1::FoldRequest& request) {
  grpc::Status (v1::AttentionService::Stub::*call)(grpc::ClientContext*, const v1::FoldRequest&, v1::FoldResponse*) =
      &v1::AttentionService::Stub::Fold;
  auto response = CallUnary<v1::FoldRequest, v1::FoldResponse>(channel, request, call);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_state());
}

absl::StatusOr<v1::AttentionState> Merge(const std::shared_ptr<grpc::Channel>& channel,
                                         const v1::MergeRequest& request) {
  grpc::Status (v1::AttentionService::Stub::*call)(grpc::ClientContext*, const v1::MergeRequest&, v1::MergeResponse*) =
      &v1::AttentionService::Stub::Merge;
  auto response = CallUnary<v1::MergeRequest, v1::MergeResponse>(channel, request, call);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_state());
}

absl::StatusOr<v1::ReadResponse> ReadState(const std::shared_ptr<grpc::Channel>& channel,
                                           const v1::ReadRequest& request) {
  grpc::Status (v1::AttentionService::Stub::*call)(grpc::ClientContext*, const v1::ReadRequest&, v1::ReadResponse*) =
      &v1::AttentionService::Stub::Read;
  return CallUnary<v1::ReadRequest, v1::ReadResponse>(channel, request, call);
}

}  // namespace favor::testing
