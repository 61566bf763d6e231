#include "favor/format/npy.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "favor/format/npy_header.h"

namespace favor {
namespace {

constexpr size_t kFixedSize = 8;  // magic and version

struct DescrName {
  absl::string_view descr;
  absl::string_view dtype;
};
constexpr DescrName kDescrs[] = {{"<f4", "F32"}, {"<f2", "F16"}, {"<f8", "F64"}};

absl::string_view AsText(absl::Span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Cuts `bytes` into header text and elements.
absl::Status Split(absl::Span<const std::byte> bytes, absl::string_view* header, absl::Span<const std::byte>* data) {
  if (bytes.size() < kFixedSize || AsText(bytes.first(kNpyMagic.size())) != kNpyMagic) {
    return absl::InvalidArgumentError("is not an .npy file: it does not start with \\x93NUMPY and a version");
  }
  const int major = std::to_integer<int>(bytes[6]);
  const int minor = std::to_integer<int>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return absl::InvalidArgumentError(absl::StrCat("has version ", major, ".", minor, ", must be 1.0, 2.0 or 3.0"));
  }
  const size_t length_size = major == 1 ? 2 : 4;
  if (bytes.size() < kFixedSize + length_size) return absl::InvalidArgumentError("ends within the header's length");
  size_t length = 0;
  for (size_t i = 0; i < length_size; ++i) length |= std::to_integer<size_t>(bytes[kFixedSize + i]) << (8 * i);
  const absl::Span<const std::byte> rest = bytes.subspan(kFixedSize + length_size);
  if (length > rest.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has a header of ", length, " bytes, but only ", rest.size(), " bytes follow"));
  }
  *header = AsText(rest.first(length));
  *data = rest.subspan(length);
  return absl::OkStatus();
}

// Type and shape as the header's text has them, and the bytes that takes.
absl::StatusOr<int64_t> Describe(absl::string_view text, StoredTensor* tensor) {
  absl::StatusOr<internal::NpyHeader> header = internal::ParseNpyHeader(text);
  if (!header.ok()) return header.status();
  for (const DescrName& each : kDescrs) {
    if (each.descr == header->descr) tensor->dtype = std::string(each.dtype);
  }
  if (tensor->dtype.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("descr is '", header->descr, "', must be '<f4', '<f2' or '<f8'"));
  }
  tensor->shape = std::move(header->shape);
  // With one axis that is longer than 1 both orders are the same.
  const auto long_axes =
      std::count_if(tensor->shape.begin(), tensor->shape.end(), [](int64_t size) { return size > 1; });
  if (header->fortran_order && long_axes > 1) {
    return absl::InvalidArgumentError("fortran_order is True, must be False (numpy.ascontiguousarray converts)");
  }
  return StoredByteSize(tensor->dtype, tensor->shape);
}

absl::StatusOr<StoredTensor> Parse(absl::Span<const std::byte> bytes) {
  absl::string_view text;
  StoredTensor tensor;
  if (absl::Status status = Split(bytes, &text, &tensor.data); !status.ok()) return status;
  const absl::StatusOr<int64_t> num_bytes = Describe(text, &tensor);
  if (!num_bytes.ok()) return num_bytes.status();
  if (*num_bytes != static_cast<int64_t>(tensor.data.size())) {
    return absl::InvalidArgumentError(absl::StrCat("has ", tensor.data.size(), " bytes of data, shape ",
                                                   ShapeString(tensor.shape), " of ", tensor.dtype, " needs ",
                                                   *num_bytes));
  }
  return tensor;
}

// Magic to the last byte before the elements, which numpy wants at a multiple of 64 bytes.
std::string EncodeHeader(absl::string_view descr, absl::Span<const int64_t> shape, size_t min_bytes) {
  const absl::string_view comma = shape.size() == 1 ? "," : "";
  std::string text = absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (",
                                  absl::StrJoin(shape, ", "), comma, "), }");
  constexpr size_t kPrefix = kFixedSize + 2;
  const size_t total = (std::max(kPrefix + text.size() + 1, min_bytes) + 63) / 64 * 64;
  text.append(total - kPrefix - text.size() - 1, ' ');
  text.push_back('\n');
  // At most kMaxStoredRank sizes of 20 characters: always short enough for the 16 bits of version 1.
  const char length[] = {static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return absl::StrCat(kNpyMagic, absl::string_view("\x01\x00", 2), absl::string_view(length, 2), text);
}

}  // namespace

absl::StatusOr<StoredTensor> ParseNpy(absl::Span<const std::byte> bytes, absl::string_view file_name) {
  absl::StatusOr<StoredTensor> tensor = Parse(bytes);
  if (tensor.ok()) return tensor;
  return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", tensor.status().message()));
}

absl::StatusOr<StoredTensor> ReadNpyHeader(absl::string_view start, std::istream* in, absl::string_view file_name) {
  constexpr size_t kMaxBytes = 64 << 10;  // numpy's own headers have some hundred
  std::string bytes(start);
  const auto read_up_to = [&](size_t size) {
    const size_t before = bytes.size();
    if (before >= size) return;
    bytes.resize(size);
    in->read(bytes.data() + before, static_cast<std::streamsize>(size - before));
    bytes.resize(before + static_cast<size_t>(in->gcount()));
  };
  read_up_to(kFixedSize + 2);
  const bool is_first_version = bytes.size() > kNpyMagic.size() && bytes[kNpyMagic.size()] == 1;
  if (!is_first_version) read_up_to(kFixedSize + 4);
  const size_t length_size = is_first_version ? 2 : 4;
  size_t length = 0;
  for (size_t i = kFixedSize; i < std::min(bytes.size(), kFixedSize + length_size); ++i) {
    length |= static_cast<size_t>(static_cast<unsigned char>(bytes[i])) << (8 * (i - kFixedSize));
  }
  read_up_to(kFixedSize + length_size + std::min(length, kMaxBytes));

  absl::string_view text;
  absl::Span<const std::byte> rest;
  StoredTensor tensor;
  absl::Status status =
      Split(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()), &text, &rest);
  if (status.ok()) status = Describe(text, &tensor).status();
  if (status.ok()) return tensor;
  return absl::InvalidArgumentError(absl::StrCat(file_name, ": ", status.message()));
}

