#include "client/wire/decode_embedding.h"

#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/wire/field_reader.h"
#include "client/wire/packed_field.h"
#include "favor/format/half_float.h"
#include "favor/v1/embedding.pb.h"

namespace favor::client {
namespace {

// As it came; `data` lies within the message.
struct WireEmbedding {
  EmbeddingType type = EmbeddingType::kUnspecified;
  std::vector<int64_t> shape;
  absl::string_view data;
  std::vector<float> scales;
};

absl::Status Read(absl::string_view bytes, WireEmbedding* wire) {
  FieldReader reader(bytes);
  bool well_formed = true;
  while (const auto field = reader.Next()) {
    switch (field->number) {
      case v1::Embedding::kTypeFieldNumber:
        wire->type = static_cast<EmbeddingType>(field->varint);
        break;
      case v1::Embedding::kShapeFieldNumber:
        well_formed &= AppendIntegers(*field, &wire->shape);
        break;
      case v1::Embedding::kDataFieldNumber:
        wire->data = field->bytes;
        break;
      case v1::Embedding::kScaleFieldNumber:
        well_formed &= AppendFloats(*field, &wire->scales);
        break;
    }
  }
  if (well_formed && !reader.malformed()) return absl::OkStatus();
  return absl::InternalError("the server's answer is not a favor.v1.Embedding");
}

// 0 for a type that this client does not know.
uint64_t ElementSize(EmbeddingType type) {
  switch (type) {
    case EmbeddingType::kUnspecified:
    case EmbeddingType::kFloat32:
      return 4;
    case EmbeddingType::kFloat16:
    case EmbeddingType::kBFloat16:
      return 2;
    case EmbeddingType::kInt8:
      return 1;
  }
  return 0;
}

absl::Status Check(const WireEmbedding& wire) {
  uint64_t size_bytes = ElementSize(wire.type);
  if (size_bytes == 0) {
    return absl::InternalError(
        absl::StrCat("embedding.type is ", static_cast<int>(wire.type), ", which this client does not know"));
  }
  if (wire.shape.empty() || wire.shape.size() > 2) {
    return absl::InternalError(absl::StrCat("embedding.shape has ", wire.shape.size(), " axes, it must have 1 or 2"));
  }
  for (const int64_t length : wire.shape) {
    if (length < 0 || __builtin_mul_overflow(size_bytes, static_cast<uint64_t>(length), &size_bytes)) {
      return absl::InternalError(absl::StrCat("embedding.shape has a length of ", length));
    }
  }
  if (size_bytes != wire.data.size()) {
    return absl::InternalError(
        absl::StrCat("embedding.data has ", wire.data.size(), " bytes, embedding.shape asks for ", size_bytes));
  }
  const size_t num_vectors = wire.shape.size() == 1 ? 1 : wire.shape[0];
  if (wire.type == EmbeddingType::kInt8 && wire.scales.size() != num_vectors) {
    return absl::InternalError(absl::StrCat("embedding.scale has ", wire.scales.size(), " numbers for ", num_vectors,
                                            num_vectors == 1 ? " vector" : " vectors"));
  }
  return absl::OkStatus();
}

template <typename Wire, typename Convert>
void ConvertAll(absl::string_view data, const Convert& convert, std::vector<float>* values) {
  values->resize(data.size() / sizeof(Wire));
  for (size_t i = 0; i < values->size(); ++i) {
    Wire element;  // the message aligns nothing
    std::memcpy(&element, data.data() + i * sizeof(element), sizeof(element));
    (*values)[i] = convert(element, i);
  }
}

}  // namespace

absl::Status DecodeEmbedding(absl::string_view bytes, EmbedResult* result) {
  WireEmbedding wire;
  if (absl::Status status = Read(bytes, &wire); !status.ok()) return status;
  if (absl::Status status = Check(wire); !status.ok()) return status;
  result->num_vectors = wire.shape.size() == 1 ? 1 : wire.shape[0];
  result->dimensions = wire.shape.back();
  std::vector<float>* vectors = &result->vectors;
  switch (wire.type) {
    case EmbeddingType::kUnspecified:
    case EmbeddingType::kFloat32:
      vectors->resize(wire.data.size() / sizeof(float));
      if (!wire.data.empty()) std::memcpy(vectors->data(), wire.data.data(), wire.data.size());
      break;
    case EmbeddingType::kFloat16:
      ConvertAll<uint16_t>(
          wire.data, [](uint16_t bits, size_t) { return Float32FromFloat16(bits); }, vectors);
      break;
    case EmbeddingType::kBFloat16:
      ConvertAll<uint16_t>(
          wire.data, [](uint16_t bits, size_t) { return Float32FromBFloat16(bits); }, vectors);
      break;
    case EmbeddingType::kInt8:
      ConvertAll<int8_t>(
          wire.data,
          [&](int8_t integer, size_t i) { return static_cast<float>(integer) * wire.scales[i / result->dimensions]; },
          vectors);
      break;
  }
  return absl::OkStatus();
}

}  // namespace favor::client
