#include "favor/format/npy_header.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "favor/format/stored_tensor.h"

namespace favor::internal {
namespace {

// Reads the little of Python that such a dictionary is made of. After the first failure every further read fails too,
// so callers may look at status() at the end.
class Reader {
 public:
  explicit Reader(absl::string_view text) : text_(text), rest_(text) {}

  const absl::Status& status() const { return status_; }
  bool ok() const { return status_.ok(); }
  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

  bool TryConsume(absl::string_view token) {
    SkipSpace();
    return ok() && absl::ConsumePrefix(&rest_, token);
  }

  void Expect(absl::string_view token) {
    if (!TryConsume(token)) Fail(absl::StrCat("'", token, "'"));
  }

  std::string ReadString() {
    SkipSpace();
    const char quote = rest_.empty() ? 0 : rest_[0];
    if (quote != '\'' && quote != '"') return Fail("a quoted string"), "";
    const size_t end = rest_.find(quote, 1);
    if (end == absl::string_view::npos) return Fail("the end of a quoted string"), "";
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool ReadBool() {
    if (TryConsume("True")) return true;
    if (!TryConsume("False")) Fail("True or False");
    return false;
  }

  std::vector<int64_t> ReadShape() {
    std::vector<int64_t> shape;
    Expect("(");
    while (ok() && !TryConsume(")")) {
      if (static_cast<int64_t>(shape.size()) == kMaxStoredRank) {
        Fail(absl::StrCat("at most ", kMaxStoredRank, " sizes"));
        break;
      }
      shape.push_back(ReadSize());
      if (!TryConsume(",")) {
        Expect(")");
        break;
      }
    }
    return shape;
  }

  void Fail(absl::string_view expected) {
    if (!ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat("expected ", expected, " at byte ", text_.size() - rest_.size(), " of the header"));
  }

 private:
  int64_t ReadSize() {
    SkipSpace();
    size_t length = 0;
    while (length < rest_.size() && absl::ascii_isdigit(rest_[length])) ++length;
    int64_t size = 0;
    if (!absl::SimpleAtoi(rest_.substr(0, length), &size)) return Fail("a size from 0 to 2^63 - 1"), 0;
    rest_.remove_prefix(length);
    return size;
  }

  void SkipSpace() { rest_ = absl::StripLeadingAsciiWhitespace(rest_); }

  const absl::string_view text_;
  absl::string_view rest_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text) {
  Reader reader(text);
  NpyHeader header;
  bool has_descr = false, has_fortran_order = false, has_shape = false;
  reader.Expect("{");
  while (reader.ok() && !reader.TryConsume("}")) {
    const std::string key = reader.ReadString();
    reader.Expect(":");
    if (key == "descr" && !std::exchange(has_descr, true)) {
      header.descr = reader.ReadString();
    } else if (key == "fortran_order" && !std::exchange(has_fortran_order, true)) {
      header.fortran_order = reader.ReadBool();
    } else if (key == "shape" && !std::exchange(has_shape, true)) {
      header.shape = reader.ReadShape();
    } else {
      reader.Fail("'descr', 'fortran_order' and 'shape', each once,");
    }
    if (!reader.TryConsume(",")) {
      reader.Expect("}");
      break;
    }
  }
  if (reader.ok() && !reader.AtEnd()) reader.Fail("nothing more");
  if (!reader.ok()) return reader.status();
  if (!has_descr || !has_fortran_order || !has_shape) {
    return absl::InvalidArgumentError("the header lacks one of 'descr', 'fortran_order' and 'shape'");
  }
  return header;
}

}  // namespace favor::internal
