#ifndef FAVOR_CLIENT_CLIENT_H_
#define FAVOR_CLIENT_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/attend.h"
#include "client/attention_state.h"
#include "client/attention_stream.h"
#include "client/embed.h"
#include "client/embedding_stream.h"
#include "client/errors.h"
#include "client/model_info.h"
#include "client/sequence_stream.h"
#include "client/state_calls.h"
#include "client/tokenize.h"

// The C++ client of favord. A first call:
//
//   auto client = favor::client::Client::Connect({.endpoint = "127.0.0.1:50051"});
//   if (!client.ok()) return client.status();
//   std::vector<float> queries(8 * 1024 * 64), keys(8 * 1024 * 64), values(8 * 1024 * 64);  // fill them
//   auto result = client->Attend({.queries = Float32View(queries, {1, 8, 1024, 64}),
//                                 .keys = Float32View(keys, {1, 8, 1024, 64}),
//                                 .values = Float32View(values, {1, 8, 1024, 64})});
//   if (!result.ok()) return result.status();
//   std::vector<float> output = result->output.ToFloat32();  // [1, 8, 1024, 64]
namespace favor::client {

// Paths are of PEM files, read by Connect.
struct TlsOptions {
  std::string ca_file = "";      // who may have signed the server's certificate; empty: the system's authorities
  std::string cert_file = "";    // the client's own certificate, for servers that ask for one; needs key_file
  std::string key_file = "";     // its private key
  std::string server_name = "";  // the name the certificate must have; empty: the endpoint's host
};

// A call is tried again when the server was UNAVAILABLE, when it cancelled the call (which gRPC does to those that
// arrive in the instant of its end), or was RESOURCE_EXHAUSTED and said when to come back (google.rpc.RetryInfo); never
// otherwise. Every call of favord can be repeated without harm.
struct RetryOptions {
  int max_retries = 3;  // attempts after the first; 0: none
  // Before retry n (from 0) the client waits initial_backoff * 2^n, max_backoff at most, times a random factor between
  // 0.5 and 1, on top of what the server asked for. It gives up when the wait would pass the deadline.
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
};

// Who is refused and who waits when a server has too much to do. A server with API keys gives no more than the key
// allows.
enum class Priority { kLow, kNormal, kHigh };

struct ClientOptions {
  // host:port, a name that gRPC resolves (dns:///host:port), addresses (ipv4:host:port,host:port, ipv6:[::1]:port), or
  // a unix socket (unix:/path). A port is 1 to 65535.
  std::string endpoint = "127.0.0.1:50051";
  // Unset: plaintext.
  std::optional<TlsOptions> tls = std::nullopt;
  // Sent as "authorization: Bearer <api_key>" with every call; empty: nothing is sent. Without TLS it can be read on
  // the way.
  std::string api_key = "";
  // Of every call; a program with calls of two kinds makes two clients. Unset: what the API key has, or normal.
  std::optional<Priority> priority = std::nullopt;
  // From the start of a call to its end, retries included.
  absl::Duration deadline = absl::InfiniteDuration();
  RetryOptions retries = {};
  // How long a connection under a call may be silent before the server is asked whether it is still there; it has 20 s
  // to answer. Servers close connections of those who ask often (favord: min-ping-interval).
  absl::Duration keepalive_time = absl::Hours(2);
  // Put in front of this library's own name and version in the user agent, as in "my-service/1.2".
  std::string user_agent = "";
};

struct ServerInfo {
  std::string version = "";
  std::string build = "";
  std::string cpu_target = "";
  int num_compute_threads = 0;
  // Bounds of a request.
  int64_t max_message_bytes = 0;
  int64_t memory_budget_bytes = 0;
  int64_t max_num_features = 0;
  int64_t max_head_dim = 0;
  int64_t max_value_dim = 0;
  int64_t max_inputs_per_request = 0;
};

// grpc.health.v1.
enum class ServingStatus { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

// A connection to a server, made with the first call and made again whenever it breaks. All calls share it.
//
// Errors are the server's own status code and message, details attached (errors.h); UnavailableError when there is no
// server to be reached, DeadlineExceededError when the deadline passed first.
//
// Thread-safe: any number of threads may call at once. Calls block; they hold no lock meanwhile. A client that was
// moved from may only be destroyed or assigned to.
class Client {
 public:
  // Prepares the connection, without making it. InvalidArgumentError for options that make no sense, NotFoundError or
  // PermissionDeniedError for files that cannot be read.
  static absl::StatusOr<Client> Connect(const ClientOptions& options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Attention of one batch of sequences. Needs little memory beyond the inputs and, at the end, twice the output.
  //
  // The inputs are sent without being copied first, and nothing reads them any more once Attend has returned, whatever
  // it returned. One thing can therefore hold it beyond its deadline: a server that stops reading its socket in the
  // middle of a request. Over TCP such a connection is given up after 20 to 30 s, over a unix socket when the server
  // reads on or goes away.
  absl::StatusOr<AttendResult> Attend(const AttendInputs& inputs, const AttendOptions& options = {}) const;

  // Folds keys and values into a state, a new one or that of the options. Inputs are sent as those of Attend are.
  absl::StatusOr<AttentionState> Fold(const FoldInputs& inputs, const FoldOptions& options = {}) const;

  // Merges states of disjoint parts of one sequence into the state of the whole.
  absl::StatusOr<AttentionState> Merge(absl::Span<const AttentionState> states, const MergeOptions& options = {}) const;

  // Attention of queries, [batch, heads, query_length, head_dim] in the layout of the state's spec, to all keys of a
  // state.
  absl::StatusOr<AttendResult> Read(const TensorView& queries, const AttentionState& state,
                                    const ReadOptions& options = {}) const;

  // Attention of a sequence of any length, chunk by chunk; see attention_stream.h. An error to begin with comes with
  // the first Read(). Returns when the server has taken the state to go on from, or the call has ended.
  AttentionStream AttendStream(const AttendStreamOptions& options = {}) const;

  // Statistics of a sample of queries and keys, for FeatureSpec::statistics of calls that cannot measure their own
  // (causal ones, streams) or need not. `spec` says what they are for: an estimator of OPRF, SDERF or SADERF, or
  // precondition.
  absl::StatusOr<Statistics> Calibrate(const CalibrateInputs& inputs, const AttentionSpec& spec,
                                       std::optional<absl::Duration> deadline = std::nullopt) const;

  // Embeds texts and token ids in one request: client.Embed({"a text", "another"}). What is wrong with one input is the
  // status of its result and leaves the others alone. NotFoundError for a model that is not loaded. EmbedAll
  // (embed_all.h) splits what is too much for one request.
  absl::StatusOr<Embeddings> Embed(absl::Span<const EmbedInput> inputs, const EmbedOptions& options = {}) const;

  // The same for inputs as they come, in one call of any length; see embedding_stream.h. An error to begin with, such
  // as a model that is not loaded, comes with the first Read().
  EmbeddingStream EmbedStream(const EmbedOptions& options = {}) const;

  // One sequence of any length through a causal Performer, its tokens as they come; see sequence_stream.h. An error to
  // begin with comes with the first Read(). Returns when the server has taken the state to go on from, or the call has
  // ended.
  SequenceStream EmbedSequence(const SequenceOptions& options = {}) const;

  // The token ids of texts, and where in the text each one stands; one result for each text, in their order.
  absl::StatusOr<std::vector<Tokens>> Tokenize(absl::Span<const std::string> texts,
                                               const TokenizeOptions& options = {}) const;

  // The models of the server, in the order of their names.
  absl::StatusOr<std::vector<ModelInfo>> ListModels() const;

  // Has the server load a model from a folder on its own disk; `path` empty: from the folder that a model of this name
  // came from. Returns when it is ready. Errors include PermissionDeniedError or UnimplementedError from a server that
  // was not told to serve this.
  absl::StatusOr<ModelInfo> LoadModel(const std::string& name, const std::string& path = "") const;

  // Has the server forget a model. NotFoundError when there is none of this name: after a retry, perhaps because the
  // first attempt went well and its answer was lost.
  absl::Status UnloadModel(const std::string& name) const;

  // What the server is and what it accepts.
  absl::StatusOr<ServerInfo> GetServerInfo() const;

  // Whether a service (full name; empty: the whole server) takes calls. NotFoundError for one the server does not know.
  absl::StatusOr<ServingStatus> CheckHealth(absl::string_view service = "") const;

  // Calls `on_status`, which must be set, with the status now and after every change, until it returns false (then OK
  // is returned), the connection breaks or the deadline passes. Never retried.
  absl::Status WatchHealth(absl::string_view service, const std::function<bool(ServingStatus)>& on_status) const;

  // As it was given to Connect.
  const std::string& endpoint() const;

 private:
  friend class ResumingStream;
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  // A stream that is not started yet.
  AttentionStream OpenAttendStream(std::optional<absl::Duration> deadline) const;

  std::unique_ptr<Impl> impl_;
};

// The name and version of this library, as in "favor-client/0.1.0".
absl::string_view UserAgent();

}  // namespace favor::client

#endif  // FAVOR_CLIENT_CLIENT_H_
