#include "server/config/command_line.h"

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/settings.h"

namespace favor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string WriteFile(const std::string& text) {
  const std::string path = testing::TempDir() + "/favord_settings_" +
                           testing::UnitTest::GetInstance()->current_test_info()->name() + ".conf";
  std::ofstream(path) << text;
  return path;
}

std::string ErrorOf(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {}) {
  const absl::StatusOr<CommandLine> parsed = ParseCommandLine(arguments, environment);
  EXPECT_FALSE(parsed.ok());
  return std::string(parsed.status().message());
}

TEST(CommandLine, AFlagWinsOverTheEnvironmentWinsOverTheFile) {
  const std::string file = WriteFile("# a comment\n\nthreads = 3\nmax-calls=30\n  grpc-threads =  5 \n");
  const auto parsed = ParseCommandLine({"--threads", "1", "--config=" + file},
                                       {"FAVORD_THREADS=2", "FAVORD_MAX_CALLS=20", "PATH=/bin"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.threads, 1);
  EXPECT_EQ(parsed->config.max_calls, 20);
  EXPECT_EQ(parsed->config.grpc_threads, 5);
  EXPECT_EQ(parsed->sources.at("threads"), "flag");
  EXPECT_EQ(parsed->sources.at("max-calls"), "environment");
  EXPECT_EQ(parsed->sources.at("grpc-threads"), file);
  EXPECT_EQ(parsed->sources.at("drain-delay"), "default");
}

TEST(CommandLine, StandardVariablesCountWhereFavordsOwnAreNotSet) {
  const std::string kGeneral = "OTEL_EXPORTER_OTLP_ENDPOINT=http://general:1";
  const auto endpoint = [](const std::vector<std::string>& environment) {
    const auto parsed = ParseCommandLine({}, environment);
    return parsed.ok() ? parsed->config.otlp_endpoint : std::string(parsed.status().message());
  };
  EXPECT_EQ(endpoint({}), "");
  EXPECT_EQ(endpoint({kGeneral}), "http://general:1");
  EXPECT_EQ(endpoint({kGeneral, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://traces:1"}), "http://traces:1");
  EXPECT_EQ(endpoint({"FAVORD_OTLP_ENDPOINT=http://own:1", kGeneral}), "http://own:1");
  EXPECT_EQ(endpoint({"FAVORD_OTLP_ENDPOINT=", kGeneral}), "") << "favord's own may switch it off";
  EXPECT_EQ(endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT="}), "");
  EXPECT_THAT(endpoint({"OTEL_EXPORTER_OTLP_ENDPOINT=collector:1"}), HasSubstr("OTEL_EXPORTER_OTLP_ENDPOINT: "));
}

TEST(CommandLine, ACollectorIsAUrlWithoutAPath) {
  for (const char* good : {"http://a:1", "https://a", "http://[::1]:4317/", "http://[::1]"}) {
    EXPECT_TRUE(ParseCommandLine({"--otlp-endpoint", good}, {}).ok()) << good;
  }
  for (const char* bad : {"a:1", "grpc://a:1", "http://", "http://:1", "http://a:x", "http://a:1/v1/traces"}) {
    EXPECT_THAT(ErrorOf({"--otlp-endpoint", bad}), HasSubstr("flag --otlp-endpoint: ")) << bad;
  }
  for (const char* bad : {"-0.1", "1.1", "nan", "half", ""}) {
    EXPECT_THAT(ErrorOf({"--trace-sample-ratio", bad}), HasSubstr("no number from 0 to 1")) << bad;
  }
}

TEST(CommandLine, DefaultsAreThoseOfTheDocumentation) {
  const auto parsed = ParseCommandLine({}, {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->config.addresses, ElementsAre("127.0.0.1:50051"));
  EXPECT_EQ(parsed->config.metrics_address, "127.0.0.1:9464");
  EXPECT_EQ(parsed->config.max_message_bytes, 256 << 20);
  EXPECT_EQ(parsed->config.drain_delay, absl::Seconds(5));
  EXPECT_GE(parsed->config.threads, 1);
  EXPECT_GT(parsed->config.memory_budget_bytes, 0);
}

TEST(CommandLine, AddressesMayBeRepeatedAndListed) {
  const auto parsed = ParseCommandLine({"--address", "localhost:1,unix:/a", "--address=localhost:2"}, {});
  EXPECT_THAT(parsed->config.addresses, ElementsAre("localhost:1", "unix:/a", "localhost:2"));
}

TEST(CommandLine, AnEmptyMetricsAddressTurnsMetricsOff) {
  EXPECT_EQ(ParseCommandLine({"--metrics-address="}, {})->config.metrics_address, "");
  EXPECT_EQ(ParseCommandLine({"--metrics-address", ""}, {})->config.metrics_address, "");
}

TEST(CommandLine, RefusesUnknownNamesAndSaysWhere) {
  EXPECT_THAT(ErrorOf({"--thread", "2"}), HasSubstr("there is no flag --thread"));
  EXPECT_THAT(ErrorOf({"serve"}), HasSubstr("'serve' is no flag"));
  EXPECT_THAT(ErrorOf({"--threads"}), HasSubstr("flag --threads needs a value"));
  const std::string file = WriteFile("threads = 2\nthraeds = 3\n");
  EXPECT_THAT(ErrorOf({"--config", file}), HasSubstr(file + ":2: there is no setting thraeds"));
  EXPECT_THAT(ErrorOf({"--config", "/no/such/file"}), HasSubstr("cannot read the settings file /no/such/file"));
}

TEST(CommandLine, RefusesBadValuesAndSaysWhere) {
  EXPECT_EQ(ErrorOf({"--threads=0"}), "flag --threads: 0 is out of range, must be 1 to 1024");
  EXPECT_EQ(ErrorOf({}, {"FAVORD_THREADS=two"}), "FAVORD_THREADS: 'two' is not an integer");
  EXPECT_EQ(ErrorOf({"--max-message-size=2GiB"}),
            "flag --max-message-size: 2GiB is out of range, must be 1KiB to 2147483647");
  const std::string file = WriteFile("\nlog-level = loud\n");
  EXPECT_EQ(ErrorOf({"--config", file}), file + ":2: log-level: 'loud' is none of error, warning, info, debug");
  EXPECT_THAT(ErrorOf({"--config", WriteFile("threads 2\n")}), HasSubstr("'threads 2' is not name = value"));
  EXPECT_THAT(ErrorOf({"--config", WriteFile("threads=2\nthreads=3\n")}), HasSubstr("threads is set twice"));
  EXPECT_EQ(ErrorOf({"--tls-key=k"}), "tls-certificate and tls-key must be given together");
}

TEST(CommandLine, ReportsUnknownVariablesWithoutRefusingThem) {
  const auto parsed = ParseCommandLine({}, {"FAVORD_PORT=tcp://10.0.0.1:50051", "FAVORD_CONFIG="});
  ASSERT_TRUE(parsed.ok());
  EXPECT_THAT(parsed->unknown_variables, ElementsAre("FAVORD_PORT"));
}

TEST(CommandLine, TheEffectiveSettingsAreAFileThatMeansTheSame) {
  const auto parsed = ParseCommandLine({"--threads=2", "--drain-delay=1m30s", "--max-message-size=1.5GiB"}, {});
  const std::string file = WriteFile(EffectiveSettings(*parsed));
  const auto again = ParseCommandLine({"--config", file}, {});
  ASSERT_TRUE(again.ok()) << again.status();
  for (const Setting& setting : AllSettings()) EXPECT_EQ(setting.show(again->config), setting.show(parsed->config));
}

TEST(Settings, EachIsInTheHelpWithItsVariableAndDefault) {
  const std::string help = HelpText();
  std::set<std::string> names;
  for (const Setting& setting : AllSettings()) {
    EXPECT_TRUE(names.insert(setting.name).second) << setting.name;
    EXPECT_THAT(help, HasSubstr(absl::StrCat("--", setting.name, " ")));
    std::string variables = setting.EnvironmentName();
    for (const auto& variable : setting.standard_variables) absl::StrAppend(&variables, ", ", variable);
    EXPECT_THAT(help, HasSubstr(absl::StrCat("[", variables, "]")));
    ServerConfig config;
    EXPECT_TRUE(setting.set(setting.default_value, &config).ok()) << setting.name;
  }
}

std::vector<std::string> Models(const CommandLine& command_line) {
  std::vector<std::string> models;
  for (const ModelSetting& model : command_line.config.models) {
    models.push_back(absl::StrCat(model.name, " in ", model.folder));
  }
  return models;
}

TEST(CommandLine, ModelsHaveANameOrTheLastPartOfTheirFolder) {
  const auto parsed = ParseCommandLine({"--model", "a=/models/x", "--model=/models/b/", "--model", "c"}, {});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(Models(*parsed), ElementsAre("a in /models/x", "b in /models/b/", "c in c"));
  EXPECT_THAT(EffectiveSettings(*parsed), HasSubstr("model = a=/models/x,b=/models/b/,c=c\n"));
}

TEST(CommandLine, ModelsComeFromTheEnvironmentAndFromManyLinesOfAFile) {
  EXPECT_THAT(Models(*ParseCommandLine({}, {"FAVORD_MODEL=a=/x, b=/y\tc=/z"})),
              ElementsAre("a in /x", "b in /y", "c in /z"));
  EXPECT_THAT(Models(*ParseCommandLine({"--config", WriteFile("model = a=/x\nmodel = b=/y\n")}, {})),
              ElementsAre("a in /x", "b in /y"));
  EXPECT_THAT(Models(*ParseCommandLine({}, {})), ElementsAre());
}

TEST(CommandLine, RefusesModelsThatHaveNoNameNoFolderOrTheNameOfAnother) {
  EXPECT_THAT(ErrorOf({"--model", "=/x"}), HasSubstr("flag --model: '=/x' is no model"));
  EXPECT_THAT(ErrorOf({"--model", "a="}), HasSubstr("'a=' is no model"));
  EXPECT_THAT(ErrorOf({"--model", "/"}), HasSubstr("'/' is no model"));
  EXPECT_THAT(ErrorOf({"--model", "/x/a", "--model", "/y/a"}), HasSubstr("two models have the name a: /x/a and /y/a"));
}

TEST(CommandLine, ModelsAreAdministeredOnlyWhenToldSo) {
  EXPECT_FALSE(ParseCommandLine({}, {})->config.model_admin);
  EXPECT_TRUE(ParseCommandLine({"--model-admin", "true"}, {})->config.model_admin);
  EXPECT_THAT(ErrorOf({"--model-admin", "yes"}), HasSubstr("'yes' is neither true nor false"));
}

}  // namespace
}  // namespace favor
