#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/cli/console.h"
#include "client/cli/json.h"
#include "favor/format/npy.h"
#include "favor/format/safetensors.h"
#include "tests/client/cli/run_favor.h"
#include "tests/client/fake_embedding_server.h"

namespace favor::cli {
namespace {

using favor::testing::FakeEmbeddingServer;
using favor::testing::FavorRun;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Runs `favor embed` against a server whose vectors are (tokens, first id, 1).
class EmbedCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / absl::StrCat("favor_embed_", getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ / name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

  FavorRun Run(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), {"embed", "--endpoint=" + server_.endpoint(), "--retries=0"});
    return favor::testing::RunFavor(arguments, input);
  }
  Json RunJson(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "--json");
    const FavorRun run = Run(arguments, input);
    EXPECT_EQ(run.exit_code, kExitOk) << run.error;
    return Json::parse(run.out);
  }

  FakeEmbeddingServer server_;
  std::filesystem::path folder_;
};

std::vector<float> Floats(absl::Span<const std::byte> bytes) {
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

TEST_F(EmbedCommand, PrintsTokensLengthAndFirstCoordinates) {
  const FavorRun run = Run({"one two three", "x"});
  EXPECT_EQ(run.exit_code, kExitOk) << run.error;
  EXPECT_EQ(run.error, "");
  for (const char* part : {"  model           tiny (00112233)\n", "  attention       exact softmax, bidirectional\n",
                           "  vectors         2 of 3 coordinates\n", "     0  \"one two three\", 5 tokens\n",
                           "  103.1261    5.0000 103.0000   1.0000\n", "     1  \"x\", 3 tokens\n", " for 8 tokens, ",
                           " tokens/s\n", "favord 9.8.7 on FAKE"}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
}

TEST_F(EmbedCommand, SendsEveryOptionOfTheFlags) {
  EXPECT_EQ(Run({"a", "--model", "tiny", "--pooling=max", "--no-normalize", "--over-length=windows", "--overlap", "7",
                 "--type", "i8", "--dimensions", "2", "--prompt", "query: ", "--attention", "features",
                 "--num-features", "64"})
                .exit_code,
            kExitOk);
  const v1::EmbedRequest request = server_.last_embed_request();
  EXPECT_EQ(request.model(), "tiny");
  EXPECT_EQ(request.pooling(), v1::POOLING_MAX);
  EXPECT_TRUE(request.has_normalize());
  EXPECT_FALSE(request.normalize());
  EXPECT_EQ(request.over_length(), v1::OVER_LENGTH_WINDOWS);
  EXPECT_EQ(request.window_overlap(), 7);
  EXPECT_EQ(request.output_type(), v1::EMBEDDING_TYPE_I8);
  EXPECT_EQ(request.dimensions(), 2);
  EXPECT_EQ(request.prompt(), "query: ");
  EXPECT_EQ(request.attention().features().num_features(), 64);
  EXPECT_EQ(
      Run({"a", "--normalize", "--prompt-name", "query", "--attention", "exact", "--over-length", "truncate-right"})
          .exit_code,
      kExitOk);
  EXPECT_TRUE(server_.last_embed_request().normalize());
  EXPECT_EQ(server_.last_embed_request().prompt_name(), "query");
  EXPECT_TRUE(server_.last_embed_request().attention().has_exact());
  EXPECT_EQ(server_.last_embed_request().over_length(), v1::OVER_LENGTH_TRUNCATE_RIGHT);
  Run({"a", "--prompt", ""});
  EXPECT_TRUE(server_.last_embed_request().has_prompt());
  Run({"a"});
  EXPECT_FALSE(server_.last_embed_request().has_prompt());
  EXPECT_FALSE(server_.last_embed_request().has_normalize());
  EXPECT_FALSE(server_.last_embed_request().has_attention());
}

TEST_F(EmbedCommand, JsonHasWholeVectorsAndEveryFieldOfItIsInTheHelp) {
  const Json json = RunJson({"one two three", "x", "--nearest"});
  EXPECT_EQ(json.at("results").at(0).at("embedding"), Json({5.0, 103.0, 1.0}));
  EXPECT_EQ(json.at("results").at(0).at("text"), "one two three");
  EXPECT_EQ(json.at("results").at(1).at("num_tokens"), 3);
  EXPECT_EQ(json.at("results").at(0).at("nearest").at(0).at("index"), 1);
  EXPECT_EQ(json.at("dimensions"), 3);
  EXPECT_EQ(json.at("num_tokens"), 8);
  EXPECT_TRUE(json.at("attention").contains("exact"));
  const std::string help = favor::testing::RunFavor({"embed", "--help"}).out;
  for (const auto& [name, value] : json.items()) EXPECT_THAT(help, HasSubstr(name));
  for (const auto& [name, value] : json.at("results").at(0).items()) EXPECT_THAT(help, HasSubstr(name));
}

TEST_F(EmbedCommand, ReadsTextsIdsAndJsonLinesFromFilesAndStandardInput) {
  const Json lines = RunJson({"--input", Write("a.txt", "one two\r\nthree\n")});
  ASSERT_EQ(lines.at("results").size(), 2u);
  EXPECT_EQ(lines.at("results").at(0).at("text"), "one two");
  const std::string json_lines = "{\"text\": \"one\\ntwo\"}\n\n{\"ids\": [101, 7, 102]}\n";
  for (const Json& json :
       {RunJson({"--input", Write("b.jsonl", json_lines)}), RunJson({"--input", "-", "--jsonl"}, json_lines)}) {
    ASSERT_EQ(json.at("results").size(), 2u);
    EXPECT_EQ(json.at("results").at(0).at("text"), "one\ntwo");
    EXPECT_EQ(json.at("results").at(1).at("ids"), Json({101, 7, 102}));
  }
  EXPECT_EQ(RunJson({"--input", "-"}, "from a pipe").at("results").at(0).at("text"), "from a pipe");
  EXPECT_EQ(RunJson({"--ids", "101,2023,102"}).at("results").at(0).at("ids"), Json({101, 2023, 102}));
  EXPECT_THAT(server_.last_embed_request().inputs(0).ids().ids(), ElementsAre(101, 2023, 102));
}

TEST_F(EmbedCommand, NamesFileAndLineOfWhatItCannotRead) {
  const FavorRun bad = Run({"--input", Write("bad.jsonl", "{\"text\": \"a\"}\n{\"ids\": [1.5]}\n")});
  EXPECT_EQ(bad.exit_code, kExitFailure);
  EXPECT_THAT(bad.error, HasSubstr("bad.jsonl:2 is neither {\"text\": \"...\"} nor {\"ids\": [integers]}"));
  for (const char* line : {"{\"ids\": [3000000000]}", "{\"text\": 1}", "[]", "{\"text\": \"a\", \"ids\": []}", "{"}) {
    EXPECT_THAT(Run({"--input", "-", "--jsonl"}, line).error, HasSubstr("standard input:1 is neither")) << line;
  }
  EXPECT_THAT(Run({"--input", Path("none")}).error, HasSubstr("--input: cannot read"));
  EXPECT_THAT(Run({"--input", "-"}).error, HasSubstr("has no inputs"));
  EXPECT_EQ(server_.num_embed_calls(), 0);
}

TEST_F(EmbedCommand, WritesARowForEveryInputAndNaNForOneThatFailed) {
  const FavorRun run = Run({"one two", "", "x", "--output", Path("v.npy")});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("favor embed: input 1, \"\": INVALID_ARGUMENT: the text has no words\n"));
  EXPECT_THAT(run.out, AllOf(HasSubstr("\"one two\", 4 tokens"), HasSubstr("written to")));
  const absl::StatusOr<NpyFile> file = NpyFile::Open(Path("v.npy"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->tensor().shape, ElementsAre(3, 3));
  const std::vector<float> rows = Floats(file->tensor().data);
  EXPECT_THAT(std::vector<float>(rows.begin(), rows.begin() + 3), ElementsAre(4, 103, 1));
  for (int i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(rows[i]));
  EXPECT_THAT(std::vector<float>(rows.begin() + 6, rows.end()), ElementsAre(3, 101, 1));
}

TEST_F(EmbedCommand, WritesTheVectorsOfAllTokensWithTheirOffsets) {
  const Json json = RunJson({"one two", "x", "--pooling", "none", "--output", Path("v.safetensors")});
  EXPECT_EQ(json.at("file"), Path("v.safetensors"));
  EXPECT_FALSE(json.at("results").at(0).contains("embedding"));
  EXPECT_EQ(json.at("results").at(0).at("num_vectors"), 4);
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(Path("v.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->Find("embeddings")->shape, ElementsAre(7, 3));
  const absl::Span<const std::byte> bytes = file->Find("row_offsets")->data;
  std::vector<int64_t> offsets(3);
  ASSERT_EQ(bytes.size(), offsets.size() * sizeof(int64_t));
  std::memcpy(offsets.data(), bytes.data(), bytes.size());
  EXPECT_THAT(offsets, ElementsAre(0, 4, 7));
  EXPECT_EQ(file->contents().metadata.at("model_id"), "00112233445566778899aabbccddeeff");
  EXPECT_EQ(RunJson({"--ids", "5", "--pooling", "none"}).at("results").at(0).at("embedding"),
            Json::parse("[[5.0, 0.0, 1.0]]"));
}

TEST_F(EmbedCommand, SplitsManyTextsIntoRequests) {
  std::string lines;
  for (int i = 0; i < 25; ++i) lines += "a b\n";
  const Json json = RunJson({"--input", "-", "--batch", "10"}, lines);
  EXPECT_EQ(json.at("results").size(), 25u);
  EXPECT_EQ(server_.num_embed_calls(), 3);
  const FavorRun run = Run({"--input", "-", "--rows", "2"}, lines);
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("     1  \"a b\""), Not(HasSubstr("     2  \"a b\"")), HasSubstr("and 23 more inputs")));
}

TEST_F(EmbedCommand, ShowsTheNearestOthersOfEveryText) {
  // (4, 101), (5, 101), (3, 120): the first two are nearest to each other.
  const FavorRun run = Run({"a b", "a b c", std::string(20, 'x'), "", "--neighbours", "1"});
  EXPECT_THAT(run.out, HasSubstr("1.0000  1  \"a b c\"\n     1  \"a b c\", 5 tokens\n"));
  EXPECT_THAT(run.out, HasSubstr("1.0000  0  \"a b\"\n     2  "));
  EXPECT_THAT(run.out, Not(HasSubstr("  3  \"\"\n")));
}

TEST_F(EmbedCommand, AServerThatRefusesAllIsTheWholeStory) {
  server_.OnEmbed([](auto&, auto*) { return grpc::Status(grpc::StatusCode::NOT_FOUND, "model is \"big\""); });
  const FavorRun run = Run({"a", "--model", "big", "--json", "--output", Path("v.npy")});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.error, "favor embed: NOT_FOUND: model is \"big\"\n");
  EXPECT_EQ(Json::parse(run.out).at("error").at("code"), "NOT_FOUND");
  EXPECT_FALSE(std::filesystem::exists(Path("v.npy")));
}

TEST_F(EmbedCommand, WhatFollowsTwoDashesIsText) {
  EXPECT_EQ(RunJson({"--", "--json"}).at("results").at(0).at("text"), "--json");
}

TEST(EmbedUsage, RefusesFlagsThatMakeNoSense) {
  const auto error = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "embed");
    const FavorRun run = favor::testing::RunFavor(arguments);
    EXPECT_EQ(run.exit_code, kExitUsage) << run.error;
    return run.error;
  };
  EXPECT_THAT(error({}), HasSubstr("give either texts, --input or --ids"));
  EXPECT_THAT(error({"a", "--ids", "1"}), HasSubstr("give either texts, --input or --ids"));
  EXPECT_THAT(error({"a", "--jsonl"}), HasSubstr("--jsonl needs --input"));
  EXPECT_THAT(error({"--ids", "1,x"}), HasSubstr("--ids is \"1,x\", it must be integers"));
  EXPECT_THAT(error({"--ids", "3000000000"}), HasSubstr("--ids has 3000000000"));
  EXPECT_THAT(error({"a", "--normalize", "--no-normalize"}), HasSubstr("either --normalize or --no-normalize"));
  EXPECT_THAT(error({"a", "--prompt", "b", "--prompt-name", "c"}), HasSubstr("either --prompt or --prompt-name"));
  EXPECT_THAT(error({"a", "--overlap", "3"}), HasSubstr("--overlap needs --over-length windows"));
  EXPECT_THAT(error({"a", "--num-features", "3"}), HasSubstr("--num-features needs --attention features"));
  EXPECT_THAT(error({"a", "--pooling", "means"}), HasSubstr("did you mean mean?"));
  EXPECT_THAT(error({"a", "--output", "v.txt"}), HasSubstr("must end in .npy or .safetensors"));
  EXPECT_THAT(error({"a", "--batch", "0"}), HasSubstr("--batch is 0, the least is 1"));
  EXPECT_THAT(error({"a", "--batch", "65537"}), HasSubstr("--batch is 65537, the most is 65536"));
  EXPECT_THAT(error({"a", "--in-flight", "100000"}), HasSubstr("--in-flight is 100000, the most is 1024"));
  EXPECT_THAT(error({"a", "--rows", "-1"}), HasSubstr("--rows is -1, the least is 0"));
  EXPECT_THAT(error({"a", "--nearest", "--pooling", "none"}), HasSubstr("--pooling is none"));
}

