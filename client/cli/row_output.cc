#include "client/cli/row_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/geometry.h"
#include "favor/format/npy.h"

namespace favor::cli {
namespace {

using client::Layout;

// The header of a file whose length is not known yet is written again at the end, into as much room.
constexpr size_t kHeaderRoom = 128;

absl::Status WriteAt(int file, const std::string& path, int64_t offset, absl::Span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file, bytes.data(), std::min(bytes.size(), size_t{1} << 30), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class NpyOutput : public RowOutput {
 public:
  NpyOutput(std::string path, const Shape& shape) : path_(std::move(path)), shape_(shape) {}
  ~NpyOutput() override {
    if (file_ >= 0) close(file_);
  }

  absl::Status Open(int64_t first_token) {
    const bool keep = first_token > 0;
    absl::StatusOr<std::string> header = Header(std::max<int64_t>(shape_.length, 0));
    if (!header.ok()) return header.status();
    header_bytes_ = static_cast<int64_t>(header->size());
    file_ = open(path_.c_str(), O_RDWR | O_CLOEXEC | (keep ? 0 : O_CREAT | O_TRUNC), 0666);
    if (file_ < 0 && keep && errno == ENOENT) return Lacks(first_token);
    if (file_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path_, " for writing"));
    if (absl::Status status = keep ? CheckKept(*header, first_token) : absl::OkStatus(); !status.ok()) return status;
    if (absl::Status status = WriteAt(file_, path_, 0, AsBytes(*header)); !status.ok()) return status;
    if (shape_.length < 0) return absl::OkStatus();
    const int64_t size = header_bytes_ + shape_.batch_size * shape_.num_heads * shape_.length * ElementBytes();
    if (ftruncate(file_, size) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path_, " ", size, " bytes long"));
  }

  absl::Status Put(int64_t begin, const client::Tensor& rows) override {
    if (rows.type() == DataType::kBFloat16) {
      const std::vector<float> floats = rows.ToFloat32();
      return PutBytes(begin, rows.shape(), client::Float32View(floats, rows.shape()).bytes);
    }
    return PutBytes(begin, rows.shape(), rows.bytes());
  }

  absl::Status Finish(int64_t length) override {
    if (shape_.length < 0) {
      const absl::StatusOr<std::string> header = Header(length);
      if (!header.ok()) return header.status();
      const int64_t size = header_bytes_ + shape_.num_heads * length * ElementBytes();
      absl::Status status = WriteAt(file_, path_, 0, AsBytes(*header));
      if (status.ok() && ftruncate(file_, size) != 0) {
        status = absl::ErrnoToStatus(errno, absl::StrCat("cannot make ", path_, " ", size, " bytes long"));
      }
      if (!status.ok()) return status;
    }
    // Some file systems report a full disk only here.
    if (close(std::exchange(file_, -1)) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path_));
  }

 private:
  absl::Status Lacks(int64_t num_tokens) const {
    return absl::FailedPreconditionError(absl::StrCat(path_, " lacks the output of the ", num_tokens,
                                                      " tokens before the checkpoint: it cannot be gone on with"));
  }

  absl::Status CheckKept(const std::string& header, int64_t num_tokens) const {
    std::string found(header.size(), '\0');
    const ssize_t num_found = pread(file_, found.data(), found.size(), 0);
    if (num_found > 0 && shape_.length >= 0 && found != header) {
      return absl::FailedPreconditionError(
          absl::StrCat(path_, " is there already and has another shape or type: it cannot be gone on with"));
    }
    // What the rows are of a file whose length is not known, only their number tells.
    const int64_t num_rows = shape_.batch_size * shape_.num_heads * std::max(shape_.length, num_tokens);
    const off_t size = lseek(file_, 0, SEEK_END);
    return size < header_bytes_ + num_rows * ElementBytes() ? Lacks(num_tokens) : absl::OkStatus();
  }

  bool length_first() const { return shape_.layout == Layout::kBatchLengthHeadsDim; }

