#include "client/wire/decode_embed.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/transport/status.h"
#include "client/wire/decode_embedding.h"
#include "client/wire/decode_report.h"
#include "client/wire/duration_wire.h"
#include "client/wire/field_reader.h"
#include "client/wire/packed_field.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

absl::Status Malformed(absl::string_view message) {
  return absl::InternalError(absl::StrCat("the server's answer is not a favor.v1.", message));
}

absl::Status Decode(absl::string_view bytes, EmbedResult* result) {
  using Wire = v1::EmbedResult;
  // An answer that holds neither of the two is no embedding.
  result->status = absl::InternalError("the server's answer holds neither an embedding nor an error");
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    switch (field->number) {
      case Wire::kEmbeddingFieldNumber:
        if (absl::Status status = DecodeEmbedding(field->bytes, result); !status.ok()) return status;
        result->status = absl::OkStatus();
        break;
      case Wire::kErrorFieldNumber:
        result->status = FromStatusMessage(field->bytes);
        break;
      case Wire::kNumTokensFieldNumber:
        result->num_tokens = static_cast<int64_t>(field->varint);
        break;
      case Wire::kNumTokensUsedFieldNumber:
        result->num_tokens_used = static_cast<int64_t>(field->varint);
        break;
      case Wire::kNumWindowsFieldNumber:
        result->num_windows = static_cast<int64_t>(field->varint);
        break;
    }
  }
  return reader.malformed() ? Malformed("EmbedResult") : absl::OkStatus();
}

absl::Duration DecodeDuration(absl::string_view bytes) {
  google::protobuf::Duration duration;
  duration.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  return FromWire(duration);
}

absl::Status Decode(absl::string_view bytes, EmbedReport* report) {
  using Wire = v1::EmbedReport;
  FieldReader reader(bytes);
  while (const auto field = reader.Next()) {
    switch (field->number) {
      case Wire::kModelFieldNumber:
        report->model = std::string(field->bytes);
        break;
      case Wire::kModelIdFieldNumber:
        report->model_id = std::string(field->bytes);
        break;
      case Wire::kAttentionFieldNumber: {
        v1::AttentionSpec spec;
        const int size = static_cast<int>(field->bytes.size());
        if (!spec.ParseFromArray(field->bytes.data(), size)) return Malformed("AttentionSpec");
        report->attention = DecodeAttentionSpec(spec);
        break;
      }
      case Wire::kNumTokensFieldNumber:
        report->num_tokens = static_cast<int64_t>(field->varint);
        break;
      case Wire::kQueueTimeFieldNumber:
        report->queue_time = DecodeDuration(field->bytes);
        break;
      case Wire::kComputeTimeFieldNumber:
        report->compute_time = DecodeDuration(field->bytes);
        break;
      case Wire::kServerVersionFieldNumber:
        report->server_version = std::string(field->bytes);
        break;
      case Wire::kCpuTargetFieldNumber:
        report->cpu_target = std::string(field->bytes);
        break;
    }
  }
  return reader.malformed() ? Malformed("EmbedReport") : absl::OkStatus();
}

absl::Status Decode(absl::string_view bytes, Tokens* tokens) {
  using Wire = v1::Tokens;
  FieldReader reader(bytes);
  bool well_formed = true;
  while (const auto field = reader.Next()) {
    if (field->number == Wire::kIdsFieldNumber) well_formed &= AppendIntegers(*field, &tokens->ids);
    if (field->number == Wire::kBeginsFieldNumber) well_formed &= AppendIntegers(*field, &tokens->begins);
    if (field->number == Wire::kEndsFieldNumber) well_formed &= AppendIntegers(*field, &tokens->ends);
    if (field->number == Wire::kPiecesFieldNumber) tokens->pieces.emplace_back(field->bytes);
  }
  const size_t count = tokens->ids.size();
  const bool fits = tokens->begins.size() == count && tokens->ends.size() == count &&
                    (tokens->pieces.empty() || tokens->pieces.size() == count);
  return well_formed && fits && !reader.malformed() ? absl::OkStatus() : Malformed("Tokens");
}

absl::Status CheckCount(size_t count, size_t expected) {
  if (count == expected) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the server's answer has ", count, " results, it was asked for ", expected));
}

}  // namespace

absl::StatusOr<Embeddings> DecodeEmbedResponse(absl::string_view response, size_t num_inputs) {
  using Wire = v1::EmbedResponse;
  Embeddings embeddings;
  FieldReader reader(response);
  while (const auto field = reader.Next()) {
    absl::Status status;
    if (field->number == Wire::kResultsFieldNumber) status = Decode(field->bytes, &embeddings.results.emplace_back());
    if (field->number == Wire::kReportFieldNumber) status = Decode(field->bytes, &embeddings.report);
    if (!status.ok()) return status;
  }
  if (reader.malformed()) return Malformed("EmbedResponse");
  if (absl::Status status = CheckCount(embeddings.results.size(), num_inputs); !status.ok()) return status;
  return embeddings;
}

absl::StatusOr<EmbedResult> DecodeEmbedStreamResponse(absl::string_view response) {
  EmbedResult result;
  result.status = absl::InternalError("the server's answer holds no result");
  FieldReader reader(response);
  while (const auto field = reader.Next()) {
    if (field->number != v1::EmbedStreamResponse::kResultFieldNumber) continue;
    if (absl::Status status = Decode(field->bytes, &result); !status.ok()) return status;
  }
  if (reader.malformed()) return Malformed("EmbedStreamResponse");
  return result;
}

absl::StatusOr<SequenceAnswer> DecodeEmbedSequenceResponse(absl::string_view response) {
  using Wire = v1::EmbedStreamResponse;
  SequenceAnswer answer;
  FieldReader reader(response);
  while (const auto field = reader.Next()) {
    if (field->number == Wire::kIdFieldNumber) answer.first_token = static_cast<int64_t>(field->varint);
    if (field->number == Wire::kResultFieldNumber) {
      if (absl::Status status = Decode(field->bytes, &answer.result.emplace()); !status.ok()) return status;
    }
    if (field->number == Wire::kStateFieldNumber) {
      absl::StatusOr<SequenceState> state = SequenceState::Parse(std::string(field->bytes));
      if (!state.ok()) return absl::InternalError(absl::StrCat("the server's state ", state.status().message()));
      answer.state = *std::move(state);
    }
  }
  const bool holds_one = answer.result.has_value() != answer.state.has_value();
  return !reader.malformed() && holds_one ? absl::StatusOr<SequenceAnswer>(std::move(answer))
                                          : Malformed("EmbedStreamResponse");
}

absl::StatusOr<std::vector<Tokens>> DecodeTokenizeResponse(absl::string_view response, size_t num_texts) {
  std::vector<Tokens> results;
  FieldReader reader(response);
  while (const auto field = reader.Next()) {
    if (field->number != v1::TokenizeResponse::kResultsFieldNumber) continue;
    if (absl::Status status = Decode(field->bytes, &results.emplace_back()); !status.ok()) return status;
  }
  if (reader.malformed()) return Malformed("TokenizeResponse");
  if (absl::Status status = CheckCount(results.size(), num_texts); !status.ok()) return status;
  return results;
}

}  // namespace favor::client