TEST_F(EmbedCommand, StreamsLinesAndPrintsAResultForEachInTheirOrder) {
  std::string input;
  for (int i = 0; i < 3000; ++i) input += i == 1234 ? "\n" : i % 2 == 0 ? "one two\n" : "x\r\n";
  const FavorRun run = Run({"--stream", "--json"}, input);
  EXPECT_EQ(run.exit_code, kExitFailure);  // an empty text has no words
  EXPECT_THAT(run.error, HasSubstr("favor embed: input 1234, \"\": INVALID_ARGUMENT: "));
  std::istringstream lines(run.out);
  std::string line;
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(std::getline(lines, line)) << i;
    const Json json = Json::parse(line);
    ASSERT_EQ(json["index"], i);
    if (i == 1234) {
      EXPECT_EQ(json["error"]["code"], "INVALID_ARGUMENT");
      continue;
    }
    ASSERT_EQ(json["text"], i % 2 == 0 ? "one two" : "x");
    ASSERT_EQ(json["embedding"].get<std::vector<float>>(),
              i % 2 == 0 ? (std::vector<float>{4, 103, 1}) : (std::vector<float>{3, 101, 1}));
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(EmbedCommand, StreamsFilesOfJsonLinesWithEveryOption) {
  const std::string file = Write("inputs.jsonl", "{\"ids\": [101, 7]}\n\n{\"text\": \"a b\"}\n");
  const FavorRun text = Run({"--stream", "--input", file});
  EXPECT_EQ(text.exit_code, kExitOk) << text.error;
  EXPECT_THAT(text.out, AllOf(HasSubstr("     0  ids 101, 7, 2 tokens\n"), HasSubstr("     1  \"a b\", 4 tokens\n")));
  const FavorRun tokens = Run({"--stream", "--input", file, "--pooling", "none", "--json"});
  EXPECT_EQ(tokens.exit_code, kExitOk) << tokens.error;
  EXPECT_EQ(Json::parse(tokens.out.substr(0, tokens.out.find('\n')))["embedding"].size(), 2u);
  const FavorRun other = Run({"--stream", "--model", "other"}, "a\n");
  EXPECT_EQ(other.exit_code, kExitFailure);
  EXPECT_THAT(other.error, HasSubstr("no such model"));
}

TEST_F(EmbedCommand, StreamsWhatCameBeforeALineThatMakesNoSense) {
  const FavorRun run = Run({"--stream", "--jsonl", "--json"}, "{\"text\": \"a\"}\n{\"text\": 5}\n{\"text\": \"b\"}\n");
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_THAT(run.error, HasSubstr("standard input:2 is neither"));
  EXPECT_EQ(Json::parse(run.out.substr(0, run.out.find('\n')))["text"], "a");
  EXPECT_EQ(Run({"--stream", "--input", Path("none")}).exit_code, kExitFailure);
  for (const char* flag : {"--output=o.npy", "--nearest", "--batch=5", "--rows=1"}) {
    const FavorRun refused = Run({"--stream", flag}, "a\n");
    EXPECT_EQ(refused.exit_code, kExitUsage);
    EXPECT_THAT(refused.error, HasSubstr("is not for --stream"));
  }
  EXPECT_EQ(Run({"--stream", "a text"}).exit_code, kExitUsage);
}

// Standard input and output of somebody who types a line when the one before is answered.
class Dialogue {
 public:
  explicit Dialogue(std::vector<std::string> lines) : typed_(this, std::move(lines)), shown_(this) {}

  std::streambuf* typed() { return &typed_; }
  std::streambuf* shown() { return &shown_; }
  int num_answers() const {
    absl::MutexLock lock(&mutex_);
    return num_answers_;
  }

 private:
  class Typed : public std::streambuf {
   public:
    Typed(Dialogue* dialogue, std::vector<std::string> lines) : dialogue_(*dialogue), lines_(std::move(lines)) {}

   private:
    int_type underflow() override {
      if (next_ == lines_.size()) return traits_type::eof();
      {
        absl::MutexLock lock(&dialogue_.mutex_);
        const int needed = static_cast<int>(next_);
        const auto answered = [this, needed] { return dialogue_.num_answers_ >= needed; };
        if (!dialogue_.mutex_.AwaitWithTimeout(absl::Condition(&answered), absl::Seconds(20)))
          return traits_type::eof();
      }
      std::string& line = lines_[next_++];
      setg(line.data(), line.data(), line.data() + line.size());
      return traits_type::to_int_type(line[0]);
    }

    Dialogue& dialogue_;
    std::vector<std::string> lines_;
    size_t next_ = 0;
  };
  // Counts lines when they are flushed, which is when somebody sees them.
  class Shown : public std::streambuf {
   public:
    explicit Shown(Dialogue* dialogue) : dialogue_(*dialogue) {}

   private:
    int_type overflow(int_type c) override {
      if (c == '\n') ++unflushed_;
      return traits_type::not_eof(c);
    }
    int sync() override {
      absl::MutexLock lock(&dialogue_.mutex_);
      dialogue_.num_answers_ += std::exchange(unflushed_, 0);
      return 0;
    }

    Dialogue& dialogue_;
    int unflushed_ = 0;
  };

  mutable absl::Mutex mutex_;
  int num_answers_ = 0;
  Typed typed_;
  Shown shown_;
};

TEST_F(EmbedCommand, StreamsEachResultBeforeTheNextLineIsThere) {
  for (const bool json : {true, false}) {
    Dialogue dialogue({"one\n", "two\n", "three\n"});
    std::istream in(dialogue.typed());
    std::ostream out(dialogue.shown());
    std::ostringstream error;
    std::vector<std::string> arguments = {"embed", "--endpoint", server_.endpoint(), "--stream"};
    if (json) arguments.push_back("--json");
    EXPECT_EQ(RunFavor(arguments, {out, error, false, in}), kExitOk);
    EXPECT_GE(dialogue.num_answers(), 3);
  }
}

// Somebody who types nothing and does not leave.
class NobodyTypes : public std::streambuf {
  int_type underflow() override {
    never_.WaitForNotification();
    return traits_type::eof();
  }
  absl::Notification never_;
};

TEST_F(EmbedCommand, StreamsThatFailEndThoughNobodyTypesAnything) {
  // Never freed: the thread that reads stays behind.
  auto* in = new std::istream(new NobodyTypes);
  std::ostringstream out, error;
  EXPECT_EQ(
      RunFavor({"embed", "--endpoint", server_.endpoint(), "--stream", "--model", "other"}, {out, error, false, *in}),
      kExitFailure);
  EXPECT_THAT(error.str(), HasSubstr("no such model"));
}

}  // namespace
}  // namespace favor::cli
