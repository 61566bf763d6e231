#ifndef FAVOR_SERVER_CONVERT_EMBED_INPUT_READING_H_
#define FAVOR_SERVER_CONVERT_EMBED_INPUT_READING_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "favor/model/embed_input.h"
#include "server/convert/embed_request_conversion.h"

namespace favor {

// Reads, tokenises and cuts an EmbedInput from its bytes on the wire, in steps of a millisecond or two, however long
// the text is. Every Status names the field and is the input's own error. Thread-compatible.
class EmbedInputReading {
 public:
  // wire: an EmbedInput, which is `field` of the request. The settings must outlive it.
  EmbedInputReading(std::string wire, std::string field, const EmbedSettings& settings);

  // True when input() is there; not to be called again then, nor after an error.
  absl::StatusOr<bool> Step();
  EmbedInput& input() { return preparation_ != nullptr ? preparation_->input() : input_; }

 private:
  absl::StatusOr<bool> Begin();
  // Errors of what stands in `part` of the field.
  absl::Status About(const char* part, const absl::Status& status) const;

  std::string wire_;
  std::string field_;
  const EmbedSettings& settings_;
  std::unique_ptr<TextPreparation> preparation_;  // of a text
  EmbedInput input_;                              // of ids
};

}  // namespace favor

#endif  // FAVOR_SERVER_CONVERT_EMBED_INPUT_READING_H_
