#include "client/cli/tensor_files.h"

#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/geometry.h"
#include "favor/format/npy.h"
#include "favor/format/replace_file.h"
#include "favor/format/safetensors.h"

namespace favor::cli {
namespace {

constexpr char kProjectionMatrix[] = "projection_matrix";

// A view of a stored tensor in its own shape; `inputs` keeps what memory that takes.
absl::StatusOr<client::TensorView> View(absl::string_view name, const StoredTensor& stored, LoadedInputs* inputs) {
  if (stored.dtype == "F64") {
    absl::StatusOr<AlignedBuffer<float>> converted = ToFloat32(stored);
    if (!converted.ok()) return converted.status();
    const auto buffer = std::make_shared<AlignedBuffer<float>>(*std::move(converted));
    inputs->memory.push_back(buffer);
    inputs->notes.push_back(absl::StrCat(name, " was converted from F64 to F32"));
    return client::Float32View(absl::MakeConstSpan(buffer->data(), buffer->size()), stored.shape);
  }
  const absl::StatusOr<DataType> type = DataTypeOf(stored);
  if (!type.ok()) return absl::InvalidArgumentError(absl::StrCat(name, ": ", type.status().message()));
  return client::TensorView{.type = *type, .shape = stored.shape, .bytes = stored.data};
}

absl::StatusOr<client::TensorView> ReadNpy(absl::string_view name, const std::string& path, LoadedInputs* inputs) {
  absl::StatusOr<NpyFile> opened = NpyFile::Open(path);
  if (!opened.ok()) return opened.status();
  const auto file = std::make_shared<const NpyFile>(*std::move(opened));
  inputs->memory.push_back(file);
  return View(name, file->tensor(), inputs);
}

// Where the tensors come from, by name.
using Source = std::function<absl::StatusOr<client::TensorView>(const std::string& name)>;

absl::Status TakeTensors(const Source& source, client::Layout layout, bool needs_values, LoadedInputs* inputs) {
  client::AttendInputs& tensors = inputs->tensors;
  for (const auto& [name, tensor] : {std::pair("queries", &tensors.queries), std::pair("keys", &tensors.keys),
                                     std::pair("values", &tensors.values)}) {
    if (tensor == &tensors.values && !needs_values) continue;
    absl::StatusOr<client::TensorView> found = source(name);
    if (!found.ok()) return found.status();
    if (tensor == &tensors.queries) inputs->queries_rank = found->shape.size();
    *tensor = *std::move(found);
    absl::StatusOr<std::vector<int64_t>> shape = PromoteShape(name, tensor->shape, layout);
    if (!shape.ok()) return shape.status();
    tensor->shape = *std::move(shape);
  }
  return absl::OkStatus();
}

absl::Status LoadSafetensors(const InputFiles& files, client::Layout layout, LoadedInputs* inputs) {
  const std::string& path = files.combined;
  absl::StatusOr<SafetensorsFile> opened = SafetensorsFile::Open(path);
  if (!opened.ok()) return opened.status();
  const auto file = std::make_shared<const SafetensorsFile>(*std::move(opened));
  inputs->memory.push_back(file);
  const auto source = [&](const std::string& name) -> absl::StatusOr<client::TensorView> {
    const StoredTensor* stored = file->Find(name);
    if (stored == nullptr) return absl::InvalidArgumentError(absl::StrCat(path, " has no tensor called ", name));
    return View(name, *stored, inputs);
  };
  if (absl::Status status = TakeTensors(source, layout, files.needs_values, inputs); !status.ok()) return status;
  if (file->Find(kProjectionMatrix) == nullptr) return absl::OkStatus();
  absl::StatusOr<client::TensorView> matrix = source(kProjectionMatrix);
  if (!matrix.ok()) return matrix.status();
  inputs->projection_matrix = *std::move(matrix);
  return absl::OkStatus();
}

absl::Status LoadNpy(const InputFiles& files, client::Layout layout, LoadedInputs* inputs) {
  const auto source = [&](const std::string& name) {
    const std::string& path = name == "queries" ? files.queries : name == "keys" ? files.keys : files.values;
    return ReadNpy(name, path, inputs);
  };
  return TakeTensors(source, layout, files.needs_values, inputs);
}

}  // namespace

absl::StatusOr<LoadedInputs> LoadInputs(const InputFiles& files, client::Layout layout) {
  LoadedInputs inputs;
  const absl::Status status =
      files.combined.empty() ? LoadNpy(files, layout, &inputs) : LoadSafetensors(files, layout, &inputs);
  if (!status.ok()) return status;
  if (!files.projection_matrix.empty()) {
    absl::StatusOr<client::TensorView> matrix = ReadNpy(kProjectionMatrix, files.projection_matrix, &inputs);
    if (!matrix.ok()) return matrix.status();
    inputs.projection_matrix = *std::move(matrix);
  }
  return inputs;
}

absl::StatusOr<std::string> OutputFormat(const std::string& path) {
  if (absl::EndsWith(path, ".npy")) return std::string("npy");
  if (absl::EndsWith(path, ".safetensors")) return std::string("safetensors");
  return absl::InvalidArgumentError(absl::StrCat("--output is \"", path, "\", it must end in .npy or .safetensors"));
}

absl::Status SaveTensors(const std::string& path, absl::Span<const StoredTensor> tensors,
                         const std::map<std::string, std::string>& metadata) {
  const absl::StatusOr<std::string> format = OutputFormat(path);
  if (!format.ok()) return format.status();
  return ReplaceFile(path, [&](const std::string& temporary) {
    return *format == "npy" ? WriteNpy(temporary, tensors[0]) : WriteSafetensors(temporary, tensors, metadata);
  });
}

absl::Status SaveOutput(const std::string& path, const client::Tensor& output, const std::vector<int64_t>& shape,
                        const std::map<std::string, std::string>& metadata) {
  const absl::StatusOr<std::string> format = OutputFormat(path);
  if (!format.ok()) return format.status();
  StoredTensor stored{
      .name = "output", .dtype = std::string(NameOf(output.type())), .shape = shape, .data = output.bytes()};
  std::vector<float> floats;
  if (*format == "npy" && output.type() == DataType::kBFloat16) {
    floats = output.ToFloat32();
    stored.dtype = std::string(NameOf(DataType::kFloat32));
    stored.data = client::Float32View(floats, shape).bytes;
  }
  return SaveTensors(path, {stored}, metadata);
}

}  // namespace favor::cli
