#include "client/cli/bench_flags.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/flag_values.h"
#include "client/transport/channel.h"

namespace favor::cli {
namespace {

absl::Status CheckBytes(const load::AttendShape& shape) {
  // In doubles, which the product of any flags fits in.
  const double batch = static_cast<double>(shape.batch_size), value_dim = static_cast<double>(shape.value_dim),
               head_dim = static_cast<double>(shape.head_dim),
               query_rows = static_cast<double>(shape.num_heads) * static_cast<double>(shape.query_length),
               key_rows = static_cast<double>(shape.num_key_heads) * static_cast<double>(shape.key_length);
  const double numbers =
      batch * std::max(query_rows * head_dim + key_rows * (head_dim + value_dim), query_rows * value_dim);
  const double bytes = numbers * static_cast<double>(SizeOf(shape.type));
  if (bytes <= static_cast<double>(kMaxMessageBytes)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--batch ", shape.batch_size, " with --heads ", shape.num_heads, ", --key-heads ", shape.num_key_heads,
      ", --length ", shape.query_length, ", --key-length ", shape.key_length, ", --head-dim ", shape.head_dim,
      " and --value-dim ", shape.value_dim, " has ", bytes, " bytes, a message has at most ", kMaxMessageBytes));
}

}  // namespace

void BenchFlags::AddTo(FlagSet* flags) {
  load.AddTo(flags);
  flags->BeginSection("Echo");
  flags->Add("echo",
             "In turn with Attend, send the same bytes to a plain gRPC echo that is started on this machine, and tell "
             "what part of the time is the transport's.",
             &echo);
  flags->Add("echo-endpoint", "ADDRESS", "The same with an echo that runs already: favor echo-server.", &echo_endpoint);

  flags->BeginSection("Inputs, drawn at random");
  flags->Add("batch", "N", "Sequences. Default 1.", &shape.batch_size);
  flags->Add("heads", "N", "Default 8.", &shape.num_heads);
  flags->Add("key-heads", "N", "Default: as heads.", &key_heads);
  flags->Add("length", "N", "Queries of a sequence. Default 4096.", &shape.query_length);
  flags->Add("key-length", "N", "Keys of a sequence. Default: as queries.", &key_length);
  flags->Add("head-dim", "N", "Default 64.", &shape.head_dim);
  flags->Add("value-dim", "N", "Default: as head-dim.", &value_dim);
  flags->Add("data-type", "TYPE", "Of all tensors. Default f32.", &shape.type);
  spec.AddTo(flags, SpecFlags::Use::kWholeCalls);
}

absl::Status BenchFlags::Complete(const FlagSet& flags, const ConnectionFlags& connection) {
  if (absl::Status status = load.Complete(flags); !status.ok()) return status;
  shape.num_key_heads = key_heads.value_or(shape.num_heads);
  shape.key_length = key_length.value_or(shape.query_length);
  shape.value_dim = value_dim.value_or(shape.head_dim);
  if (absl::Status status = spec.Validate(flags); !status.ok()) return status;
  absl::StatusOr<client::AttentionSpec> chosen = spec.ToSpec(flags, std::nullopt);
  if (!chosen.ok()) return chosen.status();
  options.spec = *std::move(chosen);

  const std::pair<const char*, int64_t> counts[] = {{"batch", shape.batch_size},        {"heads", shape.num_heads},
                                                    {"key-heads", shape.num_key_heads}, {"length", shape.query_length},
                                                    {"key-length", shape.key_length},   {"head-dim", shape.head_dim},
                                                    {"value-dim", shape.value_dim}};
  for (const auto& [flag, value] : counts) {
    if (absl::Status status = CheckWithin(flag, value, 1); !status.ok()) return status;
  }
  if (absl::Status status = CheckBytes(shape); !status.ok()) return status;
  if (echo && !echo_endpoint.empty()) return absl::InvalidArgumentError("give either --echo or --echo-endpoint");
  if (echo && !client::IsLocal(connection.endpoint)) {
    return absl::InvalidArgumentError(absl::StrCat("--echo measures on this machine and --endpoint is ",
                                                   connection.endpoint,
                                                   ": run favor echo-server there, and give --echo-endpoint"));
  }
  return absl::OkStatus();
}

}  // namespace favor::cli