  // Of a token and head.
  int64_t ElementBytes() const {
    const bool wide = shape_.type != DataType::kFloat16;
    return shape_.value_dim * (wide ? 4 : 2);
  }

  absl::StatusOr<std::string> Header(int64_t length) const {
    std::vector<int64_t> four = {shape_.batch_size, shape_.num_heads, length, shape_.value_dim};
    if (length_first()) std::swap(four[1], four[2]);
    return NpyHeaderBytes(shape_.type == DataType::kFloat16 ? "F16" : "F32",
                          DemoteShape(four, shape_.rank, shape_.layout), shape_.length < 0 ? kHeaderRoom : 0);
  }

  absl::Status PutBytes(int64_t begin, const std::vector<int64_t>& shape, absl::Span<const std::byte> bytes) {
    const int64_t num_outer = length_first() ? shape[0] : shape[0] * shape[1];
    const int64_t count = length_first() ? shape[1] : shape[2];
    const int64_t row_bytes = ElementBytes() * (length_first() ? shape_.num_heads : 1);
    const auto part_bytes = static_cast<size_t>(count * row_bytes);
    if (bytes.size() != part_bytes * static_cast<size_t>(num_outer)) {
      return absl::InternalError("the server's output has another shape than the inputs ask for");
    }
    for (int64_t outer = 0; outer < num_outer; ++outer) {
      const int64_t offset = header_bytes_ + (outer * std::max<int64_t>(shape_.length, 0) + begin) * row_bytes;
      absl::Status status =
          WriteAt(file_, path_, offset, bytes.subspan(static_cast<size_t>(outer) * part_bytes, part_bytes));
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::string path_;
  const Shape shape_;
  int64_t header_bytes_ = 0;
  int file_ = -1;
};

class PipeOutput : public RowOutput {
 public:
  PipeOutput(std::ostream* out, const Shape& shape) : out_(*out), shape_(shape) {}

  absl::Status Put(int64_t, const client::Tensor& rows) override {
    const Geometry geometry = GeometryOf(rows.shape(), shape_.layout);
    const int64_t element_bytes = SizeOf(rows.type());
    const auto* bytes = reinterpret_cast<const char*>(rows.bytes().data());
    if (shape_.layout == Layout::kBatchLengthHeadsDim || geometry.num_heads == 1) {
      out_.write(bytes, static_cast<std::streamsize>(rows.bytes().size()));
    } else {
      for (int64_t i = 0; i < geometry.length; ++i) {
        for (int64_t head = 0; head < geometry.num_heads; ++head) {
          out_.write(bytes + geometry.RowOffset(0, head, i) * element_bytes, geometry.dim * element_bytes);
        }
      }
    }
    out_.flush();
    return Check();
  }
  absl::Status Finish(int64_t) override { return Check(); }

 private:
  absl::Status Check() const {
    return out_.good() ? absl::OkStatus() : absl::UnknownError("standard output takes no more");
  }

  std::ostream& out_;
  const Shape shape_;
};

class NullOutput : public RowOutput {
 public:
  absl::Status Put(int64_t, const client::Tensor&) override { return absl::OkStatus(); }
  absl::Status Finish(int64_t) override { return absl::OkStatus(); }
};

}  // namespace

absl::StatusOr<std::unique_ptr<RowOutput>> NpyRows(const std::string& path, const RowOutput::Shape& shape,
                                                   int64_t first_token) {
  auto output = std::make_unique<NpyOutput>(path, shape);
  if (absl::Status status = output->Open(first_token); !status.ok()) return status;
  return std::unique_ptr<RowOutput>(std::move(output));
}

absl::StatusOr<std::unique_ptr<RowOutput>> PipedOutput(std::ostream* out, const RowOutput::Shape& shape) {
  if (shape.batch_size != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output - takes one sequence, the queries are ", shape.batch_size));
  }
  return std::unique_ptr<RowOutput>(new PipeOutput(out, shape));
}

std::unique_ptr<RowOutput> NoOutput() { return std::make_unique<NullOutput>(); }

}  // namespace favor::cli