absl::StatusOr<NpyFile> NpyFile::Open(const std::string& path) {
  absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<StoredTensor> tensor = ParseNpy(file->bytes(), path);
  if (!tensor.ok()) return tensor.status();
  return NpyFile(*std::move(file), *std::move(tensor));
}

absl::StatusOr<std::string> NpyHeaderBytes(absl::string_view dtype, absl::Span<const int64_t> shape, size_t min_bytes) {
  const auto* known =
      std::find_if(std::begin(kDescrs), std::end(kDescrs), [&](const DescrName& each) { return each.dtype == dtype; });
  if (known == std::end(kDescrs)) {
    return absl::InvalidArgumentError(absl::StrCat("dtype is ", dtype, ", an .npy file can hold F32, F16 or F64"));
  }
  const absl::StatusOr<int64_t> num_bytes = StoredByteSize(dtype, shape);
  if (!num_bytes.ok()) return num_bytes.status();
  return EncodeHeader(known->descr, shape, min_bytes);
}

absl::Status WriteNpy(const std::string& path, const StoredTensor& tensor) {
  const absl::StatusOr<std::string> header = NpyHeaderBytes(tensor.dtype, tensor.shape);
  if (!header.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", header.status().message()));
  const absl::StatusOr<int64_t> num_bytes = StoredByteSize(tensor.dtype, tensor.shape);
  if (*num_bytes != static_cast<int64_t>(tensor.data.size())) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", tensor.data.size(), " bytes of data, shape ",
                                                   ShapeString(tensor.shape), " of ", tensor.dtype, " needs ",
                                                   *num_bytes));
  }
  return WriteFile(
      path, {absl::MakeConstSpan(reinterpret_cast<const std::byte*>(header->data()), header->size()), tensor.data});
}

}  // namespace favor
