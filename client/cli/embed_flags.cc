#include "client/cli/embed_flags.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flag_values.h"
#include "client/cli/tensor_files.h"

namespace favor::cli {
template <>
absl::Span<const Named<EmbedAttention>> NamesOf<EmbedAttention>() {
  static constexpr Named<EmbedAttention> kNames[] = {{EmbedAttention::kExact, "exact"},
                                                     {EmbedAttention::kFeatures, "features"}};
  return kNames;
}

void EmbedOptionFlags::AddTo(FlagSet* flags) {
  flags->BeginSection("Embedding (what is not given is as the model has it)");
  flags->Add("model", "NAME", "Default: the only one that the server has loaded.", &options.model);
  flags->Add("pooling", "POOLING", "Which token vectors become the embedding; none: a vector for each token.",
             &options.pooling);
  flags->Add("normalize", "Scale every vector to length 1.", &normalize);
  flags->Add("no-normalize", "Leave the vectors as long as they are.", &no_normalize);
  flags->Add("over-length", "ACTION", "What happens to an input longer than the model's window. Default refuse.",
             &options.over_length);
  flags->Add("overlap", "N", "Tokens that neighbours of --over-length windows share. Default: 1/8 of a window.",
             &options.window_overlap);
  flags->Add("type", "TYPE", "Of the vectors on their way; what is printed and written is f32. Default f32.",
             &options.output_type);
  flags->Add("dimensions", "N", "Keep the first N coordinates, for models trained for that. Default: all.",
             &options.dimensions);
  flags->Add("prompt", "TEXT", "Text put in front of every text; \"\": none. Default: the model's own, if it has one.",
             &options.prompt);
  flags->Add("prompt-name", "NAME", "One of the model's own prompts instead (favor models --json).",
             &options.prompt_name);
  flags->Add("attention", "MODE", "How attention is computed. Default: as the model was trained.", &attention);
  flags->Add("num-features", "N", "Of --attention features.", &num_features);
}

absl::StatusOr<client::EmbedOptions> EmbedOptionFlags::ToOptions(const FlagSet& flags) const {
  client::EmbedOptions result = options;
  if (flags.IsSet("normalize") && flags.IsSet("no-normalize")) {
    return absl::InvalidArgumentError("give either --normalize or --no-normalize");
  }
  if (flags.IsSet("normalize")) result.normalize = normalize;
  if (flags.IsSet("no-normalize")) result.normalize = !no_normalize;
  if (options.prompt && !options.prompt_name.empty()) {
    return absl::InvalidArgumentError("give either --prompt or --prompt-name");
  }
  if (options.window_overlap && options.over_length != client::OverLength::kWindows) {
    return absl::InvalidArgumentError("--overlap needs --over-length windows");
  }
  if (num_features && attention != EmbedAttention::kFeatures) {
    return absl::InvalidArgumentError("--num-features needs --attention features");
  }
  if (attention == EmbedAttention::kExact) result.attention.emplace().mode = client::ExactSpec();
  if (attention == EmbedAttention::kFeatures) {
    result.attention.emplace().mode = client::FeatureSpec{.num_features = num_features};
  }
  return result;
}

void EmbedFlags::AddTo(FlagSet* flags) {
  flags->AddArguments(&source.texts);
  flags->BeginSection("Inputs");
  flags->Add("input", "FILE", "Read a text from every line; -: of standard input.", &source.file);
  flags->Add("jsonl",
             "The lines are JSON, {\"text\": \"...\"} or {\"ids\": [...]}; implied by a name that ends in .jsonl.",
             &source.json_lines);
  flags->Add("ids", "N,N,...", "Token ids, taken as they are, in place of a text.", &source.ids);
  flags->Add("stream",
             "Send lines as they come, of standard input unless --input names a file, and print each result as soon as "
             "it is there, with --json an object a line. In one call, which is not tried again; no deadline unless "
             "--deadline is given.",
             &stream);
  flags->Add("batch", "N", absl::StrCat("Inputs of a request at most. Default ", requests.max_inputs, "."),
             &requests.max_inputs);
  flags->Add("in-flight", "N", absl::StrCat("Requests in flight at most. Default ", requests.max_in_flight, "."),
             &requests.max_in_flight);
  embed.AddTo(flags);
  flags->BeginSection("Results");
  flags->Add("output", "FILE",
             "Write all vectors to FILE.npy or FILE.safetensors, f32 [inputs, dimensions]: NaN for an input that "
             "failed. With --pooling none [tokens, dimensions], one input after the other; a .safetensors file then "
             "also has row_offsets.",
             &output);
  flags->Add("rows", "N", absl::StrCat("Print the first N inputs. Default ", excerpt_rows, "."), &excerpt_rows);
  flags->Add("nearest", "For every text print the nearest others, by cosine.", &nearest);
  flags->Add("neighbours", "N", absl::StrCat("How many of them. Default ", neighbours, "."), &neighbours);
}

absl::Status EmbedFlags::Complete(const FlagSet& flags) {
  if (stream) {
    if (source.file.empty()) source.file = "-";
    for (const char* flag : {"batch", "in-flight", "output", "rows", "nearest", "neighbours"}) {
      if (flags.IsSet(flag)) return absl::InvalidArgumentError(absl::StrCat("--", flag, " is not for --stream"));
    }
  }
  if (absl::Status status = source.Validate(flags); !status.ok()) return status;
  absl::StatusOr<client::EmbedOptions> options = embed.ToOptions(flags);
  if (!options.ok()) return options.status();
  requests.embed = *std::move(options);
  if (!output.empty()) {
    if (const auto format = OutputFormat(output); !format.ok()) return format.status();
  }
  for (const absl::Status& status : {CheckWithin("batch", requests.max_inputs, 1, client::kMaxInputsPerRequest),
                                     CheckWithin("in-flight", requests.max_in_flight, 1, kMaxCallThreads),
                                     CheckWithin("neighbours", neighbours, 1), CheckWithin("rows", excerpt_rows, 0)}) {
    if (!status.ok()) return status;
  }
  if (flags.IsSet("neighbours")) nearest = true;
  if (nearest && requests.embed.pooling == client::Pooling::kNone) {
    return absl::InvalidArgumentError("--nearest compares one vector for each text, --pooling is none");
  }
  return absl::OkStatus();
}

}  // namespace favor::cli
