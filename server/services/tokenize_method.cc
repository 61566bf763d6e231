#include "server/services/tokenize_method.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/convert/field_error.h"
#include "server/convert/tokens_conversion.h"
#include "server/rpc/response_bytes.h"
#include "server/services/item_reception.h"

namespace favor {
namespace {

// For every byte of a text: its tokens in a vector that grows, then their numbers in a message, and their text.
constexpr int64_t kPassingBytesPerByte = 128;
constexpr int64_t kPassingBytesPerByteWithPieces = 256;
// A text may be empty and have special tokens all the same.
constexpr int64_t kMoreBytesPerText = 32;

// A call under way.
struct TokenizeCall {
  TokenizeCall(const EmbeddingDependencies& dependencies, std::shared_ptr<UnaryCall> call,
               Admission::Reservation reservation)
      : dependencies(dependencies), call(std::move(call)), reservation(std::move(reservation)) {}

  const EmbeddingDependencies& dependencies;
  const std::shared_ptr<UnaryCall> call;
  Admission::Reservation reservation;
  v1::TokenizeRequest request;  // without its texts
  NamedModel model;
  // The text that is being read, and how far it is.
  std::string text;
  std::string field;
  std::unique_ptr<Tokenization> tokenization;
  std::vector<Token> tokens;

  std::vector<std::string> parts;
  int64_t response_bytes = 0;

  absl::StatusOr<ItemHandling::Cost> ReadRequest(const ItemSummary& summary) {
    if (!request.ParseFromString(summary.beside)) {
      return absl::InvalidArgumentError("the request is no TokenizeRequest: Protobuf cannot parse it");
    }
    absl::StatusOr<NamedModel> found = dependencies.models->Find(request.model());
    if (!found.ok()) return found.status();
    model = *std::move(found);
    if (model.model->tokenizer == nullptr) {
      return FieldError("model", absl::StrCat("model is '", model.name, "', which has no tokenizer"));
    }
    return ItemHandling::Cost{kMoreBytesPerText,
                              request.with_pieces() ? kPassingBytesPerByteWithPieces : kPassingBytesPerByte};
  }

  absl::StatusOr<bool> TakeText(std::string item, int64_t index) {
    text = std::move(item);
    field = absl::StrCat("texts[", index, "]");
    tokens.clear();
    tokenization = model.model->tokenizer->Begin(text, kTokenizeStepBytes);
    return GoOnWithText();
  }

  absl::StatusOr<bool> GoOnWithText() {
    const absl::StatusOr<bool> done = tokenization->Step(&tokens);
    if (!done.ok() && absl::IsInvalidArgument(done.status())) {
      return FieldError(field, absl::StrCat(field, ": ", done.status().message()));
    }
    if (!done.ok() || !*done) return done;
    if (absl::Status status = AddResult(); !status.ok()) return status;
    return true;
  }

  absl::Status AddResult() {
    std::string part =
        TokenizeResponsePart(*model.model->tokenizer, tokens, !request.without_special_tokens(), request.with_pieces());
    response_bytes += static_cast<int64_t>(part.size());
    if (response_bytes > dependencies.max_message_bytes) {
      return FieldError("texts", absl::StrCat(field, " makes the response longer than ", dependencies.max_message_bytes,
                                              " bytes, which a message has at most"));
    }
    const int64_t bytes = static_cast<int64_t>(part.size());
    if (absl::Status status = reservation.Grow(bytes, "the response"); !status.ok()) return status;
    Append(std::move(part));
    tokens = {};
    return absl::OkStatus();
  }

  // A string of its own for every text would make the response a thousand tiny slices.
  void Append(std::string part) {
    constexpr size_t kPartBytes = 64 << 10;
    if (parts.empty() || parts.back().size() + part.size() > kPartBytes) {
      parts.push_back(std::move(part));
    } else {
      parts.back() += part;
    }
  }
};

}  // namespace

void Tokenize(const EmbeddingDependencies& dependencies, std::shared_ptr<UnaryCall> call) {
  auto admitted = dependencies.admission->Admit(call->request_bytes(), "the request", call->priority());
  if (!admitted.ok()) return call->Fail(admitted.status());
  auto tokenize = std::make_shared<TokenizeCall>(dependencies, call, *std::move(admitted));
  ReceiveItems(std::move(call), dependencies.compute, &tokenize->reservation,
               {"texts", [tokenize](const ItemSummary& summary) { return tokenize->ReadRequest(summary); },
                [tokenize](std::string item, int64_t index) { return tokenize->TakeText(std::move(item), index); },
                [tokenize] { return tokenize->GoOnWithText(); },
                [tokenize](const absl::Status& status, Timing timing) {
                  if (!status.ok()) return tokenize->call->Fail(status);
                  tokenize->call->set_timing(timing);
                  tokenize->dependencies.metrics->RecordTokenize(timing.compute_time);
                  tokenize->call->Reply(ResponseBytes(std::move(tokenize->parts), std::move(tokenize->reservation)));
                }});
}

}  // namespace favor
